package boltkv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/linli-project/linli/pkg/kv"
)

// initialMap is address space, not memory: only pages that are read take any.
// A file that outgrows its map makes the committer wait until every snapshot
// is closed, a running backup too; from 1 GiB on bbolt maps another GiB at a
// time anyway.
const initialMap = 1 << 30

func bucketName() []byte { return []byte("kv") }

// openFile opens the file through bbolt. It is locked and looked into before
// bbolt maps it: what bbolt would do with a torn file is fault.
func openFile(path string, o Options) (*bolt.DB, *os.File, error) {
	var file *os.File
	options := bolt.Options{
		FreelistType:    bolt.FreelistMapType,
		InitialMmapSize: initialMap,
		NoSync:          o.NoSync,
		NoStatistics:    true,
		OpenFile: func(name string, flag int, mode fs.FileMode) (f *os.File, err error) {
			if f, err = os.OpenFile(name, flag, mode); err != nil {
				return nil, err
			}
			if err := lockAndInspect(f); err != nil {
				return nil, errors.Join(err, f.Close())
			}
			file = f
			return f, nil
		},
	}
	var db *bolt.DB
	err := guard(func() (err error) {
		db, err = bolt.Open(path, 0o600, &options)
		return err
	})
	switch {
	case err == nil:
		return db, file, nil
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		err = fmt.Errorf("%w: %w", kv.ErrCorrupt, err)
	}
	if file != nil {
		// bbolt panicked on the way; where it did not, the file is closed.
		_ = file.Close()
	}
	return nil, nil, err
}

// lockAndInspect takes the lock that bbolt takes, at once or not at all, and
// refuses a file that is not whole. An empty file is new: its name is made
// durable before anything in it is.
func lockAndInspect(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("size: %w", err)
	}
	if info.Size() == 0 {
		return syncFolder(filepath.Dir(f.Name()))
	}
	metas, err := readMetas(f)
	if err != nil {
		return err
	}
	for _, m := range metas {
		if need := int64(m.highWater) * int64(m.pageSize); info.Size() < need {
			return fmt.Errorf("%w: the file is torn: it has %d bytes and needs %d", kv.ErrCorrupt, info.Size(), need)
		}
	}
	return nil
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// makeBucket makes the one bucket in a file that was just made. An older file
// without it lost it, or was never ours: making it would hide the loss.
func makeBucket(db *bolt.DB) error {
	const madeByBolt = 1 // the highest transaction in a file that bbolt just made
	var found, fresh bool
	err := db.View(func(tx *bolt.Tx) error {
		found, fresh = tx.Bucket(bucketName()) != nil, tx.ID() <= madeByBolt
		return nil
	})
	switch {
	case err != nil || found:
		return err
	case !fresh:
		return fmt.Errorf("%w: it holds no rows of linli", kv.ErrCorrupt)
	}
	return db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket(bucketName())
		return err
	})
}

// Where bbolt keeps its two meta pages, as its file format (version 2) has it:
// a 16-byte page header, then the meta with its checksum last.
const (
	metaMagic     = 0xED0CDAED
	metaVersion   = 2
	metaChecked   = 56 // bytes of the meta under its checksum
	metaBytes     = metaChecked + 8
	offVersion    = 4
	offPageSize   = 8
	offRoot       = 16
	offFreelist   = 32
	offHighWater  = 40
	offTxID       = 48
	smallestPage  = 512
	greatestPages = 1 << 16
)

// meta is what a meta page says of the transaction that wrote it.
type meta struct {
	pageSize  uint32
	root      uint64 // page of the bucket of buckets
	freelist  uint64
	highWater uint64 // the first page that was never used
	txID      uint64
}

// readMeta reads the meta page of an id (0 or 1), which begins at a place. Its
// page header is under no checksum: what it must hold is known.
func readMeta(f io.ReaderAt, at int64, id uint64) (meta, error) {
	buf := make([]byte, pageHeader+metaBytes)
	if _, err := f.ReadAt(buf, at); err != nil {
		return meta{}, fmt.Errorf("%w: its head cannot be read: %w", kv.ErrCorrupt, err)
	}
	b := buf[pageHeader:]
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaChecked]) // a hash never fails
	order := binary.NativeEndian
	m := meta{
		pageSize: order.Uint32(b[offPageSize:]), root: order.Uint64(b[offRoot:]),
		freelist: order.Uint64(b[offFreelist:]), highWater: order.Uint64(b[offHighWater:]), txID: order.Uint64(b[offTxID:]),
	}
	switch {
	case order.Uint64(buf) != id || order.Uint16(buf[offFlags:]) != metaPage:
		return meta{}, fmt.Errorf("%w: the page of its head is damaged", kv.ErrCorrupt)
	case order.Uint32(b) != metaMagic || order.Uint32(b[offVersion:]) != metaVersion:
		return meta{}, fmt.Errorf("%w: its head is not that of a database", kv.ErrCorrupt)
	case sum.Sum64() != order.Uint64(b[metaChecked:]), m.pageSize < smallestPage, m.pageSize > greatestPages:
		return meta{}, fmt.Errorf("%w: its head is damaged", kv.ErrCorrupt)
	}
	return m, nil
}

// readMetas wants both meta pages whole. bbolt makes do with one, and so would
// go back one transaction, silently, when the newer is the damaged one. A crash
// cannot leave it so: a meta fits into one sector of the disk.
func readMetas(f io.ReaderAt) (metas [2]meta, err error) {
	if metas[0], err = readMeta(f, 0, 0); err != nil {
		return metas, err
	}
	metas[1], err = readMeta(f, int64(metas[0].pageSize), 1)
	return metas, err
}
