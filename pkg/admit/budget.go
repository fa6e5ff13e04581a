package admit

import "sync/atomic"

// Budget is a number of bytes that may be held at once. It is safe for
// concurrent use.
type Budget struct{ left atomic.Int64 }

// NewBudget makes a budget of so many bytes.
func NewBudget(bytes int64) *Budget {
	b := &Budget{}
	b.left.Store(bytes)
	return b
}

// Take answers whether n more bytes may be held: Give must follow.
func (b *Budget) Take(n int64) bool {
	if b.left.Add(-n) >= 0 {
		return true
	}
	b.left.Add(n)
	return false
}

// Give returns n bytes.
func (b *Budget) Give(n int64) { b.left.Add(n) }

// Left answers how many bytes may still be taken.
func (b *Budget) Left() int64 { return b.left.Load() }
