package projects

import (
	"context"
	"math/big"
	"slices"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/projects/internal/acceptance"
	"github.com/linli-project/linli/services/projects/internal/keyproject"
)

// AwardExcellence marks the excellent projects of a call. The guard holds all
// of them with their exact scores, so nobody is accepted meanwhile unseen.
func (s acceptances) AwardExcellence(ctx context.Context, req *pb.AwardExcellenceRequest) (*pb.AwardExcellenceResponse, error) {
	c, today := access.From(ctx), clock.Day(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AwardExcellenceResponse, error) {
		round, err := s.call(tx, sight(c), req.GetCallId(), "")
		if err != nil {
			return nil, err
		}
		guard, _, err := s.delivery.deliveries.Get(tx, scope.All(), idKey(req.GetCallId()))
		if err != nil {
			return nil, err
		}
		p, err := s.policies.For(tx, scope.Path(round.Value.GetDistrictPath()), yearOf(today))
		if err != nil {
			return nil, err
		}
		out, err := award(guard.Value, req, p.Rat("projects.acceptance.excellent"))
		if err != nil {
			return nil, err
		}
		for _, id := range out.GetExcellent() {
			if err := s.excel(tx, id, today); err != nil {
				return nil, err
			}
		}
		tx.Audit(store.Record{Rows: []string{req.GetCallId()}})
		return out, s.changeDelivery(tx, req.GetCallId(), func(d *pb.DeliveryRow) {
			for _, id := range out.GetExcellent() {
				deliveredIn(d, id).Excellent = true
				if slices.Contains(req.GetChosen(), id) {
					deliveredIn(d, id).ChosenFor = req.GetReason()
				}
			}
		})
	})
}

// award asks the domain who of a call is excellent. Who was chosen of a tie
// before stays so.
func award(d *pb.DeliveryRow, req *pb.AwardExcellenceRequest, least *big.Rat) (*pb.AwardExcellenceResponse, error) {
	open, results, chosen := 0, []acceptance.Result(nil), slices.Clone(req.GetChosen())
	for _, p := range d.GetProjects() {
		if !keyproject.Decided(keyproject.State(p.GetState())) {
			open++
		}
		if score, ok := new(big.Rat).SetString(p.GetScore()); ok {
			results = append(results, acceptance.Result{Project: p.GetProjectId(), Score: score})
		}
	}
	if err := acceptance.CheckAllDecided(open); err != nil {
		return nil, err
	}
	if err := acceptance.CheckReason(len(chosen), req.GetReason()); err != nil {
		return nil, err
	}
	excellent, tied, room := acceptance.Excellent(results, len(d.GetProjects()), least)
	for _, p := range d.GetProjects() {
		if p.GetExcellent() && slices.Contains(tied, p.GetProjectId()) && !slices.Contains(chosen, p.GetProjectId()) {
			chosen = append(chosen, p.GetProjectId())
		}
	}
	if err := acceptance.CheckChosen(chosen, tied, room); err != nil {
		return nil, err
	}
	tied = slices.DeleteFunc(tied, func(id string) bool { return slices.Contains(chosen, id) })
	return &pb.AwardExcellenceResponse{
		Excellent: append(excellent, chosen...), Tied: tied, Room: int32(room - len(chosen)),
		Projects: int32(len(d.GetProjects())), Most: int32(len(d.GetProjects()) / 2),
	}, nil
}

// excel marks one project, once.
func (s acceptances) excel(tx *store.Tx, id, today string) error {
	row, err := s.keyProject(tx, scope.All(), id, "")
	if err != nil || row.Value.GetKeyProject().GetExcellent() {
		return err
	}
	next := proto.CloneOf(row.Value)
	next.KeyProject.Excellent = true
	if row, err = s.delivery.projects.Replace(tx, row, next); err != nil {
		return err
	}
	return tx.Emit(keyProjectEvent("excelled", row, nil, today))
}
