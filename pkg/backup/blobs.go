package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"
)

// BlobFolder is where files lie beside the stores of a data folder. A file has
// the SHA-256 of its content as its name, is written before the row that names
// it and never changed: what the rows of a point name is there.
const BlobFolder = "blobs"

// partSuffix ends the names of files that are being written: no row names them.
const partSuffix = ".tmp"

// eachBlob calls fn with the pieces of every file in a folder, which need not
// be there. A file that is not what its name says is an error.
func eachBlob(folder string, fn func(*pb.BackupBlob) error) error {
	if folder == "" {
		return nil
	}
	root := os.DirFS(folder)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(name, partSuffix) {
			return err
		}
		return sendBlob(root, name, fn)
	})
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("back up files: %w", err)
	}
	return nil
}

func sendBlob(root fs.FS, name string, fn func(*pb.BackupBlob) error) (err error) {
	f, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted since it was listed: no row of the snapshot names it
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	content := sha256.New()
	for last := false; !last; {
		piece := make([]byte, largestPart)
		n, err := io.ReadFull(f, piece)
		last = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		_, _ = content.Write(piece[:n]) // a hash never fails
		if err := fn(&pb.BackupBlob{Name: name, Data: piece[:n], Last: last}); err != nil {
			return err
		}
	}
	if !named(name, content) {
		return fmt.Errorf("%s does not have the SHA-256 of its content as its name: it was changed, or does not belong there", name)
	}
	return nil
}

// named says whether content has the hash that its name promises.
func named(name string, content hash.Hash) bool {
	want, err := hex.DecodeString(path.Base(name))
	return err == nil && bytes.Equal(want, content.Sum(nil))
}

// blobWriter writes the pieces of blobs into a folder.
type blobWriter struct {
	folder       string
	name         string // of the one that is open
	file         *os.File
	content      hash.Hash
	blobs, bytes uint64
}

func (w *blobWriter) add(part *pb.BackupBlob) error {
	if w.file == nil {
		if err := w.begin(part.GetName()); err != nil {
			return err
		}
	}
	if part.GetName() != w.name {
		return fmt.Errorf("%w: file %s ends in the middle", ErrDamaged, w.name)
	}
	_, _ = w.content.Write(part.GetData()) // a hash never fails
	if _, err := w.file.Write(part.GetData()); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	w.bytes += uint64(len(part.GetData()))
	if !part.GetLast() {
		return nil
	}
	w.blobs++
	err := errors.Join(w.file.Sync(), w.file.Close())
	w.file = nil
	if err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	if !named(w.name, w.content) {
		return fmt.Errorf("%w: file %s is not what its name says", ErrDamaged, w.name)
	}
	return nil
}

func (w *blobWriter) begin(name string) (err error) {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("%w: a file outside of the folder", ErrDamaged)
	}
	at := filepath.Join(w.folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	if w.file, err = os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	w.name, w.content = name, sha256.New()
	return nil
}

// close ends what was broken off.
func (w *blobWriter) close() error {
	if w.file == nil {
		return nil
	}
	return w.file.Close()
}
