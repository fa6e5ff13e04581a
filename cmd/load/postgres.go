package main

import (
	"context"
	"fmt"
	"os/user"
	"strconv"
	"syscall"
	"time"
)

// runAs names the user whom the cluster belongs to, who must be able to enter
// the folder of the comparison.
func (p *postgres) runAs(ctx context.Context) error {
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return fmt.Errorf("PostgreSQL does not run as root, and there is nobody else: %w", err)
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return fmt.Errorf("user %s: %w", u.Username, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return fmt.Errorf("user %s: %w", u.Username, err)
	}
	p.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if _, err := run(ctx, "/", p.as, nil, "test", "-x", p.c.dir); err != nil {
		return fmt.Errorf("user %s, whom PostgreSQL runs as, cannot enter %s: name a folder in COMPARE_DIR that everybody can enter, all the way from /", u.Username, p.c.dir)
	}
	return nil
}

// sql runs one statement and answers its rows, one a line.
func (p *postgres) sql(ctx context.Context, statement string) (string, error) {
	return run(ctx, p.c.dir, nil, nil, "psql", "-h", "127.0.0.1", "-p", strconv.Itoa(p.port), "-U", "postgres", "-d", "postgres",
		"-v", "ON_ERROR_STOP=1", "-qAtc", statement)
}

// awaitServer waits until the cluster takes statements.
func (p *postgres) awaitServer(ctx context.Context) error {
	const tries, pause = 300, 100 * time.Millisecond
	var err error
	for range tries {
		if _, err = p.sql(ctx, "SELECT 1"); err == nil {
			return nil
		}
		select {
		case <-p.server.done:
			return fmt.Errorf("PostgreSQL ended, see %s", p.server.log)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	return err
}
