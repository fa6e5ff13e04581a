package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"google.golang.org/protobuf/proto"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
)

func eachEvent(r kv.Reader, fn func(*typev1.EventRow)) error {
	var problems []error
	err := store.EachEvent(r, func(row []byte) {
		e := &typev1.EventRow{}
		if err := proto.Unmarshal(row, e); err != nil {
			problems = append(problems, err)
			return
		}
		fn(e)
	})
	return errors.Join(append(problems, err)...)
}

// used is how many bytes of a file lie on the disk: a database grows ahead of
// its need, with holes.
func used(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return min(info.Size(), s.Blocks*512)
	}
	return info.Size()
}

// cut shortens a file and answers how to make it whole again.
func cut(path string, to func(used int64) int64) (restore func() error, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	at := min(to(used(info)), info.Size())
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	tail := make([]byte, info.Size()-at)
	_, err = f.ReadAt(tail, at)
	if err := errors.Join(err, f.Truncate(at), f.Close()); err != nil {
		return nil, fmt.Errorf("cut %s: %w", path, err)
	}
	return func() error {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		// What was a hole stays one: its size tells where the pages end.
		_, err = f.WriteAt(bytes.TrimRight(tail, "\x00"), at)
		return errors.Join(err, f.Truncate(info.Size()), f.Close())
	}, nil
}

// torn cuts one service's file while linli is down: the start must refuse it
// with one line, and go on with the whole file.
func torn(ctx context.Context, w *world) (problems []string, err error) {
	return w.tear(ctx, func(used int64) int64 { return used * int64(1+w.random.IntN(90)) / 100 })
}

func (w *world) tear(ctx context.Context, to func(used int64) int64) (problems []string, err error) {
	if err := w.work(ctx, 5); err != nil {
		return nil, err
	}
	w.kill()
	files, err := serviceFiles(w.folder)
	if err != nil {
		return nil, err
	}
	file := files[w.random.IntN(len(files))]
	restore, err := cut(file, to)
	if err != nil {
		return nil, err
	}
	p, err := w.linli.start(w.folder)
	var refused *refusal
	switch {
	case err == nil:
		p.kill()
		problems = append(problems, saysTorn+"linli started with a torn "+filepath.Base(file))
	case !errors.As(err, &refused):
		return nil, errors.Join(err, restore())
	case len(refused.lines) != 1 || !strings.Contains(refused.lines[0], "damaged"):
		problems = append(problems, fmt.Sprintf(saysTorn+"not refused by one clear line: %q", refused.lines))
	}
	if err := restore(); err != nil {
		return nil, err
	}
	return problems, w.up(w.linli)
}

// tornStream cuts a file of the broker while linli is down. The broker is not
// the record: linli starts, and every effect is had once.
func tornStream(ctx context.Context, w *world) ([]string, error) {
	if err := w.work(ctx, 5); err != nil {
		return nil, err
	}
	w.kill()
	blocks, err := filepath.Glob(filepath.Join(w.folder, "nats", "jetstream", "*", "streams", "*", "msgs", "*.blk"))
	if err != nil || len(blocks) == 0 {
		return nil, fmt.Errorf("no file of the broker's in %s: %w", w.folder, errors.Join(err, fs.ErrNotExist))
	}
	block := blocks[w.random.IntN(len(blocks))]
	info, err := os.Stat(block)
	if err == nil {
		err = os.Truncate(block, info.Size()*int64(w.random.IntN(100))/100)
	}
	if err != nil {
		return nil, fmt.Errorf("tear the stream: %w", err)
	}
	if err := w.noteTorn(ctx); err != nil {
		return nil, err
	}
	return nil, w.up(w.linli)
}

// noteTorn keeps which events the tear took, as a broker over a copy sees it:
// linli is to meet the files as they are.
func (w *world) noteTorn(ctx context.Context) error {
	copied, err := os.MkdirTemp(filepath.Dir(w.folder), "copy-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(copied) }() // a copy nobody needs
	if err := copyFolder(w.folder, filepath.Join(copied, "var")); err != nil {
		return err
	}
	streams, err := compareStreams(ctx, filepath.Join(copied, "var"))
	if err != nil {
		return fmt.Errorf("look at the torn stream: %w", err)
	}
	for _, s := range streams {
		for id := range s.absent {
			w.torn[id] = true
		}
	}
	return nil
}

// flipped flips bits in a copy of the folder: fsck finds each, or it does no
// harm; an answer of a linli over that copy is right or is none.
func flipped(ctx context.Context, w *world) (problems []string, err error) {
	if err := w.work(ctx, 5); err != nil {
		return nil, err
	}
	err = w.rested(func() error {
		w.kill()
		copied, err := os.MkdirTemp(filepath.Dir(w.folder), "copy-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(copied) }() // a copy nobody needs
		if err := copyFolder(w.folder, filepath.Join(copied, "var")); err != nil {
			return err
		}
		if err := w.up(w.linli); err != nil {
			return err
		}
		// Else every flip would be found in a copy that is no good.
		if problems = w.fsck(ctx, filepath.Join(copied, "var")); len(problems) > 0 {
			return nil
		}
		for range 3 {
			found, err := w.flipOne(ctx, filepath.Join(copied, "var"))
			if err != nil {
				return err
			}
			problems = append(problems, found...)
		}
		return nil
	})
	return problems, err
}

// copyFolder keeps the key to its owner, as linli wants it.
func copyFolder(from, to string) error {
	err := os.CopyFS(to, os.DirFS(from))
	if err == nil {
		err = os.Chmod(filepath.Join(to, "master.key"), 0o600)
	}
	if err != nil {
		return fmt.Errorf("copy the folder: %w", err)
	}
	return nil
}

// flipOne flips a bit, looks what comes of it, and flips it back.
func (w *world) flipOne(ctx context.Context, folder string) (problems []string, err error) {
	files, err := serviceFiles(folder)
	if err != nil {
		return nil, err
	}
	file := files[w.random.IntN(len(files))]
	// The copy has no holes: where the pages are the file itself knows.
	info, err := os.Stat(filepath.Join(w.folder, filepath.Base(file)))
	if err != nil {
		return nil, err
	}
	at, bit := w.random.Int64N(used(info)), byte(1)<<w.random.IntN(8)
	if err := flip(file, at, bit); err != nil {
		return nil, err
	}
	if len(w.fsck(ctx, folder)) > 0 {
		w.measured.flipsFound++
		return nil, flip(file, at, bit)
	}
	w.measured.flipsHarmless++
	got, err := w.readCopy(ctx, folder)
	if err != nil {
		return []string{fmt.Sprintf("flip: bit %d of byte %d of %s passes fsck, and then: %v", bit, at, filepath.Base(file), err)}, nil
	}
	for _, p := range w.load.ledger.compareRows(got) {
		problems = append(problems, fmt.Sprintf("flip: bit %d of byte %d of %s passes fsck, and then: %s", bit, at, filepath.Base(file), p))
	}
	// The copy was written to by the linli that read it: it is not flipped back,
	// as its pages may have moved.
	return problems, nil
}

// readCopy reads everything from a linli over a copy.
func (w *world) readCopy(ctx context.Context, folder string) (observed, error) {
	p, err := w.linli.start(folder)
	if err != nil {
		return observed{}, err
	}
	defer p.kill()
	at := newPlace()
	at.set(p.base)
	c := newClient(at)
	c.people = w.load.client.people.at(c)
	return (&load{client: c}).observe(ctx)
}

func flip(path string, at int64, bit byte) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	if err == nil {
		b[0] ^= bit
		_, err = f.WriteAt(b, at)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("flip a bit of %s: %w", path, err)
	}
	return nil
}
