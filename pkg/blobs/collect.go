package blobs

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/run"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

const (
	// CollectEvery is how often what nobody names is looked for.
	CollectEvery = time.Hour
	collectPage  = 100
)

// Job collects until its context ends.
func (b *Blobs) Job() run.Job {
	return run.Job{Name: b.store.Service() + "-blobs", Run: func(ctx context.Context) error {
		tick := time.NewTicker(CollectEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
			if n, err := b.Collect(ctx); err != nil && ctx.Err() == nil {
				b.log.Error("collect files", "service", b.store.Service(), "error", err)
			} else if n > 0 {
				b.log.Info("deleted files that no row names", "service", b.store.Service(), "files", n)
			}
		}
	}}
}

// Collect deletes what no row has named for longer than Grace, and answers how
// many files that were.
func (b *Blobs) Collect(ctx context.Context) (int, error) {
	before := b.store.Wall().Now().Add(-Grace)
	released, err := b.collectReleased(ctx, before)
	if err != nil {
		return released, err
	}
	unnamed, err := b.collectUnnamed(ctx, before)
	return released + unnamed, err
}

// collectReleased deletes the row of each file first: from then on nobody can
// name it. A file that is left over when it ends in between is unnamed.
func (b *Blobs) collectReleased(ctx context.Context, before time.Time) (n int, err error) {
	for {
		page, err := b.releasedBefore(ctx, before)
		if err != nil || len(page) == 0 {
			return n, err
		}
		for _, row := range page {
			gone := false
			err := b.store.Update(ctx, func(tx *store.Tx) error {
				gone = false
				now, ok, err := b.table.Get(tx, scope.All(), blobKey(row.GetAddress()))
				if err != nil || !ok || now.Value.GetRefs() > 0 {
					return err
				}
				gone = true
				return b.table.Delete(tx, now)
			})
			if err != nil {
				return n, err
			}
			if !gone {
				continue
			}
			if err := b.bucket.remove(ctx, b.place(row.GetName())); err != nil {
				return n, err
			}
			n++
		}
		if len(page) < collectPage {
			return n, nil
		}
	}
}

func (b *Blobs) releasedBefore(ctx context.Context, before time.Time) (out []*typev1.BlobRow, err error) {
	err = b.store.View(ctx, func(r kv.Reader) error {
		page, err := b.table.List(r, scope.All(), table.Query{Index: byReleased, Limit: collectPage})
		for _, row := range page.Rows { // the longest released first
			if row.Value.GetReleasedAt().AsTime().Before(before) {
				out = append(out, row.Value)
			}
		}
		return err
	})
	return out, err
}

// collectUnnamed deletes files that have no row: of uploads that were broken off,
// and of content that two stored at once. No upload takes as long as Grace, so
// that none of them will get one.
func (b *Blobs) collectUnnamed(ctx context.Context, before time.Time) (n int, err error) {
	prefix := b.store.Service() + "/"
	err = b.bucket.each(ctx, prefix, func(at string, since time.Time) error {
		if !since.Before(before) {
			return nil
		}
		named := false
		if !strings.HasSuffix(at, partSuffix) {
			err := b.store.View(ctx, func(r kv.Reader) (err error) {
				_, named, err = b.table.By(r, scope.All(), byName, blobKey(path.Base(at)))
				return err
			})
			if err != nil {
				return err
			}
		}
		if named {
			return nil
		}
		n++
		return b.bucket.remove(ctx, at)
	})
	return n, err
}

// partSuffix ends the names of files that are being written.
const partSuffix = ".tmp"

// Checker is the table of blobs as fsck sees it: every file is there, is what it
// was, opens, and is named by as many rows as it says.
func (b *Blobs) Checker() table.Checker { return checker{b} }

type checker struct{ b *Blobs }

func (c checker) Name() string      { return c.b.table.Name() }
func (c checker) Numbers() []uint16 { return c.b.table.Numbers() }

func (c checker) Check(view func(func(kv.Reader) error) error) (table.Report, error) {
	report, err := c.b.table.Check(view)
	if err != nil {
		return report, err
	}
	var after key.Key
	for more := true; more; {
		var page table.Listing[*typev1.BlobRow]
		err := view(func(r kv.Reader) (err error) {
			page, err = c.b.table.List(r, scope.All(), table.Query{After: after, Limit: collectPage})
			for i := 0; err == nil && i < len(page.Rows); i++ {
				err = c.count(r, page.Rows[i].Value, &report)
			}
			return err
		})
		if err != nil {
			return report, err
		}
		for _, row := range page.Rows {
			if err := c.file(row.Value, &report); err != nil {
				return report, err
			}
		}
		after, more = page.Last, page.Last != nil
	}
	return report, nil
}

// count compares how many rows name a file with how many it says.
func (c checker) count(r kv.Reader, row *typev1.BlobRow, report *table.Report) error {
	n, err := c.b.named(r, row.GetAddress())
	if err == nil && n != int(row.GetRefs()) {
		report.Problem("blob: a file is named by another number of rows than it says")
	}
	return err
}

func (c checker) file(row *typev1.BlobRow, report *table.Report) error {
	_, err := c.b.open(context.Background(), row)
	switch {
	case errors.Is(err, ErrMissing):
		report.Problem("blob: a file that a row names is not there")
	case errors.Is(err, kv.ErrCorrupt):
		report.Problem("blob: a file is not what it was when it was stored")
	case err != nil:
		return fmt.Errorf("check the files: %w", err)
	}
	return nil
}
