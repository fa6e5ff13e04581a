// Package boltkv is the default engine: one bbolt file. Closures read
// concurrent snapshots; one committer takes whatever requests wait, validates
// each against what stands and what the ones before it write, applies the
// valid ones in one bbolt transaction and answers all of them. No timer holds
// a lone writer back.
//
// What the disk does to the file is met as follows. A file that is cut short
// or whose head is damaged is refused by Open. A flipped bit in a value is
// found by its checksum on every read; one in a page's own structure makes a
// read fail, or hides keys until Check finds it: run Check after a restore and
// now and then. A disk that is full or refuses writes makes commits answer
// kv.ErrReadOnly, and each later one tries again. A disk that fails while it
// syncs what is already visible leaves an outcome unknown: the engine then
// answers kv.ErrUnavailable to everything until the file is opened again.
package boltkv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	bolt "go.etcd.io/bbolt"

	"github.com/linli-project/linli/pkg/kv"
)

// ErrLocked says that another process has the file open.
var ErrLocked = errors.New("boltkv: the file is in use by another process")

// Options of a file.
type Options struct {
	// NoSync leaves durability to the operating system. It exists for the
	// controls of crash tests and must not be used with data one wants to keep.
	NoSync bool
}

// Engine is one open file. It is safe for concurrent use.
type Engine struct {
	db   *bolt.DB
	file *os.File // of db; bbolt closes it
	// update is db.Update; a test puts a failing disk in its place.
	update func(func(*bolt.Tx) error) error

	queue  chan *pending
	room   room
	done   chan struct{} // closed when the committer has ended
	synced *watermark    // the newest bbolt transaction known to be on disk
	broken atomic.Pointer[breakage]

	mu     sync.RWMutex // held for reading while sending on queue
	closed bool
}

var _ kv.Engine = (*Engine)(nil)

// breakage is why the engine answers nothing any more.
type breakage struct {
	err error
	// stuck: bbolt panicked with its locks held, and can not even be closed.
	stuck bool
}

// Open opens or makes the file at path (mode 0600). It answers ErrLocked when
// another process holds it, kv.ErrCorrupt when it is torn, damaged at its head
// or no file of linli, and the system's error when it cannot be read or
// written; IsPermission tells those that are about rights.
func Open(path string, o Options) (*Engine, error) {
	db, file, err := openFile(path, o)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	e := &Engine{
		db: db, file: file, update: db.Update,
		queue: make(chan *pending, groupRequests), room: newRoom(queueBytes), done: make(chan struct{}), synced: newWatermark(),
	}
	if err := e.start(o); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	go e.commitGroups()
	return e, nil
}

// start sees that the file has its bucket and that all of what is visible in it
// is on disk: a process that was killed may have left pages unsynced.
func (e *Engine) start(o Options) error {
	return guard(func() error {
		if err := makeBucket(e.db); err != nil {
			return err
		}
		if !o.NoSync {
			if err := e.db.Sync(); err != nil {
				return fmt.Errorf("sync: %w", err)
			}
		}
		return e.db.View(func(tx *bolt.Tx) error {
			e.synced.raise(tx.ID())
			return nil
		})
	})
}

// fail makes the engine answer err from now on, and lets those go who wait for
// a sync that will not come.
func (e *Engine) fail(b breakage) {
	e.broken.CompareAndSwap(nil, &b)
	e.synced.release()
}

// usable answers why the engine cannot be used, if so.
func (e *Engine) usable() error {
	if b := e.broken.Load(); b != nil {
		return b.err
	}
	return nil
}

// Limits are those of the contract.
func (e *Engine) Limits() kv.Limits { return kv.DefaultLimits }

// Backup writes a copy of the file that Open takes, while commits go on. Pages
// that they free meanwhile are kept, so the file grows during a slow backup.
func (e *Engine) Backup(ctx context.Context, w io.Writer) (err error) {
	s, err := e.snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return guard(func() error {
		if _, err := s.tx.WriteTo(contextWriter{ctx, w}); err != nil {
			return fmt.Errorf("write backup: %w", errors.Join(ctx.Err(), err))
		}
		return nil
	})
}

// contextWriter stops a long copy when its context ends.
type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c contextWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// Close answers what is queued, waits for open snapshots and closes the file.
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
	if b := e.broken.Load(); b != nil && b.stuck {
		// bbolt would wait for its own lock. The process's end closes the file.
		return fmt.Errorf("close: %w", b.err)
	}
	if err := e.db.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// IsPermission says whether an error of Open is about who may read or write
// the file, not about what is in it.
func IsPermission(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}
