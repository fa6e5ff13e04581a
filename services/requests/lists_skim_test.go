package requests

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/table"
)

// randomRow puts something into about half of a message's fields, messages in it
// included.
func randomRow(r *rand.Rand, m protoreflect.Message) {
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		if r.IntN(2) == 0 || f.IsMap() {
			continue
		}
		switch {
		case f.IsList() && f.Kind() == protoreflect.StringKind:
			m.Mutable(f).List().Append(protoreflect.ValueOfString(fmt.Sprint(r.IntN(3))))
		case f.IsList():
		case f.Message() != nil:
			randomRow(r, m.Mutable(f).Message())
		case f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString(strings.Repeat([]string{"p", "路", "\U0001F600"}[r.IntN(3)], 1+r.IntN(60))))
		case f.Kind() == protoreflect.BytesKind:
			m.Set(f, protoreflect.ValueOfBytes([]byte("sealed")))
		case f.Kind() == protoreflect.BoolKind:
			m.Set(f, protoreflect.ValueOfBool(true))
		case f.Kind() == protoreflect.EnumKind:
			m.Set(f, protoreflect.ValueOfEnum(protoreflect.EnumNumber(r.IntN(4))))
		case f.Kind() == protoreflect.Int32Kind:
			m.Set(f, protoreflect.ValueOfInt32(r.Int32N(100)))
		case f.Kind() == protoreflect.Int64Kind:
			m.Set(f, protoreflect.ValueOfInt64(r.Int64N(100)))
		}
	}
}

// A summary, who may see the row and whether it is hidden are the same whether
// the row was skimmed or read whole.
func TestSummarySkim_ChangesNoSummary(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	skim, spec := summarySkim(), requestSpec()
	cut := 0
	for range 2000 {
		whole := &pb.RequestRow{}
		randomRow(r, whole.ProtoReflect())
		short, err := skim.Row(whole)
		if err != nil {
			t.Fatal(err)
		}
		if proto.Size(short) < proto.Size(whole) {
			cut++
		}
		want, got := table.Row[*pb.RequestRow]{Value: whole, Revision: 7}, table.Row[*pb.RequestRow]{Value: short.(*pb.RequestRow), Revision: 7}
		if a, b := summaryProto(want), summaryProto(got); !proto.Equal(a, b) {
			t.Fatalf("%v, skimmed %v", a, b)
		}
		if a, b := fmt.Sprint(spec.Paths(whole), spec.Owners(whole)), fmt.Sprint(spec.Paths(got.Value), spec.Owners(got.Value)); a != b {
			t.Fatalf("%s, skimmed %s", a, b)
		}
		for _, person := range []string{"", whole.GetRequest().GetHandedTo(), whole.GetRequest().GetAuthor()} {
			if call := (access.Call{Caller: access.Caller{Person: person}}); hidden(call, want.Value) != hidden(call, got.Value) {
				t.Fatalf("hidden differs: %v", whole)
			}
		}
	}
	if cut < 1000 {
		t.Errorf("%d rows were cut", cut)
	}
}
