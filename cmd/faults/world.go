package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const workers = 6

// world is one folder, the linli over it and the load upon that.
type world struct {
	folder   string // the data folder
	binary   string // the built command
	linli    launcher
	house    launcher // with ways in
	running  launcher // which of them is up
	process  *process
	place    *place
	load     *load
	random   *rand.Rand
	disk     *disk // that the folder is on; nil = none of its own
	measured measured
	torn     map[string]bool // events that torn streams lost

	parts *parts // of linli in six processes; nil in one

	group  *errgroup.Group
	loaded context.Context // ends when the load met what it must not meet
	cancel context.CancelFunc
}

// measured is what a run took.
type measured struct {
	starts                    []time.Duration
	outages                   map[string][]time.Duration // by fault
	inTheMiddle               int                        // kills that left events between commit and delivery
	flipsFound, flipsHarmless int
	parked                    []string
	cycles                    int
	found                     findings
}

// worldConfig of a world.
type worldConfig struct {
	folder, binary string
	seed           uint64
	members        int
	disk           *disk
	cheats         []string // of the house
	cheat          string   // of the load
	tampered       bool     // start with the house
	six            bool     // linli in six processes
	atRest         bool     // nobody writes but who asks for it
}

// newWorld starts linli over a new folder and puts the load on it, unless it is
// to be at rest.
func newWorld(ctx context.Context, c worldConfig) (*world, error) {
	house, err := tampered(c.cheats...)
	if err != nil {
		return nil, err
	}
	p := newPlace()
	w := &world{
		folder: c.folder, binary: c.binary, linli: shipped(c.binary), house: house, place: p, disk: c.disk,
		load:     &load{client: newClient(p), ledger: &ledger{}, prefix: fmt.Sprintf("s%d-", c.seed), cheat: c.cheat},
		random:   rand.New(rand.NewPCG(c.seed, 1)),
		measured: measured{outages: map[string][]time.Duration{}}, torn: map[string]bool{},
	}
	first := w.linli
	if c.tampered || len(c.cheats) > 0 {
		first, w.linli = house, house
	}
	if c.six {
		s, err := newSix(c.binary)
		if err != nil {
			return nil, err
		}
		w.parts = &parts{six: s, running: map[string]*process{}}
	}
	if err := w.up(first); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if w.load.client.people, err = newPeople(w.load.client, w.firstCode()); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if err := w.load.settle(ctx, c.members); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if c.disk != nil {
		// What was long ago is on the disk, synced or not.
		if err := c.disk.sync(); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	running, cancel := context.WithCancel(ctx)
	w.cancel = cancel
	w.group, w.loaded = errgroup.WithContext(running)
	if c.atRest {
		return w, nil
	}
	for range workers {
		w.group.Go(func() error { return w.load.run(w.loaded) })
	}
	return w, nil
}

// up starts linli and tells the load where it is.
func (w *world) up(l launcher) error {
	if w.parts != nil {
		return w.upAll()
	}
	p, err := l.start(w.folder)
	if err != nil {
		return fmt.Errorf("start over %s: %w", w.folder, err)
	}
	w.process, w.running = p, l
	w.measured.starts = append(w.measured.starts, p.took)
	if who := w.load.client.people; who != nil {
		who.restarted()
	}
	w.place.set(p.base)
	return nil
}

// firstCode is that of the first start.
func (w *world) firstCode() string {
	if w.parts != nil {
		return w.parts.running["registry"].firstCode()
	}
	return w.process.firstCode()
}

// kill ends linli as it is. The load notices by itself.
func (w *world) kill() {
	if w.parts != nil {
		for _, role := range roles() {
			w.killPart(role)
		}
		return
	}
	if w.process != nil {
		w.process.kill()
	}
	w.place.clear()
}

// be makes sure that a tampered house, or the shipped linli, is up; a change
// goes by Ctrl-C.
func (w *world) be(l launcher) error {
	if len(w.running.env) == len(l.env) {
		return nil
	}
	err := w.process.stop()
	w.place.clear()
	return errors.Join(err, w.up(l))
}

// errLoad: the load was refused what it must be given. Closing the world tells
// what.
var errLoad = errors.New("the load gave up")

// work waits until the load got so many more writes acknowledged.
func (w *world) work(ctx context.Context, writes int) error {
	ctx, cancel := context.WithTimeout(ctx, longestOutage)
	defer cancel()
	select {
	case <-w.load.ledger.after(writes):
		return nil
	case <-w.process.ended:
		return fmt.Errorf("linli ended by itself: %s", w.complaints())
	case <-w.loaded.Done():
		return errLoad
	case <-ctx.Done():
		return fmt.Errorf("the load got no %d writes through: %w", writes, ctx.Err())
	}
}

// rested runs fn while no chain is under way.
func (w *world) rested(fn func() error) error {
	w.load.gate.Lock()
	defer w.load.gate.Unlock()
	return fn()
}

// verify reads everything back once all effects were had.
func (w *world) verify(ctx context.Context) (problems []string, err error) {
	if err := w.load.drain(ctx); err != nil {
		return nil, err
	}
	got, err := w.load.observe(ctx)
	if err != nil {
		return nil, err
	}
	return w.load.ledger.compare(got), nil
}

// fsck checks the files of a linli that is down, with the command.
func (w *world) fsck(ctx context.Context, in string) (problems []string) {
	for _, folder := range w.folders(in) {
		problems = append(problems, w.fsckOne(ctx, folder)...)
	}
	return problems
}

func (w *world) fsckOne(ctx context.Context, folder string) (problems []string) {
	out, err := exec.CommandContext(ctx, w.binary, "fsck", "--data", folder).CombinedOutput()
	if err == nil {
		return nil
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "problem") || strings.HasPrefix(line, "linli:") || strings.Contains(line, "panic") {
			problems = append(problems, "fsck: "+strings.TrimSpace(line))
		}
	}
	return append(problems, "fsck: "+err.Error())
}

// close ends the load and linli.
func (w *world) close() error {
	var err error
	if w.cancel != nil {
		w.cancel()
		err = w.group.Wait()
	}
	w.kill()
	return err
}

// serviceFiles answers the services' files.
func serviceFiles(folder string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(folder, "*.db"))
	if err == nil && len(all) == 0 {
		all, err = filepath.Glob(filepath.Join(folder, "*", "*.db")) // of six
	}
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%s: %w", folder, os.ErrNotExist)
	}
	return all, err
}
