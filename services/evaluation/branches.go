package evaluation

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/branch"
	"github.com/linli-project/linli/services/evaluation/internal/sheet"
)

// branches answers linli.evaluation.v1.BranchService.
type branches struct {
	pb.UnsafeBranchServiceServer
	*Service
}

var _ pb.BranchServiceServer = branches{}

// branchPollsAtOnce bounds one read of a branch's polls of a year.
const branchPollsAtOnce = 100

// standing is what somebody is to a branch.
type standing int

const (
	stranger standing = iota
	committee
	above
)

// standingAt answers what the caller's grants make of somebody at a branch. It
// is not a prefix: the grades of a branch are for its committee and for the
// organization directly above, not for those further up.
func standingAt(call access.Call, path scope.Path) standing {
	out := stranger
	for _, g := range call.Grants {
		if !slices.Contains(branchOffices(), g.Role) {
			continue
		}
		switch {
		case g.Path == path && slices.Contains(branchLeaders(), g.Role):
			return committee
		case g.Path == path.Parent():
			out = above
		}
	}
	return out
}

// branchLeaders are those that lead branches.
func branchLeaders() []typev1.Role {
	return []typev1.Role{typev1.Role_ROLE_WORKPLACE_OFFICER, typev1.Role_ROLE_BRANCH_OFFICER, typev1.Role_ROLE_COMMUNITY_PARTY_STAFF}
}

// branchOffices are those and the ones above them.
func branchOffices() []typev1.Role {
	return append(branchLeaders(), typev1.Role_ROLE_STREET_OFFICER, typev1.Role_ROLE_DISTRICT_OFFICER)
}

// branchCycle reads a cycle for somebody who is one of these to it.
func (s *Service) branchCycle(r kv.Reader, call access.Call, id string, as ...standing) (table.Row[*pb.BranchCycleRow], error) {
	row, ok, err := s.branchTables.branches.Get(r, scope.All(), idKey(id))
	if err == nil && (!ok || !slices.Contains(as, standingAt(call, scope.Path(row.Value.GetOrganizationPath())))) {
		err = rule.Absent("branch", id)
	}
	return row, err
}

// branchOf answers an organization that can have members of its own, for
// somebody who is one of these to it.
func (s *Service) branchOf(r kv.Reader, call access.Call, id string, as ...standing) (copies.Organization, error) {
	o, ok, err := s.organizations.Get(r, id)
	if err != nil {
		return o, err
	}
	kinds := []registryv1.OrganizationKind{
		registryv1.OrganizationKind_ORGANIZATION_KIND_WORKPLACE, registryv1.OrganizationKind_ORGANIZATION_KIND_BRANCH,
		registryv1.OrganizationKind_ORGANIZATION_KIND_COMMUNITY,
	}
	if !ok || !slices.Contains(kinds, o.Kind) || !slices.Contains(as, standingAt(call, o.Path)) {
		return o, rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "organization_id", "id", id)
	}
	return o, nil
}

// OpenBranchCycle opens the cycle of a branch. Its roster is frozen by the job.
func (s branches) OpenBranchCycle(ctx context.Context, req *pb.OpenBranchCycleRequest) (*pb.OpenBranchCycleResponse, error) {
	call, id, now := access.From(ctx), s.ids("brc"), timestamppb.New(s.store.Civil().Now())
	reply, err := store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.OpenBranchCycleResponse, error) {
		o, err := s.branchOf(tx, call, req.GetOrganizationId(), committee)
		if err != nil {
			return nil, err
		}
		if _, exists, err := s.branchTables.branches.By(tx, scope.All(), byYear, branchYearKey(string(o.Path), req.GetYear())); err != nil || exists {
			return nil, orExists(err, req.GetYear())
		}
		row, err := s.branchTables.branches.Insert(tx, &pb.BranchCycleRow{
			Cycle: &pb.BranchCycle{
				Id: id, OrganizationId: o.ID, Year: req.GetYear(), State: pb.BranchCycleState(branch.Opening), OpenedAt: now,
			},
			OrganizationPath: string(o.Path),
		})
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		return &pb.OpenBranchCycleResponse{Cycle: branchProto(row)}, nil
	})
	s.wakeBranches()
	return reply, err
}

// GetBranchCycle answers a cycle.
func (s branches) GetBranchCycle(ctx context.Context, req *pb.GetBranchCycleRequest) (*pb.GetBranchCycleResponse, error) {
	reply := &pb.GetBranchCycleResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.branchCycle(r, access.From(ctx), req.GetId(), committee, above)
		if err == nil {
			reply.Cycle = branchProto(row)
		}
		return err
	})
	return reply, err
}

// ListBranchCycles answers the cycles of a branch.
func (s branches) ListBranchCycles(ctx context.Context, req *pb.ListBranchCyclesRequest) (*pb.ListBranchCyclesResponse, error) {
	call, reply := access.From(ctx), &pb.ListBranchCyclesResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		o, err := s.branchOf(r, call, req.GetOrganizationId(), committee, above)
		if err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.All(), Filter: []string{req.GetOrganizationId()}, Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.branchTables.branches, r, page,
			table.Query{Index: byYear, Prefix: key.Key(nil).String(string(o.Path))})
		for _, row := range rows {
			reply.Cycles = append(reply.Cycles, branchProto(row))
		}
		reply.NextPageToken = next
		return err
	})
	return reply, err
}

// ComputeBranchCycle starts the work on proposals.
func (s branches) ComputeBranchCycle(ctx context.Context, req *pb.ComputeBranchCycleRequest) (*pb.ComputeBranchCycleResponse, error) {
	call := access.From(ctx)
	reply, err := store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ComputeBranchCycleResponse, error) {
		row, err := s.stepBranch(tx, call, req.GetId(), req.GetEtag(), branch.Compute, func(next *pb.BranchCycleRow) error {
			open, onBallots, err := s.branchPolls(tx, next)
			if err != nil {
				return err
			}
			return branch.CheckPolls(open, onBallots, countOf(next).Graded())
		})
		if err != nil {
			return nil, err
		}
		return &pb.ComputeBranchCycleResponse{Cycle: branchProto(row)}, nil
	})
	s.wakeBranches()
	return reply, err
}

// branchPolls answers whether a poll of the branch and year is under way, and
// how many members stand on the ballots of those that are closed.
func (s *Service) branchPolls(r kv.Reader, c *pb.BranchCycleRow) (open bool, onBallots int32, err error) {
	q := table.Query{Index: byKeeper, Prefix: branchYearKey(c.GetOrganizationPath(), c.GetCycle().GetYear()), Limit: branchPollsAtOnce}
	for {
		page, err := s.pollTables.polls.List(r, scope.All(), q)
		if err != nil {
			return false, 0, err
		}
		for _, row := range page.Rows {
			p := row.Value.GetPoll()
			switch {
			case p.GetKind() != pb.PollKind_POLL_KIND_BRANCH || p.GetState() == pb.PollState_POLL_STATE_ANNULLED:
			case p.GetState() == pb.PollState_POLL_STATE_CLOSED:
				onBallots += int32(len(p.GetMemberIds()))
			default:
				open = true
			}
		}
		if q.After = page.Last; page.Last == nil {
			return open, onBallots, nil
		}
	}
}

// ShowBranchGrades lets members see their grades.
func (s branches) ShowBranchGrades(ctx context.Context, req *pb.ShowBranchGradesRequest) (*pb.ShowBranchGradesResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ShowBranchGradesResponse, error) {
		row, err := s.stepBranch(tx, call, req.GetId(), req.GetEtag(), branch.Show, func(next *pb.BranchCycleRow) error {
			p, err := s.policies.For(tx, scope.Path(next.GetOrganizationPath()), int(next.GetCycle().GetYear()))
			if err != nil {
				return err
			}
			next.Cycle.ShownAt = timestamppb.New(now)
			next.Cycle.ObjectUntil = timestamppb.New(endOfDays(now, p.Int("evaluation.branch_objection_days")))
			return branch.CheckShow(countOf(next))
		})
		if err != nil {
			return nil, err
		}
		return &pb.ShowBranchGradesResponse{Cycle: branchProto(row)}, tx.Emit(branchEvent("branch.shown", row))
	})
}

// CloseBranchCycle ends a cycle.
func (s branches) CloseBranchCycle(ctx context.Context, req *pb.CloseBranchCycleRequest) (*pb.CloseBranchCycleResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.CloseBranchCycleResponse, error) {
		row, err := s.stepBranch(tx, call, req.GetId(), req.GetEtag(), branch.Close, func(next *pb.BranchCycleRow) error {
			next.Cycle.ClosedAt, next.Cycle.ClosedBy = timestamppb.New(now), call.Person
			until := next.GetCycle().GetObjectUntil().AsTime().In(clock.Shanghai())
			if err := sheet.CheckSign(until, now, int(next.GetCycle().GetOpenObjections())); err != nil {
				return err
			}
			return branch.CheckExceptions(countOf(next))
		})
		if err != nil {
			return nil, err
		}
		return &pb.CloseBranchCycleResponse{Cycle: branchProto(row)}, tx.Emit(branchEvent("branch.closed", row))
	})
}

// stepBranch takes a cycle one step on for its committee.
func (s branches) stepBranch(tx *store.Tx, call access.Call, id, etag, command string, change func(*pb.BranchCycleRow) error) (table.Row[*pb.BranchCycleRow], error) {
	row, err := s.branchCycle(tx, call, id, committee)
	if err != nil {
		return row, err
	}
	if err := row.Match(etag); err != nil {
		return row, err
	}
	tx.Audit(store.Record{Rows: []string{id}})
	return s.moveBranch(tx, row, command, change)
}

// moveBranch takes a cycle one step on; its work begins at the start again.
func (s *Service) moveBranch(tx *store.Tx, row table.Row[*pb.BranchCycleRow], command string, change func(*pb.BranchCycleRow) error) (table.Row[*pb.BranchCycleRow], error) {
	state, err := branch.Machine().Next(branch.State(row.Value.GetCycle().GetState()), command)
	if err != nil {
		return row, err
	}
	next := proto.CloneOf(row.Value)
	next.Cycle.State, next.Cursor = pb.BranchCycleState(state), nil
	if err := change(next); err != nil {
		return row, err
	}
	return s.branchTables.branches.Replace(tx, row, next)
}

func (s *Service) wakeBranches() {
	select {
	case s.branchWork <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// checkBranchPoll: the ballot of a branch's poll is the roster of its open
// cycle, and its seats are those who have a vote. Other polls pass.
func (s *Service) checkBranchPoll(tx *store.Tx, call access.Call, at scope.Path, req *pb.PreparePollRequest, members []string) error {
	if req.GetKind() != pb.PollKind_POLL_KIND_BRANCH {
		return nil
	}
	if standingAt(call, at) == stranger {
		return rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "organization_id", "id", req.GetOrganizationId())
	}
	row, ok, err := s.branchTables.branches.By(tx, scope.All(), byYear, branchYearKey(string(at), req.GetYear()))
	if err != nil {
		return err
	}
	if !ok || branch.State(row.Value.GetCycle().GetState()) != branch.Open {
		return rule.New(rule.Precondition, "BRANCH_NO_CYCLE", "year")
	}
	return branch.CheckBallot(req.GetSeats(), row.Value.GetCycle().GetVoters(), members, func(id string) (bool, error) {
		g, ok, err := s.branchTables.grades.Get(tx, scope.All(), branchGradeKey(row.Value.GetCycle().GetId(), id))
		return ok && !g.Value.GetGrade().GetProbationary() && !g.Value.GetGrade().GetSetAside(), err
	})
}

// pollHidden says whether a poll is a branch's and the caller neither of its
// committee nor of the organization above.
func pollHidden(call access.Call, p *pb.PollRow) bool {
	return p.GetPoll().GetKind() == pb.PollKind_POLL_KIND_BRANCH && standingAt(call, scope.Path(p.GetOrganizationPath())) == stranger
}
