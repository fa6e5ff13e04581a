package held

import (
	"context"
	"fmt"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/store"
)

const (
	// mostSlices bounds the slices that one page of a copy looks through.
	mostSlices = 50
	// mostRows is when a page of a copy is full.
	mostRows = 200
)

// Collect answers a page of what the service holds of a person, and where the
// next one begins; nil at the end. It leaves a line in the audit, which names the
// person as the one whose facts were read.
func (k *Keeper) Collect(ctx context.Context, person string, after []byte) (out []*typev1.HeldRows, next []byte, err error) {
	at, row, err := placeOf(after, len(k.holdings))
	if err != nil {
		return nil, nil, err
	}
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		tx.Audit(store.Record{Rows: []string{person}, Subjects: []string{person}, Outcome: "exported"})
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	n := 0
	for slices := 0; at < len(k.holdings); slices++ {
		if slices == mostSlices || n >= mostRows {
			return out, append([]byte{byte(at)}, row...), nil
		}
		var p page
		err := k.store.View(ctx, func(r kv.Reader) (err error) {
			p, err = k.holdings[at].collect(r, k.store.Keyring(), person, row)
			return err
		})
		if err != nil {
			return nil, nil, fmt.Errorf("collect from %s: %w", k.holdings[at].Table(), err)
		}
		out, n = add(out, k.holdings[at].Table(), p), n+len(p.rows)
		if row = p.next; row == nil {
			at++
		}
	}
	return out, nil, nil
}

// add puts rows behind those of their table.
func add(out []*typev1.HeldRows, table string, p page) []*typev1.HeldRows {
	if len(p.rows) == 0 {
		return out
	}
	if len(out) == 0 || out[len(out)-1].GetTable() != table {
		out = append(out, &typev1.HeldRows{Table: table})
	}
	last := out[len(out)-1]
	last.Rows = append(last.Rows, p.rows...)
	return out
}

// placeOf reads where a page begins. It is the table's place and the key in it:
// whatever somebody makes up leads to the own rows or to none.
func placeOf(after []byte, holdings int) (int, key.Key, error) {
	switch {
	case len(after) == 0:
		return 0, nil, nil
	case int(after[0]) >= holdings:
		return 0, nil, rule.New(rule.Invalid, "INVALID_FIELD", "after", "field", "after", "rule", "as it was answered")
	case len(after) == 1:
		return int(after[0]), nil, nil
	}
	return int(after[0]), key.Key(after[1:]), nil
}
