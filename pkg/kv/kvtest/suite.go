// Package kvtest is the contract of package kv as a test suite: an engine is
// supported when it passes. It also holds the wrappers that make any engine
// run closures twice or fail at a chosen operation.
package kvtest

import (
	"context"
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
	OwnWrites    Category = "own writes"
	Limits       Category = "limits"
	Snapshot     Category = "snapshot consistency"
	WriteSkew    Category = "write skew"
	LostUpdate   Category = "lost update"
	Linearizable Category = "linearizable"
	History      Category = "random history"
	Outcome      Category = "outcome"
	Reopen       Category = "reopen"
)

// Factory makes engines for the suite.
type Factory struct {
	// Open makes an empty engine.
	Open func(t testing.TB) kv.Engine
	// Reopen closes an engine and opens what it held; nil where that cannot be.
	Reopen func(t testing.TB, e kv.Engine) kv.Engine
}

func (f Factory) database(t testing.TB) *kv.Database {
	db := kv.New(f.Open(t), kv.Options{})
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// Run runs every category but those that the engine cannot do.
func Run(t *testing.T, f Factory, cannot ...Category) {
	for _, c := range []struct {
		category Category
		test     func(*testing.T, Factory)
	}{
		{Basic, testBasic}, {Scan, testScan}, {OwnWrites, testOwnWrites}, {Limits, testLimits},
		{Snapshot, testSnapshot}, {WriteSkew, testWriteSkew}, {LostUpdate, testLostUpdate},
		{Linearizable, testLinearizable}, {History, testHistory}, {Outcome, testOutcome}, {Reopen, testReopen},
	} {
		if slices.Contains(cannot, c.category) {
			continue
		}
		t.Run(string(c.category), func(t *testing.T) { c.test(t, f) })
	}
}

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

func get(t testing.TB, db kv.DB, key string) (value string, present bool) {
	t.Helper()
	mustView(t, db, func(r kv.Reader) error {
		it, err := r.Get([]byte(key))
		value, present = string(it.Value), it.Version != 0
		return err
	})
	return value, present
}
