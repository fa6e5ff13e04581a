// Package kv is the storage contract of the house: one interface for every
// engine, and above it one transaction layer that all engines share.
//
// A transaction is optimistic. A closure reads from one snapshot and buffers
// its writes; the layer hands the engine what was read (key and version) and
// what is to be written, and the engine validates and applies both in one
// durable step. A closure whose reads are no longer true runs again.
//
// What is not checked: phantoms. An invariant over a set of rows needs a guard
// key that every writer of the set reads and writes, or a unique key made with
// Create.
package kv

import (
	"context"
	"errors"
	"io"
)

// Version identifies the commit that last wrote a key. It is a random 63-bit
// number, compared for equality only and never shown outside this package's
// users. Zero means that the key is absent.
type Version uint64

// Item is one key with its value. An absent key has Version 0 and a nil Value.
// The slices belong to the caller of the read.
type Item struct {
	Key, Value []byte
	Version    Version
}

// Range names the keys of one page, in bytewise order: From is inclusive, To
// is exclusive, a nil bound is open. Reverse answers the last keys first; a
// Limit of 0 answers all of them. A caller goes on from the last key plus a
// zero byte, or in reverse with the last key as To.
type Range struct {
	From, To []byte
	Limit    int
	Reverse  bool
	KeysOnly bool
}

// Errors of the contract. Engines and the layer wrap them; callers use errors.Is.
var (
	// ErrConflict: what the closure read was changed by somebody else, and
	// running it again did not help in time.
	ErrConflict = errors.New("kv: conflict")
	// ErrUnknownOutcome: the commit may or may not have happened.
	ErrUnknownOutcome = errors.New("kv: unknown outcome")
	// ErrTooLarge: a key, a value or a transaction is over Limits.
	ErrTooLarge = errors.New("kv: too large")
	// ErrCorrupt: a stored value or the file under it is not what was written.
	ErrCorrupt = errors.New("kv: corrupt")
	// ErrReadOnly: the engine takes no writes (disk full, opened for reading).
	ErrReadOnly = errors.New("kv: read only")
	// ErrUnavailable: the engine cannot answer now (closing, not reached).
	ErrUnavailable = errors.New("kv: unavailable")
	// ErrNested: an Update was begun inside an Update. It would wait for the
	// disk while the outer one holds its snapshot open.
	ErrNested = errors.New("kv: update inside an update")
)

// Limits are the same for every engine, so that no row fits one and not another.
type Limits struct {
	KeyBytes    int // of one key
	ValueBytes  int // of one value, before its envelope
	Checks      int // distinct keys read by one transaction
	Writes      int // keys written by one transaction
	CommitBytes int // keys and values of one transaction
}

// DefaultLimits are the limits of the contract.
var DefaultLimits = Limits{KeyBytes: 512, ValueBytes: 64 << 10, Checks: 1000, Writes: 1000, CommitBytes: 4 << 20}

// Check says which version of a key a transaction relied on; 0 = absent.
type Check struct {
	Key     []byte
	Version Version
}

// Write is one buffered change.
type Write struct {
	Key, Value []byte
	Delete     bool
}

// CommitRequest is validated and applied as a whole. Checks and Writes are
// each sorted by key, without repeats.
type CommitRequest struct {
	Checks []Check
	Writes []Write
}

// Snapshot is one consistent view of what was durable when it was opened. It is
// used by one goroutine, and its opener closes it: before the commit of the
// transaction that read it is awaited.
type Snapshot interface {
	// Read answers the keys in input order; absent keys have Version 0. The
	// items hold the very keys that were given.
	Read(ctx context.Context, keys [][]byte) ([]Item, error)
	// Scan answers one page of a range.
	Scan(ctx context.Context, r Range) ([]Item, error)
	Close() error
}

// Engine is what a storage engine implements. It is safe for concurrent use.
type Engine interface {
	// Snapshot opens a view that holds every commit acknowledged before.
	Snapshot(ctx context.Context) (Snapshot, error)
	// Commit is atomic, and durable when it returns nil. The slices of the
	// request belong to the engine from now on. ConflictError: a check failed,
	// and that is one of its keys; an engine that cannot tell which answers
	// ErrConflict, and then those that fight over a key do not queue.
	// ErrUnknownOutcome: the context ended, or the engine failed, while the
	// commit was under way. After any other error nothing was written and
	// nothing will be. A request without writes is validated all the same.
	Commit(ctx context.Context, r CommitRequest) (Version, error)
	Limits() Limits
	// Backup writes one consistent copy while the engine goes on.
	Backup(ctx context.Context, w io.Writer) error
	// Check reads every value and verifies its checksum.
	Check(ctx context.Context) error
	// Close refuses what comes after it with ErrUnavailable and returns when
	// what is under way has ended.
	Close() error
}

// Reader reads one snapshot. It belongs to one goroutine and is of no use after
// the closure returned.
type Reader interface {
	// Context is the one of the View or Update, for what a closure calls that
	// wants one. An Update under it is refused with ErrNested.
	Context() context.Context
	Get(key []byte) (Item, error)
	GetMany(keys [][]byte) ([]Item, error)
	Scan(r Range) ([]Item, error)
}

// Tx reads like a Reader and sees its own writes. Every item read is checked
// at commit. Errors of the writing methods (too large, written twice as
// absent) surface when the closure's transaction is committed.
type Tx interface {
	Reader
	// Prefetch fetches keys that will be asked for in one round trip. What is
	// not asked for is not checked.
	Prefetch(keys ...[]byte) error
	// Create writes a key that must be absent; if it is not, the closure runs
	// again, so a caller that can name the conflict reads the key first.
	Create(key, value []byte)
	Put(key, value []byte)
	Delete(key []byte)
	// Expect adds a check of the stored version without a read. To expect what
	// the transaction itself wrote is no check.
	Expect(key []byte, v Version)
	// Changes answers what the transaction writes so far at from and beyond, in
	// the order of keys, beside what its snapshot holds there. To ask checks
	// nothing.
	Changes(from []byte) ([]Change, error)
}

// DB runs closures in transactions.
//
// An Update closure may run more than once: ids, times and random values are
// taken before it, and it does nothing but compute and use the Tx. An error
// from the closure means that nothing was written, and is returned once the
// reads it rests on were validated; ErrConflict has the closure run again.
// Update never nests. DB is safe for concurrent use.
type DB interface {
	View(ctx context.Context, fn func(Reader) error) error
	Update(ctx context.Context, fn func(Tx) error) error
	Limits() Limits
	Backup(ctx context.Context, w io.Writer) error
	// Hold lets commits wait until release is called, and returns when those
	// under way are done.
	Hold(ctx context.Context) (release func(), err error)
	Check(ctx context.Context) error
	Close() error
}
