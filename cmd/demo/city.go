package demo

import (
	"github.com/linli-project/linli/cmd/signin"

	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	devv1 "github.com/linli-project/linli/proto/gen/linli/dev/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// CityConfig of a run of the whole city.
type CityConfig struct {
	// Address of a linli whose folder stands at CityFirst or where an earlier run
	// left it, and the process that serves it, whose memory is measured; 0 = not.
	Address string
	// Desk signs in the people that the demo acts for.
	Desk   *signin.Desk
	Server int
	// Notes is the folder for the run's own notes.
	Notes string
	// Workplaces, when not 0, takes only the first so many with their members.
	Workplaces int
	// Progress is told when a step begins; it may be nil.
	Progress func(step string)
	// Out takes the report.
	Out io.Writer
}

// CityFirst is where the civil clock of a city's folder begins.
func CityFirst() time.Time { return morning("2013-07-29") }

// The city of the records, its days as the article has them.
const (
	cityID         = "430100"
	cityServiceDay = "2013-12-30"
)

// city is one run under way.
type city struct {
	client  *client
	records *cityRecords
	notes   *cityNotes
	kept    string // folder
}

// cityStep is measured by itself.
type cityStep struct {
	name string
	do   func(context.Context) error
}

func (c *city) steps() []cityStep {
	return []cityStep{
		{"organizations come in", c.importOrganizations},
		{"each workplace sends its roster", c.importRosters},
		{"who is who", c.listMembers},
		{"the campaign of the city begins", c.openCampaign},
		{"members report in, communities accept", c.reportIn},
		{"services are written and confirmed", c.serve},
		{"the cycle is opened, the roster frozen", c.openCycle},
		{"every member's year is summed", c.compute},
		{"communities sign, streets consent", c.sign},
		{"the cycle is closed, letters issued", c.closeCycle},
		{"workplaces read their letters", c.readLetters},
		{"everything is compared", c.compare},
	}
}

// CityResult is what a run found.
type CityResult struct {
	Members int64
	Steps   []CityStep
	// Digest stands for everything that the run brought about, without what is
	// drawn by lot (ids, codes) and by the wall clock: two runs on the same
	// records have the same, wherever they were broken off.
	Digest string
}

// RunCity takes the city through its steps, goes on where an earlier run was
// broken off, and prints the report. ErrDiffers when a figure is not what the
// records say.
func RunCity(ctx context.Context, conf CityConfig) (CityResult, error) {
	all, err := readCityRecords(conf.Workplaces)
	if err != nil {
		return CityResult{}, err
	}
	kept, err := openCityNotes(conf.Notes, conf.Workplaces)
	if err != nil {
		return CityResult{}, err
	}
	c := &city{client: clientFor(conf.Address, conf.Desk, cityAtOnce), records: all, notes: kept, kept: conf.Notes}
	for i, step := range c.steps() {
		if i < kept.Done {
			continue
		}
		if conf.Progress != nil {
			conf.Progress(step.name)
		}
		if err := c.measured(ctx, step, conf.Server); err != nil {
			return CityResult{}, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	out := CityResult{Members: all.members, Steps: kept.Steps, Digest: kept.Digest}
	return out, c.print(conf.Out)
}

// measured does one step, keeps what it took, and notes that it is done. What an
// earlier run spent on it counts.
func (c *city) measured(ctx context.Context, step cityStep, server int) error {
	began, spent, memory := time.Now(), processor(server), watchMemory(server, os.Getpid())
	before := c.notes.Step
	if before.Name != step.name {
		before = CityStep{Name: step.name}
	}
	measure := func() CityStep {
		peaks, now := memory.peaks(), before
		now.Took += time.Since(began)
		now.CPU += max(0, processor(server)-spent) // a server that is gone tells nothing
		now.Server, now.Client = max(now.Server, peaks[0]), max(now.Client, peaks[1])
		return now
	}
	c.notes.measure = measure
	err := step.do(ctx)
	memory.stop()
	if err != nil {
		return errors.Join(err, c.notes.keep())
	}
	c.notes.Steps, c.notes.Step = append(c.notes.Steps, measure()), CityStep{}
	c.notes.Done++
	c.notes.measure = nil
	return c.notes.keep()
}

func (c *city) file(name string) string { return filepath.Join(c.kept, name) }

// advance moves the clock to the morning of a day; what was announced before
// has arrived by then. After a step that announced much that takes longer than
// one call may: it is asked for again.
func (c *city) advance(ctx context.Context, day string) error {
	return eventually(ctx, func() (bool, error) {
		err := c.move(ctx, morning(day))
		if reasonOf(err) == "DEADLINE" {
			return false, nil
		}
		return true, err
	})
}

func (c *city) move(ctx context.Context, to time.Time) error {
	var now devv1.GetClockResponse
	if err := c.client.call(ctx, admin(), http.MethodGet, "/v1/dev/clock", "", nil, &now); err != nil {
		return err
	}
	if now.GetTime().AsTime().Before(to) {
		return c.client.call(ctx, admin(), http.MethodPost, "/v1/dev/clock:advance", "", &devv1.AdvanceClockRequest{Time: timestamppb.New(to)}, nil)
	}
	return c.client.call(ctx, admin(), http.MethodPost, "/v1/dev/events:drain", "", &devv1.DrainRequest{}, nil)
}

func (c *city) officer(organization string) who {
	path := c.records.path(organization)
	switch c.records.organizations[organization].kind {
	case "city":
		return as(typev1.Role_ROLE_CITY_OFFICER, "city-department", path)
	case "district":
		return as(typev1.Role_ROLE_DISTRICT_OFFICER, "city-district-"+organization, path)
	case "street":
		return as(typev1.Role_ROLE_STREET_OFFICER, "city-street-"+organization, path)
	case "community":
		return as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "city-staff-"+organization, path)
	}
	return as(typev1.Role_ROLE_WORKPLACE_OFFICER, "city-officer-"+organization, path)
}

// eventually asks again and again until something has come about.
func eventually(ctx context.Context, there func() (bool, error)) error {
	t := time.NewTicker(poll)
	defer t.Stop()
	for {
		if ok, err := there(); ok || err != nil {
			return err
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
