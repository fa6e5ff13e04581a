package evaluation_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
)

// modelPoll is what the model knows of a poll over one member, with twelve seats.
type modelPoll struct {
	state        pb.PollState
	papers       int32
	fresh, spent []string // codes of the last issue
	stale        []string // codes of earlier issues
	byCode       int32
	valid, void  int32
	good, poor   int32
}

const modelSeats = 12

func (m *modelPoll) open() bool { return m.state == pb.PollState_POLL_STATE_OPEN }

func (m *modelPoll) issued() int32 { return m.papers + int32(len(m.fresh)+len(m.spent)) }

func (m *modelPoll) counts() *pb.PollCounts {
	return counts(m.issued(), m.byCode+m.valid+m.void, m.byCode+m.valid)
}

func (m *modelPoll) mark(mark pb.Mark) {
	if mark == good {
		m.good++
	} else {
		m.poor++
	}
}

// pollStep carries out one random command in the house and in the model.
type pollStep func(ctx context.Context, h pollHouse, id string, m *modelPoll, random *rand.Rand) (allowed bool, err error)

func pollSteps() map[string]pollStep {
	return map[string]pollStep{"issue": issueStep, "open": openStep, "cast": castStep, "enter": enterStep, "close": closeStep, "annul": annulStep}
}

func issueStep(ctx context.Context, h pollHouse, id string, m *modelPoll, random *rand.Rand) (bool, error) {
	papers, byCode := random.Int32N(9), random.Int32N(9)
	reply, err := h.polls.IssueBallots(ctx, &pb.IssueBallotsRequest{Id: id, Papers: papers, Codes: byCode})
	allowed := papers+byCode <= modelSeats && (m.state == pb.PollState_POLL_STATE_PREPARED || m.state == pb.PollState_POLL_STATE_ISSUED)
	if allowed {
		m.state, m.papers = pb.PollState_POLL_STATE_ISSUED, papers
		m.stale, m.fresh = append(m.stale, m.fresh...), reply.GetCodes()
	}
	return allowed, err
}

func openStep(ctx context.Context, h pollHouse, id string, m *modelPoll, _ *rand.Rand) (bool, error) {
	_, err := h.polls.OpenPoll(ctx, &pb.OpenPollRequest{Id: id})
	allowed := m.state == pb.PollState_POLL_STATE_ISSUED
	if allowed {
		m.state = pb.PollState_POLL_STATE_OPEN
	}
	return allowed, err
}

// castStep votes with a code that is good, used, or of an earlier issue.
func castStep(ctx context.Context, h pollHouse, id string, m *modelPoll, random *rand.Rand) (bool, error) {
	code, allowed := "NOSUCHCODE", false
	switch n := random.IntN(4); {
	case n == 0 && len(m.spent) > 0:
		code = m.spent[0]
	case n == 1 && len(m.stale) > 0:
		code = m.stale[0]
	case n > 1 && len(m.fresh) > 0:
		code, allowed = m.fresh[0], m.open()
	}
	mark := []pb.Mark{good, poor}[random.IntN(2)]
	err := h.cast(ctx, id, code, mark)
	if allowed {
		m.fresh, m.spent = m.fresh[1:], append(m.spent, code)
		m.byCode++
		m.mark(mark)
	}
	return allowed, err
}

// enterStep enters up to two papers, sometimes out of step with those entered.
func enterStep(ctx context.Context, h pollHouse, id string, m *modelPoll, random *rand.Rand) (bool, error) {
	entered, after := m.valid+m.void, m.valid+m.void+random.Int32N(5)/4
	var papers []*pb.Paper
	var marks []pb.Mark
	void := int32(0)
	for range 1 + random.IntN(2) {
		if random.IntN(3) == 0 {
			papers, void = append(papers, &pb.Paper{Void: true}), void+1
			continue
		}
		marks = append(marks, []pb.Mark{good, poor}[random.IntN(2)])
		papers = append(papers, &pb.Paper{Marks: ballot(marks[len(marks)-1])})
	}
	_, err := h.polls.EnterPapers(ctx, &pb.EnterPapersRequest{Id: id, After: after, Papers: papers})
	allowed := m.open() && after == entered && entered+int32(len(papers)) <= m.papers
	if allowed {
		m.void, m.valid = m.void+void, m.valid+int32(len(marks))
		for _, mark := range marks {
			m.mark(mark)
		}
	}
	return allowed, err
}

// closeStep closes with the tellers' counts, which are mostly one off.
func closeStep(ctx context.Context, h pollHouse, id string, m *modelPoll, random *rand.Rand) (bool, error) {
	tellers := m.counts()
	right := random.IntN(6) == 0
	if !right {
		tellers.Returned++
	}
	_, err := h.polls.ClosePoll(ctx, &pb.ClosePollRequest{Id: id, Tellers: tellers})
	allowed := m.open() && right
	if allowed {
		m.state = pb.PollState_POLL_STATE_CLOSED
	}
	return allowed, err
}

func annulStep(ctx context.Context, h pollHouse, id string, m *modelPoll, random *rand.Rand) (bool, error) {
	if random.IntN(20) > 0 {
		return true, nil // rarely, or no poll comes to its end
	}
	_, err := h.polls.AnnulPoll(ctx, &pb.AnnulPollRequest{Id: id, Reason: "选票印制有误"})
	allowed := m.state != pb.PollState_POLL_STATE_CLOSED && m.state != pb.PollState_POLL_STATE_ANNULLED
	if allowed {
		m.state = pb.PollState_POLL_STATE_ANNULLED
	}
	return allowed, err
}

// TestPoll_RandomCommandsAgainstAModel carries out random commands on polls and
// beside them on a model that knows every mark. State and counts agree after
// each, and so does what a closed poll says.
func TestPoll_RandomCommandsAgainstAModel(t *testing.T) {
	h := newPollHouse(t)
	steps := pollSteps()
	names := []string{"issue", "open", "cast", "cast", "cast", "cast", "enter", "enter", "enter", "close", "annul"}
	shown := 0
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 11))
		m := &modelPoll{state: pb.PollState_POLL_STATE_PREPARED}
		id := h.prepare(t, int32(2001+seed), 1, modelSeats).GetId()
		for step := range 70 {
			name := names[random.IntN(len(names))]
			allowed, err := steps[name](h.staff(), h, id, m, random)
			if (err == nil) != allowed {
				t.Fatalf("seed %d, step %d: %s of %+v: %v", seed, step, name, *m, err)
			}
			got, err := h.polls.GetPoll(h.staff(), &pb.GetPollRequest{Id: id})
			if err != nil || got.GetPoll().GetState() != m.state {
				t.Fatalf("seed %d, step %d: after %s %v, %v; want %+v", seed, step, name, got, err, *m)
			}
			if c := got.GetPoll().GetCounts(); c != nil && !proto.Equal(c, m.counts()) {
				t.Fatalf("seed %d, step %d: counts after %s %v; want %v", seed, step, name, c, m.counts())
			}
		}
		if m.state != pb.PollState_POLL_STATE_CLOSED {
			continue
		}
		results, err := h.polls.GetPollResults(h.staff(), &pb.GetPollResultsRequest{Id: id})
		if m.good+m.poor < 5 {
			refused(t, "results of few", err, codes.FailedPrecondition, "TOO_FEW_ANSWERS")
			continue
		}
		shown++
		want := &pb.PollResult{MemberId: "m1", Good: m.good, Poor: m.poor}
		if err != nil || len(results.GetResults()) != 1 {
			t.Fatalf("seed %d: %v, %v", seed, results, err)
		}
		got := results.GetResults()[0]
		got.Appraisal, got.AppraisalExact = "", ""
		if !proto.Equal(got, want) {
			t.Errorf("seed %d: %v, want %v", seed, got, want)
		}
	}
	if shown == 0 {
		t.Error("no poll came to a result")
	}
}
