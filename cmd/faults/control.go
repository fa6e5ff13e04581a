package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/linli-project/linli/cmd/figures"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
)

// control is a run that cheats: the checks of the loop must find something in
// it, or they would find nothing when linli is wrong either.
type control struct {
	name   string
	mounts bool
	config worldConfig // its cheats
	// finds are the beginnings of the findings that are this cheat's own: another
	// one, a timeout say, does not count as caught.
	finds  []string
	strike func(context.Context, *world) ([]string, error)
}

func controls() []control {
	return []control{
		{name: "forgotten commits", finds: []string{saysLost, saysWrong, saysRefused}, config: worldConfig{cheats: []string{cheatForget + "=7"}}, strike: killed},
		{name: "effects had twice", finds: []string{saysEffectsTwice}, config: worldConfig{cheats: []string{cheatTwice + "=5"}}, strike: killedPublishing},
		{name: "effects swallowed", finds: []string{saysEffectsLost}, config: worldConfig{cheats: []string{cheatSwallow + "=5"}}, strike: killed},
		{name: "writes that were never made", finds: []string{saysLost}, config: worldConfig{cheat: "drop"}, strike: killed},
		{name: "writes made twice", finds: []string{saysDoubled}, config: worldConfig{cheat: "twice"}, strike: killed},
		{name: "a clock three days on", finds: []string{saysDoubled}, config: worldConfig{tampered: true}, strike: threeDaysOn},
		{name: "a session that ended by itself", finds: []string{saysSignedOut}, strike: endedByItself},
		{name: "a file that is whole", finds: []string{saysTorn}, strike: whole},
		{name: "a change with its checksum made good", finds: []string{saysLost, saysWrong, saysUnknown}, strike: changed},
		{name: "files that are not synced", finds: []string{saysLost, saysPower, saysRefused, saysSignedOut}, mounts: true, config: worldConfig{cheats: []string{cheatNoSync + "=1"}}, strike: powerCut},
		{name: "a broker that does not sync", finds: []string{saysLost + "the stream"}, mounts: true, config: worldConfig{cheats: []string{cheatUnsafe + "=1"}}, strike: powerCut},
	}
}

// mostControlCycles is how often a control strikes until it is caught.
const mostControlCycles = 5

// caught is what was found of a cheat.
type caught struct {
	acknowledged int
	findings     []string // its own, from one on when it was caught
}

// row is its figure: the checks must find something.
func (c caught) row(of control) figures.Row {
	r := figures.Row{What: "control: " + of.name + " (must be found)", Value: float64(len(c.findings)), Unit: "findings", Target: "≥ 1",
		Note: fmt.Sprintf("missed: nothing was found of %d acknowledged writes", c.acknowledged)}
	if len(c.findings) > 0 {
		r.Note = fmt.Sprintf("met: of %d acknowledged writes, the first %q", c.acknowledged, c.findings[0])
	}
	return r
}

// errCaught ends a loop whose strike found what it was to find.
var errCaught = errors.New("the cheat was caught")

// run answers what the checks found of a cheat in a world of its own; it is an
// error when they found nothing, or something else.
func (c control) run(ctx context.Context, at worldConfig) (caught, error) {
	at.members, at.cheats, at.cheat, at.tampered = 60, c.config.cheats, c.config.cheat, c.config.tampered
	w, err := newWorld(ctx, at)
	if err != nil {
		return caught{}, fmt.Errorf("control %s: %w", c.name, err)
	}
	defer func() { _ = w.close() }() // also when something panics; its error is told below
	strike := func(ctx context.Context, w *world) ([]string, error) {
		problems, err := c.strike(ctx, w)
		if err == nil && len(c.own(problems)) > 0 {
			err = errCaught // what else a broken linli does would only be waited for
		}
		return problems, err
	}
	problems, err := w.loop(ctx, loopConfig{cycles: mostControlCycles, everything: 1, out: io.Discard,
		faults: []fault{{name: c.name, strike: strike}}})
	if errors.Is(err, errLoad) {
		problems = append(problems, w.gone(ctx)...)
	}
	closed := w.close()
	if answered(closed) { // linli does not know what it acknowledged
		problems = append(problems, says(saysRefused, closed)+closed.Error())
	}
	for i := range problems {
		problems[i] = strings.ReplaceAll(problems[i], at.folder, "the folder")
	}
	got := caught{w.load.ledger.acknowledged(), c.own(problems)}
	if len(got.findings) == 0 {
		return got, found(problems, fmt.Errorf("control %s: not caught: %w", c.name, errors.Join(errNotCaught, err, closed)))
	}
	return got, nil
}

// goneLook is how long is looked for what is gone once the load gave up.
const goneLook = 20 * time.Second

// gone says which acknowledged requests are not there. In which state they are
// is not told: the load gave up in the middle.
func (w *world) gone(ctx context.Context) (lost []string) {
	ctx, cancel := context.WithTimeout(ctx, goneLook)
	defer cancel()
	problems, _ := w.load.checkNew(ctx, 0, w.random) // what ended early is less, and not wrong
	for _, p := range problems {
		if begins(p, saysLost) {
			lost = append(lost, p)
		}
	}
	return lost
}

// errNotCaught: the checks would not see it either when linli is wrong.
var errNotCaught = errors.New("nothing of its kind was found")

// own are the findings that are this cheat's.
func (c control) own(problems []string) (own []string) {
	for _, p := range problems {
		if begins(p, c.finds...) {
			own = append(own, p)
		}
	}
	return own
}

// threeDaysOn moves the clock further than a reply is remembered.
func threeDaysOn(ctx context.Context, w *world) ([]string, error) {
	if err := errors.Join(w.work(ctx, 20), w.setClock(ctx, 72*time.Hour)); err != nil {
		return nil, err
	}
	return w.load.sendAgain(ctx, w.random, 8)
}

// endedByItself ends the session of the committee's staff behind their back.
func endedByItself(ctx context.Context, w *world) ([]string, error) {
	if err := w.work(ctx, 20); err != nil {
		return nil, err
	}
	if _, err := w.load.client.send(ctx, write{who: staff(), path: "/v1/sessions:signOut", body: "{}"}); err != nil {
		return nil, err
	}
	return nil, w.work(ctx, 20)
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
