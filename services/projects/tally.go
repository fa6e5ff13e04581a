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
	"github.com/linli-project/linli/services/projects/internal/call"
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
	panel        review.Panel
	applications []review.Party
	rows         map[string]table.Row[*pb.ApplicationRow] // by number
	// setAside are the ids of sheets that do not count.
	setAside []string
}

// countIn reads the sheets of a call and the applications they are for. Once
// the call is decided, those set aside are the ones that were set aside then.
func (s *Service) countIn(r kv.Reader, c *pb.CallRow) (tally, error) {
	counted := tally{call: selectionCall(c), rows: map[string]table.Row[*pb.ApplicationRow]{}}
	var err error
	if counted.panel, err = s.panel(r, c.GetCall()); err != nil {
		return counted, err
	}
	rows, err := s.applicationsIn(r, c.GetCall().GetId(), application.UnderReview)
	if err != nil {
		return counted, err
	}
	for _, row := range rows {
		a := row.Value.GetApplication()
		party, err := s.party(r, a.GetId(), a.GetApplicantId(), a.GetCoApplicantIds()...)
		if err != nil {
			return counted, err
		}
		counted.applications = append(counted.applications, party)
		counted.rows[a.GetNumber()] = row
		counted.call.Applications = append(counted.call.Applications, a.GetNumber())
	}
	return counted, s.addSheets(r, c, &counted)
}

// panel answers who reviews a call, and the conflicts that were declared.
func (s *Service) panel(r kv.Reader, c *pb.Call) (review.Panel, error) {
	out := review.Panel{Declared: map[review.Pair]bool{}, Handed: map[review.Pair]bool{}}
	for _, reviewer := range c.GetReviewers() {
		party, err := s.party(r, reviewer.GetPerson(), reviewer.GetOrganizationId())
		if err != nil {
			return out, err
		}
		out.Reviewers = append(out.Reviewers, party)
	}
	for q := (table.Query{Prefix: idKey(c.GetId()), Limit: sheetPage}); ; {
		page, err := s.tables.conflicts.List(r, scope.All(), q)
		if err != nil {
			return out, err
		}
		for _, row := range page.Rows {
			d := row.Value.GetConflict()
			out.Declared[review.Pair{Reviewer: d.GetReviewer(), Application: d.GetApplicationId()}] = true
		}
		if page.Last == nil {
			return out, nil
		}
		q.After = page.Last
	}
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

// party answers where somebody stands, and those together with it: nowhere when
// an organization is not known, which is in conflict with everything.
func (s *Service) party(r kv.Reader, id, organization string, with ...string) (review.Party, error) {
	o, _, err := s.organizations.Get(r, organization)
	out := review.Party{ID: id, Path: string(o.Path)}
	for _, other := range with {
		if err != nil {
			break
		}
		o, _, err = s.organizations.Get(r, other)
		out.With = append(out.With, string(o.Path))
	}
	return out, err
}

// addSheets adds the sheets of the applications that are ranked.
func (s *Service) addSheets(r kv.Reader, c *pb.CallRow, to *tally) error {
	barred, err := s.barred(r, c, to)
	if err != nil {
		return err
	}
	names, numbers := s.pseudonyms(c.GetCall()), map[string]string{}
	for number, row := range to.rows {
		numbers[row.Value.GetApplication().GetId()] = number
	}
	for q := (table.Query{Prefix: idKey(c.GetCall().GetId()), Limit: sheetPage}); ; {
		page, err := s.tables.sheets.List(r, scope.All(), q)
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			h := row.Value.GetSheet()
			to.panel.Handed[review.Pair{Reviewer: h.GetReviewer(), Application: h.GetApplicationId()}] = true
			number, ranked := numbers[h.GetApplicationId()]
			switch {
			case !ranked:
			case barred(h):
				to.setAside = append(to.setAside, h.GetId())
			default:
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

// barred answers which sheets do not count: by the conflicts of today, or, of a
// decided call, by those of the day of its decision.
func (s *Service) barred(r kv.Reader, c *pb.CallRow, t *tally) (func(*pb.Sheet) bool, error) {
	if call.State(c.GetCall().GetState()) == call.Decided {
		decision, _, err := s.tables.decisions.Get(r, scope.All(), idKey(c.GetCall().GetId()))
		return func(h *pb.Sheet) bool { return slices.Contains(decision.Value.GetSetAside(), h.GetId()) }, err
	}
	reviewers, applications := map[string]review.Party{}, map[string]review.Party{}
	for _, p := range t.panel.Reviewers {
		reviewers[p.ID] = p
	}
	for _, p := range t.applications {
		applications[p.ID] = p
	}
	return func(h *pb.Sheet) bool {
		return t.panel.Barred(reviewers[h.GetReviewer()], applications[h.GetApplicationId()])
	}, nil
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
	var applications []review.Party
	for _, row := range rows {
		id := row.Value.GetApplication().GetId()
		at := slices.IndexFunc(t.applications, func(p review.Party) bool { return p.ID == id })
		if at < 0 { // came after the count: nobody has judged it
			applications = append(applications, review.Party{ID: id})
			continue
		}
		applications = append(applications, t.applications[at])
	}
	return t.panel.CheckComplete(applications)
}
