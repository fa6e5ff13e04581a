package projects

import (
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/indicator"
)

// The stored queries. What they count is kept per place in figures of a year,
// of a month and of a day, so that the count up to any day is a few short
// ranges: the years before, the months before, the days of its month.

// figureConsumers count what other services announce. Persons are not among
// it: the requests service says itself who is new in a year.
func (s *Service) figureConsumers() []events.Consumer {
	of := func(from string, subjects ...string) events.Consumer {
		c := events.Consumer{Name: "projects-figures-" + from, From: from, Kind: events.Fact, Apply: s.countEvent}
		for _, subject := range subjects {
			c.Subjects = append(c.Subjects, "linli."+from+"."+subject)
		}
		return c
	}
	return []events.Consumer{
		of("requests", "request.posted", "request.resolved", "request.reopened", "request.joined"),
		of("registry", "member.imported", "organization.registered", "organization.changed"),
		of("evaluation", "entry.confirmed", "entry.put_on_hold", "entry.lifted", "entry.reversed"),
	}
}

// counted is what an event adds to a query at a place on a day.
type counted struct {
	query, path, day string
	n                int64
}

// countEvent adds what an event says to the figures.
func (s *Service) countEvent(tx *store.Tx, e *typev1.EventRow) error {
	all, err := s.countsOf(tx, e)
	if err != nil {
		return err
	}
	for _, c := range all {
		for _, period := range []string{c.day[:4], c.day[:7], c.day} {
			if err := s.addFigure(tx, c, period); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) countsOf(tx *store.Tx, e *typev1.EventRow) ([]counted, error) {
	day := clock.Day(e.GetCivilTime().AsTime())
	switch e.GetDataSchema() {
	case string(proto.MessageName(&requestsv1.RequestChanged{})):
		var ev requestsv1.RequestChanged
		err := events.Decode(e, &ev)
		return countRequest(e.GetSubject(), &ev), err
	case string(proto.MessageName(&requestsv1.RequestJoined{})):
		var ev requestsv1.RequestJoined
		err := events.Decode(e, &ev)
		return countIf(ev.GetParticipantIsNewInYear(), counted{indicator.RequestsResidents, ev.GetCommunityPath(), day, 1}), err
	case string(proto.MessageName(&registryv1.MembersImported{})):
		var ev registryv1.MembersImported
		err := events.Decode(e, &ev)
		return countFloating(&ev, day), err
	case string(proto.MessageName(&registryv1.OrganizationChanged{})):
		var ev registryv1.OrganizationChanged
		if err := events.Decode(e, &ev); err != nil || ev.GetKind() != registryv1.OrganizationKind_ORGANIZATION_KIND_HEART_HOME {
			return nil, err
		}
		first, err := s.delivery.heartHomes.Set(tx, idKey(ev.GetId()))
		return countIf(first, counted{indicator.RegistryHeartHomes, ev.GetPath(), day, 1}), err
	case string(proto.MessageName(&evaluationv1.EntryReversed{})):
		var ev evaluationv1.EntryReversed
		err := events.Decode(e, &ev)
		return countIf(ev.GetReversedSource() == evaluationv1.EntrySource_ENTRY_SOURCE_ACTIVITY,
			counted{indicator.LedgerAttendance, ev.GetCommunityPath(), ev.GetDay(), int64(ev.GetTimes())}), err
	default:
		var ev evaluationv1.EntryChanged
		err := events.Decode(e, &ev)
		return countEntry(&ev), err
	}
}

func countIf(does bool, c counted) []counted {
	if !does || c.n == 0 || c.path == "" {
		return nil
	}
	return []counted{c}
}

// countRequest: what asks for a solution counts where it is resolved, and no
// longer once it is reopened, unless it had been closed unsolved; suggestions
// and praise count where they are posted.
func countRequest(subject string, ev *requestsv1.RequestChanged) []counted {
	at := func(query string, n int64) counted { return counted{query, ev.GetCommunityPath(), ev.GetDay(), n} }
	said := slices.Contains([]requestsv1.RequestKind{
		requestsv1.RequestKind_REQUEST_KIND_SUGGESTION, requestsv1.RequestKind_REQUEST_KIND_PRAISE,
	}, ev.GetKind())
	switch subject[strings.LastIndexByte(subject, '.')+1:] {
	case "posted":
		return append(countIf(said, at(indicator.RequestsSuggestions, 1)),
			countIf(ev.GetParticipantIsNewInYear(), at(indicator.RequestsResidents, 1))...)
	case "resolved":
		return countIf(!said, at(indicator.RequestsResolved, 1))
	case "reopened":
		unsolved := ev.GetPreviousState() == requestsv1.RequestState_REQUEST_STATE_UNSOLVED
		return countIf(!said && !unsolved, at(indicator.RequestsResolved, -1))
	}
	return nil
}

// countFloating moves floating members between the communities they live in.
func countFloating(ev *registryv1.MembersImported, day string) []counted {
	moved := map[string]int64{}
	for _, m := range ev.GetMembers() {
		if m.GetPreviousKind() == registryv1.MemberKind_MEMBER_KIND_FLOATING {
			moved[m.GetPreviousCommunityPath()]--
		}
		if m.GetKind() == registryv1.MemberKind_MEMBER_KIND_FLOATING {
			moved[m.GetCommunityPath()]++
		}
	}
	var out []counted
	for path, n := range moved {
		out = append(out, countIf(true, counted{indicator.RegistryFloating, path, day, n})...)
	}
	return out
}

// countEntry: a service at an activity counts while it is confirmed.
func countEntry(ev *evaluationv1.EntryChanged) []counted {
	const confirmed = evaluationv1.EntryState_ENTRY_STATE_CONFIRMED
	c := counted{indicator.LedgerAttendance, ev.GetCommunityPath(), ev.GetDay(), int64(ev.GetTimes())}
	if ev.GetPreviousState() == confirmed {
		c.n = -c.n
	}
	changes := (ev.GetPreviousState() == confirmed) != (ev.GetState() == confirmed)
	return countIf(changes && ev.GetSource() == evaluationv1.EntrySource_ENTRY_SOURCE_ACTIVITY, c)
}

func (s *Service) addFigure(tx *store.Tx, c counted, period string) error {
	row, ok, err := s.delivery.figures.Get(tx, scope.All(), figureKey(c.query, period).String(c.path))
	if err != nil {
		return err
	}
	if !ok {
		_, err = s.delivery.figures.Insert(tx, &pb.QueryFigureRow{Query: c.query, Period: period, Path: c.path, Count: c.n})
		return err
	}
	next := proto.CloneOf(row.Value)
	next.Count += c.n
	_, err = s.delivery.figures.Replace(tx, row, next)
	return err
}

// firstYear is before anything that linli keeps.
const firstYear = 2000

// figure answers what a query counts at a place and below up to a day: from
// the first day of a year, or all that there is.
func (s *Service) figure(r kv.Reader, q indicator.Query, at scope.Path, year int, until string) (int64, error) {
	if !q.Yearly {
		year = firstYear
	}
	var sum int64
	for _, period := range periodsUntil(year, until) {
		n, err := s.sumFigures(r, figureKey(q.Name, period).Prefix(string(at)))
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// periodsUntil answers the years, months and days that make up the time from
// the first day of a year to a day, both included.
func periodsUntil(year int, until string) (periods []string) {
	last, err := strconv.Atoi(until[:4])
	if err != nil {
		return nil
	}
	for y := year; y < last; y++ {
		periods = append(periods, strconv.Itoa(y))
	}
	if year > last {
		return nil
	}
	for m := 1; monthText(last, m) < until[:7]; m++ {
		periods = append(periods, monthText(last, m))
	}
	for day := dayNumber(until[:7] + "-01"); dayText(day) <= until; day++ {
		periods = append(periods, dayText(day))
	}
	return periods
}

func monthText(year, month int) string {
	return dayText(dayNumber(strconv.Itoa(year)+"-01-01") + 31*(month-1))[:7]
}

// figuresAtOnce bounds one read of figures.
const figuresAtOnce = 500

func (s *Service) sumFigures(r kv.Reader, prefix []byte) (sum int64, err error) {
	q := table.Query{Prefix: prefix, Limit: figuresAtOnce}
	for {
		page, err := s.delivery.figures.List(r, scope.All(), q)
		if err != nil {
			return 0, err
		}
		for _, row := range page.Rows {
			sum += row.Value.GetCount()
		}
		if page.Last == nil {
			return sum, nil
		}
		q.After = page.Last
	}
}
