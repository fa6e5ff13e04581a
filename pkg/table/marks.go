package table

import (
	"fmt"
	"slices"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
)

// Marks is a table without rows: keys that only have to be found again. It
// holds no state and is safe for concurrent use.
type Marks struct {
	number uint16
	name   string
}

// NewMarks declares marks. The number is not used by any table or index.
func NewMarks(number uint16, name string) *Marks { return &Marks{number: number, name: name} }

// mark is the value of every mark.
func mark() []byte { return []byte{1} }

// Set makes a mark, and says whether it is the first time.
func (m *Marks) Set(tx kv.Tx, parts key.Key) (first bool, err error) {
	at := append(key.New(m.number), parts...)
	it, err := tx.Get(at)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", m.name, err)
	}
	if it.Version != 0 {
		return false, nil
	}
	tx.Create(at, mark())
	return true, nil
}

// Name answers the marks' word.
func (m *Marks) Name() string { return m.name }

// Numbers answers the number.
func (m *Marks) Numbers() []uint16 { return []uint16{m.number} }

// Check counts the marks and finds what is none.
func (m *Marks) Check(view func(func(kv.Reader) error) error) (Report, error) {
	var report Report
	report.Count(m.name, 0)
	err := walk(view, key.New(m.number), func(_ kv.Reader, items []kv.Item) error {
		for _, it := range items {
			report.Count(m.name, 1)
			if !slices.Equal(it.Value, mark()) {
				report.problem("%s: a value that is no mark", m.name)
			}
		}
		return nil
	})
	return report, err
}
