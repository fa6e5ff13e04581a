package evaluation_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/store"
)

func (h house) staffWhoIs(person string) context.Context {
	return h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, person, community)
}

// Whoever has a sheet among a community's own neither signs nor consents; who
// has one elsewhere does.
func TestSignSheets_NobodySignsTheOwnSheet(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	c := h.year(t)
	h.afterObjections()
	sign := &pb.SignSheetsRequest{CycleId: c.GetId(), CommunityId: "C1"}
	_, err := h.sheets().SignSheets(h.staffWhoIs("m1"), sign)
	refused(t, "signed by who is in them", err, codes.PermissionDenied, "SIGNS_ONESELF")
	if _, err := h.sheets().SignSheets(h.staffWhoIs("m2"), sign); err != nil {
		t.Errorf("by a member who has reported in nowhere: %v", err)
	}
	for _, consents := range []bool{true, false} {
		_, err = h.sheets().ConsentToSheets(h.as(typev1.Role_ROLE_STREET_OFFICER, "m3", "/1/11/111/"),
			&pb.ConsentToSheetsRequest{CycleId: c.GetId(), CommunityId: "C1", Consents: consents, Reason: "再核实一次"})
		refused(t, "the street's word by who is in them", err, codes.PermissionDenied, "SIGNS_ONESELF")
	}
	if _, err := h.sheets().ConsentToSheets(h.street(), &pb.ConsentToSheetsRequest{CycleId: c.GetId(), CommunityId: "C1", Consents: true}); err != nil {
		t.Error(err)
	}
}

// A member who is of the staff does not handle the own card.
func TestCards_NobodyHandlesTheOwn(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	h.year(t)
	issue := &pb.IssueCardRequest{CommunityId: "C1", MemberId: "m1"}
	_, err := h.cards().IssueCard(h.staffWhoIs("m1"), issue)
	refused(t, "given to oneself", err, codes.PermissionDenied, "CARD_OF_ONESELF")
	given, err := h.cards().IssueCard(h.staff(), issue)
	if err != nil {
		t.Fatal(err)
	}
	number := given.GetCard().GetNumber()
	_, err = h.cards().InspectCard(h.staffWhoIs("m1"), &pb.InspectCardRequest{Number: number, Year: 2013, Passed: true})
	refused(t, "inspected by oneself", err, codes.PermissionDenied, "CARD_OF_ONESELF")
	_, err = h.cards().EndCard(h.staffWhoIs("m1"), &pb.EndCardRequest{Number: number, Reason: "遗失"})
	refused(t, "ended by oneself", err, codes.PermissionDenied, "CARD_OF_ONESELF")
	for _, year := range []int32{2012, 2014, 2030} {
		_, err = h.cards().InspectCard(h.staff(), &pb.InspectCardRequest{Number: number, Year: year, Passed: true})
		refused(t, fmt.Sprintf("inspected for %d", year), err, codes.InvalidArgument, "INSPECTION_YEAR")
	}
	if _, err := h.cards().InspectCard(h.staff(), &pb.InspectCardRequest{Number: number, Year: 2013, Passed: true}); err != nil {
		t.Error(err)
	}
}

func TestOpenCycle_NoYearAhead(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	h.Drain()
	_, err := h.client.OpenCycle(h.officer(), &pb.OpenCycleRequest{DistrictId: "11", Year: 2014})
	refused(t, "next year's", err, codes.InvalidArgument, "CYCLE_AHEAD")
	for _, year := range []int32{2012, 2013} {
		if _, err := h.client.OpenCycle(h.officer(), &pb.OpenCycleRequest{DistrictId: "11", Year: year}); err != nil {
			t.Errorf("%d: %v", year, err)
		}
	}
}

// A reply says why when the letter was not used, and is given once, also by two
// at once.
func TestReplyToLetter_OnceAndWithAWhy(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	c := h.year(t)
	h.closed(t, c.GetId())
	id := h.letters(t, c.GetId())["W1"].GetId()
	for _, why := range []string{"", "  "} {
		_, err := h.replies().ReplyToLetter(h.home("o"), &pb.ReplyToLetterRequest{LetterId: id, Why: why})
		refused(t, "no without a why", err, codes.InvalidArgument, "WHY_NOT_USED")
	}
	if l := h.letters(t, c.GetId())["W1"]; l.GetRepliedAt() != nil {
		t.Error("a refused reply counts as an answer")
	}
	errs := make([]error, 2)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			_, errs[i] = h.replies().ReplyToLetter(h.home(fmt.Sprint("o", i)), &pb.ReplyToLetterRequest{LetterId: id, Why: "本年度未开展"})
		})
	}
	group.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || rpc.Reason(errs[0])+rpc.Reason(errs[1]) != "REPLIED_ALREADY" {
		t.Errorf("two at once: %v, %v", errs[0], errs[1])
	}
	_, err := h.replies().ReplyToLetter(h.home("o"), &pb.ReplyToLetterRequest{LetterId: id, UsedInAppraisal: true})
	refused(t, "a second reply", err, codes.AlreadyExists, "REPLIED_ALREADY")
}

// Two characters are an answer in Chinese.
func TestAnswerObjection_TwoCharactersAreEnough(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	h.year(t)
	made, err := h.sheets().ObjectToSheet(h.member1(), &pb.ObjectToSheetRequest{Year: 2013, Line: pb.SheetLine_SHEET_LINE_LEDGER, Text: "漏记"})
	if err != nil {
		t.Fatal(err)
	}
	answer := &pb.AnswerObjectionRequest{Id: made.GetObjection().GetId(), Answer: "好"}
	if _, err := h.sheets().AnswerObjection(h.staff(), answer); err == nil {
		t.Error("one character is no answer")
	}
	answer.Answer = "已核实"
	if _, err := h.sheets().AnswerObjection(h.staff(), answer); err != nil {
		t.Error(err)
	}
}

// What is announced tells two signatures of a community, and two inspections of
// a card, apart.
func TestEvents_TellTwoFactsApart(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	c := h.year(t)
	h.afterObjections()
	sign := func() {
		if _, err := h.sheets().SignSheets(h.staff(), &pb.SignSheetsRequest{CycleId: c.GetId(), CommunityId: "C1"}); err != nil {
			t.Fatal(err)
		}
	}
	sign()
	if _, err := h.sheets().ConsentToSheets(h.street(), &pb.ConsentToSheetsRequest{CycleId: c.GetId(), CommunityId: "C1", Reason: "再核实"}); err != nil {
		t.Fatal(err)
	}
	h.Civil.Advance(h.Civil.Now().AddDate(0, 0, 1))
	sign()
	given, err := h.cards().IssueCard(h.staff(), &pb.IssueCardRequest{CommunityId: "C1", MemberId: "m1"})
	if err != nil {
		t.Fatal(err)
	}
	h.Civil.Advance(h.Civil.Now().AddDate(1, 0, 0))
	for _, year := range []int32{2013, 2014} {
		if _, err := h.cards().InspectCard(h.staff(), &pb.InspectCardRequest{Number: given.GetCard().GetNumber(), Year: year, Passed: true}); err != nil {
			t.Fatal(err)
		}
	}
	h.Drain()
	var got []string
	err = h.Store("evaluation").View(t.Context(), func(r kv.Reader) error {
		return store.EachEvent(r, func(raw []byte) {
			var e typev1.EventRow
			var sheets pb.SheetsChanged
			var card pb.CardChanged
			err := proto.Unmarshal(raw, &e)
			switch e.GetSubject() {
			case "linli.evaluation.sheets.signed":
				err = proto.Unmarshal(e.GetData(), &sheets)
				got = append(got, fmt.Sprint("signed ", sheets.GetYear(), " ", sheets.GetDay()))
			case "linli.evaluation.card.inspected":
				err = proto.Unmarshal(e.GetData(), &card)
				got = append(got, fmt.Sprint("inspected ", card.GetInspectedYear(), " ", card.GetInspections()))
			}
			if err != nil {
				t.Error(err)
			}
		})
	})
	want := "[signed 2013 2013-09-11 signed 2013 2013-09-12 inspected 2013 1 inspected 2014 2]"
	if err != nil || fmt.Sprint(got) != want {
		t.Errorf("announced %v, want %s, %v", got, want, err)
	}
}
