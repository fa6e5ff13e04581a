package projects

import (
	"context"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/projects/internal/indicator"
	"github.com/linli-project/linli/services/projects/internal/keyproject"
	"github.com/linli-project/linli/services/projects/internal/support"
)

// AskTargetChange asks for another target. The indicator remembers what waits,
// so that there is one at a time.
func (s indicators) AskTargetChange(ctx context.Context, req *pb.AskTargetChangeRequest) (*pb.AskTargetChangeResponse, error) {
	c, today, id := access.From(ctx), clock.Day(s.store.Civil().Now()), s.ids("tch")
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AskTargetChangeResponse, error) {
		row, err := s.keyProject(tx, sight(c), req.GetProjectId(), "")
		if err != nil {
			return nil, err
		}
		if err := keyproject.CheckOngoing(keyproject.State(row.Value.GetKeyProject().GetState()), "change a target"); err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		kept, err := trackedOf(next, req.GetIndicator())
		if err != nil {
			return nil, err
		}
		t := kept.GetIndicator()
		if kept.GetChangeId() != "" {
			return nil, rule.New(rule.Precondition, "CHANGE_PENDING", "indicator")
		}
		err = indicator.CheckTarget(indicator.Direction(t.GetDirection()), exact(t.GetBaseline()), exact(t.GetTarget()), exact(req.GetTarget()))
		if err != nil {
			return nil, err
		}
		kept.ChangeId = id
		if _, err := s.delivery.projects.Replace(tx, row, next); err != nil {
			return nil, err
		}
		change, err := s.delivery.changes.Insert(tx, &pb.TargetChangeRow{
			TargetChange: &pb.TargetChange{
				Id: id, ProjectId: req.GetProjectId(), Indicator: req.GetIndicator(), OldTarget: t.GetTarget(), NewTarget: req.GetTarget(),
				Reason: req.GetReason(), State: pb.TargetChangeState(indicator.Asked), AskedOn: today,
			},
			ApplicantPath: row.Value.GetApplicantPath(), DistrictPath: row.Value.GetDistrictPath(),
		})
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id, req.GetProjectId()}})
		return &pb.AskTargetChangeResponse{TargetChange: changeProto(change)}, nil
	})
}

// DecideTargetChange approves or refuses another target.
func (s indicators) DecideTargetChange(ctx context.Context, req *pb.DecideTargetChangeRequest) (*pb.DecideTargetChangeResponse, error) {
	c, today := access.From(ctx), clock.Day(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.DecideTargetChangeResponse, error) {
		row, ok, err := s.delivery.changes.Get(tx, sight(c), idKey(req.GetProjectId()).String(req.GetId()))
		if err == nil && !ok {
			err = rule.Absent("target change", req.GetId())
		}
		if err != nil {
			return nil, err
		}
		if err := row.Match(req.GetEtag()); err != nil {
			return nil, err
		}
		command := indicator.Refuse
		if req.GetApprove() {
			command = indicator.Approve
		}
		state, err := indicator.ChangeMachine().Next(indicator.ChangeState(row.Value.GetTargetChange().GetState()), command)
		if err != nil {
			return nil, err
		}
		on, err := saidDay("decided_on", req.GetDecidedOn(), today)
		if err != nil {
			return nil, err
		}
		if err := support.CheckDay("decided_on", on, dayNumber(row.Value.GetTargetChange().GetAskedOn()), dayNumber(today)); err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		change := next.GetTargetChange()
		change.State, change.DecidedOn, change.Document = pb.TargetChangeState(state), dayText(on), req.GetDocument()
		if err := s.putTarget(tx, c, change, today); err != nil {
			return nil, err
		}
		if row, err = s.delivery.changes.Replace(tx, row, next); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId(), req.GetProjectId()}})
		return &pb.DecideTargetChangeResponse{TargetChange: changeProto(row)}, nil
	})
}

// putTarget writes a decided change into its project: the old target goes into
// the history when it is approved.
func (s indicators) putTarget(tx *store.Tx, c access.Call, change *pb.TargetChange, today string) error {
	row, err := s.keyProject(tx, sight(c), change.GetProjectId(), "")
	if err != nil {
		return err
	}
	if err := keyproject.CheckOngoing(keyproject.State(row.Value.GetKeyProject().GetState()), "change a target"); err != nil {
		return err
	}
	next := proto.CloneOf(row.Value)
	kept, err := trackedOf(next, change.GetIndicator())
	if err != nil {
		return err
	}
	kept.ChangeId = ""
	approved := indicator.ChangeState(change.GetState()) == indicator.Approved
	if t := kept.GetIndicator(); approved {
		t.FormerTargets = append(t.FormerTargets, &pb.FormerTarget{Target: t.GetTarget(), Until: change.GetDecidedOn(), Document: change.GetDocument()})
		t.Target = change.GetNewTarget()
	}
	if row, err = s.delivery.projects.Replace(tx, row, next); err != nil || !approved {
		return err
	}
	return tx.Emit(indicatorEvent("target_changed", row, change.GetIndicator(), today, ""))
}

// ListTargetChanges answers all that was asked for, the oldest first.
func (s indicators) ListTargetChanges(ctx context.Context, req *pb.ListTargetChangesRequest) (*pb.ListTargetChangesResponse, error) {
	c := access.From(ctx)
	var out pb.ListTargetChangesResponse
	rows, next, err := listOf(ctx, s.Service, c, s.delivery.changes, req.GetProjectId(), req.GetPageSize(), req.GetPageToken())
	for _, row := range rows {
		out.TargetChanges = append(out.TargetChanges, changeProto(row))
	}
	out.NextPageToken = next
	return &out, err
}
