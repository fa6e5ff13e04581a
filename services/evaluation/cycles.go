package evaluation

import (
	"context"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/cycle"
	"github.com/linli-project/linli/services/evaluation/internal/sheet"
)

// OpenCycle opens the yearly round of a district or a city. Its roster is frozen by the
// job that works on cycles.
func (s *Service) OpenCycle(ctx context.Context, req *pb.OpenCycleRequest) (*pb.OpenCycleResponse, error) {
	id, now := s.ids("cyc"), timestamppb.New(s.store.Civil().Now())
	var district copies.Organization
	var near []scope.Path
	err := s.store.View(ctx, func(r kv.Reader) (err error) {
		district, near, err = s.districtOrCity(r, req.GetDistrictId())
		return err
	})
	if err != nil {
		return nil, err
	}
	reply, err := store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.OpenCycleResponse, error) {
		if err := cycle.CheckYear(req.GetYear(), civilYear(now)); err != nil {
			return nil, err
		}
		for _, path := range near {
			year := key.Key(nil).String(string(path)).Uint(uint64(req.GetYear()))
			if _, exists, err := s.tables.cycles.By(tx, scope.All(), byYear, year); err != nil || exists {
				return nil, orExists(err, req.GetYear())
			}
		}
		row, err := s.tables.cycles.Insert(tx, &pb.CycleRow{
			Cycle: &pb.Cycle{
				Id: id, DistrictId: req.GetDistrictId(), Year: req.GetYear(),
				State: pb.CycleState(cycle.Opening), OpenedAt: now,
			},
			DistrictPath: string(district.Path),
		})
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		return &pb.OpenCycleResponse{Cycle: cycleProto(row)}, nil
	})
	s.wakeUp()
	return reply, err
}

// districtOrCity answers a district or a city, and the places whose round of a
// year would be about the same members: its own, the city's above a district,
// those of the districts of a city. A member has one sheet a year.
func (s *Service) districtOrCity(r kv.Reader, id string) (at copies.Organization, near []scope.Path, err error) {
	at, ok, err := s.organizations.Get(r, id)
	if err != nil {
		return at, nil, err
	}
	if !ok {
		return at, nil, rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "district_id", "id", id)
	}
	near = []scope.Path{at.Path}
	switch at.Kind {
	case registryv1.OrganizationKind_ORGANIZATION_KIND_DISTRICT:
		return at, append(near, at.Path.Parent()), nil
	case registryv1.OrganizationKind_ORGANIZATION_KIND_CITY:
		districts, err := s.organizations.Under(r, at.Path, registryv1.OrganizationKind_ORGANIZATION_KIND_DISTRICT)
		return at, append(near, districts...), err
	}
	return at, nil, rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "district_id", "id", id)
}

// civilYear is the Shanghai year of a moment.
func civilYear(at *timestamppb.Timestamp) int32 {
	return int32(at.AsTime().In(clock.Shanghai()).Year())
}

func orExists(err error, year int32) error {
	if err != nil {
		return err
	}
	return rule.New(rule.Exists, "CYCLE_EXISTS", "year", "year", strconv.Itoa(int(year)))
}

// ComputeCycle starts the summing of an open cycle.
func (s *Service) ComputeCycle(ctx context.Context, req *pb.ComputeCycleRequest) (*pb.ComputeCycleResponse, error) {
	call := access.From(ctx)
	reply, err := store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ComputeCycleResponse, error) {
		row, err := s.cycle(tx, scope.Scope{Paths: call.Scope.Paths}, req.GetId())
		if err != nil {
			return nil, err
		}
		if err := row.Match(req.GetEtag()); err != nil {
			return nil, err
		}
		if row, err = s.moveCycle(tx, row, cycle.Compute, func(*pb.CycleRow) {}); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		return &pb.ComputeCycleResponse{Cycle: cycleProto(row)}, nil
	})
	s.wakeUp()
	return reply, err
}

// moveCycle takes a cycle one step on; its work begins at the start again.
func (s *Service) moveCycle(tx *store.Tx, row table.Row[*pb.CycleRow], command string, change func(*pb.CycleRow)) (table.Row[*pb.CycleRow], error) {
	state, err := s.cycleWay.Next(cycle.State(row.Value.GetCycle().GetState()), command)
	if err != nil {
		return row, err
	}
	next := proto.CloneOf(row.Value)
	next.Cycle.State, next.Cursor = pb.CycleState(state), nil
	change(next)
	return s.tables.cycles.Replace(tx, row, next)
}

// CloseCycle closes a cycle whose communities are all consented to.
func (s sheets) CloseCycle(ctx context.Context, req *pb.CloseCycleRequest) (*pb.CloseCycleResponse, error) {
	call := access.From(ctx)
	reply, err := store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.CloseCycleResponse, error) {
		row, err := s.cycle(tx, scope.Scope{Paths: call.Scope.Paths}, req.GetId())
		if err != nil {
			return nil, err
		}
		if err := row.Match(req.GetEtag()); err != nil {
			return nil, err
		}
		next, err := s.moveCycle(tx, row, cycle.Close, func(*pb.CycleRow) {})
		if err != nil {
			return nil, err
		}
		waiting, err := s.notConsented(ctx, req.GetId())
		if err != nil {
			return nil, err
		}
		if err := sheet.CheckClose(waiting); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		return &pb.CloseCycleResponse{Cycle: cycleProto(next)}, nil
	})
	s.wakeUp()
	return reply, err
}

// GetCycle answers one cycle.
func (s *Service) GetCycle(ctx context.Context, req *pb.GetCycleRequest) (*pb.GetCycleResponse, error) {
	call := access.From(ctx)
	var row table.Row[*pb.CycleRow]
	err := s.store.View(ctx, func(r kv.Reader) (err error) {
		row, err = s.cycle(r, call.Scope, req.GetId())
		return err
	})
	if err != nil {
		return nil, err
	}
	return &pb.GetCycleResponse{Cycle: cycleProto(row)}, nil
}

func (s *Service) cycle(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.CycleRow], error) {
	row, ok, err := s.tables.cycles.Get(r, sc, cycleKey(id))
	if err == nil && !ok {
		err = rule.Absent("cycle", id)
	}
	return row, err
}

func (s *Service) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default: // a wake-up is waiting already
	}
}
