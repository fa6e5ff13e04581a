package testkit

import (
	"slices"
	"testing"

	_ "github.com/linli-project/linli/proto/gen/linli/ops/v1"
	_ "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	_ "github.com/linli-project/linli/proto/gen/linli/requests/v1"
)

func TestUnaudited_WantsOneLineOfEachCall(t *testing.T) {
	lines := map[string]int{"/m call_1": 1, "/m call_3": 2, "/n call_4": 1}
	got := unaudited([]doneCall{
		{method: "/m", id: "call_1"},
		{method: "/m", id: "call_2", keyed: true}, // a repeat
		{method: "/m", id: "call_3", keyed: true},
		{method: "/m", id: "call_4"}, // the line is another method's
		{method: "/m", id: "call_5"},
	}, lines)
	want := []string{"/m was called and left 2 lines in the audit", "/m was called and left 0 lines in the audit", "/m was called and left 0 lines in the audit"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestMutating_ReadsTheProtos(t *testing.T) {
	got := mutating()
	if len(got) < 50 || !got["/linli.ops.v1.EventsService/DropParked"] || got["/linli.ops.v1.EventsService/ListParked"] {
		t.Errorf("%d methods", len(got))
	}
}
