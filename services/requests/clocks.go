package requests

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// The clock of a request counts working days of the official calendar. It runs
// on one step at a time: until it is admitted, then until it is solved. Where a
// year has no official calendar no clock runs: a limit is never guessed, and
// nobody is kept from posting by a missing calendar.

// limit says how many working days a step has.
type limit func(p policy.Policy, row *pb.RequestRow, category int) int

func admitLimit(p policy.Policy, _ *pb.RequestRow, _ int) int { return p.Int("requests.admit_days") }

func solveLimit(p policy.Policy, row *pb.RequestRow, category int) int {
	return request.Limits{
		Admit: p.Int("requests.admit_days"), Inquiry: p.Int("requests.inquiry_days"),
		Problem: p.Int("requests.problem_days"), HardshipVisit: p.Int("requests.hardship_visit_days"),
	}.Solve(request.Kind(row.GetRequest().GetKind()), category)
}

// startClock begins the limit of a step, from now.
func (s *Service) startClock(tx *store.Tx, row *pb.RequestRow, of limit) error {
	p, err := s.policy(tx, row)
	if err != nil {
		return err
	}
	duty, err := s.duty(tx, row)
	if err != nil {
		return err
	}
	row.Request.OwnerName = duty.GetOwnerName()
	if err := s.say(row, func(w *pb.SaidWords) { w.ClockReason = "" }); err != nil {
		return err
	}
	return setClock(p, row, s.store.Civil().Now(), of(p, row, int(duty.GetLimitDays())))
}

// policy answers the policy that holds for a request's community today.
func (s *Service) policy(r kv.Reader, row *pb.RequestRow) (policy.Policy, error) {
	return s.policies.For(r, scope.Path(row.GetCommunityPath()), s.store.Civil().Now().In(clock.Shanghai()).Year())
}

// setClock lets the clock run for a number of working days.
func setClock(p policy.Policy, row *pb.RequestRow, now time.Time, days int) error {
	countPause(row, now)
	stopClock(row)
	due, err := p.AddWorkdays(now, days)
	if noCalendar(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return setLimit(p, row, now, due)
}

// setLimit lets the clock run until due, and has the office reminded before.
func setLimit(p policy.Policy, row *pb.RequestRow, now, due time.Time) error {
	row.Request.DueAt, row.ClimbAt, row.NearAt = timestamppb.New(due), timestamppb.New(due), nil
	near, err := p.LastWorkdays(due, p.Int("requests.near_days"))
	switch {
	case noCalendar(err): // not guessed; the limit itself still holds
	case err != nil:
		return err
	case near.After(now) && near.Before(due):
		row.NearAt = timestamppb.New(near)
	}
	lookNext(row)
	return nil
}

// extendClock sets a later limit. Who waits for the first answer reads the
// reason of the extension, so that its limit moves along.
func (s *Service) extendClock(tx *store.Tx, row *pb.RequestRow, now, due time.Time) error {
	p, err := s.policy(tx, row)
	if err != nil {
		return err
	}
	if row.GetAnswerDue() != nil {
		row.AnswerDue = timestamppb.New(due)
	}
	return setLimit(p, row, now, due)
}

// setAnswerLimit begins the limit of the first answer, from now.
func (s *Service) setAnswerLimit(tx *store.Tx, row *pb.RequestRow) error {
	p, err := s.policy(tx, row)
	if err != nil {
		return err
	}
	due, err := p.AddWorkdays(s.store.Civil().Now(), p.Int("requests.first_answer_days"))
	if noCalendar(err) {
		return nil
	}
	row.AnswerDue = timestamppb.New(due)
	lookNext(row)
	return err
}

func noCalendar(err error) bool {
	var none *rule.Error
	return errors.As(err, &none) && none.Reason == "NO_CALENDAR"
}

// stopClock takes the limits away.
func stopClock(row *pb.RequestRow) {
	row.Request.DueAt, row.Request.DaysLeft, row.Request.OverdueLevel = nil, 0, 0
	row.NearAt, row.ClimbAt, row.AnswerDue = nil, nil, nil
	row.PausedAt, row.PauseEnds = nil, nil
	lookNext(row)
}

// lookNext sets when the clock looks at a request: at what comes first.
func lookNext(row *pb.RequestRow) {
	row.NextLook = nil
	answer := row.GetAnswerDue()
	if row.GetAnswerLate() {
		answer = nil // it was found
	}
	for _, at := range []*timestamppb.Timestamp{row.GetNearAt(), row.GetClimbAt(), row.GetPauseEnds(), answer} {
		if at != nil && (row.NextLook == nil || at.AsTime().Before(row.GetNextLook().AsTime())) {
			row.NextLook = at
		}
	}
}

// answered notes the first answer, and whether it came in time.
func answered(row *pb.RequestRow, now *timestamppb.Timestamp) {
	if row.GetRequest().GetAnsweredAt() != nil {
		return
	}
	due := cmp.Or(row.GetAnswerDue(), row.GetRequest().GetDueAt())
	row.Request.AnsweredAt = now
	row.AnsweredInTime = !row.GetAnswerLate() && (due == nil || now.AsTime().Before(due.AsTime()))
	row.AnswerDue = nil
	lookNext(row)
}

// checkClock answers LIMIT_PASSED for a limit that has passed.
func checkClock(r *pb.Request, now time.Time) error {
	if r.GetDueAt() == nil {
		return nil
	}
	return request.CheckClock(r.GetDueAt().AsTime().In(clock.Shanghai()), now)
}

const (
	// clockTick is how often the clocks are looked at.
	clockTick = time.Second
	// clocksAtOnce bounds one look; each request is a commit of its own, so that
	// one that is being changed holds up no other.
	clocksAtOnce = 100
	// ladderTop is the last step: community, street, district.
	ladderTop = 3
)

// watchClocks finds limits that have passed until the context ends.
func (s *Service) watchClocks(ctx context.Context) error {
	tick := time.NewTicker(clockTick)
	defer tick.Stop()
	for {
		n, err := s.lookAtClocks(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.log.Error("look at the clocks of requests", "error", err)
		}
		if n > 0 && err == nil {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lookAtClocks takes requests whose limit has passed one step up the ladder and
// answers how many.
func (s *Service) lookAtClocks(ctx context.Context) (int, error) {
	now := s.store.Civil().Now()
	var late []string
	err := s.store.View(ctx, func(r kv.Reader) error {
		page, err := s.tables.requests.List(r, scope.All(), table.Query{Index: byLook, Limit: clocksAtOnce})
		for _, row := range page.Rows {
			if !row.Value.GetNextLook().AsTime().After(now) {
				late = append(late, row.Value.GetRequest().GetId())
			}
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, id := range late {
		if err := s.store.Update(ctx, func(tx *store.Tx) error { return s.climb(tx, id, now) }); err != nil {
			return 0, fmt.Errorf("request %s: %w", id, err)
		}
	}
	return len(late), nil
}

// climb does what a request's clock is looked at for: lets it go on after the
// longest pause, reminds of the limit, or tells the next one that it has passed. It asks again what is due, since the
// request may have been seen to meanwhile.
func (s *Service) climb(tx *store.Tx, id string, now time.Time) error {
	row, err := s.read(tx, scope.All(), id)
	if err != nil {
		return err
	}
	if row.Value.GetNextLook() == nil || row.Value.GetNextLook().AsTime().After(now) {
		return nil
	}
	p, err := s.policy(tx, row.Value)
	if err != nil {
		return err
	}
	next := proto.CloneOf(row.Value)
	command, err := resumed, error(nil)
	if next.GetPauseEnds() != nil && !next.GetPauseEnds().AsTime().After(now) {
		err = s.goOn(p, next, now)
	} else {
		command, err = lookAt(p, next, now)
	}
	if err != nil {
		return err
	}
	kept, err := s.tables.requests.Replace(tx, row, next)
	if err != nil || command == "" {
		return err
	}
	return s.announce(tx, command, kept, row.Value.GetRequest().GetState(), firstTime{})
}

// lookAt does the one thing that is due first and answers what it found; empty
// when there is nothing to tell. A reminder that comes after the limit, because
// the clock was moved far, is left out; so is the limit of the first answer
// where the limit of the admission tells the same office the same thing.
func lookAt(p policy.Policy, row *pb.RequestRow, now time.Time) (command string, err error) {
	passed := func(at *timestamppb.Timestamp) bool { return at != nil && !at.AsTime().After(now) }
	switch {
	case passed(row.GetNearAt()):
		row.NearAt = nil
		if !passed(row.GetRequest().GetDueAt()) {
			command = limitNear
		}
	case passed(row.GetAnswerDue()) && !row.GetAnswerLate():
		together := row.GetClimbAt() != nil && row.GetClimbAt().AsTime().Equal(row.GetAnswerDue().AsTime())
		row.AnswerLate = true
		if !together {
			command = answerLate
		}
	default:
		row.Request.OverdueLevel++
		row.ClimbAt, command = nil, foundOverdue
		if levelOf(foundOverdue, row.GetRequest()) < ladderTop {
			again, err := p.AddWorkdays(now, p.Int("requests.ladder_days"))
			if err != nil && !noCalendar(err) {
				return "", err
			}
			if err == nil { // without a calendar the ladder ends here
				row.ClimbAt = timestamppb.New(again)
			}
		}
	}
	lookNext(row)
	return command, nil
}

// limitOf answers which limit a finding of the clock is about, and its last
// day.
func limitOf(command string, row *pb.RequestRow) (pb.RequestLimit, string) {
	r, limit, due := row.GetRequest(), pb.RequestLimit_REQUEST_LIMIT_SOLVE, row.GetRequest().GetDueAt()
	switch {
	case command != limitNear && command != answerLate && command != foundOverdue:
		return pb.RequestLimit_REQUEST_LIMIT_UNSPECIFIED, ""
	case command == answerLate:
		limit, due = pb.RequestLimit_REQUEST_LIMIT_FIRST_ANSWER, row.GetAnswerDue()
	case r.GetState() == pb.RequestState_REQUEST_STATE_POSTED:
		limit = pb.RequestLimit_REQUEST_LIMIT_ADMIT
	case r.GetKind() == pb.RequestKind_REQUEST_KIND_HARDSHIP:
		limit = pb.RequestLimit_REQUEST_LIMIT_VISIT
	}
	return limit, clock.Day(due.AsTime().Add(-time.Nanosecond))
}
