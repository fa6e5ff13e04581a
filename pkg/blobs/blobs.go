package blobs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// ErrMissing says that a file is not there.
var ErrMissing = errors.New("blobs: the file is not there")

// errGone says that a file which was there when it was staged has been
// collected since; it has to be staged again.
var errGone = errors.New("blobs: collected since")

// Grace is how long a file stays that no row names: longer than an upload takes
// to write its row, and longer than a backup takes from its snapshot of the rows
// to its last file.
const Grace = 24 * time.Hour

// stageTries is how often a file is staged again that was collected meanwhile.
const stageTries = 3

// indexes of the table of blobs.
const (
	byName     = "name"
	byReleased = "released"
)

// Config of the files of a service.
type Config struct {
	Bucket *Bucket
	Store  *store.Store
	// Numbers of the table of blobs and of its two indexes.
	Table, IndexByName, IndexByReleased uint16
	// Named counts the rows that name an address, for checks.
	Named func(r kv.Reader, address string) (int, error)
	Log   *slog.Logger
}

// Blobs are the files of one service. It is safe for concurrent use.
type Blobs struct {
	bucket *Bucket
	store  *store.Store
	table  *table.Table[*typev1.BlobRow]
	named  func(r kv.Reader, address string) (int, error)
	log    *slog.Logger
}

// Distinct answers addresses, each once: a row that names one twice, because two
// sizes of a picture are one, names it once.
func Distinct(addresses ...string) []string {
	out := slices.Clone(addresses)
	slices.Sort(out)
	return slices.Compact(out)
}

// New makes the files of a service.
func New(c Config) *Blobs {
	return &Blobs{bucket: c.Bucket, store: c.Store, named: c.Named, log: c.Log, table: table.New(table.Spec[*typev1.BlobRow]{
		Number: c.Table, Name: "blob", Key: func(r *typev1.BlobRow) key.Key { return blobKey(r.GetAddress()) },
		Indexes: []table.Index[*typev1.BlobRow]{
			{Number: c.IndexByName, Name: byName, Unique: true, Keys: func(r *typev1.BlobRow) []key.Key {
				return []key.Key{blobKey(r.GetName())}
			}},
			{Number: c.IndexByReleased, Name: byReleased, Keys: func(r *typev1.BlobRow) []key.Key {
				if r.GetReleasedAt() == nil {
					return nil
				}
				return []key.Key{key.Key(nil).Time(r.GetReleasedAt().AsTime())}
			}},
		},
	})}
}

func blobKey(s string) key.Key { return key.Key(nil).String(s) }

// Staged is content that is stored and that a row may name.
type Staged struct {
	Address string
	row     *typev1.BlobRow
	written bool
}

// address of content, for whoever holds the service's key.
func (b *Blobs) address(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(b.store.Keyring().Digest("blob", string(sum[:])))
}

// place is where a file of this service lies in the bucket.
func (b *Blobs) place(name string) string {
	return b.store.Service() + "/" + name[:2] + "/" + name
}

// seal seals content under a key of its own, which follows from its address. It
// is one that lasts: a file is not written again when data keys change.
func (b *Blobs) seal(address string, content []byte) []byte {
	return b.store.Keyring().Lasting("blob "+address).Seal(content, address)
}

// stage stores content unless it is there.
func (b *Blobs) stage(ctx context.Context, content []byte) (*Staged, error) {
	s := &Staged{Address: b.address(content)}
	err := b.store.View(ctx, func(r kv.Reader) error {
		row, ok, err := b.table.Get(r, scope.All(), blobKey(s.Address))
		if ok {
			s.row = row.Value
		}
		return err
	})
	if err != nil || s.row != nil {
		return s, err
	}
	sealed := b.seal(s.Address, content)
	s.row = &typev1.BlobRow{Address: s.Address, Name: nameOf(sealed), Bytes: int64(len(content))}
	s.written = true
	return s, b.bucket.write(ctx, b.place(s.row.GetName()), sealed)
}

// With stores contents, then calls fn with them, in order, which names them in
// one transaction: by KeepAll, in the closure. A process that ends before the
// transaction is committed leaves files that nobody names, and they are
// collected.
func (b *Blobs) With(ctx context.Context, contents [][]byte, fn func([]*Staged) error) error {
	var err error
	for range stageTries {
		all := make([]*Staged, len(contents))
		for i, c := range contents {
			if same := slices.IndexFunc(contents[:i], func(o []byte) bool { return bytes.Equal(o, c) }); same >= 0 {
				all[i] = all[same]
				continue
			}
			if all[i], err = b.stage(ctx, c); err != nil {
				return err
			}
		}
		if err = fn(all); !errors.Is(err, errGone) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", kv.ErrConflict, err)
}

// KeepAll keeps what With staged, each content once.
func (b *Blobs) KeepAll(tx *store.Tx, all []*Staged) error {
	for i, s := range all {
		if slices.Contains(all[:i], s) {
			continue
		}
		if err := b.keep(tx, s); err != nil {
			return err
		}
	}
	return nil
}

// ReleaseAll lets go of the addresses that one row names.
func (b *Blobs) ReleaseAll(tx *store.Tx, addresses ...string) error {
	for _, a := range Distinct(addresses...) {
		if err := b.release(tx, a); err != nil {
			return err
		}
	}
	return nil
}

// CountNamed counts the rows that name an address, by an index whose keys are
// the addresses: what Named of a Config does.
func CountNamed[T proto.Message](r kv.Reader, t *table.Table[T], index, address string) (n int, err error) {
	q := table.Query{Index: index, Prefix: blobKey(address), Limit: collectPage}
	for {
		page, err := t.List(r, scope.All(), q)
		if err != nil {
			return n, err
		}
		n += len(page.Rows)
		if q.After = page.Last; page.Last == nil {
			return n, nil
		}
	}
}

// keep counts one more row that names staged content. Content that two stored at
// once is kept once; the other file is collected.
func (b *Blobs) keep(tx *store.Tx, s *Staged) error {
	row, ok, err := b.table.Get(tx, scope.All(), blobKey(s.Address))
	switch {
	case err != nil:
		return err
	case ok:
		next := proto.CloneOf(row.Value)
		next.Refs, next.ReleasedAt = next.GetRefs()+1, nil
		_, err = b.table.Replace(tx, row, next)
		return err
	case !s.written:
		return errGone
	}
	fresh := proto.CloneOf(s.row)
	fresh.Refs = 1
	_, err = b.table.Insert(tx, fresh)
	return err
}

// release counts one row less that names an address.
func (b *Blobs) release(tx *store.Tx, address string) error {
	row, ok, err := b.table.Get(tx, scope.All(), blobKey(address))
	if err == nil && !ok {
		err = fmt.Errorf("%w: a row names a file that is not known", kv.ErrCorrupt)
	}
	if err != nil {
		return err
	}
	next := proto.CloneOf(row.Value)
	if next.Refs--; next.GetRefs() <= 0 {
		next.Refs, next.ReleasedAt = 0, timestamppb.New(b.store.Wall().Now())
	}
	_, err = b.table.Replace(tx, row, next)
	return err
}

// Read answers the content of an address.
func (b *Blobs) Read(ctx context.Context, address string) ([]byte, error) {
	var row *typev1.BlobRow
	err := b.store.View(ctx, func(r kv.Reader) error {
		found, ok, err := b.table.Get(r, scope.All(), blobKey(address))
		if err == nil && !ok {
			err = ErrMissing
		}
		row = found.Value
		return err
	})
	if err != nil {
		return nil, err
	}
	return b.open(ctx, row)
}

func (b *Blobs) open(ctx context.Context, row *typev1.BlobRow) ([]byte, error) {
	sealed, err := b.bucket.read(ctx, b.place(row.GetName()))
	if err != nil {
		return nil, err
	}
	content, err := b.store.Keyring().Lasting("blob "+row.GetAddress()).Open(sealed, row.GetAddress())
	if err != nil || int64(len(content)) != row.GetBytes() {
		return nil, fmt.Errorf("%w: a stored file does not open", kv.ErrCorrupt)
	}
	return content, nil
}

// Etag of an address: it changes with the content and tells nothing of it.
func Etag(address string) string { return `"` + address[:min(32, len(address))] + `"` }
