package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"filippo.io/age"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
)

// UnpackConfig says how a backup is read and where to.
type UnpackConfig struct {
	// With are the keys that may open it.
	With []age.Identity
	// Folder takes a file for each service and the blobs. It must be there,
	// empty, and of no use unless Unpack answers nil.
	Folder string
	// Accept looks at the head before anything is written.
	Accept func(*pb.BackupHead) error
}

// Unpack writes what a backup holds into a folder, and answers the manifest
// when every row, every line of the audit and every byte was what it was when
// the backup was taken. What it wrote is not synced to disk; opening a file as
// a store does that.
func Unpack(ctx context.Context, c UnpackConfig, in io.Reader) (_ *pb.BackupManifest, err error) {
	r, err := newFileReader(in, c.With)
	if err != nil {
		return nil, err
	}
	defer r.close()
	first, err := r.next()
	if err != nil {
		return nil, err
	}
	head := first.GetHead()
	switch {
	case head == nil:
		return nil, fmt.Errorf("%w: it does not begin with its head", ErrDamaged)
	case head.GetFormat() != Format:
		return nil, fmt.Errorf("the backup has format %d, this linli reads format %d: restore it with the linli that wrote it (%s)",
			head.GetFormat(), Format, head.GetProgram())
	}
	if err := c.Accept(head); err != nil {
		return nil, err
	}
	u := &unpacking{config: c, found: &pb.BackupManifest{Head: head}, blobs: blobWriter{folder: filepath.Join(c.Folder, BlobFolder)}}
	defer func() { err = errors.Join(err, u.close()) }()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		record, err := r.next()
		if err != nil {
			return nil, err
		}
		if text := record.GetManifest(); text != "" {
			if err := r.end(); err != nil {
				return nil, err
			}
			return u.manifest(text)
		}
		if err := u.take(ctx, record); err != nil {
			return nil, err
		}
	}
}

// unpacking is what was found so far.
type unpacking struct {
	config UnpackConfig
	found  *pb.BackupManifest
	total  *sum // of the store that is being written
	engine *boltkv.Engine
	rows   []kv.Write // wait for their commit
	size   int
	blobs  blobWriter
}

func (u *unpacking) take(ctx context.Context, record *pb.BackupRecord) (err error) {
	switch r := record.GetRecord().(type) {
	case *pb.BackupRecord_Rows:
		if u.total, err = addRows(u.total, r.Rows); err != nil {
			return err
		}
		return u.write(ctx, r.Rows)
	case *pb.BackupRecord_End:
		return u.endStore(ctx, r.End)
	case *pb.BackupRecord_Blob:
		return u.blobs.add(r.Blob)
	}
	return fmt.Errorf("%w: a record of a kind that this linli does not know", ErrDamaged)
}

// openStore makes the file of a service that the head names.
func (u *unpacking) openStore(service string) (err error) {
	if u.engine != nil {
		return nil
	}
	if !slices.Contains(u.found.GetHead().GetServices(), service) {
		return fmt.Errorf("%w: its head does not name %s", ErrDamaged, service)
	}
	u.engine, err = boltkv.Open(filepath.Join(u.config.Folder, service+".db"), boltkv.Options{NoSync: true})
	return err
}

func (u *unpacking) write(ctx context.Context, rows *pb.BackupRows) error {
	if err := u.openStore(rows.GetService()); err != nil {
		return err
	}
	limits := u.engine.Limits()
	for _, r := range rows.GetRows() {
		size := len(r.GetKey()) + len(r.GetValue())
		if len(u.rows) == limits.Writes || u.size+size > limits.CommitBytes {
			if err := u.flush(ctx); err != nil {
				return err
			}
		}
		u.rows = append(u.rows, kv.Write{Key: r.GetKey(), Value: r.GetValue()})
		u.size += size
	}
	return nil
}

func (u *unpacking) flush(ctx context.Context) error {
	if len(u.rows) == 0 {
		return nil
	}
	if _, err := u.engine.Commit(ctx, kv.CommitRequest{Writes: u.rows}); err != nil {
		return fmt.Errorf("write the rows of %s: %w", u.total.service, err)
	}
	u.rows, u.size = nil, 0
	return nil
}

func (u *unpacking) endStore(ctx context.Context, end *pb.BackupStore) error {
	if err := u.openStore(end.GetService()); err != nil {
		return err
	}
	if u.total == nil {
		u.total = newSum(end.GetService())
	}
	if err := u.flush(ctx); err != nil {
		return err
	}
	if err := sameStore(u.total, end); err != nil {
		return err
	}
	err := u.engine.Close()
	u.engine, u.total = nil, nil
	u.found.Stores = append(u.found.GetStores(), end)
	return err
}

// manifest compares what was found with what the backup says that it holds.
func (u *unpacking) manifest(text string) (*pb.BackupManifest, error) {
	says := &pb.BackupManifest{}
	if err := protojson.Unmarshal([]byte(text), says); err != nil {
		return nil, fmt.Errorf("%w: its manifest: %w", ErrDamaged, err)
	}
	u.found.Blobs, u.found.BlobBytes = u.blobs.blobs, u.blobs.bytes
	if u.total != nil || u.blobs.file != nil || !proto.Equal(u.found, says) {
		return nil, fmt.Errorf("%w: it does not hold what its manifest says", ErrDamaged)
	}
	if len(says.GetStores()) != len(says.GetHead().GetServices()) {
		return nil, fmt.Errorf("%w: a service is missing", ErrDamaged)
	}
	return says, nil
}

// close lets go of what was broken off.
func (u *unpacking) close() error {
	var err error
	if u.engine != nil {
		err = u.engine.Close()
	}
	return errors.Join(err, u.blobs.close())
}
