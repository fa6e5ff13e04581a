package boltkv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
)

const (
	// hasty before a path is an engine that acknowledges before it commits.
	hasty = "hasty:"
	// childFile names the file that a child of the test binary is to fill.
	childFile = "LINLI_CHILD_FILE"
)

func TestMain(m *testing.M) {
	kvtest.Child(func(place string) (kv.Engine, error) {
		path, isHasty := strings.CutPrefix(place, hasty)
		e, err := boltkv.Open(path, boltkv.Options{})
		if err == nil && isHasty {
			return hastyEngine{e}, nil
		}
		return e, err
	})
	if path := os.Getenv(childFile); path != "" {
		if err := fillTheDisk(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// hastyEngine commits after it has answered.
type hastyEngine struct{ *boltkv.Engine }

func (h hastyEngine) Commit(_ context.Context, r kv.CommitRequest) (kv.Version, error) {
	// What comes of it nobody will know: that is the fault.
	go func() { _, _ = h.Engine.Commit(context.Background(), r) }()
	return kv.NewVersion(), nil
}

// TestCrash_Control: an engine that acknowledges before it commits is caught by
// the crash category.
func TestCrash_Control(t *testing.T) {
	found := kvtest.Failures(t, kvtest.Crash, kvtest.Factory{
		Place: func(t testing.TB) string { return hasty + newPath(t) },
		At: func(t testing.TB, place string) kv.Engine {
			return open(t, strings.TrimPrefix(place, hasty))
		},
	})
	if len(found) == 0 {
		t.Fatal("it went unnoticed")
	}
	t.Log(found[0])
}

// TestFullDisk runs a child that may not make its file larger than some size.
func TestFullDisk(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childFile+"="+newPath(t))
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// limitFiles sets how large this process may make a file; 0 is without limit.
func limitFiles(size uint64) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if limit.Cur = limit.Max; size > 0 {
		limit.Cur = size
	}
	return unix.Setrlimit(unix.RLIMIT_FSIZE, &limit)
}

// fillTheDisk writes until the engine takes no more, and then makes room.
func fillTheDisk(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	e, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		return err
	}
	db := kv.New(e, kv.Options{})
	rows := 0
	write := func() error {
		err := db.Update(context.Background(), func(tx kv.Tx) error {
			for i := range 10 {
				tx.Put(rowKey(rows+i), bytes.Repeat([]byte("x"), 60_000))
			}
			return nil
		})
		if err == nil {
			rows += 10
		}
		return err
	}
	if err := limitFiles(24 << 20); err != nil {
		return err
	}
	for err == nil && rows < 10_000 {
		err = write()
	}
	if !errors.Is(err, kv.ErrReadOnly) || rows == 0 {
		return fmt.Errorf("a disk full after %d rows: %w", rows, err)
	}
	if err := errors.Join(allThere(db, rows), db.Check(context.Background())); err != nil {
		return fmt.Errorf("on a full disk: %w", err)
	}
	if err := write(); !errors.Is(err, kv.ErrReadOnly) {
		return fmt.Errorf("the next write on a full disk: %w", err)
	}
	if err := limitFiles(0); err != nil {
		return err
	}
	if err := errors.Join(write(), allThere(db, rows), db.Check(context.Background()), db.Close()); err != nil {
		return fmt.Errorf("when there was room again: %w", err)
	}
	return nil
}

// allThere says whether the first so many rows, and no more, are in the store.
func allThere(db kv.DB, rows int) error {
	return db.View(context.Background(), func(r kv.Reader) error {
		items, err := r.Scan(kv.Range{KeysOnly: true})
		if err == nil && len(items) != rows {
			err = fmt.Errorf("%d rows, and %d were acknowledged", len(items), rows)
		}
		return err
	})
}
