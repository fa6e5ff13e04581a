package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/linli-project/linli/cmd/signin"
	"github.com/linli-project/linli/pkg/clock"
)

// Shapes of linli.
const (
	shapeOne = "one"
	shapeSix = "six"
	// shapePorts is how many ports in a row the six take, and one at most.
	shapePorts = 12
)

// shape is linli in one process or in six.
type shape struct {
	c           comparison
	name, title string
	target      string
	port        int      // the first of its ports, taken anew at each start
	process     *process // of shape one, while it runs
	up          bool     // of shape six
	folder      string   // on which it runs
	people      people   // of the seed that it runs on, or on a copy of
}

func newShape(c comparison, name string) (*shape, error) {
	switch name {
	case shapeOne:
		return &shape{c: c, name: name, title: "one process", target: "linli"}, nil
	case shapeSix:
		return &shape{c: c, name: name, title: "six processes", target: "linli-six"}, nil
	}
	return nil, fmt.Errorf("shape %q: %s or %s", name, shapeOne, shapeSix)
}

func (s *shape) url() string { return "http://127.0.0.1:" + strconv.Itoa(s.port) }

func (s *shape) seedFolder(rows int) string {
	return filepath.Join(s.c.dir, fmt.Sprintf("linli-%s-%d", s.name, rows))
}

func (s *shape) runFolder() string { return filepath.Join(s.c.dir, "run-linli-"+s.name) }

// idsFile has the ids of the rows; it is written last.
func (s *shape) idsFile(rows int) string { return s.seedFolder(rows) + ".ids" }

// peopleFile says how the people of a seed sign in.
func (s *shape) peopleFile(rows int) string { return s.seedFolder(rows) + ".people" }

// prepare seeds a folder once, through a running server.
func (s *shape) prepare(ctx context.Context, rows int) error {
	folder := s.seedFolder(rows)
	if exists(s.idsFile(rows)) && exists(s.peopleFile(rows)) {
		return nil
	}
	if err := errors.Join(os.RemoveAll(folder), os.RemoveAll(s.peopleFile(rows))); err != nil {
		return fmt.Errorf("clear %s: %w", folder, err)
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return fmt.Errorf("make %s: %w", folder, err)
	}
	began := clock.Wall().Now()
	if err := s.start(ctx, folder); err != nil {
		return errors.Join(err, s.lower(ctx))
	}
	_, err := s.await(ctx, "/healthz", "", began)
	if err == nil {
		err = s.seed(ctx, rows, folder+".new")
	}
	if err = errors.Join(err, s.lower(ctx)); err != nil {
		return fmt.Errorf("seed linli (%s): %w", s.title, err)
	}
	fmt.Fprintf(s.c.out, "seeded linli (%s) with %d rows in %.0f s\n", s.title, rows, clock.Wall().Now().Sub(began).Seconds())
	return os.Rename(folder+".new", s.idsFile(rows))
}

func (s *shape) seed(ctx context.Context, rows int, idsFile string) error {
	code, err := signin.CodeInFile(s.saidFile())
	if err != nil {
		return err
	}
	p, err := peopleOf(s.peopleFile(rows), s.url(), code)
	if err != nil {
		return err
	}
	return seed(ctx, s.url(), p, rows, idsFile)
}

// greet signs everybody in on the seed itself: then all copies know their
// tokens, and a start is measured that nobody has to sign in after.
func (s *shape) greet(ctx context.Context, rows int) error {
	began := clock.Wall().Now()
	if err := s.start(ctx, s.seedFolder(rows)); err != nil {
		return errors.Join(err, s.lower(ctx))
	}
	_, err := s.await(ctx, "/healthz", "", began)
	if err == nil {
		s.people, err = peopleOf(s.peopleFile(rows), s.url(), "")
	}
	if err == nil {
		_, err = s.people.signIn(ctx)
	}
	if err = errors.Join(err, s.lower(ctx)); err != nil {
		return fmt.Errorf("sign in at linli (%s): %w", s.title, err)
	}
	return nil
}

// raise starts the shape on a fresh copy of its seed and answers it with the
// time that it took from began, or from its own start if that is later, until a
// row was answered.
func (s *shape) raise(ctx context.Context, rows int, began time.Time) (target, time.Duration, error) {
	if err := s.greet(ctx, rows); err != nil {
		return target{}, 0, err
	}
	if err := fresh(ctx, s.seedFolder(rows), s.runFolder()); err != nil {
		return target{}, 0, err
	}
	if now := clock.Wall().Now(); now.After(began) {
		began = now // signing in and copying is not starting
	}
	if err := s.start(ctx, s.runFolder()); err != nil {
		return target{}, 0, err
	}
	ids, err := os.ReadFile(s.idsFile(rows))
	if err != nil {
		return target{}, 0, fmt.Errorf("read the ids: %w", err)
	}
	first, _, _ := strings.Cut(string(ids), "\n")
	s.people.at(s.url())
	token, err := s.people.desk.Token(ctx, officer()) // of greet
	if err != nil {
		return target{}, 0, err
	}
	took, err := s.await(ctx, "/v1/requests/"+first, token, began)
	if err != nil {
		return target{}, 0, err
	}
	pids, err := s.pids()
	return target{
		name: s.target, profile: "linli-" + s.name, url: s.url(), pids: pids, ops: []string{opGet, opList, opSummaries, opCreate},
	}, took, err
}

// start starts the processes on a folder.
func (s *shape) start(ctx context.Context, folder string) error {
	linli := filepath.Join(s.c.root, "bin", "linli")
	var err error
	if s.port, err = freePorts(shapePorts); err != nil {
		return err
	}
	s.folder = folder
	if s.name == shapeOne {
		s.process, err = spawn(s.c.dir, s.target, nil, linli, "serve", "--dev", "--data", folder,
			"--http", "127.0.0.1:"+strconv.Itoa(s.port), "--grpc", "127.0.0.1:"+strconv.Itoa(s.port+1))
		return err
	}
	s.up = true
	_, err = run(ctx, s.c.dir, nil, []string{"LINLI=" + linli, "LINLI_PORTS=" + strconv.Itoa(s.port)}, s.script(), "start", "--dev", folder)
	return err
}

func (s *shape) script() string { return filepath.Join(s.c.root, "deploy", "six.sh") }

// saidFile is what it said when it was started, the first link among it.
func (s *shape) saidFile() string {
	if s.name == shapeOne {
		return s.process.log
	}
	return filepath.Join(s.folder, "registry", "out")
}

// await answers how long after began a path was answered.
func (s *shape) await(ctx context.Context, path, token string, began time.Time) (time.Duration, error) {
	p := s.process
	if s.name == shapeSix { // the script has waited
		p = &process{name: s.target, log: s.runFolder(), done: make(chan struct{})}
	}
	return p.awaitAnswer(ctx, s.url()+path, "Bearer "+token, began)
}

func (s *shape) pids() ([]int, error) {
	if s.name == shapeOne {
		return []int{s.process.pid()}, nil
	}
	files, err := filepath.Glob(filepath.Join(s.runFolder(), "*", "pid"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no processes in %s: %w", s.runFolder(), err)
	}
	var pids []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a pid: %w", err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return nil, fmt.Errorf("read a pid: %w", err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// lower stops the processes. The six are stopped on whichever folder they run.
func (s *shape) lower(ctx context.Context) error {
	if s.name == shapeOne {
		err := s.process.stop()
		s.process = nil
		return err
	}
	if !s.up {
		return nil
	}
	s.up = false
	_, err := run(context.WithoutCancel(ctx), s.c.dir, nil, nil, s.script(), "stop", s.folder)
	return err
}
