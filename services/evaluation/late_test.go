package evaluation_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/store"
)

// A poll whose counts do not balance is not closed, with both counts in the
// refusal; the year is summed without it and says so. Closed after that, it
// belongs to whoever is summed anew: by an answered objection, or after the
// close by a correction.
func TestSheet_APollThatDoesNotBalanceIsMissingUntilItDoes(t *testing.T) {
	h := newSurveyHouse(t)
	p, drawn := h.open(t, 2013, 2, 0, 6)
	for _, code := range drawn[:5] {
		if err := h.cast(t.Context(), p.GetId(), code, good, fairly); err != nil {
			t.Fatal(err)
		}
	}
	_, err := h.polls.ClosePoll(h.staff(), &pb.ClosePollRequest{Id: p.GetId(), Tellers: counts(6, 6, 6)})
	refused(t, "six came back by hand, five here", err, codes.FailedPrecondition, "POLL_NOT_BALANCED")
	c := h.cycle(t)
	appraised := func(member string) string {
		return input(h.sheet(t, c.GetId(), member).GetComposite().GetAppraisal())
	}
	if got := appraised("m1"); got != " 40  POLL_NOT_CLOSED" {
		t.Errorf("summed meanwhile: %q", got)
	}
	if _, err := h.polls.ClosePoll(h.staff(), &pb.ClosePollRequest{Id: p.GetId(), Tellers: counts(6, 5, 5)}); err != nil {
		t.Fatal(err)
	}
	if got := appraised("m1"); got != " 40  POLL_NOT_CLOSED" {
		t.Errorf("a poll that was closed later changed a sheet: %q", got)
	}
	made, err := h.sheets().ObjectToSheet(h.member1(), &pb.ObjectToSheetRequest{Year: 2013, Line: pb.SheetLine_SHEET_LINE_APPRAISAL, Text: "测评结果没有计入"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.sheets().AnswerObjection(h.staff(), &pb.AnswerObjectionRequest{Id: made.GetObjection().GetId(), Upheld: true, Answer: "清点后已封票,计入"}); err != nil {
		t.Fatal(err)
	}
	if got, other := appraised("m1"), appraised("m2"); got != "100.00 40 50.00 UNSPECIFIED" || other != " 40  POLL_NOT_CLOSED" {
		t.Errorf("after the objection: %q, of who did not object %q", got, other)
	}
	h.closed(t, c.GetId())
	if _, err := h.sheets().CorrectResult(h.officer(), &pb.CorrectResultRequest{CycleId: c.GetId(), MemberId: "m2", Reason: "补计民主测评"}); err != nil {
		t.Fatal(err)
	}
	if got := appraised("m2"); got != "80.00 40 50.00 UNSPECIFIED" {
		t.Errorf("after the correction: %q", got)
	}
}

// A late correction: the composite changes, the letter goes out under a new
// code, and the reply to the first one counts no more.
func TestCorrectResult_TheOldReplyCountsNoMore(t *testing.T) {
	h := newSurveyHouse(t)
	h.confirm(t, h.mine(t, "m1", service("2013-08-01", 1)).GetId())
	c := h.cycle(t)
	h.closed(t, c.GetId())
	first := h.letters(t, c.GetId())["W1"]
	reply := &pb.ReplyToLetterRequest{LetterId: first.GetId(), UsedInAppraisal: true, Why: "已参考"}
	if _, err := h.replies().ReplyToLetter(h.home("o"), reply); err != nil {
		t.Fatal(err)
	}
	before := h.sheet(t, c.GetId(), "m1").GetComposite().GetValue()
	h.countedSurvey(t, five(content, content)...)
	h.confirm(t, h.mine(t, "m1", service("2013-09-01", 2)).GetId())
	if now := h.sheet(t, c.GetId(), "m1"); now.GetComposite().GetValue() != before || now.GetTimes() != 1 {
		t.Errorf("a closed result changed by itself: %v", now)
	}
	again, err := h.sheets().CorrectResult(h.officer(), &pb.CorrectResultRequest{CycleId: c.GetId(), MemberId: "m1", Reason: "补计九月的服务和测评"})
	if err != nil {
		t.Fatal(err)
	}
	// 10 by the ledger, 100 by the survey: (40·10 + 20·100) ÷ 60.
	if now := h.sheet(t, c.GetId(), "m1"); before != "5.00" || now.GetComposite().GetValue() != "40.00" || now.GetTimes() != 2 || now.GetCorrectedAt() == nil {
		t.Errorf("%s before, then %v", before, now)
	}
	l := again.GetLetter()
	if l.GetIssue() != 2 || l.GetCode() == first.GetCode() || l.GetRepliedAt() != nil {
		t.Errorf("the letter: %v", l)
	}
	_, err = h.replies().GetReply(h.officer(), &pb.GetReplyRequest{LetterId: first.GetId()})
	refused(t, "the reply to the first letter", err, codes.NotFound, "NOT_FOUND")
	if waiting, err := h.replies().ListUnanswered(h.officer(), &pb.ListUnansweredRequest{CycleId: c.GetId()}); err != nil || len(waiting.GetLetters()) != 2 {
		t.Errorf("unanswered: %v, %v", waiting, err)
	}
	reply.Issue = first.GetIssue()
	_, err = h.replies().ReplyToLetter(h.home("o"), reply)
	refused(t, "who has read the first letter only", err, codes.Aborted, "LETTER_ISSUED_AGAIN")
	reply.Issue = l.GetIssue()
	if _, err := h.replies().ReplyToLetter(h.home("o"), reply); err != nil {
		t.Fatal(err)
	}
	if got, err := h.replies().GetReply(h.officer(), &pb.GetReplyRequest{LetterId: first.GetId()}); err != nil || got.GetReply().GetIssue() != 2 {
		t.Errorf("the new reply: %v, %v", got, err)
	}
}

// Two of the staff write an opinion at once: the second is told that the sheet
// has changed.
func TestSetOpinion_TwoAtOnce(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	c := h.year(t)
	etag := h.sheet(t, c.GetId(), "m1").GetEtag()
	errs := make([]error, 2)
	var group sync.WaitGroup
	for i, opinion := range []pb.Opinion{pb.Opinion_OPINION_GOOD, pb.Opinion_OPINION_FAIRLY_GOOD} {
		group.Go(func() {
			_, errs[i] = h.sheets().SetOpinion(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, fmt.Sprint("staff", i), community),
				&pb.SetOpinionRequest{CycleId: c.GetId(), MemberId: "m1", Opinion: opinion, Etag: etag})
		})
	}
	group.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || rpc.Reason(errs[0])+rpc.Reason(errs[1]) != "STALE_ETAG" {
		t.Errorf("%v, %v", errs[0], errs[1])
	}
	winner := map[bool]string{true: "staff0", false: "staff1"}[errs[0] == nil]
	if got := h.sheet(t, c.GetId(), "m1"); got.GetOpinionBy() != winner || got.GetOpinionProposed() {
		t.Errorf("%v, want that of %s", got, winner)
	}
}

// An objection is answered while the sheets are signed: they are never signed
// with one open, and what was upheld stands in what was signed.
func TestSignSheets_WhileAnObjectionIsAnswered(t *testing.T) {
	for range 4 {
		h := newHouse(t, inMemory(), names{})
		c := h.year(t)
		made, err := h.sheets().ObjectToSheet(h.member1(), &pb.ObjectToSheetRequest{Year: 2013, Line: pb.SheetLine_SHEET_LINE_LEDGER, Text: "十一月的一次没有算"})
		if err != nil {
			t.Fatal(err)
		}
		h.resolved("req_late", "m1", "2013-11-05", 6) // confirmed after the year was summed
		h.confirmAll(t)
		if got := h.sheet(t, c.GetId(), "m1").GetTimes(); got != 2 {
			t.Errorf("an entry confirmed after summing changed the sheet: %d", got)
		}
		h.afterObjections()
		var signed, answered error
		var group sync.WaitGroup
		group.Go(func() {
			_, signed = h.sheets().SignSheets(h.staff(), &pb.SignSheetsRequest{CycleId: c.GetId(), CommunityId: "C1"})
		})
		group.Go(func() {
			_, answered = h.sheets().AnswerObjection(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "other", community),
				&pb.AnswerObjectionRequest{Id: made.GetObjection().GetId(), Upheld: true, Answer: "已补记并计入"})
		})
		group.Wait()
		if answered != nil || signed != nil && rpc.Reason(signed) != "OBJECTIONS_OPEN" {
			t.Fatalf("answered %v, signed %v", answered, signed)
		}
		if signed != nil {
			if _, err := h.sheets().SignSheets(h.staff(), &pb.SignSheetsRequest{CycleId: c.GetId(), CommunityId: "C1"}); err != nil {
				t.Fatal(err)
			}
		}
		got := h.sheet(t, c.GetId(), "m1")
		if got.GetTimes() != 3 || got.GetSignedBy() != "staff" || got.GetObjections()[0].GetState() != pb.ObjectionState_OBJECTION_STATE_UPHELD {
			t.Errorf("signed: %v", got)
		}
	}
}

// A step of the ladder is taken once, whoever looks: the job of another process
// at the same time, or again after it was broken off. A clock that jumps over
// several steps takes one; the next is counted from there.
func TestReminders_OnceAStep(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	c := h.year(t)
	h.closed(t, c.GetId())
	reminders := func() (n int32) {
		for _, l := range h.letters(t, c.GetId()) {
			n += l.GetReminders()
		}
		return n
	}
	h.Civil.Advance(h.Civil.Now().Add(29 * 24 * time.Hour))
	h.service.RemindDue(t)
	if n := reminders(); n != 0 {
		t.Errorf("%d reminders before the thirty days are over", n)
	}
	h.Civil.Advance(h.Civil.Now().Add(45 * 24 * time.Hour)) // past the first and two more
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() { h.service.RemindDue(t) })
	}
	group.Wait()
	if n := reminders(); n != 3 {
		t.Errorf("%d reminders of three letters", n)
	}
	h.Civil.Advance(h.Civil.Now().Add(9 * 24 * time.Hour))
	h.service.RemindDue(t)
	if n := reminders(); n != 3 {
		t.Errorf("%d reminders before the next ten days are over", n)
	}
	h.Civil.Advance(h.Civil.Now().Add(2 * 24 * time.Hour))
	h.service.RemindDue(t)
	if n := reminders(); n != 6 {
		t.Errorf("%d reminders after ten more days", n)
	}
}

// What is announced holds the ids, paths and days that somebody needs who tells
// people of it.
func TestEvents_HoldWhatTheInboxNeeds(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	c := h.year(t)
	made, err := h.sheets().ObjectToSheet(h.member1(), &pb.ObjectToSheetRequest{Year: 2013, Line: pb.SheetLine_SHEET_LINE_LEDGER, Text: "六月的一次没有算"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.sheets().AnswerObjection(h.staff(), &pb.AnswerObjectionRequest{Id: made.GetObjection().GetId(), Answer: "该次未经确认,不计入"}); err != nil {
		t.Fatal(err)
	}
	h.closed(t, c.GetId())
	letter := h.letters(t, c.GetId())["W1"].GetId()
	h.Civil.Advance(h.Civil.Now().Add(32 * 24 * time.Hour))
	h.service.RemindDue(t)
	h.Drain()
	got := map[string]string{}
	say := func(subject string, facts ...any) { got[subject] = fmt.Sprint(facts...) }
	err = h.Store("evaluation").View(t.Context(), func(r kv.Reader) error {
		return store.EachEvent(r, func(raw []byte) {
			var e typev1.EventRow
			var cycle pb.CycleChanged
			var objection pb.ObjectionChanged
			var changed pb.LetterChanged
			if err := proto.Unmarshal(raw, &e); err != nil {
				t.Error(err)
			}
			switch s := e.GetSubject(); s {
			case "linli.evaluation.cycle.computed":
				err = proto.Unmarshal(e.GetData(), &cycle)
				say(s, cycle.GetDistrictPath(), cycle.GetYear(), " ", cycle.GetDay(), " ", cycle.GetObjectUntil())
			case "linli.evaluation.objection.made", "linli.evaluation.objection.answered":
				err = proto.Unmarshal(e.GetData(), &objection)
				say(s, objection.GetMemberId(), objection.GetCommunityPath(), objection.GetCycleId() == c.GetId(), objection.GetLine(), " ", objection.GetDay())
			case "linli.evaluation.letter.issued", "linli.evaluation.letter.reminded":
				err = proto.Unmarshal(e.GetData(), &changed)
				if changed.GetId() == letter {
					say(s, changed.GetHomePath(), changed.GetIssue(), changed.GetReminders(), " ", changed.GetDay(), " ", changed.GetReplyUntil())
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	})
	want := map[string]string{
		"linli.evaluation.cycle.computed":     "/1/11/2013 2013-09-02 2013-09-09",
		"linli.evaluation.objection.made":     "m1/1/11/111/C1/true SHEET_LINE_LEDGER 2013-09-02",
		"linli.evaluation.objection.answered": "m1/1/11/111/C1/true SHEET_LINE_LEDGER 2013-09-02",
		"linli.evaluation.letter.issued":      "/1/11/W1/1 0 2013-09-11 2013-10-11",
		"linli.evaluation.letter.reminded":    "/1/11/W1/1 1 2013-10-13 2013-10-23",
	}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("announced\n%v\nwant\n%v, %v", got, want, err)
	}
}
