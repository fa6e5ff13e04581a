// Package blobs keeps the files of a service: sealed, under their content, in a
// folder or an object store, and counted by the rows that name them. A file is
// written before the row that names it, never changed, and deleted a day after
// the last row let go of it.
package blobs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/gcerrors"

	"github.com/linli-project/linli/pkg/kv"
)

// Bucket is where the files of all services lie: a folder, or an object store.
// It is safe for concurrent use.
type Bucket struct {
	bucket *blob.Bucket
	// folder is where the files lie; empty where an object store has them.
	folder string
}

// OpenFolder opens a folder, which is made when it is not there.
func OpenFolder(path string) (*Bucket, error) {
	b, err := fileblob.OpenBucket(path, &fileblob.Options{
		CreateDir: true, DirFileMode: 0o700, NoTempDir: true, Metadata: fileblob.MetadataDontWrite,
	})
	if err != nil {
		return nil, fmt.Errorf("open the folder of files: %w", err)
	}
	return &Bucket{bucket: b, folder: path}, nil
}

// NewBucket makes a bucket of an object store.
func NewBucket(b *blob.Bucket) *Bucket { return &Bucket{bucket: b} }

// write writes a file whole, or not at all; when it answers nil the file is
// there after a power cut.
func (b *Bucket) write(ctx context.Context, at string, content []byte) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a writer that is closed after it writes nothing
	var file *os.File
	w, err := b.bucket.NewWriter(ctx, at, &blob.WriterOptions{
		ContentType: "application/octet-stream", DisableContentTypeDetection: true,
		BeforeWrite: func(as func(any) bool) error {
			if b.folder != "" && !as(&file) {
				return errors.New("the file cannot be synced")
			}
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	_, err = io.Copy(w, bytes.NewReader(content))
	if err == nil && file != nil {
		err = file.Sync() // before it has its name: the library does not
	}
	if err != nil {
		cancel()
		return errors.Join(fmt.Errorf("write file: %w", err), w.Close())
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	return b.sync(at)
}

// sync makes the name of a file durable, and those of the folders that it lies
// in.
func (b *Bucket) sync(at string) error {
	if b.folder == "" {
		return nil
	}
	top := filepath.Clean(b.folder)
	for dir := filepath.Dir(filepath.Join(top, filepath.FromSlash(at))); ; dir = filepath.Dir(dir) {
		d, err := os.Open(dir)
		if err != nil {
			return fmt.Errorf("sync the folder of files: %w", err)
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return fmt.Errorf("sync the folder of files: %w", err)
		}
		if dir == filepath.Dir(top) || dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// read answers a file, or ErrMissing, or kv.ErrCorrupt where it is not what its
// name says.
func (b *Bucket) read(ctx context.Context, at string) ([]byte, error) {
	content, err := b.bucket.ReadAll(ctx, at)
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound:
		return nil, ErrMissing
	case err != nil:
		return nil, fmt.Errorf("read file: %w", err)
	case nameOf(content) != filepath.Base(at):
		return nil, fmt.Errorf("%w: a stored file is not what its name says", kv.ErrCorrupt)
	}
	return content, nil
}

// remove deletes a file; one that is not there is deleted.
func (b *Bucket) remove(ctx context.Context, at string) error {
	if err := b.bucket.Delete(ctx, at); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("delete file: %w", err)
	}
	return nil
}

// each calls fn with every file below a prefix, and since when it lies there.
func (b *Bucket) each(ctx context.Context, prefix string, fn func(at string, since time.Time) error) error {
	if b.folder != "" {
		return b.walk(ctx, prefix, fn)
	}
	list := b.bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list files: %w", err)
		}
		if err := fn(o.Key, o.ModTime); err != nil {
			return err
		}
	}
}

// walk does what each does, in a folder. The library's listing fails when a file
// goes while it looks, or gets its name.
func (b *Bucket) walk(ctx context.Context, prefix string, fn func(at string, since time.Time) error) error {
	err := filepath.WalkDir(filepath.Join(b.folder, filepath.FromSlash(prefix)), func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil || d.IsDir():
			return errors.Join(err, ctx.Err())
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		at, err := filepath.Rel(b.folder, path)
		if err != nil {
			return err
		}
		return fn(filepath.ToSlash(at), info.ModTime())
	})
	if err != nil {
		return fmt.Errorf("list files: %w", err)
	}
	return nil
}

// nameOf is what stored content is called: its SHA-256, in hexadecimal, as a
// backup expects it.
func nameOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
