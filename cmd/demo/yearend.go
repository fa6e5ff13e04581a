package demo

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

const (
	cycleDay   = "2014-01-02"
	signDay    = "2014-01-13" // after the seven days for objections
	consentDay = "2014-01-14"
	closeDay   = "2014-01-15"
	letterDay  = "2014-01-16"
	// Lines of a rendered letter before its members: title, home, counts,
	// number, column names.
	letterHead = 5
	poll       = 20 * time.Millisecond
)

// planYearEnd: the year is summed once everything of it is confirmed, and each
// home organization reads its letter.
func (r *run) planYearEnd(on func(string, task)) {
	on(cycleDay, r.sumYear)
	on(signDay, r.signSheets)
	on(consentDay, r.consentToSheets)
	on(closeDay, r.closeYear)
	on(letterDay, r.readLetters)
}

// communities are those of the district, in order.
func (r *run) communities() (ids []string) {
	for id, o := range r.records.organizations {
		if o.kind == "community" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// signSheets has every community sign the opinions by name.
func (r *run) signSheets(ctx context.Context, _ string) error {
	for _, id := range r.communities() {
		err := r.client.call(ctx, r.partyStaff(id), http.MethodPost, "/v1/cycles/"+r.notes.Cycle+"/communities/"+id+":sign", "demo-sign-"+id,
			&evaluationv1.SignSheetsRequest{CycleId: r.notes.Cycle, CommunityId: id}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *run) consentToSheets(ctx context.Context, _ string) error {
	for _, id := range r.communities() {
		street := r.records.organizations[id].parent
		w := as(typev1.Role_ROLE_STREET_OFFICER, "demo-street-"+street, r.records.path(street))
		err := r.client.call(ctx, w, http.MethodPost, "/v1/cycles/"+r.notes.Cycle+"/communities/"+id+":consent", "demo-consent-"+id,
			&evaluationv1.ConsentToSheetsRequest{CycleId: r.notes.Cycle, CommunityId: id, Consents: true}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *run) closeYear(ctx context.Context, _ string) error {
	err := r.client.call(ctx, r.districtOfficer(), http.MethodPost, "/v1/cycles/"+r.notes.Cycle+":close", "demo-close",
		&evaluationv1.CloseCycleRequest{Id: r.notes.Cycle}, nil)
	if err != nil {
		return err
	}
	return r.awaitCycle(ctx, evaluationv1.CycleState_CYCLE_STATE_CLOSED)
}

// answer is the home organization's reply; one in ten is still waited for
// (sample), and those outside the city, whose letters the district prints.
func (r *run) answer(ctx context.Context, reader who, l *evaluationv1.Letter) (answered int, err error) {
	if !r.answers(l.GetHomeOrganizationId()) {
		return 0, nil
	}
	return 1, r.client.call(ctx, reader, http.MethodPost, "/v1/letters/"+l.GetId()+"/reply", "demo-reply-"+l.GetId(),
		&evaluationv1.ReplyToLetterRequest{LetterId: l.GetId(), UsedInAppraisal: true, Why: "作为民主评议的参考"}, nil)
}

// answers says whether a home organization answers its letter.
func (r *run) answers(home string) bool {
	return r.records.organizations[home].kind != "external" && chance(0, "reply "+home)%10 != 0
}

func (r *run) sumYear(ctx context.Context, _ string) error {
	var c evaluationv1.Cycle
	err := r.client.call(ctx, r.districtOfficer(), http.MethodPost, "/v1/organizations/"+districtID+"/cycles", "demo-cycle",
		&evaluationv1.OpenCycleRequest{DistrictId: districtID, Year: 2013}, &c)
	if err != nil {
		return err
	}
	r.notes.Cycle = c.GetId()
	if err := r.awaitCycle(ctx, evaluationv1.CycleState_CYCLE_STATE_OPEN); err != nil {
		return err
	}
	err = r.client.call(ctx, r.districtOfficer(), http.MethodPost, "/v1/cycles/"+c.GetId()+":compute", "demo-compute",
		&evaluationv1.ComputeCycleRequest{Id: c.GetId()}, nil)
	if err != nil {
		return err
	}
	return r.awaitCycle(ctx, evaluationv1.CycleState_CYCLE_STATE_COMPUTED)
}

// awaitCycle asks until the cycle has come to a state or past it.
func (r *run) awaitCycle(ctx context.Context, state evaluationv1.CycleState) error {
	t := time.NewTicker(poll)
	defer t.Stop()
	for {
		c, err := r.cycle(ctx)
		if err != nil || c.GetState() >= state {
			return err
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *run) cycle(ctx context.Context) (*evaluationv1.Cycle, error) {
	var c evaluationv1.Cycle
	err := r.client.call(ctx, r.districtOfficer(), http.MethodGet, "/v1/cycles/"+r.notes.Cycle, "", nil, &c)
	return &c, err
}

// readLetters has every home organization read its letter as JSON and as CSV.
func (r *run) readLetters(ctx context.Context, _ string) error {
	letters, err := r.letters(ctx)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, l := range letters {
		g.Go(func() error {
			lines, names, err := r.readLetter(ctx, l)
			if err != nil {
				return err
			}
			_, reader := r.officerOf(l.GetHomeOrganizationId())
			answered, err := r.answer(ctx, reader, l)
			mu.Lock()
			defer mu.Unlock()
			r.notes.Replies += answered
			r.notes.LetterLines += lines
			r.notes.LetterNames += names
			return err
		})
	}
	return g.Wait()
}

func (r *run) letters(ctx context.Context) ([]*evaluationv1.Letter, error) {
	var all []*evaluationv1.Letter
	for token := ""; ; {
		var page evaluationv1.ListLettersResponse
		err := r.client.call(ctx, r.districtOfficer(), http.MethodGet,
			"/v1/cycles/"+r.notes.Cycle+"/letters?pageSize=200&pageToken="+token, "", nil, &page)
		if err != nil {
			return nil, err
		}
		all = append(all, page.GetLetters()...)
		if token = page.GetNextPageToken(); token == "" {
			return all, nil
		}
	}
}

// readLetter answers how many members the letter has, and how many of them the
// rendered one names.
func (r *run) readLetter(ctx context.Context, l *evaluationv1.Letter) (lines, names int, err error) {
	_, reader := r.officerOf(l.GetHomeOrganizationId())
	var facts evaluationv1.Letter
	if err := r.client.call(ctx, reader, http.MethodGet, "/v1/letters/"+l.GetId(), "", nil, &facts); err != nil {
		return 0, 0, err
	}
	file, err := r.client.send(ctx, reader, http.MethodGet, "/v1/letters/"+l.GetId()+"/csv", "", "", nil)
	if err != nil {
		return 0, 0, err
	}
	table := csv.NewReader(bytes.NewReader(file))
	table.FieldsPerRecord = -1
	rows, err := table.ReadAll()
	if err != nil {
		return 0, 0, fmt.Errorf("letter %s as CSV: %w", l.GetId(), err)
	}
	if len(rows) != letterHead+len(facts.GetLines()) {
		return 0, 0, fmt.Errorf("letter %s has %d lines as JSON and %d rows as CSV", l.GetId(), len(facts.GetLines()), len(rows)-letterHead)
	}
	for _, row := range rows[letterHead:] {
		if row[0] != "" {
			names++
		}
	}
	return len(facts.GetLines()), names, nil
}
