package evaluation_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/store"
)

// pollHouse is a house with a client of polls.
type pollHouse struct {
	house
	polls pb.PollServiceClient
}

func newPollHouse(t *testing.T) pollHouse {
	t.Helper()
	h := newHouse(t, inMemory(), names{})
	h.Drain()
	return pollHouse{h, pb.NewPollServiceClient(h.Conn())}
}

// reportIn announces that m1, m2, … reported in to the community.
func (h pollHouse) reportIn(members int32) {
	ev := &registryv1.ReportInsChanged{}
	for i := range members {
		m := fmt.Sprintf("m%d", i+1)
		ev.ReportIns = append(ev.ReportIns, &registryv1.ReportInStateChange{Id: "r" + m, Revision: 2, MemberId: m, HomePath: w1,
			CommunityPath: community, State: registryv1.ReportInState_REPORT_IN_STATE_ACCEPTED})
	}
	h.Announce("registry", store.Event{Name: "report_in.accepted", EntityID: ids.New("rep"), Revision: 2, Data: ev})
	h.Drain()
}

// prepare makes a poll over members m1, m2, … of a community.
func (h pollHouse) prepare(t *testing.T, year, members, seats int32) *pb.Poll {
	t.Helper()
	h.reportIn(members)
	req := &pb.PreparePollRequest{OrganizationId: "C1", Kind: pb.PollKind_POLL_KIND_COMMUNITY, Year: year, Seats: seats}
	for i := range members {
		req.Lines = append(req.Lines, &pb.BallotLine{MemberId: fmt.Sprintf("m%d", i+1), Label: fmt.Sprintf("王%d", i+1)})
	}
	reply, err := h.polls.PreparePoll(h.staff(), req)
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetPoll()
}

// open prepares, issues and opens a poll, and answers its codes.
func (h pollHouse) open(t *testing.T, year, members, papers, byCode int32) (*pb.Poll, []string) {
	t.Helper()
	p := h.prepare(t, year, members, papers+byCode)
	issued, err := h.polls.IssueBallots(h.staff(), &pb.IssueBallotsRequest{Id: p.GetId(), Papers: papers, Codes: byCode})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := h.polls.OpenPoll(h.staff(), &pb.OpenPollRequest{Id: p.GetId(), Etag: issued.GetPoll().GetEtag()})
	if err != nil {
		t.Fatal(err)
	}
	return opened.GetPoll(), issued.GetCodes()
}

func ballot(marks ...pb.Mark) []*pb.BallotMark {
	out := make([]*pb.BallotMark, len(marks))
	for i, m := range marks {
		out[i] = &pb.BallotMark{MemberId: fmt.Sprintf("m%d", i+1), Mark: m}
	}
	return out
}

// cast votes as nobody.
func (h pollHouse) cast(ctx context.Context, poll, code string, marks ...pb.Mark) error {
	_, err := h.polls.CastBallot(ctx, &pb.CastBallotRequest{Id: poll, Code: code, Marks: ballot(marks...)})
	return err
}

const (
	good   = pb.Mark_MARK_GOOD
	fairly = pb.Mark_MARK_FAIRLY_GOOD
	fair   = pb.Mark_MARK_FAIR
	poor   = pb.Mark_MARK_POOR
	blank  = pb.Mark_MARK_UNSPECIFIED
)

func counts(issued, returned, valid int32) *pb.PollCounts {
	return &pb.PollCounts{Issued: issued, Returned: returned, Valid: valid}
}

func TestPoll_OnPaperAndByCode(t *testing.T) {
	h := newPollHouse(t)
	p, drawn := h.open(t, 2013, 2, 4, 4)
	empty, err := h.polls.GetBallot(t.Context(), &pb.GetBallotRequest{Id: p.GetId(), Code: drawn[0]})
	if err != nil || len(empty.GetLines()) != 2 || empty.GetLines()[1].GetLabel() != "王2" || empty.GetYear() != 2013 {
		t.Fatal(empty, err)
	}
	for i, marks := range [][]pb.Mark{{good, poor}, {good, blank}, {fairly, blank}} {
		if err := h.cast(t.Context(), p.GetId(), drawn[i], marks...); err != nil {
			t.Fatal(err)
		}
	}
	entered, err := h.polls.EnterPapers(h.staff(), &pb.EnterPapersRequest{Id: p.GetId(), Papers: []*pb.Paper{
		{Marks: ballot(fair, good)}, {Void: true}, {Marks: ballot(good, good)}}})
	if err != nil || !proto.Equal(entered.GetPoll().GetCounts(), counts(8, 6, 5)) {
		t.Fatal(entered, err)
	}
	_, err = h.polls.GetPollResults(h.staff(), &pb.GetPollResultsRequest{Id: p.GetId()})
	refused(t, "results of an open poll", err, codes.FailedPrecondition, "WRONG_STATE")
	_, err = h.polls.ClosePoll(h.staff(), &pb.ClosePollRequest{Id: p.GetId(), Tellers: counts(8, 7, 5)})
	refused(t, "counts that do not balance", err, codes.FailedPrecondition, "POLL_NOT_BALANCED")
	closed, err := h.polls.ClosePoll(h.staff(), &pb.ClosePollRequest{Id: p.GetId(), Tellers: counts(8, 6, 5)})
	if err != nil || closed.GetPoll().GetState() != pb.PollState_POLL_STATE_CLOSED || closed.GetPoll().GetClosedBy() != "staff" {
		t.Fatal(closed, err)
	}
	results, err := h.polls.GetPollResults(h.staff(), &pb.GetPollResultsRequest{Id: p.GetId()})
	want := []*pb.PollResult{
		{MemberId: "m1", Good: 3, FairlyGood: 1, Fair: 1, Appraisal: "88.00", AppraisalExact: "88/1"},
		{MemberId: "m2", Withheld: true}, // three marks would show each of them
	}
	if err != nil || !slices.EqualFunc(results.GetResults(), want, func(a, b *pb.PollResult) bool { return proto.Equal(a, b) }) {
		t.Errorf("results: %v, %v", results, err)
	}
	refused(t, "a ballot after the end", h.cast(t.Context(), p.GetId(), drawn[3], good, good), codes.NotFound, "UNKNOWN_CODE")
	list, err := h.polls.ListPolls(h.staff(), &pb.ListPollsRequest{OrganizationId: "C1"})
	if err != nil || len(list.GetPolls()) != 1 || list.GetPolls()[0].GetCounts() != nil {
		t.Errorf("list: %v, %v", list, err)
	}
	again := &pb.PreparePollRequest{OrganizationId: "C1", Kind: pb.PollKind_POLL_KIND_COMMUNITY, Year: 2013, Seats: 9,
		Lines: []*pb.BallotLine{{MemberId: "m2", Label: "王2"}}}
	_, err = h.polls.PreparePoll(h.staff(), again)
	refused(t, "a second poll on a member", err, codes.AlreadyExists, "POLL_EXISTS")
}

// A community polls who reported in to it and nobody else: the poll of another
// community would stand in the way of the member's own.
func TestPoll_OfThoseWhoReportedIn(t *testing.T) {
	h := newPollHouse(t)
	h.member("m1", w1, true)
	h.member("m2", w1, false)
	h.Announce("registry", store.Event{Name: "organization.registered", EntityID: "C2", Revision: 1, Data: &registryv1.OrganizationChanged{
		Id: "C2", Kind: registryv1.OrganizationKind_ORGANIZATION_KIND_COMMUNITY, Path: "/1/11/111/C2/", Displayed: true, Revision: 1}})
	h.Drain()
	prepare := func(community, member string) error {
		_, err := h.polls.PreparePoll(h.street(), &pb.PreparePollRequest{OrganizationId: community, Kind: pb.PollKind_POLL_KIND_COMMUNITY, Year: 2013, Seats: 5,
			Lines: []*pb.BallotLine{{MemberId: member, Label: "王"}}})
		return err
	}
	refused(t, "who reported in elsewhere", prepare("C2", "m1"), codes.FailedPrecondition, "POLL_MEMBER_ELSEWHERE")
	refused(t, "who reported in nowhere", prepare("C1", "m2"), codes.FailedPrecondition, "POLL_MEMBER_ELSEWHERE")
	refused(t, "nobody known", prepare("C1", "nobody"), codes.FailedPrecondition, "POLL_MEMBER_ELSEWHERE")
	if err := prepare("C1", "m1"); err != nil {
		t.Errorf("the own community: %v", err)
	}
}

func TestPoll_UnderFiveBallotsSaysNothing(t *testing.T) {
	h := newPollHouse(t)
	p, drawn := h.open(t, 2013, 1, 0, 9)
	for _, c := range drawn[:4] {
		if err := h.cast(t.Context(), p.GetId(), c, good); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.polls.ClosePoll(h.staff(), &pb.ClosePollRequest{Id: p.GetId(), Tellers: counts(9, 4, 4)}); err != nil {
		t.Fatal(err)
	}
	_, err := h.polls.GetPollResults(h.staff(), &pb.GetPollResultsRequest{Id: p.GetId()})
	refused(t, "four ballots", err, codes.FailedPrecondition, "TOO_FEW_ANSWERS")
}

func TestPoll_Refusals(t *testing.T) {
	h := newPollHouse(t)
	p := h.prepare(t, 2013, 2, 3)
	id := p.GetId()
	issue := func(ctx context.Context, papers, byCode int32) (*pb.IssueBallotsResponse, error) {
		return h.polls.IssueBallots(ctx, &pb.IssueBallotsRequest{Id: id, Papers: papers, Codes: byCode})
	}
	_, err := h.polls.OpenPoll(h.staff(), &pb.OpenPollRequest{Id: id})
	refused(t, "opened without ballots", err, codes.FailedPrecondition, "WRONG_STATE")
	_, err = issue(h.staff(), 2, 2)
	refused(t, "more ballots than seats", err, codes.FailedPrecondition, "POLL_OVER_SEATS")
	_, err = issue(h.staff(), 0, 0)
	refused(t, "no ballots", err, codes.InvalidArgument, "INVALID_FIELD")
	grant := access.Grant{Role: typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, Path: community}
	_, err = issue(h.As("m1", grant), 1, 1)
	refused(t, "by who is appraised", err, codes.PermissionDenied, "POLL_ON_ONESELF")
	_, err = issue(h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "o", w1), 1, 1)
	refused(t, "by another organization", err, codes.NotFound, "NOT_FOUND")
	_, err = issue(h.as(typev1.Role_ROLE_SYSTEM_ADMIN, "admin", "/"), 1, 1)
	refused(t, "by the administrator", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	before, err := issue(h.staff(), 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	after, err := issue(h.staff(), 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, "before it opens", h.cast(t.Context(), id, after.GetCodes()[0], good, good), codes.NotFound, "UNKNOWN_CODE")
	if _, err := h.polls.OpenPoll(h.staff(), &pb.OpenPollRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	refused(t, "a code of the first issue", h.cast(t.Context(), id, before.GetCodes()[0], good, good), codes.NotFound, "UNKNOWN_CODE")
	refused(t, "one member unmarked", h.cast(t.Context(), id, after.GetCodes()[0], good), codes.InvalidArgument, "BALLOT_INCOMPLETE")
	if err := h.cast(t.Context(), id, after.GetCodes()[0], good, good); err != nil {
		t.Fatal("a refused ballot used the code up:", err)
	}
	refused(t, "the code again", h.cast(t.Context(), id, after.GetCodes()[0], poor, poor), codes.FailedPrecondition, "CODE_USED")
	paper := []*pb.Paper{{Marks: ballot(good, good)}}
	enter := func(after int32) error {
		_, err := h.polls.EnterPapers(h.staff(), &pb.EnterPapersRequest{Id: id, After: after, Papers: paper})
		return err
	}
	refused(t, "papers that skip", enter(1), codes.FailedPrecondition, "PAPERS_OUT_OF_STEP")
	if err := enter(0); err != nil {
		t.Fatal(err)
	}
	refused(t, "papers entered again", enter(0), codes.FailedPrecondition, "PAPERS_OUT_OF_STEP")
	refused(t, "more papers than issued", enter(1), codes.FailedPrecondition, "PAPERS_OVER_ISSUED")
	annulled, err := h.polls.AnnulPoll(h.staff(), &pb.AnnulPollRequest{Id: id, Reason: "票箱未封"})
	if err != nil || annulled.GetPoll().GetState() != pb.PollState_POLL_STATE_ANNULLED {
		t.Fatal(annulled, err)
	}
	h.prepare(t, 2013, 2, 3) // its members can be polled anew
}

// TestPoll_AsManyAsThereAre issues the most codes on the longest ballot.
func TestPoll_AsManyAsThereAre(t *testing.T) {
	h := newPollHouse(t)
	p, drawn := h.open(t, 2013, 200, 0, 900)
	if err := h.cast(t.Context(), p.GetId(), drawn[899], slices.Repeat([]pb.Mark{good}, 200)...); err != nil {
		t.Fatal(err)
	}
}

// TestPoll_VotesInAnyOrderAndAtOnceBalance lets voters come all at once, some of
// them twice, while papers are entered; the counts are those of the model.
func TestPoll_VotesInAnyOrderAndAtOnceBalance(t *testing.T) {
	h := newPollHouse(t)
	r := rand.New(rand.NewPCG(11, 13))
	for round := range int32(3) {
		const voters, papers = 30, 10
		p, drawn := h.open(t, 2013+round, 3, papers, voters)
		var want [3][5]int32
		plan := make([][]pb.Mark, voters+papers)
		for i := range plan {
			plan[i] = make([]pb.Mark, 3)
			for j := range plan[i] {
				plan[i][j] = pb.Mark(r.IntN(5))
				want[j][plan[i][j]]++
			}
		}
		var group sync.WaitGroup
		var lock sync.Mutex
		took := map[int]int{}
		for _, i := range r.Perm(2 * voters) {
			voter := i % voters
			group.Go(func() {
				err := h.cast(context.Background(), p.GetId(), drawn[voter], plan[voter]...)
				lock.Lock()
				defer lock.Unlock()
				switch {
				case err == nil:
					took[voter]++
				case rpc.Reason(err) != "CODE_USED":
					t.Errorf("voter %d: %v", voter, err)
				}
			})
		}
		for i := range int32(papers) {
			_, err := h.polls.EnterPapers(h.staff(), &pb.EnterPapersRequest{
				Id: p.GetId(), After: i, Papers: []*pb.Paper{{Marks: ballot(plan[voters+i]...)}}})
			if err != nil {
				t.Fatal(err)
			}
		}
		group.Wait()
		for voter := range voters {
			if took[voter] != 1 {
				t.Errorf("voter %d voted %d times", voter, took[voter])
			}
		}
		all := int32(voters + papers)
		if _, err := h.polls.ClosePoll(h.staff(), &pb.ClosePollRequest{Id: p.GetId(), Tellers: counts(all, all, all)}); err != nil {
			t.Fatal(err)
		}
		results, err := h.polls.GetPollResults(h.staff(), &pb.GetPollResultsRequest{Id: p.GetId()})
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range results.GetResults() {
			if tally := [5]int32{got.GetBlank(), got.GetGood(), got.GetFairlyGood(), got.GetFair(), got.GetPoor()}; tally != want[i] {
				t.Errorf("%s: %v, want %v", got.GetMemberId(), tally, want[i])
			}
		}
	}
}
