package projects

import (
	"context"
	"math/big"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/review"
)

// sheetPage bounds what one read of sheets brings.
const sheetPage = 500

// tally is what the sheets of a call say, and where everybody stands.
type tally struct {
	reviewers    []review.Party
	applications map[string]review.Party
	scores       map[string][]*big.Rat // by application
	handed       map[review.Pair]bool
}

// count counts the sheets of a call on a snapshot of its own. It answers an
// empty tally for a call that is not there.
func (s *Service) count(ctx context.Context, callID string) (counted tally, err error) {
	err = s.store.View(ctx, func(r kv.Reader) error {
		row, ok, err := s.tables.calls.Get(r, scope.All(), idKey(callID))
		if err != nil || !ok {
			return err
		}
		counted, err = s.countIn(r, row.Value.GetCall())
		return err
	})
	return counted, err
}

func (s *Service) countIn(r kv.Reader, c *pb.Call) (tally, error) {
	counted := tally{applications: map[string]review.Party{}, scores: map[string][]*big.Rat{}, handed: map[review.Pair]bool{}}
	for _, reviewer := range c.GetReviewers() {
		party, err := s.party(r, reviewer.GetPerson(), reviewer.GetOrganizationId())
		if err != nil {
			return counted, err
		}
		counted.reviewers = append(counted.reviewers, party)
	}
	rows, err := s.applicationsIn(r, c.GetId(), application.UnderReview)
	if err != nil {
		return counted, err
	}
	for _, row := range rows {
		a := row.Value.GetApplication()
		if counted.applications[a.GetId()], err = s.party(r, a.GetId(), a.GetApplicantId()); err != nil {
			return counted, err
		}
	}
	return counted, s.addSheets(r, c, &counted)
}

// party answers where somebody stands: nowhere when the organization is not
// known, which is in conflict with everything.
func (s *Service) party(r kv.Reader, id, organization string) (review.Party, error) {
	o, _, err := s.organizations.Get(r, organization)
	return review.Party{ID: id, Path: string(o.Path)}, err
}

func (s *Service) addSheets(r kv.Reader, c *pb.Call, to *tally) error {
	form, err := formOf(c.GetCriteria())
	if err != nil {
		return err
	}
	for q := (table.Query{Prefix: idKey(c.GetId()), Limit: sheetPage}); ; {
		page, err := s.tables.sheets.List(r, scope.All(), q)
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			h := row.Value.GetSheet()
			filled, err := form.Fill(pointsOf(h.GetPoints()))
			if err != nil {
				return err
			}
			to.scores[h.GetApplicationId()] = append(to.scores[h.GetApplicationId()], form.Score(filled))
			to.handed[review.Pair{Reviewer: h.GetReviewer(), Application: h.GetApplicationId()}] = true
		}
		if page.Last == nil {
			return nil
		}
		q.After = page.Last
	}
}

// checkComplete answers SHEETS_MISSING while a sheet for one of the
// applications is due.
func (t tally) checkComplete(rows []table.Row[*pb.ApplicationRow]) error {
	applications := make([]review.Party, len(rows))
	for i, row := range rows {
		applications[i] = t.applications[row.Value.GetApplication().GetId()]
	}
	return review.CheckComplete(t.reviewers, applications, t.handed)
}

// rank answers the places of applications by a method and where a quota cuts.
func (t tally) rank(method pb.Aggregation, quota int32, rows []table.Row[*pb.ApplicationRow]) []review.Place {
	entries := make([]review.Entry, len(rows))
	for i, row := range rows {
		a := row.Value.GetApplication()
		scores := t.scores[a.GetId()]
		entries[i] = review.Entry{
			ID: a.GetId(), Number: a.GetNumber(), Score: review.Aggregate(review.Method(method), scores), Sheets: len(scores),
		}
	}
	return review.Rank(entries, int(quota))
}
