package requests

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// moveClock changes the clock of a request for the office it runs on.
func (s handling) moveClock(tx *store.Tx, call access.Call, id, etag, what string, change func(p policy.Policy, row *pb.RequestRow, now time.Time) error) (*pb.Request, error) {
	return s.touch(tx, call, id, etag, what, func(row *pb.RequestRow, now time.Time) error {
		if err := request.MayMoveClock(actorOf(call, row), row.GetRequest().GetEscalation()); err != nil {
			return err
		}
		if err := clockOf(row.GetRequest()).Check(what == resumed); err != nil {
			return err
		}
		p, err := s.policy(tx, row)
		if err != nil {
			return err
		}
		return change(p, row, now)
	})
}

// clockOf says whether a limit runs on a request.
func clockOf(r *pb.Request) request.Clock {
	switch {
	case r.GetDueAt() != nil:
		return request.ClockRuns
	case r.GetDaysLeft() > 0:
		return request.ClockStands
	}
	return request.NoClock
}

// ExtendRequest sets a later limit, with a reason the author sees.
func (s handling) ExtendRequest(ctx context.Context, req *pb.ExtendRequestRequest) (*pb.ExtendRequestResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ExtendRequestResponse, error) {
		out, err := s.moveClock(tx, call, req.GetId(), req.GetEtag(), extended, func(p policy.Policy, row *pb.RequestRow, now time.Time) error {
			if err := checkClock(row.GetRequest(), now); err != nil {
				return err
			}
			until, err := s.checkExtension(tx, p, row, req.GetUntil())
			if err != nil {
				return err
			}
			row.Extensions++
			if err := s.say(row, func(w *pb.SaidWords) { w.ClockReason = req.GetReason() }); err != nil {
				return err
			}
			return s.extendClock(tx, row, now, until)
		})
		return &pb.ExtendRequestResponse{Request: out}, err
	})
}

// checkExtension answers the midnight that ends the last day of a longer limit:
// later than the present one, and no later than the policy lets it be.
func (s handling) checkExtension(r kv.Reader, p policy.Policy, row *pb.RequestRow, day string) (time.Time, error) {
	if most := p.Int("requests.extensions"); int(row.GetExtensions()) >= most {
		return time.Time{}, rule.New(rule.Precondition, "EXTENSIONS_USED_UP", "", "most", strconv.Itoa(most))
	}
	lastDay := row.GetRequest().GetDueAt().AsTime().Add(-time.Nanosecond)
	until, err := time.ParseInLocation(time.DateOnly, day, clock.Shanghai())
	if err != nil || day <= clock.Day(lastDay) {
		return time.Time{}, invalid("until", "YYYY-MM-DD > "+clock.Day(lastDay))
	}
	days, err := s.extensionDays(r, p, row)
	if err != nil {
		return time.Time{}, err
	}
	latest, err := p.AddWorkdays(lastDay, days)
	if err != nil {
		return time.Time{}, err
	}
	if until = until.AddDate(0, 0, 1); until.After(latest) {
		return time.Time{}, rule.New(rule.Precondition, "EXTENSION_TOO_LONG", "until", "latest", clock.Day(latest.Add(-time.Nanosecond)))
	}
	return until, nil
}

// extensionDays are the most working days of an extension: the policy's, or as
// many as the limit of the present step has.
func (s handling) extensionDays(r kv.Reader, p policy.Policy, row *pb.RequestRow) (int, error) {
	if days := p.Int("requests.extension_days"); days > 0 {
		return days, nil
	}
	duty, err := s.duty(r, row)
	if row.GetRequest().GetState() == pb.RequestState_REQUEST_STATE_POSTED {
		return admitLimit(p, row, 0), err
	}
	return solveLimit(p, row, int(duty.GetLimitDays())), err
}

// PauseRequest stops the clock while somebody else is waited for, for as many
// days as the policy leaves.
func (s handling) PauseRequest(ctx context.Context, req *pb.PauseRequestRequest) (*pb.PauseRequestResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.PauseRequestResponse, error) {
		out, err := s.moveClock(tx, call, req.GetId(), req.GetEtag(), paused, func(p policy.Policy, row *pb.RequestRow, now time.Time) error {
			if err := checkClock(row.GetRequest(), now); err != nil {
				return err
			}
			most := p.Int("requests.pause_days")
			if int(row.GetPausedDays()) >= most {
				return rule.New(rule.Precondition, "PAUSES_USED_UP", "", "most", strconv.Itoa(most))
			}
			left, err := p.Workdays(now, row.GetRequest().GetDueAt().AsTime().Add(-time.Nanosecond))
			if err != nil {
				return err
			}
			stopClock(row)
			row.Request.DaysLeft, row.PausedAt = int32(max(1, left)), timestamppb.New(now)
			row.PauseEnds = timestamppb.New(now.AddDate(0, 0, most-int(row.GetPausedDays())))
			lookNext(row)
			return s.say(row, func(w *pb.SaidWords) { w.ClockReason = req.GetReason() })
		})
		return &pb.PauseRequestResponse{Request: out}, err
	})
}

// ResumeRequest lets the clock go on with the working days it had left.
func (s handling) ResumeRequest(ctx context.Context, req *pb.ResumeRequestRequest) (*pb.ResumeRequestResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ResumeRequestResponse, error) {
		out, err := s.moveClock(tx, call, req.GetId(), req.GetEtag(), resumed, s.goOn)
		return &pb.ResumeRequestResponse{Request: out}, err
	})
}

// goOn lets a clock that stands go on.
func (s *Service) goOn(p policy.Policy, row *pb.RequestRow, now time.Time) error {
	if err := s.say(row, func(w *pb.SaidWords) { w.ClockReason = "" }); err != nil {
		return err
	}
	return setClock(p, row, now, int(row.GetRequest().GetDaysLeft()))
}

// countPause adds the days of a pause that ends to those of the request. One
// that ends on its day counts as one, since the clock gains a day by it.
func countPause(row *pb.RequestRow, now time.Time) {
	if row.GetPausedAt() == nil {
		return
	}
	begun := row.GetPausedAt().AsTime()
	row.PausedDays += int32(max(1, (now.Sub(begun)+24*time.Hour-1)/(24*time.Hour)))
}
