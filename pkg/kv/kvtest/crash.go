package kvtest

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
	"testing"

	"github.com/linli-project/linli/pkg/kv"
)

// The crash category starts the test binary again as a child that writes until
// it is killed. Where it writes, and what its rows are named after, stands in
// its environment.
const (
	childPlace = "LINLI_KVTEST_PLACE"
	childCycle = "LINLI_KVTEST_CYCLE"

	childWriters = 8
	keysTogether = 5
	// cyclesPerPlace is how often one place is crashed on, so that one with a
	// past is opened too and a long night does not look through millions of rows.
	cyclesPerPlace = 10
)

// Child does the work of a child of the crash category, and ends the process.
// In any other process it does nothing. TestMain calls it first.
func Child(open func(place string) (kv.Engine, error)) {
	place := os.Getenv(childPlace)
	if place == "" {
		return
	}
	e, err := open(place)
	if err == nil {
		err = writeUntilKilled(kv.New(e, kv.Options{}), os.Getenv(childCycle))
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// writeUntilKilled writes transactions of five keys from several goroutines. A
// transaction's number is said on the output once it is acknowledged.
func writeUntilKilled(db kv.DB, cycle string) error {
	failed := make(chan error)
	for w := range uint64(childWriters) {
		go func() {
			for i := uint64(0); ; i++ {
				if err := writeTogether(db, cycle, w<<40|i); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

func writeTogether(db kv.DB, cycle string, n uint64) error {
	err := db.Update(context.Background(), func(tx kv.Tx) error {
		for k := range keysTogether {
			tx.Put(fmt.Appendf(nil, "%s/%016x/%d", cycle, n, k), bytesOf(n))
		}
		return nil
	})
	if err != nil {
		return err
	}
	// Eight bytes go into a pipe whole or not at all.
	_, err = os.Stdout.Write(bytesOf(n))
	return err
}

// testCrash kills a process in the middle of its commits, again and again: what
// it had acknowledged is there when its place is opened, and nothing in part.
func testCrash(t testing.TB, f Factory) {
	need(t, f.Place != nil && f.At != nil, Crash)
	cycles := 30
	if rounds(1) > 1 {
		cycles = 1000
	}
	random := rand.New(rand.NewPCG(3, 5))
	var place string
	total := 0
	for cycle := range cycles {
		if cycle%cyclesPerPlace == 0 {
			place = f.Place(t)
		}
		name := fmt.Sprintf("%04d", cycle)
		acknowledged := kill(t, place, name, 1+random.IntN(400))
		total += len(acknowledged)
		if lost, partial := look(t, f.At(t, place), name, acknowledged); lost > 0 || partial > 0 {
			t.Fatalf("cycle %d: of %d acknowledged %d are lost; %d transactions are partial", cycle, len(acknowledged), lost, partial)
		}
	}
	t.Logf("%d kills, %d acknowledged transactions, all there", cycles, total)
}

// kill runs a child, kills it after some acknowledgements and answers all that
// it had acknowledged by then.
func kill(t testing.TB, place, cycle string, after int) (acknowledged []uint64) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childPlace+"="+place, childCycle+"="+cycle)
	var stderr bytes.Buffer
	child.Stderr = &stderr
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatalf("start a child: %v", err)
	}
	record := make([]byte, 8)
	for {
		if _, err := io.ReadFull(out, record); err != nil {
			break // the killed child's end of the pipe is closed
		}
		acknowledged = append(acknowledged, binary.BigEndian.Uint64(record))
		if len(acknowledged) == after {
			if err := child.Process.Kill(); err != nil {
				t.Fatalf("kill the child: %v", err)
			}
		}
	}
	_ = child.Wait() // "signal: killed"
	if len(acknowledged) < after {
		t.Fatalf("the child ended by itself, or TestMain does not call Child: %s", &stderr)
	}
	return acknowledged
}

// look counts the acknowledged transactions that are not in what a killed child
// left, and those that are there in part.
func look(t testing.TB, e kv.Engine, cycle string, acknowledged []uint64) (lost, partial int) {
	t.Helper()
	db := kv.New(e, kv.Options{})
	there := map[uint64]int{}
	err := db.View(context.Background(), func(r kv.Reader) error {
		items, err := r.Scan(kv.Range{From: []byte(cycle + "/"), To: []byte(cycle + "0")})
		for _, it := range items {
			there[number(it.Value)]++
		}
		return err
	})
	if err := errors.Join(db.Check(context.Background()), err, db.Close()); err != nil {
		t.Fatalf("look at what a killed process left: %v", err)
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
