package store

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/linli-project/linli/pkg/access"
)

// Refusals are written one by one up to a burst, and then one a second; what
// comes faster is counted, and the number is one line a second. Callers with an
// account and those without have their own measure: a flood of strangers does
// not hide what an account tried.
const (
	refusalBurst    = 100
	refusalsSecond  = 1
	refusalsAtOnce  = 200
	refusalsFlushed = 5 * time.Second // what is left at the end may take so long
)

// Refusals writes refused calls into the audit of a store, in commits of their
// own, so that nobody waits for them. It is made by NewRefusals and safe for
// concurrent use.
type Refusals struct {
	store *Store
	came  chan struct{}

	mu      sync.Mutex
	waiting []refused
	known   *rate.Limiter
	nobody  *rate.Limiter
	// beyond counts those over the measure: with an account, and without.
	beyond [2]uint64
}

type refused struct {
	access.Refusal
	at time.Time
}

// NewRefusals makes the recorder of a store; Run writes what it was told.
func NewRefusals(s *Store) *Refusals {
	return &Refusals{
		store: s, came: make(chan struct{}, 1),
		known: rate.NewLimiter(refusalsSecond, refusalBurst), nobody: rate.NewLimiter(refusalsSecond, refusalBurst),
	}
}

// Refused takes a refusal. It never waits.
func (r *Refusals) Refused(f access.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.store.wall.Now()
	limiter, who := r.known, 0
	if f.Call.Person == "" {
		limiter, who = r.nobody, 1
	}
	if len(r.waiting) < refusalsAtOnce && limiter.AllowN(at, 1) {
		r.waiting = append(r.waiting, refused{f, at})
	} else {
		r.beyond[who]++
	}
	signal(r.came, true)
}

// Run writes refusals at most once a second until the context ends, and then
// what is left.
func (r *Refusals) Run(ctx context.Context) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-r.came:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), refusalsFlushed)
			defer cancel()
			return errors.Join(ctx.Err(), r.Flush(last))
		}
		if err := r.Flush(context.WithoutCancel(ctx)); err != nil {
			r.store.log.LogAttrs(ctx, slog.LevelError, "refusals could not be written into the audit", slog.String("error", err.Error()))
		}
		pause.Reset(SequenceEvery)
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
}

// Flush writes what came so far. When it cannot, those refusals are only in the
// log: nothing was done by them.
func (r *Refusals) Flush(ctx context.Context) error {
	r.mu.Lock()
	waiting, beyond := r.waiting, r.beyond
	r.waiting, r.beyond = nil, [2]uint64{}
	r.mu.Unlock()
	if len(waiting) == 0 && beyond == [2]uint64{} {
		return nil
	}
	return r.store.Update(ctx, func(tx *Tx) error {
		for i, f := range waiting {
			record := Record{Outcome: outcomeRefused}
			if f.Row != "" {
				record.Rows = []string{f.Row}
			}
			row := tx.store.auditRow(tx.base+"-"+strconv.Itoa(i), f.at, f.Call, record)
			row.Refusal = f.Reason
			if err := tx.createAudit(row); err != nil {
				return err
			}
		}
		for i, who := range []string{"accounts", "nobody"} {
			if beyond[i] == 0 {
				continue
			}
			row := tx.store.auditRow(tx.base+"-"+who, tx.wall, access.Call{}, Record{
				Outcome: outcomeRefused, Person: houseItself + tx.store.service, Reason: "too many to be written one by one: of " + who,
			})
			row.Count = beyond[i]
			if err := tx.createAudit(row); err != nil {
				return err
			}
		}
		return nil
	})
}
