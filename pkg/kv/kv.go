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
// is exclusive, a nil bound is open. Limit 0 means as many as the engine's
// page allows; a caller continues from the last key plus a zero byte.
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

// Snapshot is one consistent view. It must be closed, and is closed before the
// commit of the transaction that read it is awaited.
type Snapshot interface {
	// Read answers the keys in input order; absent keys have Version 0.
	Read(ctx context.Context, keys [][]byte) ([]Item, error)
	// Scan answers one page of a range.
	Scan(ctx context.Context, r Range) ([]Item, error)
	Close() error
}

// Engine is what a storage engine implements.
type Engine interface {
	Snapshot(ctx context.Context) (Snapshot, error)
	// Commit is atomic, and durable when it returns nil. ErrConflict: a check
	// failed and nothing was written.
	Commit(ctx context.Context, r CommitRequest) (Version, error)
	Limits() Limits
	// Backup writes one consistent copy while the engine goes on.
	Backup(ctx context.Context, w io.Writer) error
	// Check reads every value and verifies its checksum.
	Check(ctx context.Context) error
	Close() error
}

// Reader reads one snapshot. It is bound to the context of its View or Update
// and must not be used after the closure returned.
type Reader interface {
	Get(key []byte) (Item, error)
	GetMany(keys [][]byte) ([]Item, error)
	Scan(r Range) ([]Item, error)
}

// Tx reads like a Reader and sees its own writes. Every item read is checked
// at commit. Errors of the writing methods (too large, written twice as
// absent) surface when the closure's transaction is committed.
type Tx interface {
	Reader
	// Prefetch reads keys that will be asked for in one round trip.
	Prefetch(keys ...[]byte) error
	// Create writes a key that must be absent; if it is not, the closure runs
	// again, so a caller that can name the conflict reads the key first.
	Create(key, value []byte)
	Put(key, value []byte)
	Delete(key []byte)
	// Expect adds a check without a read.
	Expect(key []byte, v Version)
}

// DB runs closures in transactions.
//
// An Update closure may run more than once: ids, times and random values are
// taken before it, and it does nothing but compute and use the Tx. An error
// from the closure means that nothing was written, and is returned once the
// reads it rests on were validated. Update never nests.
type DB interface {
	View(ctx context.Context, fn func(Reader) error) error
	Update(ctx context.Context, fn func(Tx) error) error
	Limits() Limits
	Backup(ctx context.Context, w io.Writer) error
	Check(ctx context.Context) error
	Close() error
}
