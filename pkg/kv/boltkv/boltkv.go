// Package boltkv is the default engine: one bbolt file. Closures read
// concurrent snapshots; one committer takes whatever requests wait, validates
// each against what stands and what the ones before it write, applies the
// valid ones in one bbolt transaction and answers all of them. No timer holds
// a lone writer back.
package boltkv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/linli-project/linli/pkg/kv"
)

// ErrLocked says that another process has the file open.
var ErrLocked = errors.New("boltkv: the file is in use by another process")

const (
	// A group is cut at these sizes, so that a clerk's one row never waits
	// behind a whole import.
	groupRequests = 512
	groupBytes    = 4 << 20
	// Virtual address space only; a file that grows past its map makes the
	// committer wait for every reader, so the map starts generous.
	initialMap = 256 << 20
	lockWait   = 200 * time.Millisecond
)

func bucketName() []byte { return []byte("kv") }

// Options of a file.
type Options struct {
	// NoSync leaves durability to the operating system. It exists for the
	// controls of crash tests and must not be used with data one wants to keep.
	NoSync bool
}

// Engine is one open file. It is safe for concurrent use.
type Engine struct {
	db    *bolt.DB
	queue chan *pending
	done  chan struct{} // closed when the committer has ended

	mu     sync.RWMutex // guards closed against senders on queue
	closed bool
}

var _ kv.Engine = (*Engine)(nil)

type pending struct {
	request kv.CommitRequest
	bytes   int
	answer  chan result
}

type result struct {
	version kv.Version
	err     error
}

// Open opens or makes the file at path (mode 0600). It answers ErrLocked when
// another process holds it, kv.ErrCorrupt when it is torn or no bbolt file,
// and the system's error when it cannot be read or written.
func Open(path string, o Options) (*Engine, error) {
	if err := checkFile(path); err != nil {
		return nil, err
	}
	db, err := open(path, o)
	if err != nil {
		return nil, err
	}
	e := &Engine{db: db, queue: make(chan *pending, groupRequests), done: make(chan struct{})}
	go e.commitGroups()
	return e, nil
}

func open(path string, o Options) (db *bolt.DB, err error) {
	err = guard(func() error {
		db, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout:         lockWait,
			FreelistType:    bolt.FreelistMapType,
			InitialMmapSize: initialMap,
			NoSync:          o.NoSync,
		})
		switch {
		case errors.Is(err, berrors.ErrTimeout):
			return fmt.Errorf("open %s: %w", path, ErrLocked)
		case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
			return fmt.Errorf("open %s: %w: %w", path, kv.ErrCorrupt, err)
		case err != nil:
			return fmt.Errorf("open %s: %w", path, err)
		}
		return db.Update(func(tx *bolt.Tx) error {
			_, err := tx.CreateBucketIfNotExists(bucketName())
			return err
		})
	})
	if err != nil && db != nil {
		err = errors.Join(err, db.Close())
	}
	return db, err
}

// guard runs fn with memory faults and bbolt's panics on a damaged page turned
// into ErrCorrupt: a torn file must end one call, not the process.
func guard(fn func() error) (err error) {
	before := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(before)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: reading the file: %v", kv.ErrCorrupt, r)
		}
	}()
	return fn()
}

// Snapshot begins a bbolt read transaction.
func (e *Engine) Snapshot(context.Context) (kv.Snapshot, error) {
	tx, err := e.db.Begin(false)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", kv.ErrUnavailable, err)
	}
	return &snapshot{tx: tx, bucket: tx.Bucket(bucketName())}, nil
}

// Commit hands the request to the committer and waits for its answer. Once
// queued it is no longer taken back: the answer is always known.
func (e *Engine) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	p := &pending{request: r, answer: make(chan result, 1)}
	for _, w := range r.Writes {
		p.bytes += len(w.Key) + len(w.Value)
	}
	e.mu.RLock()
	if e.closed {
		e.mu.RUnlock()
		return 0, fmt.Errorf("%w: closed", kv.ErrUnavailable)
	}
	e.queue <- p
	e.mu.RUnlock()
	a := <-p.answer
	return a.version, a.err
}

// commitGroups runs until the queue is closed and empty.
func (e *Engine) commitGroups() {
	defer close(e.done)
	for p := range e.queue {
		group, size := []*pending{p}, p.bytes
	fill:
		for len(group) < groupRequests && size < groupBytes {
			select {
			case q, ok := <-e.queue:
				if !ok {
					break fill
				}
				group, size = append(group, q), size+q.bytes
			default:
				break fill
			}
		}
		e.commitGroup(group)
	}
}

// commitGroup answers every request of the group, and only after the file is
// synced.
func (e *Engine) commitGroup(group []*pending) {
	results := make([]result, len(group))
	err := guard(func() error {
		return e.db.Update(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketName())
			wrote := false
			for i, p := range group {
				version, err := apply(b, p.request)
				if err != nil && !errors.Is(err, kv.ErrConflict) {
					return err
				}
				results[i] = result{version: version, err: err}
				wrote = wrote || err == nil && len(p.request.Writes) > 0
			}
			if !wrote {
				return errNothingToWrite
			}
			return nil
		})
	})
	for i, p := range group {
		if err != nil && !errors.Is(err, errNothingToWrite) {
			results[i] = result{err: classify(err)}
		}
		p.answer <- results[i]
	}
}

// errNothingToWrite rolls a group of mere checks back without touching the disk.
var errNothingToWrite = errors.New("boltkv: nothing to write")

func classify(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", kv.ErrReadOnly, err)
	}
	return err
}

// apply validates one request and puts its writes into the bucket. A conflict
// is found before anything is put.
func apply(b *bolt.Bucket, r kv.CommitRequest) (kv.Version, error) {
	for _, c := range r.Checks {
		var v kv.Version
		if stored := b.Get(c.Key); stored != nil {
			var err error
			if v, _, err = kv.Unseal(c.Key, stored); err != nil {
				return 0, err
			}
		}
		if v != c.Version {
			return 0, kv.ErrConflict
		}
	}
	version := kv.Version(rand.Uint64()>>1 | 1)
	for _, w := range r.Writes {
		var err error
		if w.Delete {
			err = b.Delete(w.Key)
		} else {
			err = b.Put(w.Key, kv.Seal(w.Key, version, w.Value))
		}
		if err != nil {
			return 0, fmt.Errorf("write: %w", err)
		}
	}
	return version, nil
}

// Limits are those of the contract.
func (e *Engine) Limits() kv.Limits { return kv.DefaultLimits }

// Backup writes a copy of the file that Open takes.
func (e *Engine) Backup(_ context.Context, w io.Writer) error {
	return guard(func() error {
		return e.db.View(func(tx *bolt.Tx) error {
			if _, err := tx.WriteTo(w); err != nil {
				return fmt.Errorf("write backup: %w", err)
			}
			return nil
		})
	})
}

// Check verifies the file's pages and every value's checksum.
func (e *Engine) Check(ctx context.Context) error {
	return guard(func() error {
		return e.db.View(func(tx *bolt.Tx) error {
			var problems []error
			for err := range tx.Check() {
				problems = append(problems, fmt.Errorf("%w: %w", kv.ErrCorrupt, err))
			}
			if len(problems) > 0 {
				return errors.Join(problems...)
			}
			return tx.Bucket(bucketName()).ForEach(func(k, v []byte) error {
				_, _, err := kv.Unseal(k, v)
				return errors.Join(err, ctx.Err())
			})
		})
	})
}

// Close answers what is queued, then closes the file.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	close(e.queue)
	e.mu.Unlock()
	<-e.done
	return e.db.Close()
}

type snapshot struct {
	tx     *bolt.Tx
	bucket *bolt.Bucket
}

func (s *snapshot) Read(ctx context.Context, keys [][]byte) ([]kv.Item, error) {
	out := make([]kv.Item, len(keys))
	err := guard(func() error {
		for i, k := range keys {
			out[i].Key = k
			stored := s.bucket.Get(k)
			if stored == nil {
				continue
			}
			version, value, err := kv.Unseal(k, stored)
			if err != nil {
				return err
			}
			out[i].Value, out[i].Version = bytes.Clone(value), version
		}
		return ctx.Err()
	})
	return out, err
}

func (s *snapshot) Scan(ctx context.Context, r kv.Range) ([]kv.Item, error) {
	var out []kv.Item
	err := guard(func() error {
		c := s.bucket.Cursor()
		for k, stored := first(c, r); inside(k, r) && (r.Limit == 0 || len(out) < r.Limit); {
			version, value, err := kv.Unseal(k, stored)
			if err != nil {
				return err
			}
			it := kv.Item{Key: bytes.Clone(k), Version: version}
			if !r.KeysOnly {
				it.Value = bytes.Clone(value)
			}
			out = append(out, it)
			if r.Reverse {
				k, stored = c.Prev()
			} else {
				k, stored = c.Next()
			}
		}
		return ctx.Err()
	})
	return out, err
}

func (s *snapshot) Close() error { return s.tx.Rollback() }

// first puts the cursor on the first item of a range in its direction.
func first(c *bolt.Cursor, r kv.Range) (k, v []byte) {
	if !r.Reverse {
		return c.Seek(r.From)
	}
	if r.To == nil {
		return c.Last()
	}
	if k, _ = c.Seek(r.To); k == nil {
		return c.Last()
	}
	return c.Prev()
}

func inside(k []byte, r kv.Range) bool {
	return k != nil && bytes.Compare(k, r.From) >= 0 && (r.To == nil || bytes.Compare(k, r.To) < 0)
}

// IsPermission says whether an error of Open is about who may read or write
// the file, not about what is in it.
func IsPermission(err error) bool {
	return errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS)
}
