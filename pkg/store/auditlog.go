package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"google.golang.org/protobuf/proto"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
)

// SequenceEvery is how long a running house waits between two heads at least.
const SequenceEvery = time.Second

const (
	// sequencedAtOnce lines get their place in one commit: it writes each of
	// them, removes it from where it waited, and holds nobody up for long.
	sequencedAtOnce = 200
	// sequencedWrites bounds the same commit by what it writes, with room for the
	// head and the hashes: a line can be about many persons.
	sequencedWrites = 900
	// nodeLevels apart stand the levels whose hashes are kept. Those between
	// follow from at most 256 of the kept level below, or from as many lines.
	nodeLevels = 8
	// blockLines is how many lines lie under one node of the lowest kept level.
	blockLines = 1 << nodeLevels
)

// AuditHeadSigned is the event of a head: the entity, and what happened.
const AuditHeadSigned = "audit_head.signed"

var treeHasher = rfc6962.DefaultHasher

func newRange(first uint64, hashes [][]byte) (*compact.Range, error) {
	return (&compact.RangeFactory{Hash: treeHasher.HashChildren}).NewRange(0, first, hashes)
}

func logKey(index uint64) []byte  { return key.New(tableAuditLog).Uint(index) }
func headPrefix() key.Key         { return key.New(tableAuditHeads).String("head") }
func headKey(size uint64) []byte  { return headPrefix().Uint(size) }
func logStateKey() []byte         { return key.New(tableAuditHeads).String("log") }
func nodePrefix() key.Key         { return key.New(tableAuditHeads).String("node") }
func readingPrefix() key.Key      { return key.New(tableAuditHeads).String("reading") }
func readingsOf(p string) key.Key { return readingPrefix().String(p) }
func nodeKey(id compact.NodeID) []byte {
	return nodePrefix().Uint(uint64(id.Level)).Uint(id.Index)
}

// isKept says whether the hash of a node is kept.
func isKept(id compact.NodeID) bool { return id.Level > 0 && id.Level%nodeLevels == 0 }

// auditLog reads where the log stands; a new one has no lines.
func auditLog(r kv.Reader) (*typev1.AuditLogRow, error) {
	it, err := r.Get(logStateKey())
	if err != nil {
		return nil, err
	}
	row := &typev1.AuditLogRow{}
	if err := proto.Unmarshal(it.Value, row); err != nil {
		return nil, fmt.Errorf("%w: audit log: %w", kv.ErrCorrupt, err)
	}
	return row, nil
}

// SequenceAudit gives each audit line that waits its place in the log, in the
// order of their times, and signs heads over them. A place is for ever. It
// answers how many lines that were. Who else does the same at the same time
// does no harm.
func (s *Store) SequenceAudit(ctx context.Context) (lines int, err error) {
	waiting := false
	err = s.View(ctx, func(r kv.Reader) error {
		items, err := r.Scan(waitingLines(1))
		waiting = len(items) > 0
		return err
	})
	if err != nil || !waiting {
		return 0, err
	}
	keys, err := s.makeAuditKeys(ctx)
	if err != nil {
		return 0, err
	}
	for {
		n, more, err := s.sequenceSlice(ctx, keys)
		lines += n
		if err != nil || !more {
			return lines, err
		}
	}
}

func waitingLines(limit int) kv.Range {
	prefix := key.New(tableAudit)
	return kv.Range{From: prefix, To: prefix.End(), Limit: limit}
}

func (s *Store) sequenceSlice(ctx context.Context, keys auditKeys) (n int, more bool, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		items, err := tx.Scan(waitingLines(sequencedAtOnce))
		if err != nil || len(items) == 0 {
			n, more = 0, false
			return err
		}
		log, err := auditLog(tx)
		if err != nil {
			return err
		}
		if n, err = tx.appendLines(log, items); err != nil {
			return err
		}
		more = n < len(items) || n == sequencedAtOnce
		signed, err := tx.signHead(log, keys)
		if err != nil || more {
			return err // the head over those that still wait is announced
		}
		return tx.Emit(Event{
			Name: AuditHeadSigned, EntityID: tx.store.service, Revision: log.GetSize(),
			Data: &typev1.AuditHeadSigned{Service: tx.store.service, Verifier: keys.verifier, Note: signed},
		})
	})
	return n, more, err
}

// logLine is a line on its way into the log.
type logLine struct {
	value    []byte
	subjects []string
}

// appendLines moves lines that waited to the end of the log, as many as fit into
// the commit, and answers how many.
func (tx *Tx) appendLines(log *typev1.AuditLogRow, items []kv.Item) (n int, err error) {
	var lines []logLine
	writes := 0
	for _, it := range items {
		row, err := auditRowOf(it.Value)
		if err != nil {
			return 0, err
		}
		if writes += 2 + len(row.GetSubjects()); writes > sequencedWrites && len(lines) > 0 {
			break
		}
		tx.Delete(it.Key)
		lines = append(lines, logLine{it.Value, row.GetSubjects()})
	}
	return len(lines), tx.appendToLog(log, lines...)
}

func (tx *Tx) appendToLog(log *typev1.AuditLogRow, lines ...logLine) error {
	tree, err := newRange(log.GetSize(), log.GetHashes())
	if err != nil {
		return fmt.Errorf("%w: audit log: %w", kv.ErrCorrupt, err)
	}
	keep := func(id compact.NodeID, hash []byte) {
		if isKept(id) {
			tx.Create(nodeKey(id), hash)
		}
	}
	for _, l := range lines {
		for _, person := range l.subjects {
			tx.Put(readingsOf(person).Uint(tree.End()), nil)
		}
		tx.Create(logKey(tree.End()), l.value)
		if err := tree.Append(treeHasher.HashLeaf(l.value), keep); err != nil {
			return fmt.Errorf("append to the audit log: %w", err)
		}
	}
	log.Size, log.Hashes = tree.End(), tree.Hashes()
	return nil
}

// signHead signs a head over the log as it stands, and keeps both.
func (tx *Tx) signHead(log *typev1.AuditLogRow, keys auditKeys) (signed string, err error) {
	tree, err := newRange(log.GetSize(), log.GetHashes())
	if err != nil {
		return "", fmt.Errorf("%w: audit log: %w", kv.ErrCorrupt, err)
	}
	root, err := tree.GetRootHash(nil)
	if err != nil {
		return "", fmt.Errorf("root of the audit log: %w", err)
	}
	h := AuditHead{Service: tx.store.service, Size: log.GetSize(), Root: root, Time: tx.wall, Previous: log.GetHeadDigest(), First: log.GetFirst()}
	if h.First > 0 {
		h.Until = log.GetRemovedUntil().AsTime()
	}
	if len(h.Previous) == 0 {
		h.Previous = digestOf("")
	}
	if signed, err = h.sign(keys.signer); err != nil {
		return "", err
	}
	tx.Create(headKey(h.Size), []byte(signed))
	log.HeadDigest = digestOf(signed)
	return signed, tx.putLog(log)
}

func (tx *Tx) putLog(log *typev1.AuditLogRow) error {
	value, err := proto.Marshal(log)
	if err != nil {
		return fmt.Errorf("encode audit log: %w", err)
	}
	tx.Put(logStateKey(), value)
	return nil
}

// indexOf reads the number at the end of a key.
func indexOf(k []byte) uint64 { return binary.BigEndian.Uint64(k[len(k)-8:]) }
