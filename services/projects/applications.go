package projects

import (
	"context"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/call"
)

// DraftApplication drafts an organization's answer to an open call.
func (s *Service) DraftApplication(ctx context.Context, req *pb.DraftApplicationRequest) (*pb.DraftApplicationResponse, error) {
	c, now, id := access.From(ctx), s.store.Civil().Now(), s.ids("apl")
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.DraftApplicationResponse, error) {
		round, err := s.call(tx, sight(c), req.GetCallId(), "")
		if err != nil {
			return nil, err
		}
		called := round.Value.GetCall()
		if err := windowOf(called).CheckTaking(call.State(called.GetState()), now); err != nil {
			return nil, err
		}
		drafted, err := draftApplication(id, req)
		if err != nil {
			return nil, err
		}
		next := &pb.ApplicationRow{Application: drafted, DistrictPath: round.Value.GetDistrictPath()}
		if err := s.place(tx, called, next); err != nil {
			return nil, err
		}
		if err := s.checkBarred(tx, req.GetApplicantId(), clock.Day(now)); err != nil {
			return nil, err
		}
		row, err := s.enter(tx, next, called.GetMostPerApplicant())
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		return &pb.DraftApplicationResponse{Application: applicationProto(row)}, nil
	})
}

// place notes where those who apply stand, if they may apply with that theme.
func (s *Service) place(tx *store.Tx, called *pb.Call, a *pb.ApplicationRow) error {
	applicant, others := a.GetApplication().GetApplicantId(), a.GetApplication().GetCoApplicantIds()
	a.Application.Category = strings.TrimSpace(a.GetApplication().GetCategory())
	if err := application.CheckTheme(a.GetApplication().GetCategory(), called.GetThemes()); err != nil {
		return err
	}
	if err := application.CheckTogether(applicant, others); err != nil {
		return err
	}
	kinds := called.GetApplicantKinds()
	if len(kinds) == 0 {
		kinds = application.Kinds()
	}
	var err error
	if a.ApplicantPath, err = s.stands(tx, "applicant_id", applicant, a.GetDistrictPath(), kinds); err != nil {
		return err
	}
	a.CoApplicantPaths = nil
	for i, id := range others {
		path, err := s.stands(tx, "co_applicant_ids["+strconv.Itoa(i)+"]", id, a.GetDistrictPath(), application.Kinds())
		if err != nil {
			return err
		}
		a.CoApplicantPaths = append(a.CoApplicantPaths, path)
	}
	return nil
}

// stands answers where an organization that applies stands, if it may.
func (s *Service) stands(tx *store.Tx, field, id, district string, kinds []string) (string, error) {
	o, err := s.organization(tx, field, id)
	if err != nil {
		return "", err
	}
	return string(o.Path), application.CheckApplicant(field, kindName(o.Kind), string(o.Path), district, kinds)
}

// enter puts an application on the roll of its call, under its number.
func (s *Service) enter(tx *store.Tx, a *pb.ApplicationRow, most int32) (table.Row[*pb.ApplicationRow], error) {
	var none table.Row[*pb.ApplicationRow]
	callID, number := a.GetApplication().GetCallId(), a.GetApplication().GetNumber()
	roll, err := s.roll(tx, callID)
	if err != nil {
		return none, err
	}
	if err := application.CheckRoom(int(roll.Value.GetApplications())); err != nil {
		return none, err
	}
	applicant := a.GetApplication().GetApplicantId()
	if err := application.CheckShare(int(roll.Value.GetByApplicant()[applicant]), int(most)); err != nil {
		return none, err
	}
	_, taken, err := s.tables.applications.By(tx, scope.All(), byNumber, numberKey(callID, number))
	if err == nil && taken {
		err = rule.New(rule.Exists, "APPLICATION_EXISTS", "number", "number", number)
	}
	if err != nil {
		return none, err
	}
	longer := proto.CloneOf(roll.Value)
	longer.Applications++
	if longer.ByApplicant == nil {
		longer.ByApplicant = map[string]int32{}
	}
	longer.ByApplicant[applicant]++
	if _, err := s.tables.rolls.Replace(tx, roll, longer); err != nil {
		return none, err
	}
	return s.tables.applications.Insert(tx, a)
}

// roll answers the roll of a call, the guard over the set of its applications.
func (s *Service) roll(tx *store.Tx, callID string) (table.Row[*pb.RollRow], error) {
	row, ok, err := s.tables.rolls.Get(tx, scope.All(), idKey(callID))
	if err == nil && !ok {
		err = rule.Absent("roll", callID)
	}
	return row, err
}

// SubmitApplication hands a draft in.
func (s *Service) SubmitApplication(ctx context.Context, req *pb.SubmitApplicationRequest) (*pb.SubmitApplicationResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.SubmitApplicationResponse, error) {
		row, err := s.ownApplication(tx, c, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.Application.SubmittedAt = timestamppb.New(now)
		row, err = s.moveApplication(tx, row, next, application.Submit)
		if err != nil {
			return nil, err
		}
		round, err := s.call(tx, scope.All(), row.Value.GetApplication().GetCallId(), "")
		if err != nil {
			return nil, err
		}
		called := round.Value.GetCall()
		if err := windowOf(called).CheckTaking(call.State(called.GetState()), now); err != nil {
			return nil, err
		}
		a := row.Value.GetApplication()
		handed, err := domainOf(a.GetNumber(), a.GetTitle(), a.GetIndicators())
		if err != nil {
			return nil, err
		}
		if err := application.CheckMeasured(handed.Indicators, windowOf(called).Closes); err != nil {
			return nil, err
		}
		return &pb.SubmitApplicationResponse{Application: applicationProto(row)}, tx.Emit(applicationChanged(row, now))
	})
}

// ownApplication answers an application that the caller may change: one of the
// own organization, not one that another applies for.
func (s *Service) ownApplication(r kv.Reader, c access.Call, id, etag string) (table.Row[*pb.ApplicationRow], error) {
	row, err := s.application(r, sight(c), id, etag)
	if err == nil && !sight(c).Covers(applicantSide(scope.Path(row.Value.GetApplicantPath()))) {
		err = rule.New(rule.Denied, "NOT_THE_APPLICANT", "")
	}
	return row, err
}

// application answers an application that the scope sees and the etag names.
func (s *Service) application(r kv.Reader, sees scope.Scope, id, etag string) (table.Row[*pb.ApplicationRow], error) {
	row, ok, err := s.tables.applications.Get(r, sees, idKey(id))
	if err == nil && !ok {
		err = rule.Absent("application", id)
	}
	if err != nil {
		return row, err
	}
	return row, row.Match(etag)
}

// applicationsIn answers the applications of a call whose state is one of
// those asked for, by number. All of them are read: a call holds no more than
// one commit moves.
func (s *Service) applicationsIn(r kv.Reader, callID string, is func(application.State) bool) ([]table.Row[*pb.ApplicationRow], error) {
	all, err := s.tables.applications.List(r, scope.All(), table.Query{
		Index: byNumber, Prefix: idKey(callID), Limit: application.MostInCall,
	})
	var out []table.Row[*pb.ApplicationRow]
	for _, row := range all.Rows {
		if is(application.State(row.Value.GetApplication().GetState())) {
			out = append(out, row)
		}
	}
	return out, err
}

// moveApplication writes next, a changed clone of a row, one step further.
func (s *Service) moveApplication(tx *store.Tx, row table.Row[*pb.ApplicationRow], next *pb.ApplicationRow, command string) (table.Row[*pb.ApplicationRow], error) {
	a := row.Value.GetApplication()
	state, err := application.Machine().Next(application.State(a.GetState()), command)
	if err != nil {
		return row, err
	}
	next.Application.State = pb.ApplicationState(state)
	tx.Audit(store.Record{Rows: []string{a.GetId()}})
	return s.tables.applications.Replace(tx, row, next)
}

// GetApplication answers one application.
func (s *Service) GetApplication(ctx context.Context, req *pb.GetApplicationRequest) (*pb.GetApplicationResponse, error) {
	c := access.From(ctx)
	var out pb.GetApplicationResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.application(r, sight(c), req.GetId(), "")
		if err != nil {
			return err
		}
		out.Application = applicationFor(c, row)
		return nil
	})
	return &out, err
}

// ListApplications answers the applications of a call under review, by
// number. Before the review there is no page after the first either: it would
// tell how many wait.
func (s *Service) ListApplications(ctx context.Context, req *pb.ListApplicationsRequest) (*pb.ListApplicationsResponse, error) {
	c := access.From(ctx)
	page := table.PageCall{
		Method: c.Method, Person: c.Person, Scope: sight(c), Mixed: true, Filter: []string{req.GetCallId()},
		Size: req.GetPageSize(), Token: req.GetPageToken(),
	}
	var out pb.ListApplicationsResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		round, err := s.call(r, page.Scope, req.GetCallId(), "")
		if err != nil {
			return err
		}
		rows, next, err := table.Page(s.pager, s.tables.applications, r, page, table.Query{
			Index: byNumber, Prefix: idKey(req.GetCallId()),
		})
		if err != nil || !call.Known(call.State(round.Value.GetCall().GetState())) {
			return err
		}
		for _, row := range rows {
			out.Applications = append(out.Applications, applicationFor(c, row))
		}
		out.NextPageToken = next
		return nil
	})
	return &out, err
}

// ListOwnApplications answers the applications of an organization, drafts too:
// an office that lost the id of one finds it here.
func (s *Service) ListOwnApplications(ctx context.Context, req *pb.ListOwnApplicationsRequest) (*pb.ListOwnApplicationsResponse, error) {
	c := access.From(ctx)
	page := table.PageCall{
		Method: c.Method, Person: c.Person, Scope: sight(c), Filter: []string{req.GetOrganizationId()},
		Size: req.GetPageSize(), Token: req.GetPageToken(),
	}
	var out pb.ListOwnApplicationsResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		o, err := s.organization(r, "organization_id", req.GetOrganizationId())
		if err != nil {
			return err
		}
		rows, next, err := table.Page(s.pager, s.tables.applications, r, page, table.Query{
			Index: byApplicant, Prefix: key.Key(nil).String(string(o.Path)),
		})
		for _, row := range rows {
			out.Applications = append(out.Applications, applicationFor(c, row))
		}
		out.NextPageToken = next
		return err
	})
	return &out, err
}
