package evaluation_test

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
)

// announced are the polls of a kind as they were announced.
func (h pollHouse) announced(t *testing.T, kind pb.PollKind) (out []*pb.PollChanged) {
	t.Helper()
	err := h.Store("evaluation").View(t.Context(), func(r kv.Reader) error {
		return store.EachEvent(r, func(data []byte) {
			var row typev1.EventRow
			if err := proto.Unmarshal(data, &row); err != nil {
				t.Fatal(err)
			}
			ev := &pb.PollChanged{}
			if row.GetDataSchema() != string(ev.ProtoReflect().Descriptor().FullName()) {
				return
			}
			if err := events.Decode(&row, ev); err != nil {
				t.Fatal(err)
			}
			if ev.GetKind() == kind {
				out = append(out, ev)
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A branch's poll is announced without its place and its numbers: nobody but its
// committee and the organization directly above may know of it.
func TestPollEvents_OfABranchSayNothing(t *testing.T) {
	h := newBranchHouse(t)
	h.ofBranch(6, 0)
	h.polled(t, h.opened(t, 2013), 6, good, good, good, good, good, good)
	all := h.announced(t, pb.PollKind_POLL_KIND_BRANCH)
	if len(all) != 4 {
		t.Fatalf("%d announced: %v", len(all), all)
	}
	for _, ev := range all {
		if ev.GetOrganizationPath() != "" || ev.GetCounts() != nil || ev.GetMembers() != 0 || ev.GetSeats() != 0 {
			t.Errorf("announced %v", ev)
		}
	}
	if bytes.Contains(h.Events("evaluation"), []byte(b1)) {
		t.Error("the path of the branch lies in an event")
	}
}

// A community's poll is announced with both.
func TestPollEvents_OfACommunityCount(t *testing.T) {
	h := newPollHouse(t)
	p, drawn := h.open(t, 2013, 1, 0, 5)
	for _, code := range drawn {
		if err := h.cast(t.Context(), p.GetId(), code, good); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.polls.ClosePoll(h.staff(), &pb.ClosePollRequest{Id: p.GetId(), Tellers: counts(5, 5, 5)}); err != nil {
		t.Fatal(err)
	}
	for _, ev := range h.announced(t, pb.PollKind_POLL_KIND_COMMUNITY) { // in no order
		if ev.GetOrganizationPath() != community || ev.GetSeats() != 5 {
			t.Errorf("announced %v", ev)
		}
		if closed := ev.GetState() == pb.PollState_POLL_STATE_CLOSED; closed && ev.GetCounts().GetReturned() != 5 {
			t.Errorf("announced at the end %v", ev)
		}
	}
}
