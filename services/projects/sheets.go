package projects

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/call"
	"github.com/linli-project/linli/services/projects/internal/review"
)

// mostReviewers is how many a call names at the most, as its proto says.
const mostReviewers = 100

// SubmitSheet hands in the caller's points for one application.
func (s *Service) SubmitSheet(ctx context.Context, req *pb.SubmitSheetRequest) (*pb.SubmitSheetResponse, error) {
	c, now, id := access.From(ctx), s.store.Civil().Now(), s.ids("sht")
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.SubmitSheetResponse, error) {
		row, called, err := s.judged(tx, c.Person, req.GetApplicationId())
		if err != nil {
			return nil, err
		}
		form, err := formOf(called.GetCriteria())
		if err != nil {
			return nil, err
		}
		filled, err := form.Fill(pointsOf(req.GetPoints()))
		if err != nil {
			return nil, err
		}
		sheet, err := s.tables.sheets.Insert(tx, &pb.SheetRow{
			Sheet: &pb.Sheet{
				Id: id, ApplicationId: req.GetApplicationId(), Reviewer: c.Person, Points: pointsProto(filled),
				ScoreHundredths: review.Hundredths(form.Score(filled)), SubmittedAt: timestamppb.New(now),
			},
			CallId: called.GetId(), DistrictPath: row.Value.GetDistrictPath(),
		})
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id, req.GetApplicationId()}})
		return &pb.SubmitSheetResponse{Sheet: proto.CloneOf(sheet.Value.GetSheet())}, tx.Emit(sheetSubmitted(sheet))
	})
}

// judged answers an application and its call, if this person may judge it now.
// For a reviewer of another call it is not there. That the application is read
// here keeps a sheet from coming in while the call is decided.
func (s *Service) judged(tx *store.Tx, person, id string) (table.Row[*pb.ApplicationRow], *pb.Call, error) {
	row, err := s.application(tx, scope.All(), id, "")
	if err != nil {
		return row, nil, err
	}
	if sealed(row.Value) {
		return row, nil, rule.Absent("application", id)
	}
	a := row.Value.GetApplication()
	round, err := s.call(tx, scope.All(), a.GetCallId(), "")
	if err != nil {
		return row, nil, err
	}
	called := round.Value.GetCall()
	reviewer, named := call.Call{Reviewers: reviewersOf(called.GetReviewers())}.Names(person)
	if !named {
		return row, nil, rule.Absent("application", id)
	}
	if err := application.CheckJudged(application.State(a.GetState())); err != nil {
		return row, nil, err
	}
	_, declared, err := s.tables.conflicts.Get(tx, scope.All(), sheetKey(called.GetId(), id, person))
	if err == nil && declared {
		err = rule.New(rule.Denied, "CONFLICT_OF_INTEREST", "")
	}
	if err != nil {
		return row, nil, err
	}
	for _, applicant := range append([]string{a.GetApplicantId()}, a.GetCoApplicantIds()...) {
		err = s.checkConflict(tx, reviewer.Organization, applicant)
		var broken *rule.Error
		if row.Value.GetHideApplicants() && errors.As(err, &broken) {
			err = rule.New(broken.Kind, broken.Reason, broken.Field, "id", "") // the id would tell who applies
		}
		if err != nil {
			return row, nil, err
		}
	}
	return row, called, nil
}

// checkConflict answers CONFLICT_OF_INTEREST when the two organizations stand
// on one line of the tree, and UNKNOWN_ORGANIZATION when nobody can tell.
func (s *Service) checkConflict(r kv.Reader, reviewer, applicant string) error {
	var paths []string
	for _, id := range []string{reviewer, applicant} {
		o, ok, err := s.organizations.Get(r, id)
		if err != nil {
			return err
		}
		if !ok {
			return rule.New(rule.Precondition, "UNKNOWN_ORGANIZATION", "", "id", id)
		}
		paths = append(paths, string(o.Path))
	}
	if review.Conflict(paths[0], paths[1]) {
		return rule.New(rule.Denied, "CONFLICT_OF_INTEREST", "")
	}
	return nil
}

// ListSheets answers the sheets of an application, by reviewer.
func (s *Service) ListSheets(ctx context.Context, req *pb.ListSheetsRequest) (*pb.ListSheetsResponse, error) {
	c := access.From(ctx)
	var out pb.ListSheetsResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.application(r, sight(c), req.GetApplicationId(), "")
		if err != nil {
			return err
		}
		if err := s.checkOwnFirst(r, c.Person, row.Value); err != nil {
			return err
		}
		// Who got here may see all sheets, so they are read as the district does.
		lent := scope.Scope{Paths: []scope.Path{districtSide(scope.Path(row.Value.GetDistrictPath()))}}
		a := row.Value.GetApplication()
		sheets, err := s.tables.sheets.List(r, lent, table.Query{
			Prefix: idKey(a.GetCallId()).String(a.GetId()), Limit: mostReviewers,
		})
		for _, sheet := range sheets.Rows {
			out.Sheets = append(out.Sheets, proto.CloneOf(sheet.Value.GetSheet()))
		}
		return err
	})
	return &out, err
}

// checkOwnFirst answers SHEETS_MISSING for a reviewer of the application whose
// own sheet is not there. An officer who is a reviewer too is a reviewer first.
func (s *Service) checkOwnFirst(r kv.Reader, person string, a *pb.ApplicationRow) error {
	if !slices.Contains(a.GetReviewers(), person) {
		return nil
	}
	_, ok, err := s.tables.sheets.Get(r, scope.Scope{Person: person},
		sheetKey(a.GetApplication().GetCallId(), a.GetApplication().GetId(), person))
	if err == nil && !ok {
		err = rule.New(rule.Precondition, "SHEETS_MISSING", "", "missing", "1", "due", "1")
	}
	return err
}
