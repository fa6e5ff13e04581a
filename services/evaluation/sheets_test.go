package evaluation_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/rpc"
)

func (h house) sheets() pb.SheetServiceClient  { return pb.NewSheetServiceClient(h.Conn()) }
func (h house) replies() pb.ReplyServiceClient { return pb.NewReplyServiceClient(h.Conn()) }
func (h house) cards() pb.CardServiceClient    { return pb.NewCardServiceClient(h.Conn()) }

func (h house) member1() context.Context { return h.as(typev1.Role_ROLE_MEMBER, "m1", w1) }

func (h house) home(person string) context.Context {
	return h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, person, w1)
}

// afterObjections moves the clock past the days for objections.
func (h house) afterObjections() { h.Civil.Advance(h.Civil.Now().Add(9 * 24 * time.Hour)) }

// signed signs the sheets of C1 by community and street.
func (h house) signed(t *testing.T, cycle string) {
	t.Helper()
	if _, err := h.sheets().SignSheets(h.staff(), &pb.SignSheetsRequest{CycleId: cycle, CommunityId: "C1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.sheets().ConsentToSheets(h.street(), &pb.ConsentToSheetsRequest{CycleId: cycle, CommunityId: "C1", Consents: true}); err != nil {
		t.Fatal(err)
	}
}

// closed takes a computed cycle to its end.
func (h house) closed(t *testing.T, cycle string) *pb.Cycle {
	t.Helper()
	h.afterObjections()
	h.signed(t, cycle)
	if _, err := h.sheets().CloseCycle(h.officer(), &pb.CloseCycleRequest{Id: cycle}); err != nil {
		t.Fatal(err)
	}
	return h.await(t, cycle, pb.CycleState_CYCLE_STATE_CLOSED)
}

// From the sheet that the member sees to the issued letter, in order and no
// other.
func TestSheets_FromTheMemberToTheLetter(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	c := h.year(t)
	mine, err := h.sheets().GetMySheet(h.member1(), &pb.GetMySheetRequest{Year: 2013})
	if err != nil || mine.GetSheet().GetTimes() != 2 || mine.GetSheet().GetOpinion() != pb.Opinion_OPINION_FAIR || !mine.GetSheet().GetOpinionProposed() {
		t.Fatalf("the own sheet: %v, %v", mine, err)
	}
	behind, err := h.sheets().ListSheetEntries(h.member1(), &pb.ListSheetEntriesRequest{CycleId: c.GetId(), MemberId: "m1"})
	if err != nil || len(behind.GetEntries()) != 2 {
		t.Errorf("what it rests on: %v, %v", behind, err)
	}
	_, err = h.sheets().ListSheetEntries(h.member1(), &pb.ListSheetEntriesRequest{CycleId: c.GetId(), MemberId: "m3"})
	refused(t, "somebody else's", err, codes.NotFound, "NOT_FOUND")

	_, err = h.sheets().SignSheets(h.staff(), &pb.SignSheetsRequest{CycleId: c.GetId(), CommunityId: "C1"})
	refused(t, "signed while members can object", err, codes.FailedPrecondition, "OBJECTION_WINDOW_OPEN")
	made, err := h.sheets().ObjectToSheet(h.member1(), &pb.ObjectToSheetRequest{Year: 2013, Line: pb.SheetLine_SHEET_LINE_LEDGER, Text: "六月的一次没有算"})
	if err != nil {
		t.Fatal(err)
	}
	h.afterObjections()
	_, err = h.sheets().ObjectToSheet(h.member1(), &pb.ObjectToSheetRequest{Year: 2013, Line: pb.SheetLine_SHEET_LINE_LEDGER, Text: "又一次没有算"})
	refused(t, "too late", err, codes.FailedPrecondition, "OBJECTION_WINDOW_OVER")
	_, err = h.sheets().SignSheets(h.staff(), &pb.SignSheetsRequest{CycleId: c.GetId(), CommunityId: "C1"})
	refused(t, "signed before the answer", err, codes.FailedPrecondition, "OBJECTIONS_OPEN")
	_, err = h.sheets().AnswerObjection(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "m1", community), &pb.AnswerObjectionRequest{Id: made.GetObjection().GetId(), Answer: "我自己答复"})
	refused(t, "answered by oneself", err, codes.PermissionDenied, "OPINION_ON_ONESELF")
	answer := &pb.AnswerObjectionRequest{Id: made.GetObjection().GetId(), Answer: "该次服务未经确认,不计入"}
	if _, err := h.sheets().AnswerObjection(h.staff(), answer); err != nil {
		t.Fatal(err)
	}
	_, err = h.sheets().AnswerObjection(h.staff(), answer)
	refused(t, "answered twice", err, codes.FailedPrecondition, "WRONG_STATE")

	opinion := &pb.SetOpinionRequest{CycleId: c.GetId(), MemberId: "m1", Opinion: pb.Opinion_OPINION_GOOD, Text: "全年参加楼道整治"}
	if _, err := h.sheets().SetOpinion(h.staff(), opinion); err != nil {
		t.Fatal(err)
	}
	_, err = h.sheets().CloseCycle(h.officer(), &pb.CloseCycleRequest{Id: c.GetId()})
	refused(t, "closed before the signatures", err, codes.FailedPrecondition, "NOT_ALL_CONSENTED")
	if _, err := h.sheets().SignSheets(h.staff(), &pb.SignSheetsRequest{CycleId: c.GetId(), CommunityId: "C1"}); err != nil {
		t.Fatal(err)
	}
	_, err = h.sheets().SetOpinion(h.staff(), opinion)
	refused(t, "an opinion after the signature", err, codes.FailedPrecondition, "WRONG_STATE")
	_, err = h.sheets().ConsentToSheets(h.street(), &pb.ConsentToSheetsRequest{CycleId: c.GetId(), CommunityId: "C1"})
	refused(t, "a no without a reason", err, codes.InvalidArgument, "INVALID_FIELD")
	if _, err := h.sheets().ConsentToSheets(h.street(), &pb.ConsentToSheetsRequest{CycleId: c.GetId(), CommunityId: "C1", Reason: "请补充说明"}); err != nil {
		t.Fatal(err)
	}
	h.signed(t, c.GetId())
	if _, err := h.sheets().CloseCycle(h.officer(), &pb.CloseCycleRequest{Id: c.GetId()}); err != nil {
		t.Fatal(err)
	}
	h.await(t, c.GetId(), pb.CycleState_CYCLE_STATE_CLOSED)
	letter, err := h.client.GetLetter(h.home("o"), &pb.GetLetterRequest{Id: h.letters(t, c.GetId())["W1"].GetId()})
	line := letter.GetLetter().GetLines()[0]
	if err != nil || letter.GetLetter().GetIssue() != 1 || line.GetOpinion() != pb.Opinion_OPINION_GOOD || line.GetOpinionText() != "全年参加楼道整治" {
		t.Errorf("the letter: %v, %v", letter, err)
	}
	_, err = h.client.GetLetter(h.home("m1"), &pb.GetLetterRequest{Id: letter.GetLetter().GetId()})
	refused(t, "the letter about oneself", err, codes.PermissionDenied, "RECIPIENT_IS_SUBJECT")
}

// A late correction after the letters: the letter is issued again, the old code
// says so, a new reply is asked for, and the sums hold what the ledger holds.
func TestCorrectResult_IssuesTheLetterAgain(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	c := h.year(t)
	correct := &pb.CorrectResultRequest{CycleId: c.GetId(), MemberId: "m1", Reason: "补记一次已确认的服务"}
	_, err := h.sheets().CorrectResult(h.officer(), correct)
	refused(t, "before the close", err, codes.FailedPrecondition, "WRONG_STATE")
	h.closed(t, c.GetId())
	first := h.letters(t, c.GetId())["W1"]
	verify := func(code string) *pb.Verification {
		t.Helper()
		got, err := h.replies().VerifyLetter(context.Background(), &pb.VerifyLetterRequest{Code: code})
		if err != nil {
			t.Fatal(err)
		}
		return got.GetVerification()
	}
	if v := verify(first.GetCode()); !v.GetGenuine() || !v.GetFactsHold() || v.GetSuperseded() || v.GetMembers() != 2 {
		t.Errorf("verified %v", v)
	}
	_, err = h.replies().VerifyLetter(context.Background(), &pb.VerifyLetterRequest{Code: "NOSUCHCODE12"})
	refused(t, "another code", err, codes.NotFound, "NOT_FOUND")
	if _, err := h.replies().ReplyToLetter(h.home("o"), &pb.ReplyToLetterRequest{LetterId: first.GetId(), UsedInAppraisal: true, CardsInspected: 2}); err != nil {
		t.Fatal(err)
	}
	h.resolved("req_late", "m1", "2013-11-05", 6)
	h.confirmAll(t)
	again, err := h.sheets().CorrectResult(h.officer(), correct)
	if err != nil || again.GetLetter().GetIssue() != 2 || again.GetLetter().GetTimes() != 3 || again.GetLetter().GetRepliedAt() != nil {
		t.Fatalf("corrected: %v, %v", again, err)
	}
	if v := verify(first.GetCode()); !v.GetSuperseded() || v.GetFactsHold() {
		t.Errorf("the first issue: %v", v)
	}
	if v := verify(again.GetLetter().GetCode()); v.GetSuperseded() || !v.GetFactsHold() || v.GetIssue() != 2 {
		t.Errorf("the second issue: %v", v)
	}
	unanswered, err := h.replies().ListUnanswered(h.officer(), &pb.ListUnansweredRequest{CycleId: c.GetId()})
	if err != nil || len(unanswered.GetLetters()) != 3 {
		t.Errorf("unanswered: %v, %v", unanswered, err)
	}
	total, err := h.client.GetCycle(h.officer(), &pb.GetCycleRequest{Id: c.GetId()})
	if err != nil || total.GetCycle().GetTimes() != 4 || total.GetCycle().GetQuarterHours() != 18 {
		t.Errorf("the cycle: %v, %v", total, err)
	}
}

// Two officers at once: one signs, and the other is told.
func TestSignSheets_TwoAtOnce(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	c := h.year(t)
	h.afterObjections()
	errs := make([]error, 2)
	var group sync.WaitGroup
	for i, person := range []string{"first", "second"} {
		group.Go(func() {
			_, errs[i] = h.sheets().SignSheets(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, person, community),
				&pb.SignSheetsRequest{CycleId: c.GetId(), CommunityId: "C1"})
		})
	}
	group.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || rpc.Reason(errs[0])+rpc.Reason(errs[1]) != "WRONG_STATE" {
		t.Errorf("both signed: %v, %v", errs[0], errs[1])
	}
	list, err := h.sheets().ListSignatures(h.officer(), &pb.ListSignaturesRequest{CycleId: c.GetId()})
	if err != nil || len(list.GetSignatures()) != 1 || list.GetSignatures()[0].GetMembers() != 3 {
		t.Errorf("signatures: %v, %v", list, err)
	}
}

func TestRenderLetter_XLSX(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	c := h.year(t)
	h.closed(t, c.GetId())
	letter := h.letters(t, c.GetId())["W1"]
	file, err := h.client.RenderLetter(h.officer(), &pb.RenderLetterRequest{Id: letter.GetId(), Format: pb.LetterFormat_LETTER_FORMAT_XLSX})
	if err != nil || !strings.HasSuffix(file.GetFileName(), ".xlsx") {
		t.Fatal(file.GetFileName(), err)
	}
	book, err := excelize.OpenReader(bytes.NewReader(file.GetContent()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	rows, err := book.GetRows(book.GetSheetName(0))
	if err != nil || len(rows) != 7 || rows[5][0] != "=王一" || rows[5][5] != "一般" || rows[3][4] != letter.GetCode() {
		t.Errorf("rows %v, %v", rows, err)
	}
	if formula, err := book.GetCellFormula(book.GetSheetName(0), "A6"); err != nil || formula != "" {
		t.Errorf("a name became the formula %q, %v", formula, err)
	}
}

// Replies are asked for by a ladder, and no longer once there is one.
func TestReplies_RemindersEndWithTheAnswer(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	c := h.year(t)
	h.closed(t, c.GetId())
	letters := h.letters(t, c.GetId())
	if _, err := h.replies().ReplyToLetter(h.home("o"), &pb.ReplyToLetterRequest{LetterId: letters["W1"].GetId(), Why: "本年度不考核"}); err != nil {
		t.Fatal(err)
	}
	reply, err := h.replies().GetReply(h.officer(), &pb.GetReplyRequest{LetterId: letters["W1"].GetId()})
	if err != nil || reply.GetReply().GetReceivedBy() != "o" {
		t.Errorf("reply %v, %v", reply, err)
	}
	for i := range 4 {
		h.Civil.Advance(h.Civil.Now().Add(32 * 24 * time.Hour))
		h.service.RemindDue(t)
		now := h.letters(t, c.GetId())
		if got, want := now["W2"].GetReminders(), int32(min(i+1, 3)); got != want || now["W1"].GetReminders() != 0 {
			t.Errorf("after %d months: %d reminders, want %d; the answered one %d", i+1, got, want, now["W1"].GetReminders())
		}
	}
}

func TestCards_OneActiveAMember(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	h.year(t)
	issue := &pb.IssueCardRequest{CommunityId: "C1", MemberId: "m1"}
	card, err := h.cards().IssueCard(h.staff(), issue)
	if err != nil || card.GetCard().GetNumber() != "C1-2013-00001" {
		t.Fatalf("card %v, %v", card, err)
	}
	_, err = h.cards().IssueCard(h.staff(), issue)
	refused(t, "a second card", err, codes.AlreadyExists, "CARD_EXISTS")
	_, err = h.cards().IssueCard(h.staff(), &pb.IssueCardRequest{CommunityId: "C1", MemberId: "m2"})
	refused(t, "who has not reported in", err, codes.FailedPrecondition, "NOT_OF_THIS_COMMUNITY")
	inspect := &pb.InspectCardRequest{Number: card.GetCard().GetNumber(), Year: 2013, Passed: true, Note: "信息无误"}
	if _, err := h.cards().InspectCard(h.staff(), inspect); err != nil {
		t.Fatal(err)
	}
	_, err = h.cards().InspectCard(h.staff(), inspect)
	refused(t, "inspected twice", err, codes.AlreadyExists, "INSPECTED_ALREADY")
	_, err = h.cards().EndCard(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "x", "/1/11/111/C2/"), &pb.EndCardRequest{Number: card.GetCard().GetNumber(), Reason: "遗失"})
	refused(t, "another community", err, codes.NotFound, "NOT_FOUND")
	if _, err := h.cards().EndCard(h.staff(), &pb.EndCardRequest{Number: card.GetCard().GetNumber(), Reason: "遗失"}); err != nil {
		t.Fatal(err)
	}
	second, err := h.cards().IssueCard(h.staff(), issue)
	if err != nil || second.GetCard().GetNumber() != "C1-2013-00002" {
		t.Errorf("after a loss: %v, %v", second, err)
	}
	mine, err := h.cards().GetMyCards(h.member1(), &pb.GetMyCardsRequest{})
	if err != nil || len(mine.GetCards()) != 2 {
		t.Errorf("own cards %v, %v", mine, err)
	}
	list, err := h.cards().ListCards(h.staff(), &pb.ListCardsRequest{CommunityId: "C1"})
	if err != nil || len(list.GetCards()) != 2 {
		t.Errorf("cards %v, %v", list, err)
	}
	for step, want := range map[string]int{"issued": 2, "inspected": 1, "ended": 1} {
		if got := bytes.Count(h.Events("evaluation"), []byte("linli.evaluation.card."+step+".v1")); got != want {
			t.Errorf("%s was announced %d times, want %d", step, got, want)
		}
	}
}
