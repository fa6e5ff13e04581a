package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/linli-project/linli/cmd/figures"
)

// peerPrograms runs the programs that the project is compared with, from their
// sources in the folder of -peers. What cannot be built or started here is said and
// left out: the comparison is then with what can.
func (b *bench) peerPrograms(ctx context.Context) error {
	if b.peers == "" {
		return nil
	}
	data := filepath.Join(b.data, "peers")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	for _, peer := range []struct {
		name string
		run  func(context.Context, string) error
	}{{"evaluation in plain Go and PostgreSQL", b.anchors}, {"PocketBase", b.pocketBase}, {"DuckDB", b.duckDB}} {
		if err := peer.run(ctx, data); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			fmt.Fprintf(b.out, "%s is left out: %v\n", peer.name, err)
		}
	}
	return nil
}

// command runs a program and answers what it printed.
func (b *bench) command(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, lastLine(out.String()))
	}
	fmt.Fprint(b.out, out.String())
	return out.String(), nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// build builds a program of the folder, outside of it.
func (b *bench) build(ctx context.Context, data, folder, pkg string) (string, error) {
	binary := filepath.Join(data, strings.ReplaceAll(folder+pkg, "/", "-"))
	_, err := b.command(ctx, filepath.Join(b.peers, folder), []string{"GOWORK=off", "GOFLAGS=-buildvcs=false"}, "go", "build", "-o", binary, "./"+pkg)
	return binary, err
}

// figureIn reads a number of seconds out of what a program printed.
func figureIn(text, pattern string) (cost, error) {
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		return cost{}, fmt.Errorf("no %q in what it printed", pattern)
	}
	seconds, err := strconv.ParseFloat(found[1], 64)
	return cost{wall: time.Duration(seconds * float64(time.Second))}, err
}

// comparable says whether the year has the size that the others have.
func (b *bench) comparable() error {
	if b.members != 100_000 || b.lines != 20 {
		return errors.New("it has 100,000 members with 20 lines each, and this run has not")
	}
	return nil
}

// anchors runs the evaluation in memory, over bbolt, and in PostgreSQL.
func (b *bench) anchors(ctx context.Context, data string) error {
	if err := b.comparable(); err != nil {
		return err
	}
	binary, err := b.build(ctx, data, "anchors", "batch")
	if err != nil {
		return err
	}
	folder := filepath.Join(data, "anchors")
	if _, err := b.command(ctx, data, nil, binary, "gen", folder); err != nil {
		return err
	}
	for _, what := range []string{"mem", "bolt", "roster"} {
		if _, err := b.command(ctx, data, nil, binary, what, folder); err != nil {
			return err
		}
	}
	return b.postgres(ctx, binary, folder)
}

// postgres compares with one INSERT … SELECT in a cluster that is made for it.
func (b *bench) postgres(ctx context.Context, binary, folder string) (err error) {
	cluster, err := os.MkdirTemp("", "linli-pg-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(cluster)) }()
	as, err := unprivileged(cluster)
	if err != nil {
		return err
	}
	run := func(name string, args ...string) error {
		c := exec.CommandContext(ctx, name, args...)
		c.SysProcAttr, c.Dir = as, cluster
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", name, err, lastLine(string(out)))
		}
		return nil
	}
	rows := filepath.Join(cluster, "data")
	if err := run("initdb", "-D", rows, "-A", "trust", "-U", "linli"); err != nil {
		return err
	}
	if err := run("pg_ctl", "-D", rows, "-o", "-k "+cluster+" -c listen_addresses=", "-l", filepath.Join(cluster, "log"), "-w", "start"); err != nil {
		return err
	}
	stop := context.WithoutCancel(ctx)
	defer func() {
		c := exec.CommandContext(stop, "pg_ctl", "-D", rows, "-m", "immediate", "-w", "stop")
		c.SysProcAttr, c.Dir = as, cluster
		err = errors.Join(err, c.Run())
	}()
	return b.insertSelect(ctx, binary, folder, cluster)
}

// insertSelect has PostgreSQL evaluate as often as linli did.
func (b *bench) insertSelect(ctx context.Context, binary, folder, cluster string) error {
	var times []float64
	for range b.repeats {
		out, err := b.command(ctx, b.data, nil, binary, "pg", folder, "host="+cluster+" dbname=postgres user=linli")
		if err != nil {
			return err
		}
		c, err := figureIn(out, `pg: evaluate\s+([0-9.]+) s`)
		if err != nil {
			return err
		}
		times = append(times, c.wall.Seconds())
	}
	b.ratio(fmt.Sprintf("evaluation of %d members, %d lines, stored", b.members, b.members*b.lines), b.evaluations, times,
		"PostgreSQL, one INSERT … SELECT", "≥ 8×")
	return nil
}

// unprivileged answers as whom PostgreSQL runs: it refuses to run as root.
func unprivileged(folder string) (*syscall.SysProcAttr, error) {
	if os.Getuid() != 0 {
		return nil, nil //nolint:nilnil // nothing is changed
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("somebody to run PostgreSQL: %w", err)
	}
	uid, err1 := strconv.Atoi(nobody.Uid)
	gid, err2 := strconv.Atoi(nobody.Gid)
	if err := errors.Join(err1, err2, os.Chown(folder, uid, gid)); err != nil {
		return nil, fmt.Errorf("somebody to run PostgreSQL: %w", err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

// pocketBase imports as many rows through its Go API, a thousand a transaction,
// synced.
func (b *bench) pocketBase(ctx context.Context, data string) error {
	binary, err := b.build(ctx, data, "pocketbase", "")
	if err != nil {
		return err
	}
	folder, full := filepath.Join(data, "pocketbase-data"), []string{"PB_SYNC=FULL"}
	if _, err := b.command(ctx, data, full, binary, "seed", "0", "10", "--dir", folder); err != nil {
		return err
	}
	before := cpuTime(syscall.RUSAGE_CHILDREN)
	out, err := b.command(ctx, data, full, binary, "import", "1000", strconv.Itoa(b.members), "1000", "--dir", folder)
	if err != nil {
		return err
	}
	c, err := figureIn(out, `seconds=([0-9.]+)`)
	if err != nil {
		return err
	}
	c.cpu = cpuTime(syscall.RUSAGE_CHILDREN) - before
	b.ratio(fmt.Sprintf("import of %d rows", b.members), []cost{b.imported}, []float64{c.wall.Seconds()},
		"PocketBase's Go API, one index, nothing sealed", "≥ 1.5×")
	last := &b.rows[len(b.rows)-1]
	last.Note += fmt.Sprintf(". %.2f s CPU beside %.2f s. A row is a member and a report-in with ten keys, "+
		"five of them in random places of their index: the committer rewrites some four pages a row, which is half of the work. "+
		"Groups of 4 MiB in place of 1 MiB take a fifth of the CPU off and let a clerk wait longer during an import.",
		b.imported.cpu.Seconds(), c.cpu.Seconds())
	return nil
}

// duckDB runs the same evaluation in DuckDB, on the files of the anchors.
func (b *bench) duckDB(ctx context.Context, data string) error {
	if err := b.comparable(); err != nil {
		return err
	}
	folder := filepath.Join(data, "duckdb")
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(b.peers, "duckdb"))); err != nil {
		return fmt.Errorf("copy the program: %w", err)
	}
	if _, err := b.command(ctx, folder, nil, "npm", "install", "--no-audit", "--no-fund"); err != nil {
		return err
	}
	out, err := b.command(ctx, folder, nil, "node", "eval.mjs", filepath.Join(data, "anchors"))
	if err != nil {
		return err
	}
	c, err := figureIn(out, `duckdb: evaluate\s+([0-9.]+) s`)
	if err == nil {
		b.ratio(fmt.Sprintf("evaluation of %d members, %d lines, stored", b.members, b.members*b.lines), b.evaluations, []float64{c.wall.Seconds()}, "DuckDB", "")
	}
	return err
}

// ratio compares what linli took with what another program did, median by
// median.
func (b *bench) ratio(what string, own []cost, other []float64, beside, target string) {
	if len(own) == 0 || len(other) == 0 {
		return
	}
	seconds := make([]float64, len(own))
	for i, c := range own {
		seconds[i] = c.wall.Seconds()
	}
	median, low, high := figures.Median(seconds)
	reference, _, _ := figures.Median(other)
	b.found(figures.Row{
		What: what, Value: median, Low: low, High: high, Unit: "s", Repeats: len(own),
		Beside: fmt.Sprintf("%s (%.3f s)", beside, reference), Ratio: reference / median, Target: target,
	})
}
