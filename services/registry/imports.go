package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/registry/internal/roster"
)

const (
	// sliceRows is how many rows one commit takes. A member with a report-in
	// writes at most ten keys (row, indexes before and after), so that a slice
	// stays inside the limits of a transaction; what it announces stays inside
	// those of an event.
	sliceRows = 96
	// largestAnswer bounds the faults that are answered.
	largestAnswer = 1000
)

// importing is one import under way: a file that is cut into slices, each of
// them committed by itself with what it did, so that an import that was broken
// off goes on where it was.
type importing[T any] struct {
	service *Service
	// id is made of the idempotency key, or minted where there is none.
	id     string
	reader roster.Rows
	// under is what else decides what the rows mean; other content or another
	// header under the same key is refused.
	under []string
	// workers is how many slices may be committed at once.
	workers int
	// check looks at one row, in file order.
	check func(ctx context.Context, rec roster.Record) (T, error)
	// apply has a slice's effect, and may run again. Slices are independent of
	// each other if there is more than one worker.
	apply func(tx *store.Tx, number int, rows []T) (*pb.ImportSliceRow, error)
}

// importID answers the id of the call's import. With a key it is the same for
// the same caller, method and key.
func (s *Service) importID(call access.Call) (string, error) {
	if call.IdempotencyKey == "" {
		return s.ids("imp"), nil
	}
	if err := store.CheckIdempotencyKey(call.IdempotencyKey); err != nil {
		return "", err
	}
	return "imp_" + hex.EncodeToString(s.store.Keyring().Blind("import", call.Person, call.Method, call.IdempotencyKey)), nil
}

// errDiffers: the key was used before for other content.
func errDiffers() error { return rule.New(rule.Stale, "IMPORT_DIFFERS", "Idempotency-Key") }

// run imports the file to its end and answers what all slices did.
func (i *importing[T]) run(ctx context.Context, organizationID string) (*pb.ImportSliceRow, error) {
	before, err := i.service.openImport(ctx, i.id, organizationID)
	if err != nil {
		return nil, err
	}
	total := &pb.ImportSliceRow{}
	pool := newPool(ctx, i.workers, func(done *pb.ImportSliceRow) { fold(total, done) })
	number, err := i.cut(pool, before)
	if failed := pool.wait(); failed != nil {
		err = failed // what cut saw follows from it
	}
	if err != nil {
		return nil, err
	}
	return total, i.service.closeImport(ctx, i.id, number)
}

// cut reads the file and hands its slices to the pool; it answers how many.
func (i *importing[T]) cut(pool *pool, before *pb.ImportRow) (int, error) {
	for number := 0; ; number++ {
		rows, digest, err := i.read(pool.ctx)
		if err != nil {
			return number, err
		}
		if before.GetFinished() && (rows == nil) != (number == int(before.GetSlices())) {
			return number, errDiffers()
		}
		if rows == nil {
			return number, nil
		}
		err = pool.do(func(ctx context.Context) (*pb.ImportSliceRow, error) {
			return i.service.commitSlice(ctx, i.id, number, digest, func(tx *store.Tx) (*pb.ImportSliceRow, error) {
				return i.apply(tx, number, rows)
			})
		})
		if err != nil {
			return number, err
		}
	}
}

// read answers the rows of the next slice with the digest of what they stand
// for; no rows at the end of the file.
func (i *importing[T]) read(ctx context.Context) (rows []T, digest []byte, err error) {
	h := sha256.New()
	for _, s := range i.under {
		writeString(h, s)
	}
	writeString(h, i.reader.Header())
	for len(rows) < sliceRows {
		rec, err := i.reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		writeString(h, strconv.Itoa(rec.Line))
		writeString(h, rec.Raw)
		row, err := i.check(ctx, rec)
		if err != nil {
			return nil, nil, err
		}
		rows = append(rows, row)
	}
	return rows, h.Sum(nil), nil
}

func writeString(h hash.Hash, s string) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(s)))
	_, _ = h.Write(n[:]) // a hash never fails
	_, _ = io.WriteString(h, s)
}

// openImport answers what is known of an import, and notes that it began.
func (s *Service) openImport(ctx context.Context, id, organizationID string) (known *pb.ImportRow, err error) {
	now := s.store.Civil().Now()
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		row, ok, err := s.imports.Get(tx, scope.All(), idKey(id))
		if err != nil {
			return err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		if known = row.Value; ok {
			return nil
		}
		known = &pb.ImportRow{Id: id, OrganizationId: organizationID, StartedAt: timestamppb.New(now)}
		_, err = s.imports.Insert(tx, known)
		return err
	})
	return known, err
}

// closeImport notes that an import is finished. A slice beyond its end means
// that a longer file was sent before.
func (s *Service) closeImport(ctx context.Context, id string, slices int) error {
	return s.store.Update(ctx, func(tx *store.Tx) error {
		_, more, err := s.slices.Get(tx, scope.All(), sliceKey(id, slices))
		if err == nil && more {
			err = errDiffers()
		}
		if err != nil {
			return err
		}
		row, ok, err := s.imports.Get(tx, scope.All(), idKey(id))
		if err != nil || !ok || row.Value.GetFinished() {
			return err
		}
		next := proto.CloneOf(row.Value)
		next.Finished, next.Slices = true, int32(slices)
		_, err = s.imports.Replace(tx, row, next)
		return err
	})
}

// commitSlice has the effect of one slice, once. A slice that was committed
// before answers what it did then, if it is the same slice.
func (s *Service) commitSlice(ctx context.Context, id string, number int, digest []byte, apply func(*store.Tx) (*pb.ImportSliceRow, error)) (*pb.ImportSliceRow, error) {
	var done *pb.ImportSliceRow
	err := s.store.View(ctx, func(r kv.Reader) (err error) {
		done, err = s.doneSlice(r, id, number, digest)
		return err
	})
	if err != nil || done != nil {
		return done, err
	}
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		var err error
		if done, err = s.doneSlice(tx, id, number, digest); err != nil || done != nil {
			return err
		}
		if done, err = apply(tx); err != nil {
			return err
		}
		done.ImportId, done.Number, done.Digest = id, int32(number), digest
		tx.Audit(store.Record{Rows: []string{id + "/" + strconv.Itoa(number)}})
		_, err = s.slices.Insert(tx, done)
		return err
	})
	return done, err
}

func (s *Service) doneSlice(r kv.Reader, id string, number int, digest []byte) (*pb.ImportSliceRow, error) {
	row, ok, err := s.slices.Get(r, scope.All(), sliceKey(id, number))
	if err != nil || !ok {
		return nil, err
	}
	if !bytes.Equal(row.Value.GetDigest(), digest) {
		return nil, errDiffers()
	}
	return row.Value, nil
}

// fold adds what a slice did to what all did, in file order.
func fold(total, slice *pb.ImportSliceRow) {
	total.Rows += slice.GetRows()
	total.Created += slice.GetCreated()
	total.Updated += slice.GetUpdated()
	total.Unchanged += slice.GetUnchanged()
	total.Refused += slice.GetRefused()
	total.ReportIns += slice.GetReportIns()
	room := largestAnswer - len(total.GetFaults())
	total.Faults = append(total.Faults, slice.GetFaults()[:min(room, len(slice.GetFaults()))]...)
}
