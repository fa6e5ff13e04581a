package evaluation_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/store"
)

// The whole year of a branch of six formal members and a probationary one.
func TestBranch_FromThePollToTheClose(t *testing.T) {
	h := newBranchHouse(t)
	h.ofBranch(6, 1)
	c := h.opened(t, 2013)
	if c.GetMembers() != 7 || c.GetVoters() != 6 || c.GetGraded() != 6 || c.GetThird() != 2 {
		t.Fatalf("roster %v", c)
	}
	_, err := h.branches.OpenBranchCycle(h.secretary(), &pb.OpenBranchCycleRequest{OrganizationId: "B1", Year: 2013})
	refused(t, "opened twice", err, codes.AlreadyExists, "CYCLE_EXISTS")
	_, err = h.branches.ComputeBranchCycle(h.secretary(), &pb.ComputeBranchCycleRequest{Id: c.GetId()})
	refused(t, "proposed before the poll", err, codes.FailedPrecondition, "BRANCH_POLL_MISSING")
	// m1, m2, m3 are worth 优秀, two have room: m1 is better, m2 and m3 tie.
	h.polled(t, c, 5, good, good, good, fairly, fair, poor)
	c = h.computed(t, c)
	got := h.grades(t, c.GetId())
	for id, want := range map[string]pb.StatutoryGrade{"m1": qualified, "m2": qualified, "m3": qualified, "m4": qualified, "m5": basic, "m6": unqualified, "m7": 0} {
		if got[id].GetProposed() != want || got[id].GetDecided() != 0 {
			t.Errorf("%s: %v", id, got[id])
		}
	}
	if !got["m1"].GetTied() || got["m1"].GetScoreExact() != "100/1" || got["m4"].GetScore() != "80.00" || !got["m7"].GetProbationary() {
		t.Errorf("three tie over two places: %v", got)
	}
	refused(t, "a third of the tie", allThree(h, c), codes.FailedPrecondition, "BRANCH_THIRD_USED")
	_, err = h.branches.ShowBranchGrades(h.secretary(), &pb.ShowBranchGradesRequest{Id: c.GetId()})
	refused(t, "shown undecided", err, codes.FailedPrecondition, "GRADES_UNDECIDED")
	refused(t, "a probationary member", h.decide(h.secretary(), c, "m7", qualified, "转正"), codes.InvalidArgument, "GRADE_NOT_GRADED")
	refused(t, "a deviation without a reason", h.decide(h.secretary(), c, "m4", basic, ""), codes.InvalidArgument, "GRADE_DEVIATION_REASON")
	for id, g := range map[string]pb.StatutoryGrade{"m3": qualified, "m4": qualified, "m5": basic, "m6": unqualified} {
		if err := h.decide(h.secretary(), c, id, g, ""); err != nil {
			t.Fatal(id, err)
		}
	}
	_, err = h.branches.GetMyGrade(h.me("m6"), &pb.GetMyGradeRequest{Year: 2013})
	refused(t, "seen before it is shown", err, codes.NotFound, "NOT_FOUND")
	if _, err := h.branches.ShowBranchGrades(h.secretary(), &pb.ShowBranchGradesRequest{Id: c.GetId()}); err != nil {
		t.Fatal(err)
	}
	h.objectAndClose(t, c)
	if bytes.Contains(h.Events("evaluation"), []byte("出勤")) {
		t.Error("an event holds what was written")
	}
}

// Events of branches hold ids and states: no grade, no count, no place by which
// somebody further up would be told.
func TestBranchEvents_HoldIDsAndStates(t *testing.T) {
	for _, m := range []proto.Message{&pb.BranchChanged{}, &pb.GradeChanged{}, &pb.ConductNoteChanged{}} {
		fields := m.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			f := fields.Get(i)
			name := string(f.Name())
			known := name == "id" || strings.HasSuffix(name, "_id") || name == "revision" || name == "year" || name == "state" || name == "objection"
			if !known || f.Kind() == protoreflect.EnumKind && f.Enum().Name() == "StatutoryGrade" {
				t.Errorf("%s holds %s", m.ProtoReflect().Descriptor().Name(), name)
			}
		}
	}
}

// allThree decides all three of a tie over two places.
func allThree(h branchHouse, c *pb.BranchCycle) error {
	for _, id := range []string{"m1", "m2"} {
		if err := h.decide(h.secretary(), c, id, excellent, ""); err != nil {
			return err
		}
	}
	return h.decide(h.secretary(), c, "m3", excellent, "")
}

// objectAndClose: m6 objects, the deputy answers, the cycle is closed and then
// corrected.
func (h branchHouse) objectAndClose(t *testing.T, c *pb.BranchCycle) {
	t.Helper()
	if _, err := h.branches.ObjectToGrade(h.me("m6"), &pb.ObjectToGradeRequest{Year: 2013, Text: "出勤没有算全"}); err != nil {
		t.Fatal(err)
	}
	_, err := h.branches.ObjectToGrade(h.me("m6"), &pb.ObjectToGradeRequest{Year: 2013, Text: "再次提出"})
	refused(t, "objected twice", err, codes.AlreadyExists, "GRADE_OBJECTED")
	_, err = h.branches.CloseBranchCycle(h.secretary(), &pb.CloseBranchCycleRequest{Id: c.GetId()})
	refused(t, "closed in the days for objections", err, codes.FailedPrecondition, "OBJECTION_WINDOW_OPEN")
	h.afterObjections()
	_, err = h.branches.ObjectToGrade(h.me("m5"), &pb.ObjectToGradeRequest{Year: 2013, Text: "太晚了"})
	refused(t, "too late", err, codes.FailedPrecondition, "OBJECTION_WINDOW_OVER")
	_, err = h.branches.CloseBranchCycle(h.secretary(), &pb.CloseBranchCycleRequest{Id: c.GetId()})
	refused(t, "closed before the answer", err, codes.FailedPrecondition, "OBJECTIONS_OPEN")
	answer := &pb.AnswerGradeObjectionRequest{CycleId: c.GetId(), MemberId: "m6", Upheld: true, Answer: "补记出勤三次", Grade: basic}
	_, err = h.branches.AnswerGradeObjection(h.secretary(), answer)
	refused(t, "answered by who decided", err, codes.PermissionDenied, "GRADE_OWN_DECISION")
	_, err = h.branches.AnswerGradeObjection(h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "m6", b1), answer)
	refused(t, "answered by oneself", err, codes.PermissionDenied, "GRADE_ON_ONESELF")
	answered, err := h.branches.AnswerGradeObjection(h.deputy(), answer)
	if err != nil || answered.GetGrade().GetDecided() != basic || !answered.GetGrade().GetDeviates() || answered.GetGrade().GetDecidedBy() != "deputy" {
		t.Fatal(answered, err)
	}
	refused(t, "decided once shown", h.decide(h.secretary(), c, "m4", basic, "理由"), codes.FailedPrecondition, "WRONG_STATE")
	closed, err := h.branches.CloseBranchCycle(h.secretary(), &pb.CloseBranchCycleRequest{Id: c.GetId()})
	if err != nil || closed.GetCycle().GetExcellent() != 2 || closed.GetCycle().GetDecided() != 6 {
		t.Fatal(closed, err)
	}
	corrected, err := h.branches.CorrectGrade(h.secretary(), &pb.CorrectGradeRequest{CycleId: c.GetId(), MemberId: "m5", Grade: qualified, Reason: "漏计服务"})
	if err != nil || corrected.GetGrade().GetCorrectedBy() != "secretary" {
		t.Fatal(corrected, err)
	}
	mine, err := h.branches.GetMyGrade(h.me("m6"), &pb.GetMyGradeRequest{Year: 2013})
	if err != nil || mine.GetGrade().GetDecided() != basic || mine.GetTexts().GetObjection() != "出勤没有算全" || mine.GetTexts().GetObjectionAnswer() != "补记出勤三次" {
		t.Errorf("the own grade: %v, %v", mine, err)
	}
}

// Above the third: only with a reason, and with consent from the organization
// directly above.
func TestBranch_ExceptionWithAndWithoutConsent(t *testing.T) {
	h := newBranchHouse(t)
	h.ofBranch(5, 0)
	c := h.opened(t, 2013)
	h.polled(t, c, 5, good, good, good, fairly, fairly)
	h.computed(t, c)
	if err := h.decide(h.secretary(), c, "m1", excellent, ""); err != nil {
		t.Fatal(err)
	}
	ask := func(member, reason string) error {
		_, err := h.branches.DecideGrade(h.secretary(), &pb.DecideGradeRequest{CycleId: c.GetId(), MemberId: member, Grade: excellent, Exception: true, Reason: reason})
		return err
	}
	answer := func(ctx context.Context, member string, yes bool, reason string) error {
		_, err := h.branches.AnswerException(ctx, &pb.AnswerExceptionRequest{CycleId: c.GetId(), MemberId: member, Consents: yes, Reason: reason})
		return err
	}
	refused(t, "without a reason", ask("m2", ""), codes.InvalidArgument, "GRADE_EXCEPTION_REASON")
	for _, id := range []string{"m2", "m3"} {
		if err := ask(id, "抗洪抢险表现突出"); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"m4", "m5"} {
		if err := h.decide(h.secretary(), c, id, qualified, ""); err != nil {
			t.Fatal(err)
		}
	}
	_, err := h.branches.ShowBranchGrades(h.secretary(), &pb.ShowBranchGradesRequest{Id: c.GetId()})
	refused(t, "shown without consent", err, codes.FailedPrecondition, "GRADE_EXCEPTION_CONSENT")
	refused(t, "consented by the branch", answer(h.deputy(), "m2", true, ""), codes.NotFound, "NOT_FOUND")
	refused(t, "consented by the district", answer(h.officer(), "m2", true, ""), codes.NotFound, "NOT_FOUND")
	refused(t, "a no without a reason", answer(h.above(), "m3", false, ""), codes.InvalidArgument, "INVALID_FIELD")
	if err := answer(h.above(), "m2", true, ""); err != nil {
		t.Fatal(err)
	}
	if err := answer(h.above(), "m3", false, "名额已满"); err != nil {
		t.Fatal(err)
	}
	refused(t, "answered twice", answer(h.above(), "m3", true, ""), codes.FailedPrecondition, "WRONG_STATE")
	_, err = h.branches.ShowBranchGrades(h.secretary(), &pb.ShowBranchGradesRequest{Id: c.GetId()})
	refused(t, "shown while one was refused and not decided", err, codes.FailedPrecondition, "GRADES_UNDECIDED")
	if err := h.decide(h.secretary(), c, "m3", qualified, ""); err != nil {
		t.Fatal(err)
	}
	shown, err := h.branches.ShowBranchGrades(h.secretary(), &pb.ShowBranchGradesRequest{Id: c.GetId()})
	if err != nil || shown.GetCycle().GetExcellent() != 1 || shown.GetCycle().GetExceptions() != 1 || shown.GetCycle().GetThird() != 1 {
		t.Errorf("%v, %v", shown, err)
	}
	texts, err := h.branches.RevealGradeTexts(h.above(), &pb.RevealGradeTextsRequest{CycleId: c.GetId(), MemberId: "m2", Reason: "核对理由"})
	if err != nil || texts.GetTexts().GetExceptionReason() != "抗洪抢险表现突出" {
		t.Errorf("texts %v, %v", texts, err)
	}
}

// After the close too, a grade above the third takes consent; it counts as a
// correction once it is there.
func TestBranch_CorrectionAboveTheThird(t *testing.T) {
	h := newBranchHouse(t)
	h.ofBranch(2, 1)
	c := h.opened(t, 2013)
	h.polled(t, c, 2, good, good)
	h.computed(t, c)
	for _, id := range []string{"m1", "m2"} {
		if err := h.decide(h.secretary(), c, id, qualified, "支部大会讨论"); err != nil {
			t.Fatal(err)
		}
	}
	correct := &pb.CorrectGradeRequest{CycleId: c.GetId(), MemberId: "m1", Grade: excellent, Reason: "事后查明立功"}
	_, err := h.branches.CorrectGrade(h.secretary(), correct)
	refused(t, "before the close", err, codes.FailedPrecondition, "WRONG_STATE")
	if _, err := h.branches.ShowBranchGrades(h.secretary(), &pb.ShowBranchGradesRequest{Id: c.GetId()}); err != nil {
		t.Fatal(err)
	}
	waiting, err := h.branches.GetMyGrade(h.me("m3"), &pb.GetMyGradeRequest{Year: 2013})
	if err != nil || !waiting.GetGrade().GetProbationary() || waiting.GetGrade().GetDecided() != 0 {
		t.Errorf("a probationary member: %v, %v", waiting, err)
	}
	h.afterObjections()
	if _, err := h.branches.CloseBranchCycle(h.secretary(), &pb.CloseBranchCycleRequest{Id: c.GetId()}); err != nil {
		t.Fatal(err)
	}
	_, err = h.branches.CorrectGrade(h.secretary(), correct)
	refused(t, "above the third", err, codes.FailedPrecondition, "BRANCH_THIRD_USED")
	correct.Exception = true
	asked, err := h.branches.CorrectGrade(h.secretary(), correct)
	if err != nil || asked.GetGrade().GetDecided() != qualified || asked.GetGrade().GetCorrectedAt() != nil {
		t.Fatalf("asked: %v, %v", asked, err)
	}
	given, err := h.branches.AnswerException(h.above(), &pb.AnswerExceptionRequest{CycleId: c.GetId(), MemberId: "m1", Consents: true})
	if err != nil || given.GetGrade().GetDecided() != excellent || given.GetGrade().GetCorrectedBy() != "secretary" || given.GetGrade().GetCorrectedAt() == nil {
		t.Errorf("consented: %v, %v", given, err)
	}
}

// Two formal members: no third, and a poll of two says nothing. The committee
// decides with a reason.
func TestBranch_OfTwoHasNoThird(t *testing.T) {
	h := newBranchHouse(t)
	h.ofBranch(2, 1)
	c := h.opened(t, 2013)
	h.polled(t, c, 2, good, good)
	c = h.computed(t, c)
	if g := h.grades(t, c.GetId())["m1"]; c.GetThird() != 0 || g.GetProposed() != 0 || g.GetScore() != "" {
		t.Errorf("%v, %v", c, g)
	}
	refused(t, "excellent of two", h.decide(h.secretary(), c, "m1", excellent, "表现突出"), codes.FailedPrecondition, "BRANCH_THIRD_USED")
	refused(t, "unproposed and without a reason", h.decide(h.secretary(), c, "m1", qualified, ""), codes.InvalidArgument, "GRADE_DEVIATION_REASON")
	if err := h.decide(h.secretary(), c, "m1", qualified, "支部大会讨论"); err != nil {
		t.Error(err)
	}
}

// The ballot and the seats of a branch's poll follow from its roster.
func TestBranch_PollFollowsTheRoster(t *testing.T) {
	h := newBranchHouse(t)
	h.ofBranch(4, 1)
	prepare := func(ctx context.Context, seats int32, members ...string) error {
		req := &pb.PreparePollRequest{OrganizationId: "B1", Kind: pb.PollKind_POLL_KIND_BRANCH, Year: 2013, Seats: seats}
		for _, m := range members {
			req.Lines = append(req.Lines, &pb.BallotLine{MemberId: m, Label: m})
		}
		_, err := h.polls.PreparePoll(ctx, req)
		return err
	}
	refused(t, "before the roster", prepare(h.secretary(), 4, "m1"), codes.FailedPrecondition, "BRANCH_NO_CYCLE")
	c := h.opened(t, 2013)
	refused(t, "a seat for the probationary", prepare(h.secretary(), 5, "m1"), codes.FailedPrecondition, "BRANCH_POLL_SEATS")
	refused(t, "the probationary on the ballot", prepare(h.secretary(), 4, "m1", "m5"), codes.FailedPrecondition, "BRANCH_POLL_ROSTER")
	refused(t, "by the district", prepare(h.officer(), 4, "m1"), codes.NotFound, "UNKNOWN_ORGANIZATION")
	if _, err := h.branches.SetMemberAside(h.secretary(), &pb.SetMemberAsideRequest{CycleId: c.GetId(), MemberId: "m4", Aside: true, Reason: "长期病休"}); err != nil {
		t.Fatal(err)
	}
	refused(t, "who is set aside on the ballot", prepare(h.secretary(), 4, "m4"), codes.FailedPrecondition, "BRANCH_POLL_ROSTER")
	if err := prepare(h.secretary(), 4, "m1", "m2", "m3"); err != nil {
		t.Fatal(err)
	}
	_, err := h.branches.ComputeBranchCycle(h.secretary(), &pb.ComputeBranchCycleRequest{Id: c.GetId()})
	refused(t, "proposed while the poll is held", err, codes.FailedPrecondition, "BRANCH_POLL_OPEN")
}

// Nobody but the branch and the organization directly above it knows of any of
// it: not the district, not another workplace, not the community of residence.
func TestBranch_NobodyElseKnows(t *testing.T) {
	h := newBranchHouse(t)
	h.ofBranch(5, 0)
	c := h.opened(t, 2013)
	h.polled(t, c, 5, good, good, good, good, good)
	h.computed(t, c)
	polls, err := h.polls.ListPolls(h.above(), &pb.ListPollsRequest{OrganizationId: "B1"})
	if err != nil || len(polls.GetPolls()) != 1 {
		t.Fatal(polls, err)
	}
	poll := polls.GetPolls()[0].GetId()
	for who, ctx := range map[string]context.Context{
		"district": h.officer(), "other workplace": h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "o", w2), "community": h.staff(),
		"street": h.street(), "another branch": h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "o", w1+"B2/"),
	} {
		_, err := h.branches.GetBranchCycle(ctx, &pb.GetBranchCycleRequest{Id: c.GetId()})
		refused(t, who+": the cycle", err, codes.NotFound, "NOT_FOUND")
		_, err = h.branches.ListBranchGrades(ctx, &pb.ListBranchGradesRequest{CycleId: c.GetId()})
		refused(t, who+": the grades", err, codes.NotFound, "NOT_FOUND")
		_, err = h.branches.RevealGradeTexts(ctx, &pb.RevealGradeTextsRequest{CycleId: c.GetId(), MemberId: "m1", Reason: "想看看"})
		refused(t, who+": what was written", err, codes.NotFound, "NOT_FOUND")
		_, err = h.polls.GetPollResults(ctx, &pb.GetPollResultsRequest{Id: poll})
		refused(t, who+": what the poll says", err, codes.NotFound, "NOT_FOUND")
		if _, err = h.branches.ListBranchCycles(ctx, &pb.ListBranchCyclesRequest{OrganizationId: "B1"}); err == nil || rpc.Reason(err) == "" {
			t.Errorf("%s lists the cycles", who)
		}
		if list, err := h.polls.ListPolls(ctx, &pb.ListPollsRequest{OrganizationId: "B1"}); err == nil && len(list.GetPolls()) > 0 {
			t.Errorf("%s lists the polls", who)
		}
	}
	list, err := h.branches.ListBranchCycles(h.above(), &pb.ListBranchCyclesRequest{OrganizationId: "B1"})
	if err != nil || len(list.GetCycles()) != 1 {
		t.Errorf("the organization above: %v, %v", list, err)
	}
	_, err = h.branches.DecideGrade(h.above(), &pb.DecideGradeRequest{CycleId: c.GetId(), MemberId: "m1", Grade: qualified, Reason: "代为决定"})
	refused(t, "decided from above", err, codes.NotFound, "NOT_FOUND")
}

// Two officers at once: one place is left in the third, and one of them has it.
func TestBranch_TwoOfficersAtOnce(t *testing.T) {
	h := newBranchHouse(t)
	h.ofBranch(5, 0)
	c := h.opened(t, 2013)
	h.polled(t, c, 5, good, good, good, good, good)
	h.computed(t, c)
	errs := make([]error, 2)
	var group sync.WaitGroup
	for i, ctx := range []context.Context{h.secretary(), h.deputy()} {
		group.Go(func() { errs[i] = h.decide(ctx, c, fmt.Sprintf("m%d", i+1), excellent, "") })
	}
	group.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || rpc.Reason(errs[0])+rpc.Reason(errs[1]) != "BRANCH_THIRD_USED" {
		t.Errorf("%v, %v", errs[0], errs[1])
	}
	etag := h.grades(t, c.GetId())["m3"].GetEtag()
	if err := h.decide(h.secretary(), c, "m3", qualified, ""); err != nil {
		t.Fatal(err)
	}
	_, err := h.branches.DecideGrade(h.deputy(), &pb.DecideGradeRequest{CycleId: c.GetId(), MemberId: "m3", Etag: etag, Grade: basic, Reason: "另有意见"})
	refused(t, "over the other's decision", err, codes.Aborted, "STALE_ETAG")
}

// The community's opinion stands beside the grade once the letter was issued.
func TestBranch_ShowsTheCommunitysOpinion(t *testing.T) {
	h := newBranchHouse(t)
	h.ofBranch(1, 0)
	h.Announce("registry", store.Event{Name: "report_in.accepted", EntityID: "rm1", Revision: 2, Data: &registryv1.ReportInsChanged{
		ReportIns: []*registryv1.ReportInStateChange{{Id: "rm1", Revision: 2, MemberId: "m1", HomePath: b1,
			CommunityPath: community, State: registryv1.ReportInState_REPORT_IN_STATE_ACCEPTED}}}})
	h.Drain()
	c := h.opened(t, 2013)
	year := h.cycle(t)
	if g := h.grades(t, c.GetId())["m1"]; g.GetOpinion() != nil {
		t.Errorf("before the letter: %v", g)
	}
	h.closed(t, year.GetId())
	if g := h.grades(t, c.GetId())["m1"]; g.GetOpinion().GetOpinion() != pb.Opinion_OPINION_NOT_TAKEN_PART ||
		!strings.HasPrefix(g.GetOpinion().GetLetterId(), "let") {
		t.Errorf("after it: %v", g)
	}
}
