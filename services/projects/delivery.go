package projects

import (
	"context"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/keyproject"
	"github.com/linli-project/linli/services/projects/internal/spending"
	"github.com/linli-project/linli/services/projects/internal/support"
)

// deliveries answers linli.projects.v1.DeliveryService.
type deliveries struct {
	pb.UnsafeDeliveryServiceServer
	*Service
}

var _ pb.DeliveryServiceServer = deliveries{}

// BeginProject makes a key project of an application.
func (s deliveries) BeginProject(ctx context.Context, req *pb.BeginProjectRequest) (*pb.BeginProjectResponse, error) {
	c, today, id := access.From(ctx), clock.Day(s.store.Civil().Now()), s.ids("kpr")
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.BeginProjectResponse, error) {
		origin, err := s.application(tx, sight(c), req.GetApplicationId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		state := application.State(origin.Value.GetApplication().GetState())
		if err := keyproject.CheckBegins(state == application.KeyProject, state.String()); err != nil {
			return nil, err
		}
		next, err := s.beginning(tx, id, origin.Value, req, today)
		if err != nil {
			return nil, err
		}
		row, err := s.delivery.projects.Insert(tx, next)
		if err != nil {
			return nil, err
		}
		if err := s.changeDelivery(tx, next.GetKeyProject().GetCallId(), func(d *pb.DeliveryRow) {
			d.Projects = append(d.Projects, &pb.DeliveredProject{ProjectId: id, State: next.GetKeyProject().GetState()})
		}); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id, req.GetApplicationId()}})
		return &pb.BeginProjectResponse{KeyProject: keyProjectProto(row, today)}, tx.Emit(keyProjectEvent("begun", row, nil, today))
	})
}

// beginning answers the row of a new project that the domain agrees to.
func (s deliveries) beginning(tx *store.Tx, id string, origin *pb.ApplicationRow, req *pb.BeginProjectRequest, today string) (*pb.KeyProjectRow, error) {
	a := origin.GetApplication()
	round, err := s.call(tx, scope.All(), a.GetCallId(), "")
	if err != nil {
		return nil, err
	}
	out := &pb.KeyProject{
		Id: id, ApplicationId: a.GetId(), CallId: a.GetCallId(), Number: a.GetNumber(), Title: a.GetTitle(),
		ApplicantId: a.GetApplicantId(), CoApplicantIds: a.GetCoApplicantIds(), Year: round.Value.GetCall().GetYear(),
		State: pb.KeyProjectState(keyproject.Running), BeganOn: today,
	}
	for i, p := range req.GetPromises() {
		out.Promises = append(out.Promises, &pb.Promise{
			Id: promiseID(i), Kind: p.GetKind(), People: p.GetPeople(), AmountFen: p.GetAmountFen(), Title: p.GetTitle(),
			Due: p.GetDue(), State: pb.PromiseState(support.Promised),
		})
	}
	for _, l := range req.GetBudget() {
		out.Budget = append(out.Budget, &pb.BudgetLine{Key: l.GetKey(), Name: l.GetName(), AmountFen: l.GetAmountFen()})
	}
	if err := support.CheckPlan(promisesOf(out.GetPromises()), dayNumber(today)); err != nil {
		return nil, err
	}
	if err := spending.CheckLines(purseOf(out).Lines, promisedFen(out)); err != nil {
		return nil, err
	}
	indicators, err := tracked(a.GetIndicators())
	return &pb.KeyProjectRow{
		KeyProject: out, ApplicantPath: origin.GetApplicantPath(), DistrictPath: origin.GetDistrictPath(),
		Indicators: indicators, LookedOn: today,
	}, err
}

// promisedFen sums the tranches of a project.
func promisedFen(p *pb.KeyProject) (sum int64) {
	for _, promise := range p.GetPromises() {
		sum += promise.GetAmountFen()
	}
	return sum
}

// changeDelivery writes the guard over the projects of a call.
func (s *Service) changeDelivery(tx *store.Tx, callID string, change func(*pb.DeliveryRow)) error {
	row, ok, err := s.delivery.deliveries.Get(tx, scope.All(), idKey(callID))
	if err != nil {
		return err
	}
	if !ok {
		first := &pb.DeliveryRow{CallId: callID}
		change(first)
		_, err = s.delivery.deliveries.Insert(tx, first)
		return err
	}
	next := proto.CloneOf(row.Value)
	change(next)
	_, err = s.delivery.deliveries.Replace(tx, row, next)
	return err
}

// deliveredIn answers the line of a project in the guard of its call.
func deliveredIn(d *pb.DeliveryRow, projectID string) *pb.DeliveredProject {
	for _, p := range d.GetProjects() {
		if p.GetProjectId() == projectID {
			return p
		}
	}
	return &pb.DeliveredProject{} // nobody reads it: every project has its line from its beginning
}

// keyProject answers a project that the scope sees and the etag names.
func (s *Service) keyProject(r kv.Reader, sees scope.Scope, id, etag string) (table.Row[*pb.KeyProjectRow], error) {
	row, ok, err := s.delivery.projects.Get(r, sees, idKey(id))
	if err == nil && !ok {
		err = rule.Absent("key project", id)
	}
	if err != nil {
		return row, err
	}
	return row, row.Match(etag)
}

// moveProject writes next, a changed clone of a row, one step further.
func (s *Service) moveProject(tx *store.Tx, row table.Row[*pb.KeyProjectRow], next *pb.KeyProjectRow, command, today string) (table.Row[*pb.KeyProjectRow], error) {
	p := row.Value.GetKeyProject()
	state, err := keyproject.Machine().Next(keyproject.State(p.GetState()), command)
	if err != nil {
		return row, err
	}
	next.KeyProject.State = pb.KeyProjectState(state)
	if row, err = s.delivery.projects.Replace(tx, row, next); err != nil {
		return row, err
	}
	err = s.changeDelivery(tx, p.GetCallId(), func(d *pb.DeliveryRow) { deliveredIn(d, p.GetId()).State = next.GetKeyProject().GetState() })
	if err != nil {
		return row, err
	}
	tx.Audit(store.Record{Rows: []string{p.GetId()}})
	return row, tx.Emit(keyProjectEvent(projectEventName(command), row, nil, today))
}

// DeliverPromise records that a promise was kept. What the ladder has to say
// until today is said first, since it may stop a tranche.
func (s deliveries) DeliverPromise(ctx context.Context, req *pb.DeliverPromiseRequest) (*pb.DeliverPromiseResponse, error) {
	c, today := access.From(ctx), clock.Day(s.store.Civil().Now())
	if err := s.upToDate(ctx, sight(c), req.GetId()); err != nil {
		return nil, err
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.DeliverPromiseResponse, error) {
		row, err := s.keyProject(tx, sight(c), req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		if err := keyproject.CheckSupported(keyproject.State(row.Value.GetKeyProject().GetState()), support.Deliver); err != nil {
			return nil, err
		}
		on, err := saidDay("delivered_on", req.GetDeliveredOn(), today)
		if err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		promise, err := s.deliver(tx, next, req, on, dayNumber(today))
		if err != nil {
			return nil, err
		}
		if row, err = s.delivery.projects.Replace(tx, row, next); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		return &pb.DeliverPromiseResponse{KeyProject: keyProjectProto(row, today)}, tx.Emit(keyProjectEvent("delivered", row, promise, dayText(on)))
	})
}

// deliver marks the promise of a request as kept; a tranche comes in.
func (s deliveries) deliver(tx *store.Tx, next *pb.KeyProjectRow, req *pb.DeliverPromiseRequest, on, today int) (*pb.Promise, error) {
	p := next.GetKeyProject()
	i := slices.IndexFunc(p.GetPromises(), func(p *pb.Promise) bool { return p.GetId() == req.GetPromiseId() })
	if i < 0 {
		return nil, rule.Absent("promise", req.GetPromiseId())
	}
	promise := p.GetPromises()[i]
	state, err := support.Machine().Next(support.State(promise.GetState()), support.Deliver)
	if err != nil {
		return nil, err
	}
	if err := support.CheckDay("delivered_on", on, dayNumber(p.GetBeganOn()), today); err != nil {
		return nil, err
	}
	if support.Kind(promise.GetKind()) == support.Money {
		if err := s.checkTranche(tx, next, today); err != nil {
			return nil, err
		}
		p.ReceivedFen += promise.GetAmountFen()
	}
	promise.State, promise.DeliveredOn, promise.Document = pb.PromiseState(state), dayText(on), req.GetDocument()
	return promise, nil
}

// checkTranche answers SUPERVISION_OPEN while a letter stops tranches.
func (s deliveries) checkTranche(r kv.Reader, row *pb.KeyProjectRow, today int) error {
	p, err := s.policyOn(r, row, today)
	if err != nil {
		return err
	}
	if open := row.GetKeyProject().GetOpenLetters(); open > 0 && p.On("projects.supervision_stops_tranches") {
		return rule.New(rule.Precondition, "SUPERVISION_OPEN", "", "open", strconv.Itoa(int(open)))
	}
	return nil
}

// CloseProject ends a project whose money is settled.
func (s deliveries) CloseProject(ctx context.Context, req *pb.CloseProjectRequest) (*pb.CloseProjectResponse, error) {
	c, today := access.From(ctx), clock.Day(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.CloseProjectResponse, error) {
		row, err := s.keyProject(tx, sight(c), req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		p := row.Value.GetKeyProject()
		if _, err := keyproject.Machine().Next(keyproject.State(p.GetState()), keyproject.Close); err != nil {
			return nil, err
		}
		if err := purseOf(p).CheckSettled(givesAllBack(p)); err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.KeyProject.ClosedOn = today
		if row, err = s.moveProject(tx, row, next, keyproject.Close, today); err != nil {
			return nil, err
		}
		return &pb.CloseProjectResponse{KeyProject: keyProjectProto(row, today)}, nil
	})
}

// givesAllBack says whether all that was received goes back.
func givesAllBack(p *pb.KeyProject) bool { return keyproject.State(p.GetState()) == keyproject.Failed }

// GetProject answers one key project.
func (s deliveries) GetProject(ctx context.Context, req *pb.GetProjectRequest) (*pb.GetProjectResponse, error) {
	c, today := access.From(ctx), clock.Day(s.store.Civil().Now())
	var out pb.GetProjectResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.keyProject(r, sight(c), req.GetId(), "")
		if err == nil {
			out.KeyProject = keyProjectProto(row, today)
		}
		return err
	})
	return &out, err
}

// ListProjects answers the key projects of a call, by number.
func (s deliveries) ListProjects(ctx context.Context, req *pb.ListProjectsRequest) (*pb.ListProjectsResponse, error) {
	c, today := access.From(ctx), clock.Day(s.store.Civil().Now())
	page := table.PageCall{
		Method: c.Method, Person: c.Person, Scope: sight(c), Mixed: true, Filter: []string{req.GetCallId()},
		Size: req.GetPageSize(), Token: req.GetPageToken(),
	}
	var out pb.ListProjectsResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		rows, next, err := table.Page(s.pager, s.delivery.projects, r, page, table.Query{Index: byCall, Prefix: idKey(req.GetCallId())})
		for _, row := range rows {
			out.KeyProjects = append(out.KeyProjects, keyProjectProto(row, today))
		}
		out.NextPageToken = next
		return err
	})
	return &out, err
}
