package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed driver.lua
var driverLua []byte

// driver measures one operation at a number of connections on targets in turn.
type driver func(ctx context.Context, op string, conns int, targets []target) ([]cell, error)

// driver answers the peers' scripts over wrk, or the project's own loop.
func (s *stage) driver(rows int) driver {
	if s.c.peers == "" {
		return func(ctx context.Context, op string, conns int, targets []target) ([]cell, error) {
			return s.loop(ctx, rows, op, conns, targets)
		}
	}
	return func(ctx context.Context, op string, conns int, targets []target) ([]cell, error) {
		return s.wrk(ctx, rows, op, conns, targets)
	}
}

// wrk runs the peers' script: all targets one after the other, in alternating
// order.
func (s *stage) wrk(ctx context.Context, rows int, op string, conns int, targets []target) ([]cell, error) {
	folder, err := s.scripts()
	if err != nil {
		return nil, err
	}
	out := filepath.Join(folder, "out.tsv")
	if err := os.Remove(out); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("clear the results: %w", err)
	}
	args := []string{out, strconv.Itoa(rows), op, strconv.Itoa(conns)}
	for _, t := range targets {
		var pids []string
		for _, pid := range t.pids {
			pids = append(pids, strconv.Itoa(pid))
		}
		args = append(args, strings.Join([]string{t.name, t.profile, t.url, strings.Join(pids, "+")}, "="))
	}
	env := []string{
		"PEERS_LUA=" + filepath.Join(s.c.peers, "wrk", "work.lua"), "LINLI_BODIES=" + filepath.Join(folder, "bodies"),
		"SECONDS_EACH=" + strconv.Itoa(s.c.seconds), "REPEATS=" + strconv.Itoa(s.c.repeats),
	}
	if took := time.Duration(s.c.seconds*s.c.repeats*len(targets)) * time.Second; took > tokensHold/2 {
		return nil, fmt.Errorf("%s with %d connections takes %s and more: tokens hold for %s, take fewer seconds or repeats", op, conns, took, tokensHold)
	}
	for _, l := range s.linli {
		who, err := l.people.signIn(ctx)
		if err != nil {
			return nil, err
		}
		tokens := filepath.Join(folder, "tokens-"+l.name)
		if err := who.keep(tokens); err != nil {
			return nil, err
		}
		env = append(env, "IDS_"+l.name+"="+l.idsFile(rows), "AUTH_"+l.name+"="+tokens, "AFTER_"+l.name+"="+drainCommand(l.url(), who.seeder))
	}
	if _, err := run(ctx, folder, nil, env, filepath.Join(folder, "run.sh"), args...); err != nil {
		return nil, err
	}
	written, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("read the results: %w", err)
	}
	found := map[string][]cell{}
	for line := range strings.Lines(string(written)) {
		c, err := parseCell(line)
		if err != nil {
			return nil, err
		}
		found[c.target] = append(found[c.target], c)
	}
	var cells []cell
	for _, t := range targets {
		if len(found[t.name]) != s.c.repeats {
			return nil, fmt.Errorf("%s of %s: %d results of %d", op, t.name, len(found[t.name]), s.c.repeats)
		}
		cells = append(cells, middle(found[t.name]))
	}
	return cells, nil
}

// drainCommand waits until all effects of what was posted are there; each try
// waits as long as a call may.
func drainCommand(url, token string) string {
	return "for i in 1 2 3 4 5 6 7 8 9; do curl -sf -o /dev/null -X POST -d '{}' -H 'Content-Type: application/json' " +
		"-H 'Authorization: Bearer " + token + "' " + url + "/v1/dev/events:drain && break; done"
}

// scripts puts the peers' scripts and linli's requests into one folder.
func (s *stage) scripts() (string, error) {
	folder := filepath.Join(s.c.dir, "wrk")
	if exists(filepath.Join(folder, "bodies")) {
		return folder, nil
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return "", fmt.Errorf("make %s: %w", folder, err)
	}
	posts, err := bodies(bodiesReady)
	if err != nil {
		return "", err
	}
	files := map[string][]byte{"work.lua": driverLua}
	for _, name := range []string{"run.sh", "summary.awk"} {
		if files[name], err = os.ReadFile(filepath.Join(s.c.peers, "wrk", name)); err != nil {
			return "", fmt.Errorf("read the peers' scripts: %w", err)
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o755); err != nil { //nolint:gosec // scripts
			return "", fmt.Errorf("write %s: %w", name, err)
		}
	}
	return folder, os.WriteFile(filepath.Join(folder, "bodies"), bytes.TrimSpace(posts), 0o600)
}
