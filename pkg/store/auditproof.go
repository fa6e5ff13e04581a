package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
)

// ErrNoProof says that the log is smaller than was asked for, or that lines which
// the proof would need were removed, their time being over.
var ErrNoProof = errors.New("store: the audit log does not prove this")

func logEnd() []byte { return key.New(tableAuditLog).End() }

// removedRange answers the compact range of the lines before first, which were
// removed: first is a multiple of blockLines.
func removedRange(r kv.Reader, first uint64) ([][]byte, error) {
	tree, err := newRange(0, nil)
	if err != nil {
		return nil, err
	}
	for i := range first / blockLines {
		it, err := r.Get(nodeKey(compact.NewNodeID(nodeLevels, i)))
		if err != nil {
			return nil, err
		}
		if err := tree.Append(it.Value, nil); err != nil {
			return nil, fmt.Errorf("%w: audit log: %w", kv.ErrCorrupt, err)
		}
	}
	return tree.Hashes(), nil
}

// nodeHash answers the hash of a node under which every line has its place.
func nodeHash(r kv.Reader, log *typev1.AuditLogRow, id compact.NodeID) ([]byte, error) {
	if isKept(id) {
		it, err := r.Get(nodeKey(id))
		if err == nil && it.Version == 0 {
			err = fmt.Errorf("%w: audit log: a hash is missing", kv.ErrCorrupt)
		}
		return it.Value, err
	}
	below := id.Level - id.Level%nodeLevels
	span := uint64(1) << (id.Level - below)
	from := id.Index * span
	rng := kv.Range{From: nodeKey(compact.NewNodeID(below, from)), To: nodeKey(compact.NewNodeID(below, from+span))}
	if below == 0 {
		if from < log.GetFirst() {
			return nil, ErrNoProof
		}
		rng = kv.Range{From: logKey(from), To: logKey(from + span)}
	}
	tree, err := newRange(0, nil)
	if err != nil {
		return nil, err
	}
	err = Walk(r, rng, func(it kv.Item) error {
		hash := it.Value
		if below == 0 {
			hash = treeHasher.HashLeaf(it.Value)
		}
		return tree.Append(hash, nil)
	})
	if err == nil && tree.End() != span {
		err = fmt.Errorf("%w: audit log: a part of it is missing", kv.ErrCorrupt)
	}
	if err != nil {
		return nil, err
	}
	return tree.GetRootHash(nil)
}

func proofOf(r kv.Reader, log *typev1.AuditLogRow, nodes proof.Nodes) ([][]byte, error) {
	hashes := make([][]byte, len(nodes.IDs))
	for i, id := range nodes.IDs {
		var err error
		if hashes[i], err = nodeHash(r, log, id); err != nil {
			return nil, err
		}
	}
	return nodes.Rehash(hashes, treeHasher.HashChildren)
}

// LineProof shows that a line is in the log of a size.
type LineProof struct {
	Line []byte
	Leaf []byte // hash of the line
	Size uint64
	Path [][]byte
}

// ProveLine answers the RFC 6962 audit path of a line; size 0 is that of the
// newest head.
func (s *Store) ProveLine(ctx context.Context, index, size uint64) (p LineProof, err error) {
	err = s.View(ctx, func(r kv.Reader) error {
		log, err := auditLog(r)
		if err != nil {
			return err
		}
		if size == 0 {
			size = log.GetSize()
		}
		if index >= size || size > log.GetSize() || index < log.GetFirst() {
			return ErrNoProof
		}
		it, err := r.Get(logKey(index))
		if err != nil {
			return err
		}
		nodes, err := proof.Inclusion(index, size)
		if err != nil {
			return fmt.Errorf("prove a line: %w", err)
		}
		p = LineProof{Line: it.Value, Leaf: treeHasher.HashLeaf(it.Value), Size: size}
		p.Path, err = proofOf(r, log, nodes)
		return err
	})
	return p, err
}

// ProveGrowth answers the RFC 6962 consistency proof between two sizes, from at
// least 1; to 0 is that of the newest head, and what to was is answered.
func (s *Store) ProveGrowth(ctx context.Context, from, to uint64) (path [][]byte, size uint64, err error) {
	err = s.View(ctx, func(r kv.Reader) error {
		log, err := auditLog(r)
		if err != nil {
			return err
		}
		if size = to; to == 0 {
			size = log.GetSize()
		}
		if from == 0 || from > size || size > log.GetSize() {
			return ErrNoProof
		}
		nodes, err := proof.Consistency(from, size)
		if err != nil {
			return fmt.Errorf("prove growth: %w", err)
		}
		path, err = proofOf(r, log, nodes)
		return err
	})
	return path, size, err
}

// SignedHead is the newest head of the log, and the key to verify it with.
type SignedHead struct {
	AuditHead
	Note, Verifier string
}

// AuditHead answers the newest head; false when none was signed yet.
func (s *Store) AuditHead(ctx context.Context) (h SignedHead, ok bool, err error) {
	err = s.View(ctx, func(r kv.Reader) error {
		log, err := auditLog(r)
		if err != nil || log.GetSize() == 0 {
			return err
		}
		keys, _, err := s.auditKeys(r)
		if err != nil {
			return err
		}
		it, err := r.Get(headKey(log.GetSize()))
		if err != nil {
			return err
		}
		head, err := OpenAuditHead(string(it.Value), keys.verifier)
		if err != nil {
			return fmt.Errorf("%w: %w", kv.ErrCorrupt, err)
		}
		h, ok = SignedHead{AuditHead: head, Note: string(it.Value), Verifier: keys.verifier}, true
		return nil
	})
	return h, ok, err
}
