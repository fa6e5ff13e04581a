package projects

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/indicator"
	"github.com/linli-project/linli/services/projects/internal/keyproject"
	"github.com/linli-project/linli/services/projects/internal/support"
)

// The ladder looks at each project once for every day: which promises became
// late, and where each indicator stands, by what was known when the day began.
// A project remembers the last day that was looked at, so days that passed
// while nobody looked are looked at one by one, each once.

const (
	// ladderTick is how often the civil clock is looked at.
	ladderTick = 2 * time.Second
	// ladderDays bounds the days of one commit, ladderSlice the projects of one
	// look.
	ladderDays, ladderSlice = 31, 50
)

// climb looks at projects and models whenever a day has begun.
func (s *Service) climb(ctx context.Context) error {
	tick := time.NewTicker(ladderTick)
	defer tick.Stop()
	for {
		if err := s.lookAtAll(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("look at key projects", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lookAtAll brings every project up to today, and asks for the readings of
// models. One that fails does not keep the others waiting.
func (s *Service) lookAtAll(ctx context.Context) error {
	today := clock.Day(s.store.Civil().Now())
	q, failed := table.Query{Index: byWatch, Limit: ladderSlice}, error(nil)
	for {
		var page table.Listing[*pb.KeyProjectRow]
		err := s.store.View(ctx, func(r kv.Reader) (err error) {
			page, err = s.delivery.projects.List(r, scope.All(), q)
			return err
		})
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			if row.Value.GetLookedOn() >= today {
				continue
			}
			id := row.Value.GetKeyProject().GetId()
			if err := s.lookAt(ctx, id); err != nil {
				failed = errors.Join(failed, fmt.Errorf("project %s: %w", id, err))
			}
		}
		if page.Last == nil {
			return errors.Join(failed, s.askModels(ctx, today))
		}
		q.After = page.Last
	}
}

// upToDate brings a project that the scope sees up to today.
func (s *Service) upToDate(ctx context.Context, sees scope.Scope, id string) error {
	err := s.store.View(ctx, func(r kv.Reader) error {
		_, err := s.keyProject(r, sees, id, "")
		return err
	})
	if err != nil {
		return err
	}
	return s.lookAt(ctx, id)
}

// lookAt brings a project up to today, in slices of days.
func (s *Service) lookAt(ctx context.Context, id string) error {
	today := dayNumber(clock.Day(s.store.Civil().Now()))
	for {
		var l *look
		err := s.store.View(ctx, func(r kv.Reader) (err error) {
			l, err = s.lookAhead(r, id, today)
			return err
		})
		if err != nil || l == nil {
			return err
		}
		if err := s.store.Update(ctx, func(tx *store.Tx) error { return s.carryOut(tx, l) }); err != nil {
			return err
		}
	}
}

// look is what some days bring to a project.
type look struct {
	row      table.Row[*pb.KeyProjectRow]
	next     *pb.KeyProjectRow
	steps    []step
	readings []*pb.ReadingRow
}

// step is one thing to be announced: a promise that became late, or a move on
// the ladder. A step to the letter has the letter with it.
type step struct {
	name    string
	promise *pb.Promise
	of      int32
	day     string
	letter  *pb.SupervisionLetterRow
}

// lookAhead works out what the next days bring; nil when there are none. It
// reads figures, so it does so on a view: carryOut sees to it that the project
// is still the same.
func (s *Service) lookAhead(r kv.Reader, id string, today int) (*look, error) {
	row, err := s.keyProject(r, scope.All(), id, "")
	if err != nil {
		return nil, err
	}
	from := dayNumber(row.Value.GetLookedOn()) + 1
	state := keyproject.State(row.Value.GetKeyProject().GetState())
	if from > today || keyproject.Decided(state) {
		return nil, nil
	}
	l := &look{row: row, next: proto.CloneOf(row.Value)}
	for day := from; day <= min(today, from+ladderDays-1); day++ {
		l.findLate(day)
		if keyproject.Measured(state) {
			if err := s.climbOn(r, l, day); err != nil {
				return nil, err
			}
		}
		l.next.LookedOn = dayText(day)
	}
	return l, nil
}

// findLate marks the promises that are late when a day begins.
func (l *look) findLate(day int) {
	for i, p := range promisesOf(l.next.GetKeyProject().GetPromises()) {
		promise := l.next.GetKeyProject().GetPromises()[i]
		if state, err := support.Machine().Next(support.State(promise.GetState()), support.FindLate); err == nil && p.IsLate(day) {
			promise.State = pb.PromiseState(state)
			l.steps = append(l.steps, step{name: "overdue", promise: proto.CloneOf(promise), day: dayText(day)})
		}
	}
}

// climbOn moves each indicator to where it belongs on a day, by what was known
// at its beginning.
func (s *Service) climbOn(r kv.Reader, l *look, day int) error {
	p, err := s.policyOn(r, l.next, day)
	if err != nil {
		return err
	}
	ran := clockOf(l.next, day)
	for _, t := range l.next.GetIndicators() {
		m, err := s.measure(r, l.next, t.GetIndicator(), ran, day-1, day)
		if err != nil {
			return err
		}
		if m.query && dayText(day)[8:] == "01" {
			l.readings = append(l.readings, s.takenReading(l.next, t.GetIndicator(), m, day))
		}
		l.move(s, t.GetIndicator(), m, p, day)
	}
	return nil
}

// move puts an indicator on its rung; higher is told, and so is off the ladder.
func (l *look) move(s *Service, t *pb.TrackedIndicator, m measured, p policy.Policy, day int) {
	from, to := indicator.Rung(t.GetRung()), m.plan.Rung(m.standing, numbersOf(p), !m.query)
	if from == to {
		return
	}
	t.Rung = pb.Rung(to)
	st := step{name: rungName(to), of: t.GetIndicator(), day: dayText(day)}
	switch {
	case to == indicator.Supervised:
		st.letter = l.supervise(s.ids("sup"), t, m, p, day)
	case to < from && !indicator.Recovered(from, to):
		return
	case to < from:
		st.name = "recovered"
	}
	l.steps = append(l.steps, st)
}

// supervise writes a letter of supervision; its number is given when it is
// kept.
func (l *look) supervise(id string, t *pb.TrackedIndicator, m measured, p policy.Policy, day int) *pb.SupervisionLetterRow {
	project := l.next.GetKeyProject()
	if project.GetOpenLetters() == 0 && p.On("projects.supervision_stops_tranches") {
		l.next.Withheld = append(l.next.Withheld, &pb.DaySpan{From: dayText(day)})
	}
	project.Letters++
	project.OpenLetters++
	return &pb.SupervisionLetterRow{
		SupervisionLetter: &pb.SupervisionLetter{
			Id: id, ProjectId: project.GetId(), Indicator: t.GetIndicator(), IssuedOn: dayText(day),
			Due: dayText(m.standing.Due), Value: shown(m.standing.Value), Target: t.GetTarget(),
			State: pb.SupervisionState(indicator.Issued),
		},
		ApplicantPath: l.next.GetApplicantPath(), DistrictPath: l.next.GetDistrictPath(),
	}
}

// carryOut writes a look, unless the project has changed since: then it is to
// be looked at again.
func (s *Service) carryOut(tx *store.Tx, l *look) error {
	now, err := s.keyProject(tx, scope.All(), l.row.Value.GetKeyProject().GetId(), "")
	if err != nil || now.Revision != l.row.Revision {
		return err
	}
	row, err := s.delivery.projects.Replace(tx, now, l.next)
	if err != nil {
		return err
	}
	for _, reading := range l.readings {
		if _, err := s.delivery.readings.Insert(tx, reading); err != nil {
			return err
		}
	}
	for _, st := range l.steps {
		event := keyProjectEvent(st.name, row, st.promise, st.day)
		if st.promise == nil {
			number, err := s.keepLetter(tx, st.letter)
			if err != nil {
				return err
			}
			event = indicatorEvent(st.name, row, st.of, st.day, number)
		}
		if err := tx.Emit(event); err != nil {
			return err
		}
	}
	return nil
}

// keepLetter gives a letter its number in the district and the year, and keeps
// it; none has none.
func (s *Service) keepLetter(tx *store.Tx, l *pb.SupervisionLetterRow) (string, error) {
	if l == nil {
		return "", nil
	}
	var year int32
	if _, err := fmt.Sscanf(l.GetSupervisionLetter().GetIssuedOn(), "%4d", &year); err != nil {
		return "", fmt.Errorf("year of a letter: %w", err)
	}
	count := &pb.LetterNumberRow{DistrictPath: l.GetDistrictPath(), Year: year}
	row, ok, err := s.delivery.letterNumbers.Get(tx, scope.All(), idKey(l.GetDistrictPath()).Uint(uint64(year)))
	if err != nil {
		return "", err
	}
	count.Last = row.Value.GetLast() + 1
	if ok {
		_, err = s.delivery.letterNumbers.Replace(tx, row, count)
	} else {
		_, err = s.delivery.letterNumbers.Insert(tx, count)
	}
	if err != nil {
		return "", err
	}
	numbered := proto.CloneOf(l)
	numbered.SupervisionLetter.Number = fmt.Sprintf("%d-%d", year, count.GetLast())
	_, err = s.delivery.letters.Insert(tx, numbered)
	return numbered.GetSupervisionLetter().GetNumber(), err
}

// measured is an indicator with all that its light is judged by.
type measured struct {
	plan     indicator.Plan
	standing indicator.Standing
	query    bool
}

// measure answers an indicator as it is judged on a day, by what was known
// until another.
func (s *Service) measure(r kv.Reader, row *pb.KeyProjectRow, t *pb.TrackedIndicator, ran support.Clock, known, day int) (measured, error) {
	begins, due := dayNumber(row.GetKeyProject().GetBeganOn()), dayNumber(t.GetDue())
	m := measured{
		plan: indicator.Plan{
			Baseline: exact(t.GetBaseline()), Target: exact(t.GetTarget()),
			Direction: indicator.Direction(t.GetDirection()), Days: max(0, due-begins),
		},
		standing: indicator.Standing{Today: day, Due: ran.Due(due), RunToday: ran.Running(begins, day)},
	}
	var err error
	var q indicator.Query
	if q, m.query = indicator.FindQuery(t.GetSource()); m.query {
		m.standing.Value, m.standing.AsOf, err = s.queried(r, row, q, t, m.standing.Due, known)
	} else {
		m.standing.Value, m.standing.AsOf, err = s.newest(r, row, t, known)
	}
	m.standing.RunAsOf = ran.Running(begins, m.standing.AsOf)
	return m, err
}

// queried answers what a stored query says for an indicator: a yearly one
// counts from the first day of the year in which the indicator was due, and no
// longer than to the end of the year in which it is due now.
func (s *Service) queried(r kv.Reader, row *pb.KeyProjectRow, q indicator.Query, t *pb.TrackedIndicator, due, known int) (*big.Rat, int, error) {
	year := yearOf(t.GetDue())
	if q.Yearly {
		known = min(known, dayNumber(dayText(due)[:4]+"-12-31"))
	}
	n, err := s.figure(r, q, scope.Path(row.GetApplicantPath()), year, dayText(known))
	return big.NewRat(n, 1), known, err
}

func yearOf(day string) int { return time.Unix(int64(dayNumber(day))*secondsOfDay, 0).UTC().Year() }

// newestAtOnce bounds one read of readings.
const newestAtOnce = 20

// newest answers the newest value that was confirmed until a day; the baseline
// on the day of the beginning before there is one.
func (s *Service) newest(r kv.Reader, row *pb.KeyProjectRow, t *pb.TrackedIndicator, known int) (*big.Rat, int, error) {
	p := row.GetKeyProject()
	q := table.Query{Prefix: indicatorKey(p.GetId(), t.GetIndicator()), Limit: newestAtOnce, Reverse: true}
	for {
		page, err := s.delivery.readings.List(r, scope.All(), q)
		if err != nil {
			return nil, 0, err
		}
		for _, row := range page.Rows {
			v := row.Value.GetReading()
			confirmed := v.GetState() == pb.ReadingState_READING_STATE_CONFIRMED && dayNumber(v.GetConfirmedOn()) <= known
			if as := dayNumber(v.GetAsOf()); confirmed && as <= known {
				return exact(v.GetValue()), as, nil
			}
		}
		if page.Last == nil {
			return exact(t.GetBaseline()), dayNumber(p.GetBeganOn()), nil
		}
		q.After = page.Last
	}
}

// takenReading is what a stored query said, kept as a reading.
func (s *Service) takenReading(row *pb.KeyProjectRow, t *pb.TrackedIndicator, m measured, today int) *pb.ReadingRow {
	return &pb.ReadingRow{
		Reading: &pb.Reading{
			Id: s.ids("rdg"), ProjectId: row.GetKeyProject().GetId(), Indicator: t.GetIndicator(), Value: shown(m.standing.Value),
			AsOf: dayText(m.standing.AsOf), Query: t.GetSource(), State: pb.ReadingState_READING_STATE_CONFIRMED, ConfirmedOn: dayText(today),
		},
		ApplicantPath: row.GetApplicantPath(), DistrictPath: row.GetDistrictPath(),
	}
}

// policyOn answers the policy of a project's district on a day.
func (s *Service) policyOn(r kv.Reader, row *pb.KeyProjectRow, day int) (policy.Policy, error) {
	return s.policies.For(r, scope.Path(row.GetDistrictPath()), yearOf(dayText(day)))
}

func numbersOf(p policy.Policy) indicator.Numbers {
	return indicator.Numbers{
		Behind: p.Rat("projects.behind_percent"), Soon: p.Int("projects.due_soon_days"),
		Fresh: p.Int("projects.reading_days"), Letter: p.Int("projects.supervision_days"),
	}
}
