package evaluation

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math/big"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/composite"
	"github.com/linli-project/linli/services/evaluation/internal/poll"
)

// newCodes draws codes. Two alike are as likely as a guessed one, and the
// second would be refused by the table.
func newCodes(n int) []string {
	out := make([]string, n)
	for i := range out {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		out[i] = poll.Code(binary.BigEndian.Uint64(b[:]))
	}
	return out
}

// pollCodeHash is all that is kept of a code.
func (s *Service) pollCodeHash(id, code string) []byte {
	return s.store.Keyring().Digest("poll code", id, poll.Plain(code))
}

// openBallot reads the poll and the code of somebody who comes to vote. What is
// not there, not open and not issued is all the same to who has no right code.
func (s polls) openBallot(r kv.Reader, id string, hash []byte) (p table.Row[*pb.PollRow], code table.Row[*pb.PollCodeRow], err error) {
	unknown := rule.New(rule.NotFound, "UNKNOWN_CODE", "code")
	p, ok, err := s.pollTables.polls.Get(r, scope.All(), pollKey(id))
	if err != nil {
		return p, code, err
	}
	if !ok {
		return p, code, unknown
	}
	if _, err := s.pollWay.Next(poll.State(p.Value.GetPoll().GetState()), poll.Vote); err != nil {
		return p, code, unknown
	}
	code, ok, err = s.pollTables.codes.Get(r, scope.All(), pollCodeKey(id, hash))
	switch {
	case err != nil:
		return p, code, err
	case !ok || code.Value.GetIssue() != p.Value.GetIssue():
		return p, code, unknown
	case code.Value.GetUsed():
		return p, code, rule.New(rule.Precondition, "CODE_USED", "code")
	}
	return p, code, nil
}

// GetBallot answers the empty ballot.
func (s polls) GetBallot(ctx context.Context, req *pb.GetBallotRequest) (*pb.GetBallotResponse, error) {
	hash := s.pollCodeHash(req.GetId(), req.GetCode())
	reply := &pb.GetBallotResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, _, err := s.openBallot(r, req.GetId(), hash)
		if err != nil {
			return err
		}
		p := row.Value.GetPoll()
		reply.Kind, reply.Year = p.GetKind(), p.GetYear()
		for i, m := range p.GetMemberIds() {
			label, err := s.store.Keyring().Open(row.Value.GetLabels()[i], "poll", p.GetId(), m)
			if err != nil {
				return fmt.Errorf("%w: label of a ballot: %w", kv.ErrCorrupt, err)
			}
			reply.Lines = append(reply.Lines, &pb.BallotLine{MemberId: m, Label: string(label)})
		}
		return nil
	})
	return reply, err
}

// CastBallot marks the code as used and adds the marks to the box. Nothing that
// it writes holds the marks together, and nothing says when.
func (s polls) CastBallot(ctx context.Context, req *pb.CastBallotRequest) (*pb.CastBallotResponse, error) {
	hash := s.pollCodeHash(req.GetId(), req.GetCode())
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		row, code, err := s.openBallot(tx, req.GetId(), hash)
		if err != nil {
			return err
		}
		ballot, err := poll.Ballot(row.Value.GetPoll().GetMemberIds(), given(req.GetMarks()))
		if err != nil {
			return err
		}
		used := proto.CloneOf(code.Value)
		used.Used = true
		if _, err := s.pollTables.codes.Replace(tx, code, used); err != nil {
			return err
		}
		return s.changeUrn(tx, req.GetId(), func(u *poll.Urn) { u.CastByCode(ballot) })
	})
	if err != nil {
		return nil, err
	}
	return &pb.CastBallotResponse{}, nil
}

// EnterPapers adds papers to the box. Neither a reply nor a digest of the
// request is kept: who holds the keyring could try marks against it.
func (s polls) EnterPapers(ctx context.Context, req *pb.EnterPapersRequest) (*pb.EnterPapersResponse, error) {
	var reply *pb.EnterPapersResponse
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		row, err := s.pollToRun(ctx, tx, req.GetId(), "")
		if err != nil {
			return err
		}
		p := row.Value.GetPoll()
		if _, err := s.pollWay.Next(poll.State(p.GetState()), poll.Vote); err != nil {
			return err
		}
		var after *pb.UrnRow
		err = s.tryUrn(tx, req.GetId(), func(u *poll.Urn) error {
			if err := u.CheckPapers(req.GetAfter(), int32(len(req.GetPapers())), p.GetPapersIssued()); err != nil {
				return err
			}
			return enter(u, p.GetMemberIds(), req.GetPapers())
		}, &after)
		if err != nil {
			return err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		reply = &pb.EnterPapersResponse{Poll: pollProto(row, after)}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

func enter(u *poll.Urn, members []string, papers []*pb.Paper) error {
	for _, paper := range papers {
		if paper.GetVoid() && len(paper.GetMarks()) == 0 {
			u.EnterVoid()
			continue
		}
		ballot, err := poll.Ballot(members, given(paper.GetMarks()))
		if err != nil {
			return err
		}
		if paper.GetVoid() {
			return rule.New(rule.Invalid, "BALLOT_INCOMPLETE", "papers.marks")
		}
		u.EnterPaper(ballot)
	}
	return nil
}

func (s polls) changeUrn(tx *store.Tx, id string, change func(*poll.Urn)) error {
	var after *pb.UrnRow
	return s.tryUrn(tx, id, func(u *poll.Urn) error {
		change(u)
		return nil
	}, &after)
}

// tryUrn changes the box of a poll, unless that is refused.
func (s polls) tryUrn(tx *store.Tx, id string, change func(*poll.Urn) error, after **pb.UrnRow) error {
	row, err := s.urn(tx, id)
	if err != nil {
		return err
	}
	urn := urnOf(row.Value)
	if err := change(&urn); err != nil {
		return err
	}
	*after = urnRow(id, urn)
	_, err = s.pollTables.urns.Replace(tx, row, *after)
	return err
}

// GetPollResults answers what a closed poll says.
func (s polls) GetPollResults(ctx context.Context, req *pb.GetPollResultsRequest) (*pb.GetPollResultsResponse, error) {
	reply := &pb.GetPollResultsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.poll(ctx, r, access.From(ctx).Scope, req.GetId())
		if err != nil {
			return err
		}
		p := row.Value.GetPoll()
		if _, err := s.pollWay.Next(poll.State(p.GetState()), poll.Read); err != nil {
			return err
		}
		urn, err := s.urn(r, req.GetId())
		if err != nil {
			return err
		}
		says, err := s.policies.For(r, scope.Path(row.Value.GetOrganizationPath()), int(p.GetYear()))
		if err != nil {
			return err
		}
		counts := urnOf(urn.Value).Counts(pollIssued(p))
		if err := poll.MayShow(counts.Valid, leastBallots(says)); err != nil {
			return err
		}
		reply.Counts = countsProto(counts)
		for i, m := range p.GetMemberIds() {
			reply.Results = append(reply.Results, pollResult(m, urn.Value.GetTallies()[i], says))
		}
		return nil
	})
	return reply, err
}

func leastBallots(says policy.Policy) int32 { return int32(says.Int("evaluation.poll_least_ballots")) }

// pollResult leaves out what fewer than the least say: with one mark the mean
// would be that mark.
func pollResult(member string, row *pb.TallyRow, says policy.Policy) *pb.PollResult {
	mean := appraisal(row, says)
	if mean == nil {
		return &pb.PollResult{MemberId: member, Withheld: true}
	}
	return &pb.PollResult{
		MemberId: member, Good: row.GetGood(), FairlyGood: row.GetFairlyGood(), Fair: row.GetFair(), Poor: row.GetPoor(), Blank: row.GetBlank(),
		Appraisal: composite.Text(mean), AppraisalExact: composite.Fraction(mean),
	}
}

// appraisal is the mean of a member's marks; nil when there are too few.
func appraisal(row *pb.TallyRow, says policy.Policy) *big.Rat {
	tally := composite.Tally{
		Good: int64(row.GetGood()), FairlyGood: int64(row.GetFairlyGood()), Fair: int64(row.GetFair()),
		Poor: int64(row.GetPoor()), Blank: int64(row.GetBlank()),
	}
	if tally.Marks() < int64(leastBallots(says)) {
		return nil
	}
	return composite.Appraisal(tally, composite.Values{
		Good: says.Rat("evaluation.mark.good"), FairlyGood: says.Rat("evaluation.mark.fairly_good"),
		Fair: says.Rat("evaluation.mark.fair"), Poor: says.Rat("evaluation.mark.poor"),
	})
}

func given(marks []*pb.BallotMark) []poll.Given {
	out := make([]poll.Given, len(marks))
	for i, m := range marks {
		out[i] = poll.Given{Member: m.GetMemberId(), Mark: poll.Mark(m.GetMark())}
	}
	return out
}

func pollIssued(p *pb.Poll) int32 { return p.GetPapersIssued() + p.GetCodesIssued() }

func countsOf(c *pb.PollCounts) poll.Counts {
	return poll.Counts{Issued: c.GetIssued(), Returned: c.GetReturned(), Valid: c.GetValid()}
}

func countsProto(c poll.Counts) *pb.PollCounts {
	return &pb.PollCounts{Issued: c.Issued, Returned: c.Returned, Valid: c.Valid}
}

func urnOf(row *pb.UrnRow) poll.Urn {
	u := poll.Urn{ByCode: row.GetByCode(), PapersValid: row.GetPapersValid(), PapersVoid: row.GetPapersVoid()}
	for _, t := range row.GetTallies() {
		u.Tallies = append(u.Tallies, poll.Tally{t.GetBlank(), t.GetGood(), t.GetFairlyGood(), t.GetFair(), t.GetPoor()})
	}
	return u
}

func urnRow(id string, u poll.Urn) *pb.UrnRow {
	row := &pb.UrnRow{PollId: id, ByCode: u.ByCode, PapersValid: u.PapersValid, PapersVoid: u.PapersVoid}
	for _, t := range u.Tallies {
		row.Tallies = append(row.Tallies, &pb.TallyRow{
			Good: t[poll.Good], FairlyGood: t[poll.FairlyGood], Fair: t[poll.Fair], Poor: t[poll.Poor], Blank: t[poll.Blank],
		})
	}
	return row
}

// pollProto is a poll with the counts of its box, once it has one.
func pollProto(row table.Row[*pb.PollRow], urn *pb.UrnRow) *pb.Poll {
	out := proto.CloneOf(row.Value.GetPoll())
	out.Etag = row.Etag()
	if urn != nil {
		out.Counts = countsProto(urnOf(urn).Counts(pollIssued(out)))
	}
	return out
}
