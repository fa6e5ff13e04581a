package evaluation_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
)

// An event of an entry says what kind of service it was and where it came
// from, a reversal what it takes out: so that others can count attendance.
func TestEvents_SayTheSourceAndWhereAnEntryCameFrom(t *testing.T) {
	h := withMembers(t)
	s := service("2013-03-01", 1)
	s.Source, s.SourceId = pb.EntrySource_ENTRY_SOURCE_ACTIVITY, "activity-1"
	entry := h.confirm(t, h.mine(t, "m1", s).GetId())
	if _, err := h.ledger().ReverseEntry(h.staff(), &pb.ReverseEntryRequest{Id: entry.GetId(), Reason: pb.EntryReason_ENTRY_REASON_TWICE}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	err := h.Store("evaluation").View(t.Context(), func(r kv.Reader) error {
		return store.EachEvent(r, func(row []byte) {
			var e typev1.EventRow
			var changed pb.EntryChanged
			var reversed pb.EntryReversed
			if err := proto.Unmarshal(row, &e); err != nil {
				t.Fatal(err)
			}
			switch e.GetSubject() {
			case "linli.evaluation.entry.proposed", "linli.evaluation.entry.confirmed":
				if err := proto.Unmarshal(e.GetData(), &changed); err != nil {
					t.Fatal(err)
				}
				want := pb.EntryState_ENTRY_STATE_UNSPECIFIED
				if changed.GetState() == pb.EntryState_ENTRY_STATE_CONFIRMED {
					want = pb.EntryState_ENTRY_STATE_PROPOSED
				}
				if changed.GetSource() != pb.EntrySource_ENTRY_SOURCE_ACTIVITY || changed.GetPreviousState() != want {
					t.Errorf("%s says %v", e.GetSubject(), &changed)
				}
			case "linli.evaluation.entry.reversed":
				if err := proto.Unmarshal(e.GetData(), &reversed); err != nil {
					t.Fatal(err)
				}
				if reversed.GetReversedSource() != pb.EntrySource_ENTRY_SOURCE_ACTIVITY {
					t.Errorf("the reversal says %v", &reversed)
				}
			}
			seen[e.GetSubject()] = true
		})
	})
	if err != nil || !seen["linli.evaluation.entry.confirmed"] || !seen["linli.evaluation.entry.reversed"] {
		t.Error(seen, err)
	}
}
