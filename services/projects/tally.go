package projects

import (
	"encoding/hex"
	"fmt"
	"slices"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/review"
	"github.com/linli-project/linli/services/projects/selection"
)

// sheetPage bounds what one read of sheets brings.
const sheetPage = 500

// tally is what the sheets of a call say, in the shape of the selection file:
// what is shown, decided and counted again is counted by the same code.
type tally struct {
	call         selection.Call
	sheets       []selection.Sheet
	reviewers    []review.Party
	applications map[string]review.Party // by id
	rows         map[string]table.Row[*pb.ApplicationRow]
	handed       map[review.Pair]bool
}

// countIn reads the sheets of a call and the applications they are for.
func (s *Service) countIn(r kv.Reader, c *pb.CallRow) (tally, error) {
	counted := tally{
		call: selectionCall(c), applications: map[string]review.Party{},
		rows: map[string]table.Row[*pb.ApplicationRow]{}, handed: map[review.Pair]bool{},
	}
	for _, reviewer := range c.GetCall().GetReviewers() {
		party, err := s.party(r, reviewer.GetPerson(), reviewer.GetOrganizationId())
		if err != nil {
			return counted, err
		}
		counted.reviewers = append(counted.reviewers, party)
	}
	rows, err := s.applicationsIn(r, c.GetCall().GetId(), application.UnderReview)
	if err != nil {
		return counted, err
	}
	numbers := map[string]string{}
	for _, row := range rows {
		a := row.Value.GetApplication()
		if counted.applications[a.GetId()], err = s.party(r, a.GetId(), a.GetApplicantId()); err != nil {
			return counted, err
		}
		counted.rows[a.GetNumber()], numbers[a.GetId()] = row, a.GetNumber()
		counted.call.Applications = append(counted.call.Applications, a.GetNumber())
	}
	return counted, s.addSheets(r, c, numbers, &counted)
}

// selectionCall is how a call counts, as the selection file says it.
func selectionCall(row *pb.CallRow) selection.Call {
	c := row.GetCall()
	out := selection.Call{
		ID: c.GetId(), Title: c.GetTitle(), Year: int(c.GetYear()), Method: methodName(c.GetAggregation()),
		TrimPercent: int(c.GetTrimPercent()), Quota: int(c.GetQuota()), Reserves: int(c.GetReserves()),
		TieLadder: c.GetTieLadder(), Seed: hex.EncodeToString(row.GetDrawSeed()), SeedHash: c.GetDrawSeedHash(),
	}
	for _, k := range c.GetCriteria() {
		out.Criteria = append(out.Criteria, selection.Criterion{
			Key: k.GetKey(), Name: k.GetName(), Max: int(k.GetMax()), Weight: max(1, int(k.GetWeight())),
		})
	}
	return out
}

func methodName(m pb.Aggregation) string { return selection.MethodName(review.Method(m)) }

// party answers where somebody stands: nowhere when the organization is not
// known, which is in conflict with everything.
func (s *Service) party(r kv.Reader, id, organization string) (review.Party, error) {
	o, _, err := s.organizations.Get(r, organization)
	return review.Party{ID: id, Path: string(o.Path)}, err
}

// addSheets adds the sheets of the applications whose numbers are given.
func (s *Service) addSheets(r kv.Reader, c *pb.CallRow, numbers map[string]string, to *tally) error {
	names := s.pseudonyms(c.GetCall())
	for q := (table.Query{Prefix: idKey(c.GetCall().GetId()), Limit: sheetPage}); ; {
		page, err := s.tables.sheets.List(r, scope.All(), q)
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			h := row.Value.GetSheet()
			to.handed[review.Pair{Reviewer: h.GetReviewer(), Application: h.GetApplicationId()}] = true
			if number, ranked := numbers[h.GetApplicationId()]; ranked {
				to.sheets = append(to.sheets, selectionSheet(names[h.GetReviewer()], number, h))
			}
		}
		if page.Last == nil {
			break
		}
		q.After = page.Last
	}
	slices.SortFunc(to.sheets, func(a, b selection.Sheet) int {
		return slices.Compare([]string{a.Application, a.Reviewer}, []string{b.Application, b.Reviewer})
	})
	return nil
}

func selectionSheet(reviewer, number string, h *pb.Sheet) selection.Sheet {
	out := selection.Sheet{Reviewer: reviewer, Application: number}
	for _, p := range h.GetPoints() {
		out.Points = append(out.Points, selection.Points{
			Criterion: p.GetCriterion(), Halves: int(p.GetHalves()), NotApplicable: p.GetNotApplicable(),
		})
	}
	return out
}

// pseudonyms answers a name for each reviewer of a call, in an order that only
// a keyed hash knows: nobody can tell from the file who is who.
func (s *Service) pseudonyms(c *pb.Call) map[string]string {
	order := func(person string) string { return string(s.store.Keyring().Digest("reviewer", c.GetId(), person)) }
	all := persons(c.GetReviewers())
	slices.SortFunc(all, func(a, b string) int { return slices.Compare([]byte(order(a)), []byte(order(b))) })
	out := map[string]string{}
	for i, person := range all {
		out[person] = fmt.Sprintf("R%02d", i+1)
	}
	return out
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

// checkOwn answers SHEETS_MISSING for a reviewer of the call who has own sheets
// to hand in: others' points are seen after the own ones.
func (t tally) checkOwn(person string) error {
	for _, r := range t.reviewers {
		if r.ID != person {
			continue
		}
		for _, a := range t.applications {
			if err := review.CheckHanded(r, a, t.handed); err != nil {
				return err
			}
		}
	}
	return nil
}
