package evaluation

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/branch"
	"github.com/linli-project/linli/services/evaluation/internal/composite"
)

// gradesAtOnce bounds one read of a branch's roster.
const gradesAtOnce = 500

// workOnBranches does what branch cycles in a working state ask for, in slices
// that can be gone on with, as workOnCycles does.
func (s *Service) workOnBranches(ctx context.Context) error {
	for {
		err := s.workOffBranches(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var again <-chan time.Time
		if err != nil {
			s.log.Error("work on a branch's cycle", "error", err)
			t := time.NewTimer(retryWork)
			defer t.Stop()
			again = t.C
		}
		select {
		case <-s.branchWork:
		case <-again:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// workOffBranches takes every cycle until none has work.
func (s *Service) workOffBranches(ctx context.Context) error {
	for {
		var page table.Listing[*pb.BranchCycleRow]
		err := s.store.View(ctx, func(r kv.Reader) (err error) {
			page, err = s.branchTables.branches.List(r, scope.All(), table.Query{Index: byWork, Limit: cyclesAtOnce})
			return err
		})
		if err != nil || len(page.Rows) == 0 {
			return err
		}
		for _, row := range page.Rows {
			work := s.freezeBranch
			if branch.State(row.Value.GetCycle().GetState()) == branch.Computing {
				work = s.proposeGrades
			}
			if err := work(ctx, row); err != nil {
				return fmt.Errorf("branch cycle %s: %w", row.Value.GetCycle().GetId(), err)
			}
		}
	}
}

// freezeBranch copies one page of the branch's members onto its roster. Who is
// on another branch's of the year already stays there.
func (s *Service) freezeBranch(ctx context.Context, row table.Row[*pb.BranchCycleRow]) error {
	return s.store.Update(ctx, func(tx *store.Tx) error {
		next := proto.CloneOf(row.Value)
		c := next.GetCycle()
		page, err := s.members.AtHome(tx, scope.Path(next.GetOrganizationPath()), next.GetCursor(), sliceMembers)
		if err != nil {
			return err
		}
		for _, m := range page.Members {
			_, elsewhere, err := s.branchTables.grades.By(tx, scope.All(), byYear, gradeYearKey(m.ID, c.GetYear()))
			if err != nil {
				return err
			}
			if elsewhere {
				continue
			}
			probationary := m.Status == registryv1.MemberStatus_MEMBER_STATUS_PROBATIONARY
			_, err = s.branchTables.grades.Insert(tx, &pb.BranchGradeRow{
				Grade:            &pb.BranchGrade{CycleId: c.GetId(), Year: c.GetYear(), MemberId: m.ID, Probationary: probationary},
				OrganizationPath: next.GetOrganizationPath(),
			})
			if err != nil {
				return err
			}
			c.Members++
			if !probationary {
				c.Voters++
			}
		}
		if next.Cursor = page.Next; page.Next != nil {
			_, err = s.branchTables.branches.Replace(tx, row, next)
			return err
		}
		opened, err := s.moveBranch(tx, row, branch.Freeze, func(r *pb.BranchCycleRow) error {
			r.Cycle.Members, r.Cycle.Voters = c.GetMembers(), c.GetVoters()
			return nil
		})
		if err != nil {
			return err
		}
		return tx.Emit(branchEvent("branch.opened", opened))
	})
}

// proposal is what the figures say of one member.
type proposal struct {
	poll    string
	score   *big.Rat
	outcome composite.Outcome
}

// proposeGrades writes the proposals of one page. They are made of the whole
// branch each time: its roster is frozen and its polls are closed. A policy
// that was published meanwhile begins the work anew.
func (s *Service) proposeGrades(ctx context.Context, row table.Row[*pb.BranchCycleRow]) error {
	var p policy.Policy
	var all map[string]proposal
	var page table.Listing[*pb.BranchGradeRow]
	now := timestamppb.New(s.store.Civil().Now())
	err := s.store.View(ctx, func(r kv.Reader) (err error) {
		if p, err = s.policies.For(r, scope.Path(row.Value.GetOrganizationPath()), int(row.Value.GetCycle().GetYear())); err != nil {
			return err
		}
		if all, err = s.proposals(r, row.Value, p); err != nil {
			return err
		}
		after := row.Value.GetCursor()
		if row.Value.GetCycle().GetRules().GetPolicyVersion() != p.Version {
			after = nil
		}
		page, err = s.branchTables.grades.List(r, scope.All(), table.Query{
			Prefix: idKey(row.Value.GetCycle().GetId()), After: after, Limit: sliceMembers,
		})
		return err
	})
	if err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx *store.Tx) error {
		for _, g := range page.Rows {
			if _, err := s.branchTables.grades.Replace(tx, g, proposed(g.Value, all[g.Value.GetGrade().GetMemberId()])); err != nil {
				return err
			}
		}
		if page.Last != nil {
			next := proto.CloneOf(row.Value)
			next.Cursor, next.Cycle.Rules = page.Last, branchRules(p)
			_, err := s.branchTables.branches.Replace(tx, row, next)
			return err
		}
		computed, err := s.moveBranch(tx, row, branch.Finish, func(r *pb.BranchCycleRow) error {
			r.Cycle.Rules, r.Cycle.ComputedAt = branchRules(p), now
			return nil
		})
		if err != nil {
			return err
		}
		return tx.Emit(branchEvent("branch.computed", computed))
	})
}

func proposed(row *pb.BranchGradeRow, p proposal) *pb.BranchGradeRow {
	next := proto.CloneOf(row)
	g := next.GetGrade()
	g.PollId, g.Score, g.ScoreExact = p.poll, composite.Text(p.score), composite.Fraction(p.score)
	g.Proposed, g.Tied, g.Capped = pb.StatutoryGrade(p.outcome.Grade), p.outcome.Tied, p.outcome.Capped
	return next
}

// proposals makes the proposals of a whole branch, by member.
func (s *Service) proposals(r kv.Reader, c *pb.BranchCycleRow, p policy.Policy) (map[string]proposal, error) {
	out := map[string]proposal{}
	var candidates []composite.Candidate
	boxes := map[string]*pb.UrnRow{}
	for q := (table.Query{Prefix: idKey(c.GetCycle().GetId()), Limit: gradesAtOnce}); ; {
		page, err := s.branchTables.grades.List(r, scope.All(), q)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			g := row.Value.GetGrade()
			candidate := composite.Candidate{ID: g.GetMemberId(), Probationary: g.GetProbationary() || g.GetSetAside()}
			if !candidate.Probationary {
				poll, score, err := s.scoreOf(r, c, g.GetMemberId(), p, boxes)
				if err != nil {
					return nil, err
				}
				out[g.GetMemberId()] = proposal{poll: poll, score: score}
				if score != nil {
					candidate.Composite = composite.Round(score)
				}
			}
			candidates = append(candidates, candidate)
		}
		if q.After = page.Last; page.Last == nil {
			break
		}
	}
	outcomes, err := composite.Grades(c.GetOrganizationPath(), candidates, composite.Lines{
		Excellent: p.Rat("evaluation.grade.excellent"), Qualified: p.Rat("evaluation.grade.qualified"), Basic: p.Rat("evaluation.grade.basic"),
	}, composite.Decisions{})
	for _, o := range outcomes {
		was := out[o.ID]
		was.outcome = o
		out[o.ID] = was
	}
	return out, err
}

// scoreOf answers the mean of a member's marks in the branch's closed poll; nil
// where too few say anything.
func (s *Service) scoreOf(r kv.Reader, c *pb.BranchCycleRow, member string, p policy.Policy, boxes map[string]*pb.UrnRow) (poll string, score *big.Rat, err error) {
	row, ok, err := s.pollTables.polls.By(r, scope.All(), byMember, pollMemberKey(pb.PollKind_POLL_KIND_BRANCH, member, c.GetCycle().GetYear()))
	if err != nil || !ok || row.Value.GetOrganizationPath() != c.GetOrganizationPath() ||
		row.Value.GetPoll().GetState() != pb.PollState_POLL_STATE_CLOSED {
		return "", nil, err
	}
	poll = row.Value.GetPoll().GetId()
	box, read := boxes[poll]
	if !read {
		urn, err := s.urn(r, poll)
		if err != nil {
			return "", nil, err
		}
		box, boxes[poll] = urn.Value, urn.Value
	}
	if urnOf(box).Counts(pollIssued(row.Value.GetPoll())).Valid < leastBallots(p) {
		return poll, nil, nil
	}
	for i, m := range row.Value.GetPoll().GetMemberIds() {
		if m == member {
			return poll, appraisal(box.GetTallies()[i], p), nil
		}
	}
	return poll, nil, nil
}
