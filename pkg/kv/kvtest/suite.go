// Package kvtest is the contract of package kv as a test suite: an engine is
// supported when it passes. It also holds the wrappers that make any engine
// run closures twice or fail at a chosen operation.
package kvtest

import (
	"context"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
)

// Category is a part of the contract, by the name that an engine uses to say
// that it cannot do it.
type Category string

// The categories.
const (
	Basic        Category = "basic"
	Scan         Category = "scan"
	ByteOrder    Category = "byte order"
	OwnWrites    Category = "own writes"
	Demands      Category = "demands"
	Limits       Category = "limits"
	Snapshot     Category = "snapshot consistency"
	WriteSkew    Category = "write skew"
	LostUpdate   Category = "lost update"
	Linearizable Category = "linearizable"
	History      Category = "random history"
	Outcome      Category = "outcome"
	Reopen       Category = "reopen"
	Crash        Category = "crash"
	Checksums    Category = "checksums"
	Backup       Category = "backup"
)

// Factory makes engines for the suite. What is nil the engine cannot do, and
// must be named to Run.
type Factory struct {
	// Open makes an empty engine. The suite closes it.
	Open func(t testing.TB) kv.Engine
	// Reopen closes an engine and opens what it held.
	Reopen func(t testing.TB, e kv.Engine) kv.Engine
	// Damage changes a bit of the stored value under a key behind the engine's
	// back. It may close the engine; it answers the one to go on with.
	Damage func(t testing.TB, e kv.Engine, key []byte) kv.Engine
	// Place names a new place that outlives a process (a path, a database), and
	// At opens the engine there. The suite closes it. The package's TestMain
	// calls Child, so that processes can be killed at their work.
	Place func(t testing.TB) string
	At    func(t testing.TB, place string) kv.Engine
	// Restore makes an engine of what Backup wrote. The suite closes it.
	Restore func(t testing.TB, backup io.Reader) kv.Engine
}

type part struct {
	category Category
	test     func(testing.TB, Factory)
}

func parts() []part {
	return []part{
		{Basic, testBasic}, {Scan, testScan}, {ByteOrder, testByteOrder}, {OwnWrites, testOwnWrites}, {Demands, testDemands}, {Limits, testLimits},
		{Snapshot, testSnapshot}, {WriteSkew, testWriteSkew}, {LostUpdate, testLostUpdate},
		{Linearizable, testLinearizable}, {History, testHistory}, {Outcome, testOutcome},
		{Reopen, testReopen}, {Crash, testCrash}, {Checksums, testChecksums}, {Backup, testBackup},
	}
}

// Run runs every category but those that the engine cannot do.
func Run(t *testing.T, f Factory, cannot ...Category) {
	for _, p := range parts() {
		if slices.Contains(cannot, p.category) {
			continue
		}
		t.Run(string(p.category), func(t *testing.T) { p.test(t, f) })
	}
}

// rounds is n in an ordinary run and a hundred times that nightly.
func rounds(n int) int {
	if os.Getenv("LINLI_NIGHTLY") != "" {
		return 100 * n
	}
	return n
}

// closing puts the layer over an engine and closes it with the test.
func closing(t testing.TB, e kv.Engine) *kv.Database {
	db := kv.New(e, kv.Options{})
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func (f Factory) database(t testing.TB) *kv.Database { return closing(t, f.Open(t)) }

// mustUpdate and mustView end the test on an error that it does not expect.
func mustUpdate(t testing.TB, db kv.DB, fn func(kv.Tx) error) {
	t.Helper()
	if err := db.Update(context.Background(), fn); err != nil {
		t.Fatalf("update: %v", err)
	}
}

func mustView(t testing.TB, db kv.DB, fn func(kv.Reader) error) {
	t.Helper()
	if err := db.View(context.Background(), fn); err != nil {
		t.Fatalf("view: %v", err)
	}
}

func put(t testing.TB, db kv.DB, pairs ...string) {
	t.Helper()
	mustUpdate(t, db, func(tx kv.Tx) error {
		for i := 0; i < len(pairs); i += 2 {
			tx.Put([]byte(pairs[i]), []byte(pairs[i+1]))
		}
		return nil
	})
}

func item(t testing.TB, db kv.DB, key string) (it kv.Item) {
	t.Helper()
	mustView(t, db, func(r kv.Reader) (err error) {
		it, err = r.Get([]byte(key))
		return err
	})
	return it
}

func get(t testing.TB, db kv.DB, key string) (value string, present bool) {
	t.Helper()
	it := item(t, db, key)
	return string(it.Value), it.Version != 0
}
