package projects

import (
	"context"
	"errors"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/acceptance"
	"github.com/linli-project/linli/services/projects/internal/indicator"
	"github.com/linli-project/linli/services/projects/internal/keyproject"
)

// models answers linli.projects.v1.ModelService.
type models struct {
	pb.UnsafeModelServiceServer
	*Service
}

var _ pb.ModelServiceServer = models{}

// PublishModel publishes an accepted project as a model.
func (s models) PublishModel(ctx context.Context, req *pb.PublishModelRequest) (*pb.PublishModelResponse, error) {
	c, today := access.From(ctx), clock.Day(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.PublishModelResponse, error) {
		project, err := s.keyProject(tx, sight(c), req.GetProjectId(), "")
		if err != nil {
			return nil, err
		}
		if err := s.checkAccepted(tx, project.Value.GetKeyProject()); err != nil {
			return nil, err
		}
		p := project.Value.GetKeyProject()
		fresh := &pb.ModelRow{
			Model: &pb.Model{
				ProjectId: p.GetId(), Year: p.GetYear(), Number: p.GetNumber(), Title: p.GetTitle(), ApplicantId: p.GetApplicantId(),
				Summary: req.GetSummary(), PublishedOn: today,
			},
			DistrictPath: project.Value.GetDistrictPath(), AskOn: anniversary(today, keyproject.NextAnniversary(0)),
		}
		row, err := s.moveModel(tx, project, "", keyproject.Publish, func(next *pb.ModelRow) {
			fresh.Model.State = next.GetModel().GetState()
			proto.Reset(next)
			proto.Merge(next, fresh)
		})
		if err != nil {
			return nil, err
		}
		page, err := s.page(tx, row)
		return &pb.PublishModelResponse{Model: page}, err
	})
}

// checkAccepted answers NOT_ACCEPTED unless the last look accepted the project.
func (s models) checkAccepted(r kv.Reader, p *pb.KeyProject) error {
	row, _, err := s.delivery.acceptances.Get(r, scope.All(), lookKey(p.GetId(), p.GetLooks()))
	if err != nil {
		return err
	}
	return keyproject.CheckModel(acceptance.State(row.Value.GetAcceptance().GetState()) == acceptance.Accepted)
}

// anniversary is the day some years after a day; empty for none.
func anniversary(day string, years int) string {
	if years == 0 {
		return ""
	}
	return time.Unix(int64(dayNumber(day))*secondsOfDay, 0).UTC().AddDate(years, 0, 0).Format(time.DateOnly)
}

// moveModel takes the page of a project one step further, or makes it. The
// project remembers the state: it decides who may record readings.
func (s models) moveModel(tx *store.Tx, project table.Row[*pb.KeyProjectRow], etag, command string, change func(*pb.ModelRow)) (table.Row[*pb.ModelRow], error) {
	id := project.Value.GetKeyProject().GetId()
	row, ok, err := s.delivery.models.Get(tx, scope.All(), idKey(id))
	if err != nil {
		return row, err
	}
	if err := row.Match(etag); ok && err != nil {
		return row, err
	}
	state, err := keyproject.ModelMachine().Next(keyproject.ModelState(row.Value.GetModel().GetState()), command)
	if err != nil {
		return row, err
	}
	next := &pb.ModelRow{Model: &pb.Model{}}
	if ok {
		next = proto.CloneOf(row.Value)
	}
	next.Model.State = pb.ModelState(state)
	change(next)
	if ok {
		row, err = s.delivery.models.Replace(tx, row, next)
	} else {
		row, err = s.delivery.models.Insert(tx, next)
	}
	if err != nil {
		return row, err
	}
	changed := proto.CloneOf(project.Value)
	changed.Model = pb.ModelState(state)
	if _, err := s.delivery.projects.Replace(tx, project, changed); err != nil {
		return row, err
	}
	tx.Audit(store.Record{Rows: []string{id}})
	return row, tx.Emit(modelEvent(command, row))
}

// NameBrand calls a model a brand, by an approval document.
func (s models) NameBrand(ctx context.Context, req *pb.NameBrandRequest) (*pb.NameBrandResponse, error) {
	c := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.NameBrandResponse, error) {
		if err := keyproject.CheckBrand(req.GetApprovalDocument()); err != nil {
			return nil, err
		}
		project, err := s.keyProject(tx, sight(c), req.GetProjectId(), "")
		if err != nil {
			return nil, err
		}
		row, err := s.moveModel(tx, project, req.GetEtag(), keyproject.NameBrand, func(next *pb.ModelRow) {
			next.Model.ApprovalDocument = req.GetApprovalDocument()
		})
		if err != nil {
			return nil, err
		}
		page, err := s.page(tx, row)
		return &pb.NameBrandResponse{Model: page}, err
	})
}

// WithdrawModel takes a page back.
func (s models) WithdrawModel(ctx context.Context, req *pb.WithdrawModelRequest) (*pb.WithdrawModelResponse, error) {
	c := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.WithdrawModelResponse, error) {
		project, err := s.keyProject(tx, sight(c), req.GetProjectId(), "")
		if err != nil {
			return nil, err
		}
		row, err := s.moveModel(tx, project, req.GetEtag(), keyproject.Withdraw, func(next *pb.ModelRow) { next.Model.ApprovalDocument = "" })
		if err != nil {
			return nil, err
		}
		page, err := s.page(tx, row)
		return &pb.WithdrawModelResponse{Model: page}, err
	})
}

// GetModel answers one page.
func (s models) GetModel(ctx context.Context, req *pb.GetModelRequest) (*pb.GetModelResponse, error) {
	var out pb.GetModelResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, ok, err := s.delivery.models.Get(r, scope.All(), idKey(req.GetProjectId()))
		if err == nil && (!ok || !keyproject.Shown(keyproject.ModelState(row.Value.GetModel().GetState()))) {
			err = rule.Absent("model", req.GetProjectId())
		}
		if err != nil {
			return err
		}
		out.Model, err = s.page(r, row)
		return err
	})
	return &out, err
}

// mostValues is how many values of an indicator a page shows: the newest.
const mostValues = 20

// page answers a model with its indicators as they were confirmed.
func (s models) page(r kv.Reader, row table.Row[*pb.ModelRow]) (*pb.Model, error) {
	out := proto.CloneOf(row.Value.GetModel())
	out.Etag = row.Etag()
	project, err := s.keyProject(r, scope.All(), out.GetProjectId(), "")
	if err != nil {
		return nil, err
	}
	out.Excellent = project.Value.GetKeyProject().GetExcellent()
	for _, kept := range project.Value.GetIndicators() {
		t := kept.GetIndicator()
		shows := &pb.ModelIndicator{Name: t.GetName(), Unit: t.GetUnit(), Baseline: t.GetBaseline(), Target: t.GetTarget()}
		page, err := s.delivery.readings.List(r, scope.All(), table.Query{
			Prefix: indicatorKey(out.GetProjectId(), t.GetIndicator()), Limit: mostValues, Reverse: true,
		})
		if err != nil {
			return nil, err
		}
		for _, reading := range page.Rows {
			v := reading.Value.GetReading()
			if indicator.ReadingState(v.GetState()) == indicator.Confirmed {
				shows.Values = append(shows.Values, &pb.ModelValue{Value: v.GetValue(), AsOf: v.GetAsOf()})
			}
		}
		out.Indicators = append(out.Indicators, shows)
	}
	return out, nil
}

// ListModels answers the pages of a year, by number, without their indicators.
func (s models) ListModels(ctx context.Context, req *pb.ListModelsRequest) (*pb.ListModelsResponse, error) {
	c := access.From(ctx)
	page := table.PageCall{
		Method: c.Method, Person: c.Person, Scope: scope.All(), Filter: []string{strconv.Itoa(int(req.GetYear()))},
		Size: req.GetPageSize(), Token: req.GetPageToken(),
	}
	var out pb.ListModelsResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		rows, next, err := table.Page(s.pager, s.delivery.models, r, page, table.Query{
			Index: byYear, Prefix: key.Key(nil).Uint(uint64(req.GetYear())),
		})
		for _, row := range rows {
			m := proto.CloneOf(row.Value.GetModel())
			m.Etag = row.Etag()
			out.Models = append(out.Models, m)
		}
		out.NextPageToken = next
		return err
	})
	return &out, err
}

// askModels asks for the readings of models whose day has come: what stored
// queries count is read, the rest is asked of the applicant.
func (s *Service) askModels(ctx context.Context, today string) error {
	q, failed := table.Query{Index: byAsk, Limit: ladderSlice}, error(nil)
	for {
		var page table.Listing[*pb.ModelRow]
		err := s.store.View(ctx, func(r kv.Reader) (err error) {
			page, err = s.delivery.models.List(r, scope.All(), q)
			return err
		})
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			if row.Value.GetAskOn() <= today {
				failed = errors.Join(failed, s.askModel(ctx, row, today))
			}
		}
		if page.Last == nil {
			return failed
		}
		q.After = page.Last
	}
}

// askModel asks for one anniversary; the commit that asks sets the next.
func (s *Service) askModel(ctx context.Context, seen table.Row[*pb.ModelRow], today string) error {
	id, years := seen.Value.GetModel().GetProjectId(), int(seen.Value.GetModel().GetYearsAsked())+1
	readings, err := s.readYearsOn(ctx, id, years, dayNumber(today))
	if err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx *store.Tx) error {
		row, ok, err := s.delivery.models.Get(tx, scope.All(), idKey(id))
		if err != nil || !ok || row.Revision != seen.Revision {
			return err // somebody changed it: it is looked at again
		}
		project, err := s.keyProject(tx, scope.All(), id, "")
		if err != nil {
			return err
		}
		next := proto.CloneOf(row.Value)
		next.Model.YearsAsked = int32(years)
		next.AskOn = anniversary(next.GetModel().GetPublishedOn(), keyproject.NextAnniversary(years))
		if _, err := s.delivery.models.Replace(tx, row, next); err != nil {
			return err
		}
		for _, reading := range readings {
			if _, err := s.delivery.readings.Insert(tx, reading); err != nil {
				return err
			}
		}
		for _, t := range project.Value.GetIndicators() {
			if t.GetIndicator().GetSource() != indicator.Manual {
				continue
			}
			if err := tx.Emit(indicatorEvent("reading_asked", project, t.GetIndicator().GetIndicator(), today, "")); err != nil {
				return err
			}
		}
		return nil
	})
}

// readYearsOn reads the stored queries of a model some years on: a yearly one
// counts the year that lies as far from the one in which it was due.
func (s *Service) readYearsOn(ctx context.Context, id string, years, today int) (readings []*pb.ReadingRow, err error) {
	err = s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.keyProject(r, scope.All(), id, "")
		if err != nil {
			return err
		}
		for _, kept := range row.Value.GetIndicators() {
			q, ok := indicator.FindQuery(kept.GetIndicator().GetSource())
			if !ok {
				continue
			}
			t := proto.CloneOf(kept.GetIndicator())
			t.Due = anniversary(t.GetDue(), years)
			var m measured
			if m.standing.Value, m.standing.AsOf, err = s.queried(r, row.Value, q, t, dayNumber(t.GetDue()), today); err != nil {
				return err
			}
			readings = append(readings, s.takenReading(row.Value, t, m, today))
		}
		return nil
	})
	return readings, err
}
