// Package demo lives through a district's 2013 as a client of linli: day by
// day on the civil clock, through the public interface, on the records that
// the project contains; and says at the end where linli and the records differ.
package demo

import (
	"github.com/linli-project/linli/cmd/signin"

	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	devv1 "github.com/linli-project/linli/proto/gen/linli/dev/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// atOnce is how many calls are under way at a time.
const atOnce = 16

// Config of a demo.
type Config struct {
	// Address of a linli whose folder stands at First or where an earlier run
	// left it.
	Address string
	// Desk signs in the people that the demo acts for.
	Desk *signin.Desk
	// Notes is the folder for the demo's own notes.
	Notes string
	// Progress is told each day; it may be nil.
	Progress func(day string)
	// Out takes the report.
	Out io.Writer
}

// Top is the organization that everybody of the demo is below.
const Top = cityID

// First is where the civil clock of the demo's folder begins.
func First() time.Time { return morning("2013-01-01") }

// lastDay is when everything is done and can be compared.
const lastDay = "2014-01-17"

// ErrDiffers says that linli said something else than the records.
var ErrDiffers = errors.New("linli and the records differ")

// district of the records.
const (
	districtID = "430101"
	circleID   = "430101002001" // 芙蓉南路社区, whose service circle the posts are
)

// run is one demo under way.
type run struct {
	client  *client
	records *records
	notes   *notes
	ids     map[string]string // roster key → member id, fetched when first needed
	mu      sync.Mutex        // guards the notes where tasks run at once
}

// Run lives through the year and prints the report. ErrDiffers when a figure
// is not what the records say.
func Run(ctx context.Context, c Config) error {
	began := time.Now()
	all, err := readRecords()
	if err != nil {
		return err
	}
	kept, err := openNotes(c.Notes)
	if err != nil {
		return err
	}
	r := &run{client: clientFor(c.Address, c.Desk, atOnce), records: all, notes: kept}
	plan := r.plan()
	for day := "2013-01-01"; day <= lastDay; day = next(day) {
		if day <= kept.Day {
			continue
		}
		if c.Progress != nil {
			c.Progress(day)
		}
		if r.notes, err = kept.clone(); err != nil {
			return err
		}
		if err := r.live(ctx, day, plan[day]); err != nil {
			return fmt.Errorf("on %s: %w", day, err)
		}
		r.notes.Day = day
		if err := r.notes.keep(); err != nil {
			return err
		}
		kept = r.notes
	}
	r.notes = kept
	return r.report(ctx, c.Out, time.Since(began))
}

// task is one thing that happens on a day. Tasks of a day run in order.
type task func(ctx context.Context, day string) error

// plan puts every scenario on one timeline.
func (r *run) plan() map[string][]task {
	plan := map[string][]task{}
	on := func(day string, t task) { plan[day] = append(plan[day], t) }
	on("2013-01-02", r.importOrganizations)
	r.planProjects(on)
	r.planCampaign(on)
	r.planReportIn(on)
	r.planCircle(on)
	r.planHonors(on)
	r.planPolls(on)
	r.planSheets(on)
	r.planYearEnd(on)
	r.planBranch(on)
	return plan
}

// live moves the clock to the morning of a day and does what the day brings.
// Moving it lets everything of the day before arrive first.
func (r *run) live(ctx context.Context, day string, tasks []task) error {
	if err := r.advance(ctx, morning(day)); err != nil {
		return err
	}
	for _, t := range tasks {
		if err := t(ctx, day); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) advance(ctx context.Context, to time.Time) error {
	var now devv1.GetClockResponse
	if err := r.client.call(ctx, admin(), "GET", "/v1/dev/clock", "", nil, &now); err != nil {
		return err
	}
	if !now.GetTime().AsTime().Before(to) {
		return nil // the day was begun before
	}
	return r.client.call(ctx, admin(), "POST", "/v1/dev/clock:advance", "",
		&devv1.AdvanceClockRequest{Time: timestamppb.New(to)}, nil)
}

// drain waits until what was done so far has arrived everywhere.
func (r *run) drain(ctx context.Context) error {
	return r.client.call(ctx, admin(), "POST", "/v1/dev/events:drain", "", &devv1.DrainRequest{}, nil)
}

func admin() who { return as(typev1.Role_ROLE_SYSTEM_ADMIN, "demo-admin", "/") }

func (r *run) districtOfficer() who {
	return as(typev1.Role_ROLE_DISTRICT_OFFICER, "demo-district", r.records.path(districtID))
}

// morning of a Shanghai day, nine o'clock.
func morning(day string) time.Time {
	t, err := time.Parse(time.RFC3339, day+"T09:00:00+08:00")
	if err != nil {
		panic("demo: " + day + " is no day")
	}
	return t
}

func next(day string) string { return later(day, 1) }

// later is a day some days on.
func later(day string, days int) string {
	return morning(day).AddDate(0, 0, days).UTC().Format(time.DateOnly)
}
