package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"time"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
)

// control is a run that cheats: the checks of the loop must find something in
// it, or they would find nothing when linli is wrong either.
type control struct {
	name   string
	mounts bool
	config worldConfig // its cheats
	strike func(context.Context, *world) ([]string, error)
}

func controls() []control {
	return []control{
		{name: "forgotten commits", config: worldConfig{cheats: []string{cheatForget + "=7"}}, strike: killed},
		{name: "effects had twice", config: worldConfig{cheats: []string{cheatTwice + "=5"}}, strike: killedPublishing},
		{name: "effects swallowed", config: worldConfig{cheats: []string{cheatSwallow + "=5"}}, strike: killed},
		{name: "writes that were never made", config: worldConfig{cheat: "drop"}, strike: killed},
		{name: "writes made twice", config: worldConfig{cheat: "twice"}, strike: killed},
		{name: "a clock three days on", config: worldConfig{tampered: true}, strike: threeDaysOn},
		{name: "a file that is whole", strike: whole},
		{name: "a change with its checksum made good", strike: changed},
		{name: "files that are not synced", mounts: true, config: worldConfig{cheats: []string{cheatNoSync + "=1"}}, strike: powerCut},
		{name: "a broker that does not sync", mounts: true, config: worldConfig{cheats: []string{cheatUnsafe + "=1"}}, strike: powerCut},
	}
}

// mostControlCycles is how often a control strikes until it is caught.
const mostControlCycles = 5

// run answers what the checks found of a cheat in a world of its own.
func (c control) run(ctx context.Context, at worldConfig) (caught []string, err error) {
	at.members, at.cheats, at.cheat, at.tampered = 60, c.config.cheats, c.config.cheat, c.config.tampered
	w, err := newWorld(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	caught, err = w.loop(ctx, loopConfig{cycles: mostControlCycles, everything: 1, out: io.Discard,
		faults: []fault{{name: c.name, strike: c.strike}}})
	closed := w.close()
	if errors.Is(err, errLoad) { // the load itself noticed
		return append(caught, fmt.Sprint("load: ", closed)), nil
	}
	return caught, err
}

// threeDaysOn moves the clock further than a reply is remembered.
func threeDaysOn(ctx context.Context, w *world) ([]string, error) {
	if err := errors.Join(w.work(ctx, 20), w.process.order(ctx, "clock "+(72*time.Hour).String())); err != nil {
		return nil, err
	}
	return w.load.sendAgain(ctx, w.random, 8)
}

// whole tears nothing off: a check that sees a refusal in whatever happens
// would not notice.
func whole(ctx context.Context, w *world) ([]string, error) {
	return w.tear(ctx, func(int64) int64 { return math.MaxInt64 })
}

// changed changes a row while linli is down, as a flip would that no checksum
// covers.
func changed(ctx context.Context, w *world) ([]string, error) {
	if err := w.work(ctx, 60); err != nil {
		return nil, err
	}
	w.kill()
	chains := w.load.ledger.since(0)
	if err := change(ctx, filepath.Join(w.folder, "requests.db"), chains[len(chains)/2].text); err != nil {
		return nil, err
	}
	return nil, w.up(w.linli)
}

// change flips a bit of a text in every row of a file that holds it, each with
// a new checksum.
func change(ctx context.Context, file, text string) (err error) {
	engine, err := boltkv.Open(file, boltkv.Options{})
	if err != nil {
		return err
	}
	db := kv.New(engine, kv.Options{})
	defer func() { err = errors.Join(err, db.Close()) }()
	old, next := []byte(text), []byte(text)
	next[len(next)-1] ^= 1
	return db.Update(ctx, func(tx kv.Tx) error {
		items, err := tx.Scan(kv.Range{})
		for _, it := range items {
			if bytes.Contains(it.Value, old) {
				tx.Put(it.Key, bytes.ReplaceAll(it.Value, old, next))
			}
		}
		return err
	})
}
