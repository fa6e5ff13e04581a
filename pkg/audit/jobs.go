package audit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/protobuf/proto"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/run"
	"github.com/linli-project/linli/pkg/store"
)

// Sequencer gives the audit lines of a store their place in its log, once a
// second while there are any.
func Sequencer(s *store.Store, log *slog.Logger) run.Job {
	return run.Job{Name: s.Service() + "-audit", Run: func(ctx context.Context) error {
		pause := time.NewTimer(0) // lines that waited when the process ended
		defer pause.Stop()
		for {
			select {
			case <-pause.C:
			case <-ctx.Done():
				return ctx.Err()
			}
			if _, err := s.SequenceAudit(ctx); err != nil && ctx.Err() == nil {
				log.LogAttrs(ctx, slog.LevelError, "audit lines got no place in the log", slog.String("service", s.Service()), slog.String("error", err.Error()))
				pause.Reset(store.SequenceEvery)
				continue
			}
			select {
			case <-s.Lined():
				pause.Reset(store.SequenceEvery)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}}
}

// Keeper removes lines that are older than so many days, now and then; 0 keeps
// all, and fewer than store.LeastAuditDays are refused.
func Keeper(s *store.Store, days int, log *slog.Logger) (run.Job, error) {
	if days != 0 && days < store.LeastAuditDays {
		return run.Job{}, fmt.Errorf("%w: %d days of at least %d", store.ErrKeptTooShort, days, store.LeastAuditDays)
	}
	return run.Job{Name: s.Service() + "-audit-keeper", Run: func(ctx context.Context) error {
		tick := time.NewTicker(store.SweepEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
			if days == 0 {
				continue
			}
			n, err := s.RemoveOldAudit(ctx, days)
			if err != nil && ctx.Err() == nil {
				log.LogAttrs(ctx, slog.LevelError, "old audit lines stay", slog.String("service", s.Service()), slog.String("error", err.Error()))
			}
			if n > 0 {
				log.LogAttrs(ctx, slog.LevelInfo, "removed audit lines that are past their time", slog.String("service", s.Service()), slog.Int("lines", n))
			}
		}
	}}, nil
}

// Witness keeps the newest head of the log of a service in another one's store.
func Witness(in, of string) events.Consumer {
	return events.Consumer{
		Name: in + "-audit-witness", From: of, Subjects: []string{"linli." + of + "." + store.AuditHeadSigned}, Kind: events.Copy,
		Apply: func(tx *store.Tx, e *typev1.EventRow) error {
			told := &typev1.AuditHeadSigned{}
			if err := proto.Unmarshal(e.GetData(), told); err != nil {
				return fmt.Errorf("read a head: %w", err)
			}
			return tx.KeepHead(told)
		},
	}
}
