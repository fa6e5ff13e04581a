package held

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/run"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

const (
	// lookEvery is how often an erasure is looked for that nobody said anything of.
	lookEvery = time.Minute
	// soon is how long after an announcement its commit is there for certain.
	soon = 500 * time.Millisecond
	// Again is when everything is walked through once more: an event that was on
	// its way, or a reply that is remembered, is through by then.
	Again = 3 * 24 * time.Hour
	// settled is how long a process has run before it looks through all rows on the
	// day of its start, which has other work; on each later day it does so at once.
	settled = 5 * time.Minute
	// erasedAtOnce is how many rows one commit changes: each can have pictures and
	// index entries.
	erasedAtOnce = 10
	// dueAtOnce is how many erasures are looked for at once.
	dueAtOnce = 100
	// unhurried is how many slices without anything of the person are looked through
	// before the place is written down.
	unhurried = 50
)

const byDue = "due"

// Config of a keeper.
type Config struct {
	Store *store.Store
	Log   *slog.Logger
	// Number of the table of erasures; the one after it is its index.
	Number uint16
}

// Keeper collects and erases what one service holds of persons. It is safe for
// concurrent use.
type Keeper struct {
	store    *store.Store
	log      *slog.Logger
	erasures *table.Table[*typev1.ErasureRow]
	holdings []Holding
	wake     chan struct{}
}

// New makes the keeper of a service over its holdings, in the order in which they
// are erased. The order is part of what is stored of an erasure under way: new
// holdings come last.
func New(c Config, holdings ...Holding) *Keeper {
	return &Keeper{
		store: c.Store, log: c.Log, holdings: holdings, wake: make(chan struct{}, 1),
		erasures: table.New(table.Spec[*typev1.ErasureRow]{
			Number: c.Number, Name: "erasure",
			Key: func(r *typev1.ErasureRow) key.Key { return personKey(r.GetPerson()) },
			Indexes: []table.Index[*typev1.ErasureRow]{{Number: c.Number + 1, Name: byDue, Keys: func(r *typev1.ErasureRow) []key.Key {
				switch {
				case r.GetDoneAt() == nil:
					return []key.Key{key.Key(nil).Time(r.GetBeganAt().AsTime())}
				case r.GetAgainAt() != nil:
					return []key.Key{key.Key(nil).Time(r.GetAgainAt().AsTime())}
				}
				return nil
			}}},
		}),
	}
}

func personKey(id string) key.Key { return key.Key(nil).String(id) }

// Checker is the table of erasures as fsck sees it.
func (k *Keeper) Checker() table.Checker { return k.erasures }

// Holdings are the tables that it looks through.
func (k *Keeper) Holdings() []Holding { return k.holdings }

// Consumer begins what the registry announces.
func (k *Keeper) Consumer() events.Consumer {
	return events.Consumer{
		Name: k.store.Service() + "-erasures", From: "registry", Kind: events.Fact,
		Subjects: []string{"linli.registry.person.erasing"}, Apply: k.begin,
	}
}

// begin writes down that a person is to be erased. What was done is not undone by
// being told again.
func (k *Keeper) begin(tx *store.Tx, e *typev1.EventRow) error {
	var ev registryv1.PersonErasing
	if err := events.Decode(e, &ev); err != nil {
		return err
	}
	_, known, err := k.erasures.Get(tx, scope.All(), personKey(ev.GetPerson()))
	if err == nil && !known {
		_, err = k.erasures.Insert(tx, &typev1.ErasureRow{
			Person: ev.GetPerson(), ClaimId: ev.GetClaimId(), BeganAt: timestamppb.New(tx.Wall()),
		})
	}
	select {
	case k.wake <- struct{}{}:
	default:
	}
	return err
}

// Job erases until its context ends, and once a day takes out what is past its
// time.
func (k *Keeper) Job() run.Job {
	return run.Job{Name: k.store.Service() + "-erasures", Run: func(ctx context.Context) error {
		look, day := time.NewTimer(0), ""
		defer look.Stop()
		first, began := clock.Day(k.store.Civil().Now()), k.store.Wall().Now()
		for {
			select {
			case <-look.C:
				look.Reset(lookEvery)
			case <-k.wake:
				look.Reset(soon)
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := k.Work(ctx); err != nil && ctx.Err() == nil {
				k.log.Error("erase", "service", k.store.Service(), "error", err)
			}
			today := clock.Day(k.store.Civil().Now())
			if today != day && (today != first || k.store.Wall().Now().Sub(began) >= settled) {
				if n, err := k.Expire(ctx); err != nil && ctx.Err() == nil {
					k.log.Error("take out what is past its time", "service", k.store.Service(), "error", err)
					continue
				} else if n > 0 {
					k.log.Info("took out what is past its time", "service", k.store.Service(), "rows", n)
				}
				day = today
			}
		}
	}}
}

// Work erases whoever is to be erased by now. Broken off anywhere, it goes on
// from there; one that fails does not keep the others.
func (k *Keeper) Work(ctx context.Context) error {
	for {
		due, err := k.due(ctx)
		if err != nil || len(due) == 0 {
			return err
		}
		var failed []error
		for _, person := range due {
			if err := k.erase(ctx, person); err != nil {
				failed = append(failed, fmt.Errorf("erase a person: %w", err))
			}
		}
		if len(failed) > 0 {
			return errors.Join(failed...)
		}
	}
}

// due answers some of those who are to be erased by now.
func (k *Keeper) due(ctx context.Context) (persons []string, err error) {
	now := k.store.Wall().Now()
	err = k.store.View(ctx, func(r kv.Reader) error {
		persons = nil
		page, err := k.erasures.List(r, scope.All(), table.Query{Index: byDue, Limit: dueAtOnce})
		for _, row := range page.Rows {
			if !row.Value.GetAgainAt().AsTime().After(now) {
				persons = append(persons, row.Value.GetPerson())
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for erasures: %w", err)
	}
	return persons, nil
}

// erase walks through what is left of one person's erasure.
func (k *Keeper) erase(ctx context.Context, person string) error {
	row, err := k.row(ctx, person)
	for err == nil && int(row.GetHolding()) < len(k.holdings) {
		row, err = k.table(ctx, row)
	}
	if err != nil {
		return err
	}
	return k.end(ctx, person)
}

func (k *Keeper) row(ctx context.Context, person string) (row *typev1.ErasureRow, err error) {
	err = k.store.View(ctx, func(r kv.Reader) error {
		found, _, err := k.erasures.Get(r, scope.All(), personKey(person))
		row = found.Value
		return err
	})
	return row, err
}

// table erases from the table in hand, to its end.
func (k *Keeper) table(ctx context.Context, row *typev1.ErasureRow) (*typev1.ErasureRow, error) {
	h, at := k.holdings[row.GetHolding()], key.Key(row.GetAt())
	for quiet := 0; ; quiet++ {
		var slice found
		err := k.store.View(ctx, func(r kv.Reader) (err error) {
			slice, err = h.find(r, row.GetPerson(), at)
			return err
		})
		if err != nil {
			return nil, err
		}
		for len(slice.rows) > 0 {
			n := min(erasedAtOnce, len(slice.rows))
			if row, err = k.slice(ctx, row.GetPerson(), h, slice.rows[:n]); err != nil {
				return nil, err
			}
			slice.rows, quiet = slice.rows[n:], 0
		}
		if at = slice.next; at == nil || quiet == unhurried {
			if row, err = k.advance(ctx, row.GetPerson(), at); err != nil || at == nil {
				return row, err
			}
			quiet = 0
		}
	}
}

// slice erases from some rows in one commit.
func (k *Keeper) slice(ctx context.Context, person string, h Holding, rows []key.Key) (*typev1.ErasureRow, error) {
	return k.change(ctx, person, func(tx *store.Tx, next *typev1.ErasureRow) error {
		for _, at := range rows {
			effect, err := h.erase(tx, person, at)
			if err != nil {
				return err
			}
			switch effect {
			case Remove:
				next.Removed++
			case Blank, Write:
				next.Blanked++
			}
		}
		return nil
	})
}

// advance writes down how far the walk is; nil = the next table.
func (k *Keeper) advance(ctx context.Context, person string, at key.Key) (*typev1.ErasureRow, error) {
	return k.change(ctx, person, func(_ *store.Tx, next *typev1.ErasureRow) error {
		if next.At = at; at == nil {
			next.Holding++
		}
		return nil
	})
}

// end ends a walk. The first one is announced, with an audit line of what was
// done, and another is to follow.
func (k *Keeper) end(ctx context.Context, person string) error {
	_, err := k.change(ctx, person, func(tx *store.Tx, next *typev1.ErasureRow) error {
		next.Holding, next.At = 0, nil
		if next.GetDoneAt() != nil {
			next.AgainAt = nil
			return nil
		}
		next.DoneAt, next.AgainAt = timestamppb.New(tx.Wall()), timestamppb.New(tx.Wall().Add(Again))
		tx.Audit(store.Record{Rows: []string{person, next.GetClaimId()}, Outcome: "erased"})
		return tx.Emit(store.Event{Name: "person.erased", EntityID: person, Revision: 1, Data: &typev1.PersonErased{
			Service: k.store.Service(), Person: person, ClaimId: next.GetClaimId(),
		}})
	})
	return err
}

func (k *Keeper) change(ctx context.Context, person string, fn func(*store.Tx, *typev1.ErasureRow) error) (out *typev1.ErasureRow, err error) {
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		row, ok, err := k.erasures.Get(tx, scope.All(), personKey(person))
		if err == nil && !ok {
			err = fmt.Errorf("%w: an erasure is gone", kv.ErrCorrupt)
		}
		if err != nil {
			return err
		}
		out = proto.CloneOf(row.Value)
		if err := fn(tx, out); err != nil {
			return err
		}
		_, err = k.erasures.Replace(tx, row, out)
		return err
	})
	return out, err
}
