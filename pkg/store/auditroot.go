package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
)

// AuditTree computes the RFC 6962 Merkle root over audit lines in the order of
// their keys. It keeps one hash a level, however many lines there are.
type AuditTree struct {
	nodes *compact.Range
}

// NewAuditTree is a tree without lines.
func NewAuditTree() *AuditTree {
	f := &compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	return &AuditTree{nodes: f.NewEmptyRange(0)}
}

// Add takes the next row of a store: one that is no audit line is left out.
func (t *AuditTree) Add(k, value []byte) error {
	if !bytes.HasPrefix(k, key.New(tableAudit)) && !bytes.HasPrefix(k, key.New(tableAuditLog)) {
		return nil
	}
	return t.nodes.Append(rfc6962.DefaultHasher.HashLeaf(value), nil)
}

// Root answers how many lines there were, and their root: 32 bytes.
func (t *AuditTree) Root() (lines uint64, root []byte, err error) {
	if t.nodes.End() == 0 {
		return 0, rfc6962.DefaultHasher.EmptyRoot(), nil
	}
	root, err = t.nodes.GetRootHash(nil)
	return t.nodes.End(), root, err
}

// AuditRoot reads the whole audit as it is kept, in pages of one snapshot: lines
// that have no place in the log yet, then the log. It tells whether two stores
// hold the same; whether the log is what was signed, VerifyAudit tells.
func (s *Store) AuditRoot(ctx context.Context) (lines uint64, root []byte, err error) {
	tree := NewAuditTree()
	err = s.db.View(ctx, func(r kv.Reader) error {
		for _, prefix := range []key.Key{key.New(tableAudit), key.New(tableAuditLog)} {
			err := Walk(r, kv.Range{From: prefix, To: prefix.End()}, func(it kv.Item) error { return tree.Add(it.Key, it.Value) })
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("read the audit of %s: %w", s.service, err)
	}
	return tree.Root()
}

// Walk calls fn with every row of a range, in order, a page at a time. The
// range's limit is not looked at.
func Walk(r kv.Reader, rng kv.Range, fn func(kv.Item) error) error {
	rng.Limit = walkPage
	for {
		items, err := r.Scan(rng)
		if err != nil {
			return err
		}
		for _, it := range items {
			if err := fn(it); err != nil {
				return err
			}
		}
		if len(items) < walkPage {
			return nil
		}
		rng.From = append(bytes.Clone(items[len(items)-1].Key), 0)
	}
}

// walkPage rows are read at once: of the largest there can be, some 13 MB.
const walkPage = 200

// Hold lets commits of this store wait until release is called, see kv.DB.
func (s *Store) Hold(ctx context.Context) (release func(), err error) { return s.db.Hold(ctx) }
