package evaluation_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/store"
)

func TestBatches_AnActivityOfFifty(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	var members []string
	for i := range 50 {
		members = append(members, fmt.Sprint("p", i))
		h.member(members[i], w1, true)
	}
	h.member("elsewhere", w1, false)
	h.Drain()
	activity := service("2013-09-01", 1)
	activity.Source, activity.SourceId = pb.EntrySource_ENTRY_SOURCE_ACTIVITY, "act_1"
	propose := func(ids []string) (*pb.ProposeEntriesResponse, error) {
		return h.ledger().ProposeEntries(h.street(), &pb.ProposeEntriesRequest{CommunityId: "C1", MemberIds: ids, Service: activity})
	}
	_, err := propose(members)
	refused(t, "by the street", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	propose = func(ids []string) (*pb.ProposeEntriesResponse, error) {
		return h.ledger().ProposeEntries(h.staff(), &pb.ProposeEntriesRequest{CommunityId: "C1", MemberIds: ids, Service: activity})
	}
	_, err = propose([]string{"p1", "elsewhere"})
	refused(t, "one who is not of this community", err, codes.FailedPrecondition, "NOT_OF_THIS_COMMUNITY")
	made, err := propose(members)
	if err != nil || len(made.GetEntries()) != 50 {
		t.Fatal(len(made.GetEntries()), err)
	}
	if got := h.alarms(t, false); len(got) != 0 {
		t.Errorf("one sheet for all who were there: %v", got)
	}
	var ids []string
	for _, e := range made.GetEntries() {
		ids = append(ids, e.GetId())
	}
	confirm := func(ids []string) error {
		_, err := h.ledger().ConfirmEntries(h.street(), &pb.ConfirmEntriesRequest{CommunityId: "C1", Ids: ids})
		return err
	}
	refused(t, "with one that is not there", confirm(append(ids[:1:1], "ent_x")), codes.NotFound, "NOT_FOUND")
	if got := h.entries(t, pb.EntryState_ENTRY_STATE_CONFIRMED); len(got) != 0 {
		t.Errorf("a part was confirmed: %v", got)
	}
	if err := confirm(ids); err != nil {
		t.Fatal(err)
	}
	if got := h.years(t, "p49"); got != "2013:1/2/4" {
		t.Error(got)
	}
}

// TestLedger_MoreThanACommitMayRead has a member with more services than one
// commit may read: they are confirmed, looked at, proved and honored all the same.
func TestLedger_MoreThanACommitMayRead(t *testing.T) {
	h := withMembers(t)
	const many = 1100
	var all []store.Event
	var ids []string
	for i := range many {
		id, day := fmt.Sprintf("req_%04d", i), fmt.Sprintf("2013-08-%02d", 1+i%28)
		if i%4 == 0 {
			day = fmt.Sprintf("2012-12-%02d", 1+i%28)
		}
		ids = append(ids, fmt.Sprintf("ent_%04d", i))
		all = append(all, store.Event{Name: "request.resolved", EntityID: id, Revision: 5, Data: &requestsv1.RequestChanged{
			Id: id, Revision: 5, CommunityPath: community, Kind: requestsv1.RequestKind_REQUEST_KIND_PROBLEM, MemberId: "m1", QuarterHours: 1, Day: day}})
	}
	for part := range slices.Chunk(all, 100) {
		h.Announce("requests", part...)
	}
	h.Drain()
	for part := range slices.Chunk(ids, 50) {
		if _, err := h.ledger().ConfirmEntries(h.staff(), &pb.ConfirmEntriesRequest{CommunityId: "C1", Ids: part}); err != nil {
			t.Fatal(err)
		}
	}
	h.Drain()
	if got := h.verify(t, "m1"); !got.GetSound() || got.GetLines() != many || sums(got.GetYears()) != "2012:275/275/275 2013:825/825/825" {
		t.Errorf("proof: %v", got)
	}
	open := h.alarms(t, false)
	if !slices.ContainsFunc(open, func(a *pb.LedgerAlarm) bool {
		return a.GetKind() == pb.AlarmKind_ALARM_KIND_DECEMBER_BURST && len(a.GetEntryIds()) == 20
	}) {
		t.Errorf("alarms: %v", open)
	}
	h.praise(t, "m1", "letter")
	board := h.board(t, pb.BoardKind_BOARD_KIND_SERVICE)
	o, err := h.name(board, "m1")
	if err != nil || o.GetEvidence().GetTimes() != many {
		t.Errorf("%v, %v", o, err)
	}
	if err := h.consent("m1", o.GetId(), true); err != nil {
		t.Fatal(err)
	}
	noticed, err := h.honors().GiveBoardNotice(h.staff(), &pb.GiveBoardNoticeRequest{BoardId: board})
	if err != nil || len(noticed.GetHonors()) != 1 {
		t.Fatal(noticed, err)
	}
	h.Civil.Advance(time.Date(2013, 9, 10, 0, 0, 0, 0, time.UTC))
	h.awaitHonor(t, board, o.GetId(), pb.HonorState_HONOR_STATE_ON_THE_BOARD)
}
