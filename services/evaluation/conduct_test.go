package evaluation_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/store"
)

type conductHouse struct {
	house
	notes pb.ConductServiceClient
}

func newConductHouse(t *testing.T) conductHouse {
	t.Helper()
	h := newHouse(t, inMemory(), names{})
	h.member("m1", w1, true)
	h.member("m2", w1, false)
	h.Drain()
	return conductHouse{h, pb.NewConductServiceClient(h.Conn())}
}

func (h conductHouse) open(t *testing.T) string {
	t.Helper()
	reply, err := h.notes.OpenConductNote(h.staff(), &pb.OpenConductNoteRequest{
		CommunityId: "C1", MemberId: "m1", Kind: pb.ConductKind_CONDUCT_KIND_PARKING, Day: "2013-08-30", Facts: "占用消防通道停车"})
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetNote().GetId()
}

// standing takes a note to where it stands, after the member answered.
func (h conductHouse) standing(t *testing.T) string {
	t.Helper()
	id := h.open(t)
	if _, err := h.notes.HearMember(h.staff(), &pb.HearMemberRequest{Id: id, Established: "现场照片两张,物业记录"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.notes.AnswerHearing(h.member1(), &pb.AnswerHearingRequest{Id: id, Text: "当晚送病人"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.decide(h.staff(), id, pb.ConductState_CONDUCT_STATE_STANDING); err != nil {
		t.Fatal(err)
	}
	return id
}

func (h conductHouse) decide(ctx context.Context, id string, outcome pb.ConductState) (*pb.ConductNote, error) {
	reply, err := h.notes.DecideConductNote(ctx, &pb.DecideConductNoteRequest{Id: id, Outcome: outcome, Text: "屡劝不改,情况属实"})
	return reply.GetNote(), err
}

func (h conductHouse) reported(ctx context.Context, t *testing.T, day string) int {
	t.Helper()
	reply, err := h.notes.ListStandingNotes(ctx, &pb.ListStandingNotesRequest{MemberId: "m1", Day: day})
	if err != nil {
		t.Fatal(err)
	}
	return len(reply.GetNotes())
}

// Facts first, then the member's word or five working days, then the outcome.
func TestConduct_NothingStandsUnheard(t *testing.T) {
	h := newConductHouse(t)
	id := h.open(t)
	_, err := h.decide(h.staff(), id, pb.ConductState_CONDUCT_STATE_STANDING)
	refused(t, "before the facts", err, codes.FailedPrecondition, "WRONG_STATE")
	heard, err := h.notes.HearMember(h.staff(), &pb.HearMemberRequest{Id: id, Established: "现场照片"})
	if err != nil {
		t.Fatal(err)
	}
	// Monday 2 September 2013: five working days end on Monday the 9th.
	if got := heard.GetNote().GetHearUntil().AsTime(); !got.Equal(time.Date(2013, 9, 9, 16, 0, 0, 0, time.UTC)) {
		t.Errorf("can answer until %v", got)
	}
	for _, outcome := range []pb.ConductState{pb.ConductState_CONDUCT_STATE_STANDING, pb.ConductState_CONDUCT_STATE_CORRECTED} {
		_, err = h.decide(h.staff(), id, outcome)
		refused(t, "before the answer", err, codes.FailedPrecondition, "HEARING_OPEN")
	}
	_, err = h.decide(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "m1", community), id, pb.ConductState_CONDUCT_STATE_UNFOUNDED)
	refused(t, "by the member", err, codes.PermissionDenied, "NOTE_ON_ONESELF")
	h.Civil.Advance(time.Date(2013, 9, 9, 16, 0, 0, 0, time.UTC))
	note, err := h.decide(h.staff(), id, pb.ConductState_CONDUCT_STATE_STANDING)
	if err != nil || note.GetLapsesOn() != "2014-09-10" || note.GetSignedBy() != "staff" {
		t.Errorf("%v, %v", note, err)
	}
	unfounded := h.open(t)
	if _, err := h.decide(h.staff(), unfounded, pb.ConductState_CONDUCT_STATE_UNFOUNDED); err != nil {
		t.Errorf("what turned out to be nothing: %v", err)
	}
	_, err = h.notes.OpenConductNote(h.staff(), &pb.OpenConductNoteRequest{
		CommunityId: "C1", MemberId: "m2", Kind: pb.ConductKind_CONDUCT_KIND_NOISE, Day: "2013-08-30", Facts: "深夜噪音"})
	refused(t, "a member of nowhere here", err, codes.FailedPrecondition, "NOT_OF_THIS_COMMUNITY")
}

// Only what stands is reported: for a year, and not while an appeal is open.
func TestConduct_ReportedUntilItLapsesAndNotUnderAppeal(t *testing.T) {
	h := newConductHouse(t)
	id := h.standing(t)
	for day, want := range map[string]int{"2013-09-01": 0, "2013-09-02": 1, "2014-09-01": 1, "2014-09-02": 0} {
		if got := h.reported(h.staff(), t, day); got != want {
			t.Errorf("on %s %d are reported, want %d", day, got, want)
		}
	}
	if got := h.reported(h.home("o"), t, ""); got != 1 {
		t.Errorf("the home organization is told of %d", got)
	}
	if notes := h.service.StandingNotes(t, "m1", "2013-12-31"); len(notes) != 1 || notes[0].GetText() != "屡劝不改,情况属实" || notes[0].GetSignedBy() != "staff" {
		t.Errorf("for the sheet: %v", notes)
	}
	if _, err := h.notes.AppealConductNote(h.member1(), &pb.AppealConductNoteRequest{Id: id, Text: "确属急救,不服"}); err != nil {
		t.Fatal(err)
	}
	if got := h.reported(h.staff(), t, ""); got != 0 {
		t.Errorf("%d reported while the appeal is open", got)
	}
	answer := func(ctx context.Context, upheld bool) error {
		_, err := h.notes.AnswerConductAppeal(ctx, &pb.AnswerConductAppealRequest{Id: id, Upheld: upheld, Text: "经复核"})
		return err
	}
	refused(t, "by the community", answer(h.staff(), false), codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	refused(t, "by who signed", answer(h.as(typev1.Role_ROLE_STREET_OFFICER, "staff", "/1/11/111/"), false), codes.PermissionDenied, "NOTE_ON_ONESELF")
	if err := answer(h.street(), false); err != nil {
		t.Fatal(err)
	}
	if got := h.reported(h.staff(), t, ""); got != 1 {
		t.Errorf("%d reported after the appeal was dismissed", got)
	}
	_, err := h.notes.AppealConductNote(h.member1(), &pb.AppealConductNoteRequest{Id: id, Text: "再次不服"})
	refused(t, "appealed twice", err, codes.FailedPrecondition, "WRONG_STATE")
	id = h.standing(t)
	if _, err := h.notes.AppealConductNote(h.member1(), &pb.AppealConductNoteRequest{Id: id, Text: "有医院证明"}); err != nil {
		t.Fatal(err)
	}
	if err := answer(h.street(), true); err != nil {
		t.Fatal(err)
	}
	if got := h.reported(h.staff(), t, ""); got != 1 {
		t.Errorf("%d reported, and one was lifted", got)
	}
	lapsed := h.standing(t)
	h.Civil.Advance(time.Date(2014, 9, 2, 1, 0, 0, 0, time.UTC))
	_, err = h.notes.AppealConductNote(h.member1(), &pb.AppealConductNoteRequest{Id: lapsed, Text: "过期申诉"})
	refused(t, "against what lapsed", err, codes.FailedPrecondition, "NOTE_LAPSED")
}

// The member reads the own notes whole; offices read texts with a reason; and
// nobody else knows of them. Nothing of it lies about in plain.
func TestConduct_WhoReads(t *testing.T) {
	h := newConductHouse(t)
	id := h.standing(t)
	mine, err := h.notes.GetMyConductNotes(h.member1(), &pb.GetMyConductNotesRequest{})
	if err != nil || len(mine.GetNotes()) != 1 || mine.GetNotes()[0].GetTexts().GetFacts() != "占用消防通道停车" || mine.GetNotes()[0].GetTexts().GetAnswer() != "当晚送病人" {
		t.Errorf("own notes: %v, %v", mine, err)
	}
	list, err := h.notes.ListConductNotes(h.street(), &pb.ListConductNotesRequest{CommunityId: "C1"})
	if err != nil || len(list.GetNotes()) != 1 {
		t.Errorf("the street: %v, %v", list, err)
	}
	texts, err := h.notes.RevealConductNote(h.street(), &pb.RevealConductNoteRequest{Id: id, Reason: "准备复核"})
	if err != nil || texts.GetTexts().GetOutcome() != "屡劝不改,情况属实" {
		t.Errorf("revealed: %v, %v", texts, err)
	}
	other := h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "x", "/1/11/111/C2/")
	_, err = h.notes.RevealConductNote(other, &pb.RevealConductNoteRequest{Id: id, Reason: "想看看"})
	refused(t, "another community", err, codes.NotFound, "NOT_FOUND")
	_, err = h.notes.RevealConductNote(h.officer(), &pb.RevealConductNoteRequest{Id: id, Reason: "想看看"})
	refused(t, "the district", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	_, err = h.notes.AnswerHearing(h.as(typev1.Role_ROLE_MEMBER, "m2", w1), &pb.AnswerHearingRequest{Id: id, Text: "代为陈述"})
	refused(t, "another member", err, codes.NotFound, "NOT_FOUND")
	_, err = h.notes.ListStandingNotes(h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "o", w2), &pb.ListStandingNotesRequest{MemberId: "m1"})
	refused(t, "another workplace", err, codes.NotFound, "NOT_FOUND")
	_, err = h.notes.ListStandingNotes(h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "o", district), &pb.ListStandingNotesRequest{MemberId: "m1"})
	refused(t, "the organization above the home", err, codes.NotFound, "NOT_FOUND")
	if got := h.reported(h.home("o"), t, ""); got != 1 {
		t.Errorf("the home organization is told of %d", got)
	}
	for _, text := range []string{"消防通道", "送病人", "屡劝不改"} {
		if bytes.Contains(h.Events("evaluation"), []byte(text)) || bytes.Contains([]byte(h.Log.String()), []byte(text)) {
			t.Errorf("%q lies in an event or the log", text)
		}
		for _, it := range (pollHouse{house: h.house}).raw(t) {
			if bytes.Contains(it.Value, []byte(text)) {
				t.Errorf("%q lies in the store in plain", text)
			}
		}
	}
	revealed := false
	err = h.Store("evaluation").View(t.Context(), func(r kv.Reader) error {
		rows, err := store.AuditRows(r, 100)
		err = errors.Join(err, h.Store("evaluation").OpenReasons(r, rows))
		for _, a := range rows {
			revealed = revealed || a.GetOutcome() == "revealed" && a.GetReason() == "准备复核"
		}
		return err
	})
	if err != nil || !revealed {
		t.Errorf("the reading left no trace: %v", err)
	}
}

// Two officers at once sign two outcomes, and one of them is told.
func TestConduct_TwoOfficersAtOnce(t *testing.T) {
	h := newConductHouse(t)
	id := h.open(t)
	if _, err := h.notes.HearMember(h.staff(), &pb.HearMemberRequest{Id: id, Established: "现场照片"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.notes.AnswerHearing(h.member1(), &pb.AnswerHearingRequest{Id: id, Text: "已经挪车"}); err != nil {
		t.Fatal(err)
	}
	outcomes := []pb.ConductState{pb.ConductState_CONDUCT_STATE_CORRECTED, pb.ConductState_CONDUCT_STATE_STANDING}
	errs := make([]error, 2)
	var group sync.WaitGroup
	for i, person := range []string{"first", "second"} {
		group.Go(func() {
			_, errs[i] = h.decide(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, person, community), id, outcomes[i])
		})
	}
	group.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || rpc.Reason(errs[0])+rpc.Reason(errs[1]) != "WRONG_STATE" {
		t.Errorf("%v, %v", errs[0], errs[1])
	}
}
