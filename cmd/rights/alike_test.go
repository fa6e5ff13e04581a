package rights_test

import (
	"testing"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/rights"
)

// looks counts what a call reads of the stores; the least of some tries, since
// jobs read as well.
func (w *world) looks(t *testing.T, token string, c call) int64 {
	t.Helper()
	least := int64(1 << 40)
	for range 3 {
		before := w.engine.reads.Load()
		if _, err := w.make(token, c); err != nil {
			t.Fatal(err)
		}
		least = min(least, w.engine.reads.Load()-before)
	}
	return least
}

// TestDenied_CostsWhatMissingCosts: an answer takes as long for a row that is not
// the caller's as for one that does not exist. Time is counted in reads of the
// store, since clocks differ between machines: at most two more, by which nobody
// tells them apart over a network.
func TestDenied_CostsWhatMissingCosts(t *testing.T) {
	compared := 0
	for _, m := range rights.Methods() {
		scope := m.Rule.GetScope()
		if served, err := shared.served(m); err != nil || !served || m.Descriptor.IsStreamingClient() || m.Descriptor.IsStreamingServer() ||
			scope != typev1.ScopeKind_SCOPE_KIND_ROW && scope != typev1.ScopeKind_SCOPE_KIND_FIELD {
			continue
		}
		for _, role := range rights.Roles() {
			if m.Cell(role) != rights.Inside {
				continue
			}
			at := shared.set(m, role)
			c := shared.newCall(m, at.rows)
			token := as(role, stranger, at.outside)
			got, err := shared.try(token, c)
			if err != nil || !got.refused() || rowField(c) == "" {
				break
			}
			compared++
			other := map[string]string{}
			for name, v := range c.fields {
				other[name] = v
			}
			other[rowField(c)] = nowhere
			denied, missing := shared.looks(t, token, c), shared.looks(t, token, shared.newCall(m, other))
			if denied > missing+2 || missing > denied+2 {
				t.Errorf("%s as %v: denied after %d reads, missing after %d", m.Name(), role, denied, missing)
			}
			break // one role is enough: the reads are the row's
		}
	}
	if compared < 150 {
		t.Errorf("only %d methods were compared", compared)
	}
}
