package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/transparency-dev/merkle/compact"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
)

// HeldHead is a head of a service's audit log that somebody else holds.
type HeldHead struct {
	Service, Note, Holder string
}

// VerifyAudit reads the whole audit log and answers whether anything in it was
// changed: each line against the heads, each head against its key and the one
// before, the log against the heads that others hold, and what points into it.
// An error means that it could not look.
func (s *Store) VerifyAudit(ctx context.Context, held ...HeldHead) (report AuditReport, err error) {
	err = s.View(ctx, func(r kv.Reader) error {
		report, err = s.verifyAudit(r, held)
		return err
	})
	if errors.Is(err, kv.ErrCorrupt) {
		report = AuditReport{Service: s.service, Problems: []string{"audit log of " + s.service + ": " + err.Error()}}
		err = nil
	}
	if err != nil {
		return report, fmt.Errorf("verify the audit of %s: %w", s.service, err)
	}
	return report, nil
}

func (s *Store) verifyAudit(r kv.Reader, held []HeldHead) (AuditReport, error) {
	log, err := auditLog(r)
	if err != nil {
		return AuditReport{}, err
	}
	b, err := s.BeginAuditLog(r)
	if err != nil {
		return AuditReport{}, err
	}
	v := NewAuditVerifier(s.service, b.Verifier, b.First, b.Hashes, b.Removed)
	for _, h := range held {
		if h.Service == s.service {
			v.Expect(h.Note, h.Holder)
		}
	}
	c := &logCheck{reader: r, verifier: v}
	v.node = c.node
	if err := WalkAuditLog(r, AuditPlace{Line: v.begun}, c.line, func(_ uint64, signed string) error { v.Head(signed); return nil }); err != nil {
		return AuditReport{}, err
	}
	if err := c.rest(log); err != nil {
		return AuditReport{}, err
	}
	return v.End(), c.err
}

// AuditLogBegin is where a log begins: what NewAuditVerifier takes.
type AuditLogBegin struct {
	First    uint64
	Hashes   [][]byte
	Removed  []byte // digest of the newest head that was removed
	Verifier string
}

// BeginAuditLog answers where the log begins.
func (s *Store) BeginAuditLog(r kv.Reader) (b AuditLogBegin, err error) {
	log, err := auditLog(r)
	if err != nil {
		return b, err
	}
	keys, _, err := s.auditKeys(r)
	if err != nil {
		return b, err
	}
	b = AuditLogBegin{First: log.GetFirst(), Removed: log.GetRemovedHeadDigest(), Verifier: keys.verifier}
	b.Hashes, err = removedRange(r, b.First)
	return b, err
}

// AuditPlace is where a walk goes on: at a line, and at the heads over at least
// so many lines.
type AuditPlace struct{ Line, Head uint64 }

// WalkAuditLog goes over lines and heads in order from a place on: each head
// after the lines that it is over.
func WalkAuditLog(r kv.Reader, from AuditPlace, line func(uint64, []byte) error, head func(size uint64, signed string) error) error {
	at := from.Line
	lines := func(to []byte) error {
		rng := kv.Range{From: logKey(at), To: to}
		return Walk(r, rng, func(it kv.Item) error {
			at = indexOf(it.Key) + 1
			return line(at-1, it.Value)
		})
	}
	err := Walk(r, kv.Range{From: headKey(from.Head), To: headPrefix().End()}, func(it kv.Item) error {
		if err := lines(logKey(max(at, indexOf(it.Key)))); err != nil {
			return err
		}
		return head(indexOf(it.Key), string(it.Value))
	})
	if err != nil {
		return err
	}
	return lines(logEnd())
}

// logCheck compares what is kept beside the lines with what follows from them.
type logCheck struct {
	reader   kv.Reader
	verifier *AuditVerifier
	nodes    uint64 // that must be there
	readings uint64
	err      error
}

func (c *logCheck) node(id compact.NodeID, hash []byte) {
	it, err := c.reader.Get(nodeKey(id))
	c.err = errors.Join(c.err, err)
	c.nodes++
	if err == nil && !bytes.Equal(it.Value, hash) {
		c.verifier.problem("a hash that is kept of lines %d and on is not theirs", id.Index<<id.Level)
	}
}

func (c *logCheck) line(index uint64, value []byte) error {
	c.verifier.Line(index, value)
	row, err := auditRowOf(value)
	if err != nil {
		return nil // the verifier has told
	}
	for i, person := range row.GetSubjects() {
		if slices.Contains(row.GetSubjects()[:i], person) {
			continue
		}
		c.readings++
		it, err := c.reader.Get(readingsOf(person).Uint(index))
		c.err = errors.Join(c.err, err)
		if err == nil && it.Version == 0 {
			c.verifier.problem("line %d is not among the readings of one of its persons", index)
		}
	}
	return nil
}

// rest looks at what the walk did not meet: the state, hashes of lines that were
// removed, and rows too many.
func (c *logCheck) rest(log *typev1.AuditLogRow) error {
	v := c.verifier
	first := log.GetFirst()
	upper, err := newRange(0, nil)
	if err != nil {
		return err
	}
	for i := range first / blockLines {
		id := compact.NewNodeID(nodeLevels, i)
		it, err := c.reader.Get(nodeKey(id))
		if err != nil {
			return err
		}
		c.nodes++
		if err := upper.Append(it.Value, func(n compact.NodeID, hash []byte) {
			if n.Level += nodeLevels; isKept(n) && n.Level > nodeLevels {
				c.node(n, hash)
			}
		}); err != nil {
			return fmt.Errorf("%w: audit log: %w", kv.ErrCorrupt, err)
		}
	}
	if !v.lost && (log.GetSize() != v.next || !slices.EqualFunc(log.GetHashes(), v.tree.Hashes(), bytes.Equal)) {
		v.problem("it has %d lines, and says that it has %d", v.next-first, log.GetSize()-first)
	}
	digest := log.GetHeadDigest()
	if log.GetSize() == 0 && len(digest) == 0 {
		digest = digestOf("")
	}
	if !bytes.Equal(digest, v.headDigest) {
		v.problem("its newest head is not the one that was signed last")
	}
	if !v.head.Until.Equal(log.GetRemovedUntil().AsTime()) && first > 0 {
		v.problem("its newest head says another time of what was removed")
	}
	return errors.Join(c.count("hashes", nodePrefix(), c.nodes), c.count("readings", readingPrefix(), c.readings))
}

// count compares how many rows of a kind there are with how many follow from
// the lines.
func (c *logCheck) count(what string, prefix key.Key, wanted uint64) error {
	n := uint64(0)
	err := Walk(c.reader, kv.Range{From: prefix, To: prefix.End()}, func(it kv.Item) error {
		switch {
		case what == "readings" && indexOf(it.Key) < c.verifier.begun:
			// A removal was stopped half-way: it points to nothing any more.
		case what == "readings" && len(it.Value) > 0:
			c.verifier.problem("a reading holds what it should not")
		default:
			n++
		}
		return nil
	})
	if err == nil && n != wanted && len(c.verifier.problems) == 0 {
		c.verifier.problem("%d %s are kept, %d follow from its lines", n, what, wanted)
	}
	return err
}
