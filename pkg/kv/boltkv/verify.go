package boltkv

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/linli-project/linli/pkg/kv"
)

// Check reads the whole file: every page is of one tree or free, every key lies
// between those its parents promise, every value has its checksum. It reads the
// file and not bbolt's map, so that nothing in it can end the process, and
// commits go on meanwhile. It answers kv.ErrCorrupt for the first thing wrong.
//
// bbolt's own check sees less (not the checksums, not elements that a wrong
// count hides), follows a damaged pointer out of the map, and may not run
// beside a writer.
func (e *Engine) Check(ctx context.Context) (err error) {
	s, m, err := e.snapshotWithMeta(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	v := verifier{ctx: ctx, file: e.file, meta: m, used: make([]bool, m.highWater)}
	if err := v.all(); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	return nil
}

// metaTries is how often commits may overtake the reading of a meta page.
const metaTries = 100

// snapshotWithMeta opens a snapshot and reads the meta page it stands on, which
// the second commit after it overwrites. (A backup may have it in the place of
// the other one.).
func (e *Engine) snapshotWithMeta(ctx context.Context) (*snapshot, meta, error) {
	var damaged error
	for range metaTries {
		s, err := e.snapshot(ctx)
		if err != nil {
			return nil, meta{}, err
		}
		var metas [2]meta
		metas, damaged = readMetas(e.file)
		for _, m := range metas {
			if damaged == nil && m.txID == uint64(s.tx.ID()) {
				return s, m, nil
			}
		}
		if err := s.Close(); err != nil {
			return nil, meta{}, err
		}
	}
	if damaged == nil {
		damaged = fmt.Errorf("%w: commits are faster than the check", kv.ErrUnavailable)
	}
	return nil, meta{}, damaged
}

// verifier walks the pages of one transaction.
type verifier struct {
	ctx  context.Context
	file io.ReaderAt
	meta meta
	used []bool // by page: belongs to a tree, to the free list or to the head
}

func (v *verifier) all() error {
	v.used[0], v.used[1] = true, true
	if err := v.walk(v.meta.root, nil, nil, v.root); err != nil {
		return err
	}
	if err := v.free(); err != nil {
		return err
	}
	for id, used := range v.used {
		if !used {
			return fmt.Errorf("%w: page %d is neither used nor free", kv.ErrCorrupt, id)
		}
	}
	return nil
}

// root verifies an element of the tree of buckets. There is one, ours; it is
// inline while it is small.
func (v *verifier) root(e element) error {
	if !e.bucket || !bytes.Equal(e.key, bucketName()) || len(e.value) < bucketHeader {
		return fmt.Errorf("%w: a bucket that is not ours", kv.ErrCorrupt)
	}
	if root := binary.NativeEndian.Uint64(e.value); root != 0 {
		return v.walk(root, nil, nil, row)
	}
	p, err := parsePage(e.value[bucketHeader:])
	if err != nil {
		return err
	}
	if !p.leaf {
		return damagedPage("is of an unknown kind")
	}
	return v.leaf(p, nil, nil, row)
}

// row verifies one of our rows.
func row(e element) error {
	if e.bucket {
		return fmt.Errorf("%w: a bucket among the rows", kv.ErrCorrupt)
	}
	_, _, err := kv.Unseal(e.key, e.value)
	return err
}

// walk verifies a tree whose keys are from low (nil: any) and below high (nil:
// any), and calls each for every element of its leaves.
func (v *verifier) walk(id uint64, low, high []byte, each func(element) error) error {
	if err := v.ctx.Err(); err != nil {
		return err
	}
	b, err := v.page(id)
	if err != nil {
		return err
	}
	p, err := parsePage(b)
	if err != nil {
		return err
	}
	if p.leaf {
		return v.leaf(p, low, high, each)
	}
	if err := inOrder(p, low, high); err != nil {
		return err
	}
	for i, e := range p.elements {
		until := high
		if i+1 < len(p.elements) {
			until = p.elements[i+1].key
		}
		if err := v.walk(e.child, e.key, until, each); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) leaf(p page, low, high []byte, each func(element) error) error {
	if err := inOrder(p, low, high); err != nil {
		return err
	}
	for _, e := range p.elements {
		if err := each(e); err != nil {
			return err
		}
	}
	return nil
}

func inOrder(p page, low, high []byte) error {
	for i, e := range p.elements {
		switch {
		case i == 0 && bytes.Compare(e.key, low) < 0,
			i > 0 && bytes.Compare(e.key, p.elements[i-1].key) <= 0,
			high != nil && bytes.Compare(e.key, high) >= 0:
			return damagedPage("has keys out of order")
		}
	}
	return nil
}

// page reads a page with what overflows it. A page that is used twice or lies
// outside the file ends every walk, so that no pointer leads round in a circle.
func (v *verifier) page(id uint64) ([]byte, error) {
	size := int64(v.meta.pageSize)
	b := make([]byte, size)
	if id < 2 || id >= v.meta.highWater {
		return nil, fmt.Errorf("%w: a pointer to page %d", kv.ErrCorrupt, id)
	}
	if _, err := v.file.ReadAt(b, int64(id)*size); err != nil {
		return nil, fmt.Errorf("%w: read page %d: %w", kv.ErrCorrupt, id, err)
	}
	order := binary.NativeEndian
	overflow := uint64(order.Uint32(b[offOverflow:]))
	if order.Uint64(b) != id || overflow >= v.meta.highWater-id {
		return nil, fmt.Errorf("%w: page %d is not itself", kv.ErrCorrupt, id)
	}
	for n := id; n <= id+overflow; n++ {
		if err := v.use(n); err != nil {
			return nil, err
		}
	}
	if overflow > 0 {
		b = make([]byte, size*int64(overflow+1))
		if _, err := v.file.ReadAt(b, int64(id)*size); err != nil {
			return nil, fmt.Errorf("%w: read page %d: %w", kv.ErrCorrupt, id, err)
		}
	}
	return b, nil
}

// errUsedTwice is also a pointer that leads back to where it came from, which
// bbolt would follow for ever.
var errUsedTwice = fmt.Errorf("%w: a page is used twice or does not exist", kv.ErrCorrupt)

func (v *verifier) use(id uint64) error {
	if id >= v.meta.highWater || v.used[id] {
		return fmt.Errorf("%w: page %d", errUsedTwice, id)
	}
	v.used[id] = true
	return nil
}

// free verifies the list of free pages.
func (v *verifier) free() error {
	b, err := v.page(v.meta.freelist)
	if err != nil {
		return err
	}
	const countOverflows = 0xFFFF // then the first entry is the count
	order := binary.NativeEndian
	if order.Uint16(b[offFlags:]) != freelistPage {
		return damagedPage("is of an unknown kind")
	}
	count, ids := uint64(order.Uint16(b[offCount:])), b[pageHeader:]
	if count == countOverflows {
		count, ids = order.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return damagedPage("lists more free pages than it has room for")
	}
	for i := range count {
		if err := v.use(order.Uint64(ids[8*i:])); err != nil {
			return err
		}
	}
	return nil
}
