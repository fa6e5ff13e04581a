package house

import (
	"bytes"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

// plainBytes are the bytes in stored rows that are not sealed: what they are.
func plainBytes() map[string]string {
	return map[string]string{
		"linli.evaluation.v1.BranchCycleRow.cursor":    "where a job goes on, the key of a row",
		"linli.evaluation.v1.CodeRow.digest":           "keyed hash",
		"linli.evaluation.v1.CycleRow.cursor":          "where a job goes on, the key of a row",
		"linli.evaluation.v1.HeadRow.hash":             "hash",
		"linli.evaluation.v1.HeadRow.seal":             "keyed hash",
		"linli.evaluation.v1.IssueRow.digest":          "hash",
		"linli.evaluation.v1.LineRow.hash":             "hash",
		"linli.evaluation.v1.LineRow.previous_hash":    "hash",
		"linli.evaluation.v1.PollCodeRow.hash":         "keyed hash",
		"linli.evaluation.v1.SurveyCodeRow.hash":       "keyed hash",
		"linli.projects.v1.CallRow.draw_seed":          "drawn by lot, published later",
		"linli.registry.v1.CampaignRow.cursor":         "where a job goes on, the key of a row",
		"linli.registry.v1.ImportSliceRow.digest":      "keyed hash",
		"linli.registry.v1.MemberRow.facts_hash":       "keyed hash",
		"linli.registry.v1.MemberRow.id_number_hash":   "keyed hash",
		"linli.registry.v1.MemberRow.name_phone_hash":  "keyed hash",
		"linli.registry.v1.RoundRow.cursor":            "where a job goes on, the key of a row",
		"linli.requests.v1.AidRow.causes":              "keyed hashes",
		"linli.requests.v1.HardshipCaseRow.people":     "keyed hashes",
		"linli.type.v1.EventRow.data":                  "an event, which holds no personal data",
		"linli.type.v1.PolicyCopyRow.policy":           "what the district published",
		"linli.type.v1.ErasureRow.at":                  "where a job goes on, the key of a row",
		"linli.registry.v1.AccountRow.recovery_hashes": "keyed hashes",
		"linli.registry.v1.AccountRow.code_hash":       "keyed hash",
		"linli.registry.v1.AccountRow.phone_hash":      "keyed hash",
		"linli.registry.v1.AccountRow.provider_hash":   "keyed hash",
		"linli.registry.v1.SessionRow.refresh_hash":    "keyed hash",
		"linli.registry.v1.SigningKeyRow.public_key":   "public",
		"linli.registry.v1.PhoneCodeRow.code_hash":     "keyed hash",
		"linli.registry.v1.FirstLinkRow.code_hash":     "keyed hash",
		"linli.registry.v1.ThrottleRow.hash":           "keyed hash",
		"linli.registry.v1.PhoneCodeRow.phone_hash":    "keyed hash",
		"linli.registry.v1.ProviderStateRow.hash":      "keyed hash",
	}
}

// sealer is a table as this test sees it.
type sealer interface {
	Name() string
	Filled(fill func(proto.Message)) (proto.Message, []seal.Slot)
}

// TestTables_EverySealedValueIsSealedAnew: a value in a row is named in the
// declaration of its table, or it is no sealed one. A field that is forgotten
// would be lost with the key that sealed it.
func TestTables_EverySealedValueIsSealedAnew(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	h := newTestStores(t, log)
	seen := map[string]bool{}
	plain := plainBytes()
	for _, s := range h {
		for _, tbl := range s.Tables() {
			d, ok := tbl.(sealer)
			if !ok {
				continue // marks
			}
			row, slots := d.Filled(fillRow)
			for _, slot := range slots {
				*slot.Value = []byte("found")
			}
			for name, value := range bytesOf(row.ProtoReflect()) {
				_, known := plain[name]
				found := bytes.Equal(value, []byte("found"))
				switch {
				case found && known, !found && !known:
					t.Errorf("%s: %s is sealed anew: %v; said to be %q", d.Name(), name, found, plain[name])
				}
				seen[name] = true
			}
		}
	}
	if len(seen) < 40 {
		t.Errorf("looked at %v", slices.Sorted(maps.Keys(seen)))
	}
}

// fillRow gives every text and all bytes of a message a value, every list one
// element.
func fillRow(m proto.Message) { fill(m.ProtoReflect(), 0) }

func fill(m protoreflect.Message, deep int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case f.IsMap() || f.Kind() == protoreflect.MessageKind && (deep > 4 || strings.HasPrefix(string(f.Message().FullName()), "google.")):
		case f.IsList() && f.Kind() == protoreflect.MessageKind:
			fill(m.Mutable(f).List().AppendMutable().Message(), deep+1)
		case f.IsList() && (f.Kind() == protoreflect.BytesKind || f.Kind() == protoreflect.StringKind):
			m.Mutable(f).List().Append(scalar(f))
		case f.IsList():
		case f.Kind() == protoreflect.MessageKind:
			fill(m.Mutable(f).Message(), deep+1)
		case f.Kind() == protoreflect.BytesKind || f.Kind() == protoreflect.StringKind:
			m.Set(f, scalar(f))
		}
	}
}

func scalar(f protoreflect.FieldDescriptor) protoreflect.Value {
	if f.Kind() == protoreflect.BytesKind {
		return protoreflect.ValueOfBytes([]byte("given"))
	}
	return protoreflect.ValueOfString("given")
}

// bytesOf answers every value of bytes in a message, by the name of its field.
func bytesOf(m protoreflect.Message) map[string][]byte {
	out := map[string][]byte{}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
		case f.IsList() && f.Kind() == protoreflect.BytesKind:
			out[string(f.FullName())] = v.List().Get(0).Bytes()
		case f.Kind() == protoreflect.BytesKind:
			out[string(f.FullName())] = v.Bytes()
		case f.IsList() && f.Kind() == protoreflect.MessageKind:
			maps.Copy(out, bytesOf(v.List().Get(0).Message()))
		case f.Kind() == protoreflect.MessageKind:
			maps.Copy(out, bytesOf(v.Message()))
		}
		return true
	})
	return out
}

func newTestStores(t *testing.T, log *slog.Logger) services {
	t.Helper()
	c := Config{Dev: true, Log: log, Data: t.TempDir()}
	f := folder{path: c.Data}
	master, err := f.master(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	all, done := openTestStores(t, f, master, c)
	t.Cleanup(done)
	svc, err := newServices(all, &lateConn{}, c)
	if err != nil {
		t.Fatal(err)
	}
	return svc
}

func openTestStores(t *testing.T, f folder, master seal.Provider, c Config) (all []*store.Store, done func()) {
	t.Helper()
	for _, name := range serviceNames() {
		s, err := f.openStore(t.Context(), name, master, clock.Wall(), clock.Wall(), c)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all, func() {
		for _, s := range all {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
