// Package backup takes one copy of everything that the stores of all processes
// hold, at one point, into one encrypted file, and unpacks it again.
//
// The point: every process lets its commits wait for a moment, then each opens
// a snapshot, then commits go on. A write that was begun after another one was
// acknowledged, in whatever process, is never in the backup without it.
//
// The file: records (linli.ops.v1.BackupRecord) with their lengths before them,
// compressed with zstd, encrypted with age to the public keys of those who may
// restore. The machine that writes backups cannot read them. The master key is
// not in it.
package backup

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"

	"github.com/linli-project/linli/pkg/store"
)

// Format of the file that this package writes and reads.
const Format = 1

// longestHold is how long commits may wait for a backup.
const longestHold = 2 * time.Second

// ErrDamaged says that a backup file is not what was written: cut short, or
// changed.
var ErrDamaged = errors.New("the backup is damaged")

// sum adds up what one store holds, row by row.
type sum struct {
	service     string
	rows, bytes uint64
	hash        hash.Hash
	audit       *store.AuditTree
}

func newSum(service string) *sum {
	return &sum{service: service, hash: sha256.New(), audit: store.NewAuditTree()}
}

func (s *sum) add(key, value []byte) error {
	var length [binary.MaxVarintLen64]byte
	for _, part := range [][]byte{key, value} {
		// A hash never fails.
		_, _ = s.hash.Write(length[:binary.PutUvarint(length[:], uint64(len(part)))])
		_, _ = s.hash.Write(part)
	}
	s.rows++
	s.bytes += uint64(len(key) + len(value))
	return s.audit.Add(key, value)
}

func (s *sum) end() (*pb.BackupStore, error) {
	lines, root, err := s.audit.Root()
	if err != nil {
		return nil, err
	}
	return &pb.BackupStore{
		Service: s.service, Rows: s.rows, Bytes: s.bytes, Sha256: s.hash.Sum(nil), AuditRows: lines, AuditRoot: root,
	}, nil
}
