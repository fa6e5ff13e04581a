package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// LineKind says what a line of the chain tells of its entry. The numbers are
// those of the API's enum.
type LineKind int32

// The kinds of line.
const (
	LineConfirmed LineKind = iota + 1
	LineOnHold
	LineLifted
)

// Line is one line of a member's chain. Facts are what the entry said when the
// line was written, in a fixed order; the first confirmation of an entry and
// every later line of it hold the same facts.
type Line struct {
	Member   string
	Sequence uint64
	Kind     LineKind
	Entry    string
	Facts    []string
	Previous []byte
}

// chainVersion begins what is hashed, so that another layout gives another hash.
const chainVersion = "linli ledger line 1"

// Hash is SHA-256 over the version and the parts of the line, each with its
// length before it as four bytes, the highest first; numbers are eight bytes.
func (l Line) Hash() []byte {
	h := sha256.New()
	part := func(b []byte) {
		_, _ = h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b)))) // a hash never fails
		_, _ = h.Write(b)
	}
	part([]byte(chainVersion))
	part([]byte(l.Member))
	part(binary.BigEndian.AppendUint64(nil, l.Sequence))
	part(binary.BigEndian.AppendUint64(nil, uint64(l.Kind)))
	part([]byte(l.Entry))
	part(binary.BigEndian.AppendUint64(nil, uint64(len(l.Facts))))
	for _, f := range l.Facts {
		part([]byte(f))
	}
	part(l.Previous)
	return h.Sum(nil)
}

// Link is a line as it is kept: with the hash that it had when it was written.
type Link struct {
	Line
	Hash []byte
}

// What can be wrong in a chain.
const (
	FaultMissing      = "missing"              // a number is skipped
	FaultChanged      = "changed"              // a line no longer has its hash
	FaultUnlinked     = "unlinked"             // a line does not follow the one before
	FaultHead         = "head"                 // lines are missing at the end, or are too many
	FaultEntryChanged = "entry changed"        // an entry differs from its lines
	FaultEntryMissing = "entry missing"        // a line's entry is gone
	FaultNoLine       = "entry without a line" // an entry counts and no line says so
	FaultSums         = "sums"                 // the sums kept are not those of the entries
)

// Fault is one thing that is wrong. Sequence 0 is an entry without a line.
type Fault struct {
	Sequence uint64
	What     string
	Entry    string
}

// Standing is what the chain says of one entry in the end.
type Standing struct {
	Kind     LineKind
	Facts    []string
	Sequence uint64
}

// Counts says whether the entry counts.
func (s Standing) Counts() bool { return s.Kind == LineConfirmed || s.Kind == LineLifted }

// Walk goes along a chain from its first line. The zero value with a member is
// ready.
type Walk struct {
	Member string
	last   uint64
	hash   []byte
	faults []Fault
	stands map[string]Standing
}

// Next takes the next line.
func (w *Walk) Next(l Link) {
	switch {
	case l.Sequence != w.last+1:
		w.fault(w.last+1, FaultMissing, "")
	case !bytes.Equal(l.Previous, w.hash):
		w.fault(l.Sequence, FaultUnlinked, l.Entry)
	}
	if l.Member != w.Member || !bytes.Equal(l.Line.Hash(), l.Hash) {
		w.fault(l.Sequence, FaultChanged, l.Entry)
	}
	if w.stands == nil {
		w.stands = map[string]Standing{}
	}
	before, known := w.stands[l.Entry]
	if known && !slices.Equal(before.Facts, l.Facts) {
		w.fault(l.Sequence, FaultChanged, l.Entry)
	}
	first := l.Sequence
	if known {
		first = before.Sequence
	}
	w.stands[l.Entry] = Standing{Kind: l.Kind, Facts: l.Facts, Sequence: first}
	w.last, w.hash = l.Sequence, l.Hash
}

// End compares with the head: how many lines there are to be, and the hash of
// the last.
func (w *Walk) End(lines uint64, hash []byte) {
	if w.last != lines || !bytes.Equal(w.hash, hash) {
		w.fault(max(w.last, lines), FaultHead, "")
	}
}

// Entry compares an entry as it is kept with what the chain says. counts is
// whether the entry's state says that it counts, facts what it says now.
func (w *Walk) Entry(id string, everCounted, counts bool, facts []string) {
	at, ok := w.stands[id]
	switch {
	case !ok && everCounted:
		w.fault(0, FaultNoLine, id)
	case !ok:
	case at.Counts() != counts || !slices.Equal(at.Facts, facts):
		w.fault(at.Sequence, FaultEntryChanged, id)
	}
}

// Missing reports an entry of the chain that is gone.
func (w *Walk) Missing(id string) { w.fault(w.stands[id].Sequence, FaultEntryMissing, id) }

// Sums reports that the sums kept beside the chain are not those of the entries.
func (w *Walk) Sums() { w.fault(w.last, FaultSums, "") }

// Standings are the entries of the chain by id.
func (w *Walk) Standings() map[string]Standing { return w.stands }

// Lines is how many lines were taken, by the number of the last.
func (w *Walk) Lines() uint64 { return w.last }

// Faults are what was found, in order.
func (w *Walk) Faults() []Fault { return w.faults }

func (w *Walk) fault(sequence uint64, what, entry string) {
	w.faults = append(w.faults, Fault{sequence, what, entry})
}
