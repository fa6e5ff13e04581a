package boltkv_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
)

// The crash test starts itself again as a child that writes as fast as it can
// and says on its output what was acknowledged. The parent kills it with
// SIGKILL after some number of lines and looks into the file.
const (
	childFile     = "LINLI_CRASH_FILE"
	childCheating = "LINLI_CRASH_CHEATING"
	childWriters  = 8
	keysTogether  = 5
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		writeUntilKilled(path, os.Getenv(childCheating) != "")
		return
	}
	os.Exit(m.Run())
}

// writeUntilKilled never returns. Each transaction writes a value under five
// keys; its number is printed once it is acknowledged, or with cheating before
// it is even begun.
func writeUntilKilled(path string, cheating bool) {
	e, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		panic(err)
	}
	db := kv.New(e, kv.Options{})
	var mu sync.Mutex
	say := func(n uint64) {
		mu.Lock()
		defer mu.Unlock()
		if _, err := fmt.Fprintln(os.Stdout, n); err != nil {
			panic(err)
		}
	}
	var writers sync.WaitGroup
	for w := range uint64(childWriters) {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for i := uint64(0); ; i++ {
				n := w<<40 | i
				if cheating {
					say(n)
				}
				err := db.Update(context.Background(), func(tx kv.Tx) error {
					for k := range keysTogether {
						tx.Put(crashKey(n, k), binary.BigEndian.AppendUint64(nil, n))
					}
					return nil
				})
				if err != nil {
					panic(err)
				}
				if !cheating {
					say(n)
				}
			}
		}()
	}
	writers.Wait()
}

func crashKey(n uint64, k int) []byte { return fmt.Appendf(nil, "%016x-%d", n, k) }

// crash runs a child, kills it after some acknowledged lines and answers what
// it had acknowledged by then.
func crash(t *testing.T, path string, lines int, cheating bool) []uint64 {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childFile+"="+path)
	if cheating {
		child.Env = append(child.Env, childCheating+"=1")
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	child.Stderr = &stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var acknowledged []uint64
	in := bufio.NewScanner(out)
	killed := false
	for in.Scan() {
		n, err := strconv.ParseUint(strings.TrimSpace(in.Text()), 10, 64)
		if err != nil {
			continue // a line cut by the kill
		}
		acknowledged = append(acknowledged, n)
		if len(acknowledged) >= lines && !killed {
			killed = true
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait() // "signal: killed"
	if !killed {
		t.Fatalf("the child ended by itself: %s", stderr.String())
	}
	return acknowledged
}

// missing counts acknowledged transactions that are not in the file, and
// transactions that are there in part.
func missing(t *testing.T, path string, acknowledged []uint64) (lost, partial int) {
	t.Helper()
	db := kv.New(open(t, path), kv.Options{})
	defer func() { _ = db.Close() }()
	if err := db.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	together := map[string]int{}
	err := db.View(context.Background(), func(r kv.Reader) error {
		items, err := r.Scan(kv.Range{})
		for _, it := range items {
			transaction, _, _ := strings.Cut(string(it.Key), "-")
			together[transaction]++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range together {
		if n != keysTogether {
			partial++
		}
	}
	for _, n := range acknowledged {
		if together[fmt.Sprintf("%016x", n)] == 0 {
			lost++
		}
	}
	return lost, partial
}

func TestKill_EveryAcknowledgedWriteIsThere(t *testing.T) {
	cycles := 12
	if os.Getenv("LINLI_NIGHTLY") != "" {
		cycles = 1000
	}
	random := rand.New(rand.NewPCG(3, 5))
	for cycle := range cycles {
		path := filepath.Join(t.TempDir(), "crash.db")
		acknowledged := crash(t, path, 1+random.IntN(600), false)
		if lost, partial := missing(t, path, acknowledged); lost > 0 || partial > 0 {
			t.Fatalf("cycle %d: of %d acknowledged %d are lost; %d transactions are partial", cycle, len(acknowledged), lost, partial)
		}
	}
}

// TestKill_Control: a store that acknowledges before it commits must be caught
// by the same look into the file.
func TestKill_Control(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "crash.db")
		acknowledged := crash(t, path, 300, true)
		if lost, _ := missing(t, path, acknowledged); lost > 0 {
			return
		}
	}
	t.Fatal("a writer that acknowledges before the commit was not caught in 20 kills")
}
