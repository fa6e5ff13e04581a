package boltkv_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
)

// The tests of this file start the test binary again as a child. What it is to
// do stands in its environment.
const (
	childTask  = "LINLI_CHILD_TASK"
	childFile  = "LINLI_CHILD_FILE"
	childCycle = "LINLI_CHILD_CYCLE"

	taskWrite = "write until killed"
	taskCheat = "acknowledge before the commit"
	taskFill  = "fill the disk"
)

func TestMain(m *testing.M) {
	task, path := os.Getenv(childTask), os.Getenv(childFile)
	switch task {
	case "":
		os.Exit(m.Run())
	case taskFill:
		if err := fillTheDisk(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		err := writeUntilKilled(path, os.Getenv(childCycle), task == taskCheat)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func startChild(t *testing.T, task, path, cycle string) (child *exec.Cmd, out io.Reader, stderr *bytes.Buffer) {
	t.Helper()
	child = exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childTask+"="+task, childFile+"="+path, childCycle+"="+cycle)
	stderr = &bytes.Buffer{}
	child.Stderr = stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	return child, out, stderr
}

const (
	childWriters = 8
	keysTogether = 5
)

// writeUntilKilled writes transactions of five keys from several goroutines. A
// transaction's number is said on the output once it is acknowledged, or with
// cheating before it is begun.
func writeUntilKilled(path, cycle string, cheating bool) error {
	e, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		return err
	}
	db := kv.New(e, kv.Options{})
	failed := make(chan error)
	for w := range uint64(childWriters) {
		go func() {
			for i := uint64(0); ; i++ {
				if err := writeTogether(db, cycle, w<<40|i, cheating); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

func writeTogether(db kv.DB, cycle string, n uint64, cheating bool) error {
	number := binary.BigEndian.AppendUint64(nil, n)
	say := func() error {
		// Eight bytes go into a pipe whole or not at all.
		_, err := os.Stdout.Write(number)
		return err
	}
	if cheating {
		if err := say(); err != nil {
			return err
		}
	}
	err := db.Update(context.Background(), func(tx kv.Tx) error {
		for k := range keysTogether {
			tx.Put(crashKey(cycle, n, k), number)
		}
		return nil
	})
	if err != nil || cheating {
		return err
	}
	return say()
}

func crashKey(cycle string, n uint64, k int) []byte {
	return fmt.Appendf(nil, "%s/%016x/%d", cycle, n, k)
}

// crash runs a child, kills it after some acknowledgements and answers all that
// it had acknowledged by then.
func crash(t *testing.T, task, path, cycle string, after int) (acknowledged []uint64) {
	t.Helper()
	child, out, stderr := startChild(t, task, path, cycle)
	record := make([]byte, 8)
	for {
		if _, err := io.ReadFull(out, record); err != nil {
			break // the killed child's end of the pipe is closed
		}
		acknowledged = append(acknowledged, binary.BigEndian.Uint64(record))
		if len(acknowledged) == after {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait() // "signal: killed"
	if len(acknowledged) < after {
		t.Fatalf("the child ended by itself: %s", stderr)
	}
	return acknowledged
}

// look opens what a killed child left, counts the acknowledged transactions
// that are not in it and those that are there in part.
func look(t *testing.T, path, cycle string, acknowledged []uint64) (lost, partial int) {
	t.Helper()
	db := kv.New(open(t, path), kv.Options{})
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := db.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	there := map[uint64]int{}
	err := db.View(t.Context(), func(r kv.Reader) error {
		items, err := r.Scan(kv.Range{From: []byte(cycle + "/"), To: []byte(cycle + "0")})
		for _, it := range items {
			there[binary.BigEndian.Uint64(it.Value)]++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range there {
		if n != keysTogether {
			partial++
		}
	}
	for _, n := range acknowledged {
		if there[n] == 0 {
			lost++
		}
	}
	return lost, partial
}

// cyclesPerFile is how often one file is crashed on, so that a file with a past
// is opened too and a long night does not look through millions of rows.
const cyclesPerFile = 10

func TestKill_EveryAcknowledgedWriteIsThere(t *testing.T) {
	cycles := 30
	if os.Getenv("LINLI_NIGHTLY") != "" {
		cycles = 1000
	}
	random := rand.New(rand.NewPCG(3, 5))
	var path string
	var total int
	for cycle := range cycles {
		if cycle%cyclesPerFile == 0 {
			path = newPath(t)
		}
		name := fmt.Sprintf("%04d", cycle)
		acknowledged := crash(t, taskWrite, path, name, 1+random.IntN(400))
		total += len(acknowledged)
		if lost, partial := look(t, path, name, acknowledged); lost > 0 || partial > 0 {
			t.Fatalf("cycle %d: of %d acknowledged %d are lost; %d transactions are partial", cycle, len(acknowledged), lost, partial)
		}
	}
	t.Logf("%d kills, %d acknowledged transactions, all there", cycles, total)
}

// TestKill_Control: a writer that acknowledges before it commits must be caught
// by the same look into the file.
func TestKill_Control(t *testing.T) {
	for cycle := range 50 {
		path, name := newPath(t), "control"
		acknowledged := crash(t, taskCheat, path, name, 300)
		if lost, _ := look(t, path, name, acknowledged); lost > 0 {
			t.Logf("caught at kill %d: %d of %d lost", cycle+1, lost, len(acknowledged))
			return
		}
	}
	t.Fatal("a writer that acknowledges before the commit was not caught in 50 kills")
}

// TestFullDisk runs a child that may not make its file larger than some size.
func TestFullDisk(t *testing.T) {
	child, out, stderr := startChild(t, taskFill, newPath(t), "")
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err != nil {
		t.Fatalf("%v: %s", err, stderr)
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
