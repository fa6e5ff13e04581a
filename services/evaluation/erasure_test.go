package evaluation_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/store"
)

// copyOf answers what is held of a member, as the registry would be told.
func (h house) copyOf(ctx context.Context, t *testing.T) string {
	t.Helper()
	var out strings.Builder
	req := &pb.CollectPersonRequest{}
	for {
		page, err := pb.NewPersonServiceClient(h.Conn()).CollectPerson(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, page.GetHeld())
		if req.After = page.GetNext(); len(req.GetAfter()) == 0 {
			return out.String()
		}
	}
}

// erased announces that a person is to be erased and waits until it is done.
func (h house) erased(t *testing.T, person string) {
	t.Helper()
	h.Announce("registry", store.Event{Name: "person.erasing", EntityID: "clm_" + person, Revision: 1,
		Data: &registryv1.PersonErasing{ClaimId: "clm_" + person, Person: person}})
	for began := time.Now(); !bytes.Contains(h.Events("evaluation"), []byte("clm_"+person)); {
		h.Drain()
		if time.Since(began) > 20*time.Second {
			t.Fatal("not erased")
		}
	}
	h.Drain()
}

// TestErasure_LeavesFiguresAndALetterThatHolds: what was written about a member is
// in the member's copy and gone afterwards; the letter is proved without it, the
// ledger is whole, and another member's letter is as it was.
func TestErasure_LeavesFiguresAndALetterThatHolds(t *testing.T) {
	const objection, answer, opinion, reason, facts = "六月的一次没有算", "该次服务未经确认", "全年参加楼道整治", "补记一次已确认的服务", "登记了没有做过的服务"
	h := newHouse(t, inMemory(), names{})
	c := h.year(t)
	made, err := h.sheets().ObjectToSheet(h.member1(), &pb.ObjectToSheetRequest{Year: 2013, Line: pb.SheetLine_SHEET_LINE_LEDGER, Text: objection})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.sheets().AnswerObjection(h.staff(), &pb.AnswerObjectionRequest{Id: made.GetObjection().GetId(), Answer: answer}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.sheets().SetOpinion(h.staff(), &pb.SetOpinionRequest{CycleId: c.GetId(), MemberId: "m1", Opinion: pb.Opinion_OPINION_GOOD, Text: opinion}); err != nil {
		t.Fatal(err)
	}
	_, err = pb.NewConductServiceClient(h.Conn()).OpenConductNote(h.staff(), &pb.OpenConductNoteRequest{
		CommunityId: "C1", MemberId: "m1", Kind: pb.ConductKind_CONDUCT_KIND_OTHER, Day: "2013-10-12", Facts: facts,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.closed(t, c.GetId())
	again, err := h.sheets().CorrectResult(h.officer(), &pb.CorrectResultRequest{CycleId: c.GetId(), MemberId: "m1", Reason: reason})
	if err != nil {
		t.Fatal(err)
	}
	before := h.copyOf(h.member1(), t)
	for _, text := range []string{objection, answer, opinion, facts, "2013-09-03"} {
		if !strings.Contains(before, text) {
			t.Errorf("the copy lacks %q", text)
		}
	}
	if strings.Contains(h.copyOf(h.as(typev1.Role_ROLE_MEMBER, "m3", w2), t), opinion) {
		t.Error("somebody else's copy holds it")
	}
	h.erased(t, "m1")

	after := h.copyOf(h.member1(), t)
	for _, text := range []string{objection, answer, opinion, facts} {
		if strings.Contains(after, text) {
			t.Errorf("%q is held", text)
		}
	}
	if !strings.Contains(after, "2013-09-03") {
		t.Error("the ledger has lost an entry")
	}
	id := again.GetLetter().GetId()
	letter, err := h.client.GetLetter(h.officer(), &pb.GetLetterRequest{Id: id})
	if err != nil || letter.GetLetter().GetCorrection() != "" || letter.GetLetter().GetLines()[0].GetOpinionText() != "" {
		t.Errorf("the letter: %v, %v", letter, err)
	}
	if n := letter.GetLetter().GetLines()[0].GetTimes(); n == 0 {
		t.Error("the letter has lost its figures")
	}
	v, err := h.replies().VerifyLetter(context.Background(), &pb.VerifyLetterRequest{Code: again.GetLetter().GetCode()})
	if err != nil || !v.GetVerification().GetFactsHold() {
		t.Errorf("the letter does not hold: %v, %v", v, err)
	}
	if bytes.Contains(h.Events("evaluation"), []byte(opinion)) {
		t.Error("an event holds the text")
	}
}

// TestRetention_OfConductNotes: what was written in a note of which nothing stood
// goes after the policy's days; that of one that is open stays.
func TestRetention_OfConductNotes(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	h.member("m1", w1, true)
	h.Drain()
	notes := pb.NewConductServiceClient(h.Conn())
	open := func(facts string) *pb.ConductNote {
		n, err := notes.OpenConductNote(h.staff(), &pb.OpenConductNoteRequest{
			CommunityId: "C1", MemberId: "m1", Kind: pb.ConductKind_CONDUCT_KIND_OTHER, Day: clock.Day(h.Civil.Now()), Facts: facts,
		})
		if err != nil {
			t.Fatal(err)
		}
		return n.GetNote()
	}
	settled := open("楼道里堆放杂物")
	open("仍在核实的情况")
	if _, err := notes.DecideConductNote(h.staff(), &pb.DecideConductNoteRequest{Id: settled.GetId(), Outcome: pb.ConductState_CONDUCT_STATE_UNFOUNDED, Text: "查无此事"}); err != nil {
		t.Fatal(err)
	}
	held := func(text string) bool { return strings.Contains(h.copyOf(h.member1(), t), text) }
	h.Civil.Advance(h.Civil.Now().AddDate(0, 0, 300))
	h.erased(t, "nobody") // the job looks, and the day is another
	if !held("查无此事") {
		t.Error("taken before its time")
	}
	h.Civil.Advance(h.Civil.Now().AddDate(0, 0, 100))
	h.erased(t, "nobody else")
	for began := time.Now(); held("查无此事") || held("楼道里堆放杂物"); {
		if time.Since(began) > 20*time.Second {
			t.Fatal("kept for longer than the policy says")
		}
	}
	if !held("仍在核实的情况") {
		t.Error("a note that is open lost its words")
	}
}

// TestErasure_TakesANameOffItsBoard at once, as a withdrawal does, and the name
// that lay with the honor.
func TestErasure_TakesANameOffItsBoard(t *testing.T) {
	h := boardHouse(t, "m1")
	board := h.board(t, pb.BoardKind_BOARD_KIND_SERVICE)
	o, err := h.name(board, "m1")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.consent("m1", o.GetId(), true); err != nil {
		t.Fatal(err)
	}
	if _, err := h.notice(o.GetId()); err != nil {
		t.Fatal(err)
	}
	shown := func() int {
		reply, err := h.honors().ShowBoard(h.resident("r1"), &pb.ShowBoardRequest{BoardId: board, Notice: true})
		if err != nil {
			t.Fatal(err)
		}
		return len(reply.GetLines())
	}
	if shown() != 1 {
		t.Fatal("the control: nobody is shown")
	}
	h.erased(t, "m1")
	if shown() != 0 || h.sealedNames(t) != 0 {
		t.Errorf("%d lines are shown, %d names kept", shown(), h.sealedNames(t))
	}
}
