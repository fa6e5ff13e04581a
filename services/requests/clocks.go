package requests

import (
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
	row.Request.OwnerName, row.Request.ClockReason = duty.GetOwnerName(), ""
	return setClock(p, row, s.store.Civil().Now(), of(p, row, int(duty.GetLimitDays())))
}

// policy answers the policy that holds for a request's community today.
func (s *Service) policy(r kv.Reader, row *pb.RequestRow) (policy.Policy, error) {
	return s.policies.For(r, scope.Path(row.GetCommunityPath()), s.store.Civil().Now().In(clock.Shanghai()).Year())
}

// setClock lets the clock run for a number of working days.
func setClock(p policy.Policy, row *pb.RequestRow, now time.Time, days int) error {
	stopClock(row)
	due, err := p.AddWorkdays(now, days)
	var none *rule.Error
	if errors.As(err, &none) && none.Reason == "NO_CALENDAR" {
		return nil
	}
	if err != nil {
		return err
	}
	row.Request.DueAt, row.NextLook = timestamppb.New(due), timestamppb.New(due)
	return nil
}

// stopClock takes the limit away.
func stopClock(row *pb.RequestRow) {
	row.Request.DueAt, row.NextLook, row.Request.DaysLeft, row.Request.OverdueLevel = nil, nil, 0, 0
}

// answered notes the first answer, and whether it came in time.
func answered(row *pb.RequestRow, now *timestamppb.Timestamp) {
	if row.GetRequest().GetAnsweredAt() != nil {
		return
	}
	due := row.GetRequest().GetDueAt()
	row.Request.AnsweredAt = now
	row.AnsweredInTime = due == nil || now.AsTime().Before(due.AsTime())
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

// climb tells the next one that a request is late. It asks again whether it is,
// since it may have been seen to meanwhile.
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
	next.Request.OverdueLevel++
	next.NextLook = nil
	if next.Request.OverdueLevel < ladderTop {
		again, err := p.AddWorkdays(now, p.Int("requests.ladder_days"))
		if err == nil { // without a calendar the ladder ends here
			next.NextLook = timestamppb.New(again)
		}
	}
	kept, err := s.tables.requests.Replace(tx, row, next)
	if err != nil {
		return err
	}
	return s.announce(tx, foundOverdue, kept, row.Value.GetRequest().GetState(), firstTime{})
}
