package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/linli-project/linli/pkg/clock"
)

// programs are the peers, built into the folder of the comparison.
type programs struct{ pocketbase, pgbase, limits string }

// buildPeers builds a copy of the peers: their folder stays as it is.
func buildPeers(ctx context.Context, c comparison) (programs, error) {
	source, bin := filepath.Join(c.dir, "peers"), filepath.Join(c.dir, "bin")
	p := programs{filepath.Join(bin, "pocketbase"), filepath.Join(bin, "pgbase"), filepath.Join(bin, "limits")}
	if exists(p.pocketbase) && exists(p.pgbase) && exists(p.limits) {
		return p, nil
	}
	if err := fresh(ctx, c.peers, source); err != nil {
		return p, err
	}
	if _, err := run(ctx, c.dir, nil, nil, "chmod", "-R", "u+w", source); err != nil {
		return p, err
	}
	for _, build := range []struct{ module, of string }{{"pocketbase", "."}, {"anchors", "./pgbase"}, {"anchors", "./limits"}} {
		folder := filepath.Join(source, build.module)
		if _, err := run(ctx, folder, nil, []string{"GOWORK=off", "GOFLAGS=-mod=mod"}, "go", "build", "-o", bin+"/", build.of); err != nil {
			return p, fmt.Errorf("build the peers: %w", err)
		}
	}
	return p, nil
}

// pocketbase is what a user would pick instead, with durable commits.
type pocketbase struct {
	c       comparison
	program string
	process *process
}

func (p *pocketbase) seed(rows int) string {
	return filepath.Join(p.c.dir, fmt.Sprintf("pocketbase-%d", rows))
}

func (p *pocketbase) prepare(ctx context.Context, rows int) error {
	if exists(p.seed(rows)) {
		return nil
	}
	making := p.seed(rows) + ".new"
	if err := os.RemoveAll(making); err != nil {
		return fmt.Errorf("clear %s: %w", making, err)
	}
	if _, err := run(ctx, p.c.dir, nil, []string{"PB_SYNC=FULL"}, p.program, "seed", "0", strconv.Itoa(rows), "--dir", making); err != nil {
		return err
	}
	return os.Rename(making, p.seed(rows))
}

func (p *pocketbase) raise(ctx context.Context, rows int) ([]target, error) {
	folder := filepath.Join(p.c.dir, "run-pocketbase")
	if err := fresh(ctx, p.seed(rows), folder); err != nil {
		return nil, err
	}
	port, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	if p.process, err = spawn(p.c.dir, "pb", nil, p.program, "serve", "--http", portOf(port), "--dir", folder); err != nil {
		return nil, err
	}
	url := "http://" + portOf(port)
	_, err = p.process.awaitAnswer(ctx, url+"/api/collections/requests/records?page=1&perPage=1&skipTotal=1", "", clock.Wall().Now())
	return []target{{
		name: "pb", profile: "pocketbase", url: url, pids: []int{p.process.pid()}, ops: []string{opGet, opList, opSummaries, opCreate},
	}}, err
}

func (p *pocketbase) lower(context.Context) error {
	err := p.process.stop()
	p.process = nil
	return err
}

func (p *pocketbase) close() error { return nil }

// limits is net/http with nothing in the way: rows in memory, or group commit
// into bbolt with a row and an index.
type limits struct {
	c              comparison
	program, store string
	port           int
	process        *process
}

func (l *limits) prepare(context.Context, int) error { return nil }

// raise seeds as it starts. The bbolt file of a number of rows is kept, and
// measured on a copy.
func (l *limits) raise(ctx context.Context, rows int) ([]target, error) {
	seeded := filepath.Join(l.c.dir, fmt.Sprintf("limits-%s-%d", l.store, rows))
	folder := filepath.Join(l.c.dir, "run-limits-"+l.store)
	if err := os.MkdirAll(seeded, 0o750); err != nil {
		return nil, fmt.Errorf("make %s: %w", seeded, err)
	}
	ops := []string{opGet, opList}
	if l.store == "bbolt" {
		ops = []string{opCreate}
		if err := l.start(ctx, seeded, rows); err != nil {
			return nil, err
		}
		if err := l.lower(ctx); err != nil {
			return nil, err
		}
	}
	if err := fresh(ctx, seeded, folder); err != nil {
		return nil, err
	}
	if err := l.start(ctx, folder, rows); err != nil {
		return nil, err
	}
	return []target{{name: l.store, profile: "pgbase", url: "http://" + portOf(l.port), pids: []int{l.process.pid()}, ops: ops}}, nil
}

func (l *limits) start(ctx context.Context, folder string, rows int) (err error) {
	if l.port, err = freePorts(1); err != nil {
		return err
	}
	l.process, err = spawn(l.c.dir, "limits-"+l.store, nil, l.program,
		"-store", l.store, "-rows", strconv.Itoa(rows), "-addr", portOf(l.port), "-dir", folder)
	if err != nil {
		return err
	}
	_, err = l.process.awaitAnswer(ctx, "http://"+portOf(l.port)+"/requests/1", "", clock.Wall().Now())
	return err
}

func (l *limits) lower(context.Context) error {
	err := l.process.stop()
	l.process = nil
	return err
}

func (l *limits) close() error { return nil }

// postgres is the hand-written service on PostgreSQL, in a cluster of its own
// that syncs.
type postgres struct {
	c        comparison
	program  string
	server   *process
	port     int // of the cluster
	process  *process
	commands string              // folder of initdb and postgres
	as       *syscall.Credential // it does not run as root
}

func (p *postgres) dsn(database string) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=%s", p.port, database)
}

func (p *postgres) prepare(ctx context.Context, rows int) error {
	if err := p.serve(ctx); err != nil {
		return err
	}
	name := fmt.Sprintf("seed_%d", rows)
	found, err := p.sql(ctx, "SELECT 1 FROM pg_database WHERE datname='"+name+"'")
	if err != nil || found == "1\n" {
		return err
	}
	if _, err := p.sql(ctx, "CREATE DATABASE "+name+"_new"); err != nil {
		return err
	}
	if _, err := run(ctx, p.c.dir, nil, nil, p.program, "-dsn", p.dsn(name+"_new"), "seed", "0", strconv.Itoa(rows)); err != nil {
		return err
	}
	_, err = p.sql(ctx, "ALTER DATABASE "+name+"_new RENAME TO "+name)
	return err
}

// serve starts the cluster, and makes it the first time.
func (p *postgres) serve(ctx context.Context) error {
	if p.server != nil {
		return nil
	}
	var err error
	if p.port, err = freePorts(1); err != nil {
		return err
	}
	folder := filepath.Join(p.c.dir, "postgres")
	if !exists(filepath.Join(folder, "PG_VERSION")) {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("make %s: %w", folder, err)
		}
		if p.as != nil {
			if err := os.Chown(folder, int(p.as.Uid), int(p.as.Gid)); err != nil {
				return fmt.Errorf("give %s away: %w", folder, err)
			}
		}
		if _, err := run(ctx, "/", p.as, nil, filepath.Join(p.commands, "initdb"), "-D", folder, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"); err != nil {
			return err
		}
	}
	p.server, err = spawn(p.c.dir, "postgres", p.as, filepath.Join(p.commands, "postgres"), "-D", folder, "-p", strconv.Itoa(p.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=on", "-c", "synchronous_commit=on",
		"-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB")
	if err != nil {
		return err
	}
	return p.awaitServer(ctx)
}

func (p *postgres) lower(ctx context.Context) error {
	if p.process == nil {
		return nil
	}
	err := p.process.stop()
	p.process = nil
	_, dropped := p.sql(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS run")
	return errors.Join(err, dropped)
}

func (p *postgres) close() error { return p.server.stop() }

func (p *postgres) raise(ctx context.Context, rows int) ([]target, error) {
	for _, statement := range []string{"DROP DATABASE IF EXISTS run", fmt.Sprintf("CREATE DATABASE run TEMPLATE seed_%d", rows)} {
		if _, err := p.sql(ctx, statement); err != nil {
			return nil, err
		}
	}
	port, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	if p.process, err = spawn(p.c.dir, "pgbase", nil, p.program, "-dsn", p.dsn("run"), "-addr", portOf(port), "serve"); err != nil {
		return nil, err
	}
	url := "http://" + portOf(port)
	_, err = p.process.awaitAnswer(ctx, url+"/requests/1", "", clock.Wall().Now())
	return []target{{
		name: "pg", profile: "pgbase", url: url, pids: []int{p.process.pid(), p.server.pid()}, ops: []string{opGet, opList, opCreate},
	}}, err
}

// find looks for the commands, and when this is root for somebody else to run
// them as, who can reach the folder.
func (p *postgres) find(ctx context.Context) error {
	versions, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err == nil && len(versions) > 0 {
		p.commands = filepath.Dir(versions[len(versions)-1])
	} else if at, err := exec.LookPath("initdb"); err == nil {
		p.commands = filepath.Dir(at)
	} else {
		return errors.New("PostgreSQL is not installed: no initdb")
	}
	if os.Geteuid() != 0 {
		return nil
	}
	return p.runAs(ctx)
}
