package backup

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"
)

// largestRecord bounds what a reader takes into memory for one record.
const largestRecord = 8 << 20

// unpackMemory bounds what unpacking may take: the window of the compression.
const unpackMemory = 64 << 20

// fileWriter writes records: compressed, then encrypted.
type fileWriter struct {
	encrypted io.WriteCloser
	packed    *zstd.Encoder
}

func newFileWriter(out io.Writer, to []age.Recipient) (*fileWriter, error) {
	encrypted, err := age.Encrypt(out, to...)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	packed, err := zstd.NewWriter(encrypted, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return &fileWriter{encrypted: encrypted, packed: packed}, nil
}

func (w *fileWriter) put(r *pb.BackupRecord) error {
	if _, err := protodelim.MarshalTo(w.packed, r); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

func (w *fileWriter) rows(rows *pb.BackupRows) error {
	return w.put(&pb.BackupRecord{Record: &pb.BackupRecord_Rows{Rows: rows}})
}

// close writes the manifest and ends the file: without its end it is damaged.
func (w *fileWriter) close(m *pb.BackupManifest) error {
	text, err := protojson.Marshal(m)
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if err := w.put(&pb.BackupRecord{Record: &pb.BackupRecord_Manifest{Manifest: string(text)}}); err != nil {
		return err
	}
	if err := errors.Join(w.packed.Close(), w.encrypted.Close()); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

// drop lets go of a file that will not be finished.
func (w *fileWriter) drop() { _ = w.packed.Close() }

// fileReader reads the records of a file. What it answers is authentic: it was
// written by who knew a public key of the backup, in this order.
type fileReader struct {
	packed *zstd.Decoder
	in     *bufio.Reader
}

// newFileReader answers an error that wraps age.NoIdentityMatchError when none
// of the identities opens the file.
func newFileReader(in io.Reader, with []age.Identity) (*fileReader, error) {
	plain, err := age.Decrypt(in, with...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: its head: %w", ErrDamaged, err)
	}
	packed, err := zstd.NewReader(plain, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(unpackMemory))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return &fileReader{packed: packed, in: bufio.NewReader(packed)}, nil
}

func (r *fileReader) close() { r.packed.Close() }

// next answers the next record. The end of the file is ErrDamaged: a manifest
// comes before it.
func (r *fileReader) next() (*pb.BackupRecord, error) {
	record := &pb.BackupRecord{}
	if err := (protodelim.UnmarshalOptions{MaxSize: largestRecord}).UnmarshalFrom(r.in, record); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return record, nil
}

// end says whether nothing follows, so that the last bytes were verified too.
func (r *fileReader) end() error {
	switch _, err := r.in.ReadByte(); {
	case err == nil:
		return fmt.Errorf("%w: something follows its manifest", ErrDamaged)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}
