package store

import (
	"bytes"
	"fmt"
	"time"

	"github.com/transparency-dev/merkle/compact"
)

// LeastAuditDays is how long a line of the audit is kept at the very least.
const LeastAuditDays = 180

// mostAuditProblems are told; who finds so many finds more of the same kind.
const mostAuditProblems = 20

// AuditVerifier checks an audit log that is given to it in order: lines, and
// each head after the lines that it is over. It is made by NewAuditVerifier. It
// belongs to one goroutine.
type AuditVerifier struct {
	service, verifier string
	tree              *compact.Range
	node              func(compact.NodeID, []byte) // told of each node that is kept
	begun             uint64                       // the first line that is kept
	next              uint64                       // the line that comes next
	head              AuditHead                    // the newest so far
	headNote          string
	headDigest        []byte
	expected          map[uint64]claim // heads that others hold, by size
	lost              bool             // the roots no longer agree, and were told of
	problems          []string
}

// claim is a head that somebody else holds.
type claim struct {
	root   []byte
	holder string
}

// NewAuditVerifier begins at the first line that is kept. hashes are the RFC
// 6962 compact range of those before it; removed is the digest of the newest
// head over them, empty when nothing was removed.
func NewAuditVerifier(service, verifier string, first uint64, hashes [][]byte, removed []byte) *AuditVerifier {
	v := &AuditVerifier{service: service, verifier: verifier, begun: first, next: first, headDigest: removed, expected: map[uint64]claim{}}
	if len(removed) == 0 {
		v.headDigest = digestOf("")
	}
	var err error
	if v.tree, err = newRange(first, hashes); err != nil {
		v.problem("the log begins at line %d and what was before it is not proved", first)
		v.tree, _ = newRange(0, nil) // an empty range is never refused
		v.lost = true
	}
	return v
}

func (v *AuditVerifier) problem(format string, args ...any) {
	if len(v.problems) < mostAuditProblems {
		v.problems = append(v.problems, "audit log of "+v.service+": "+fmt.Sprintf(format, args...))
	}
}

// Expect has the log compared with a head that somebody else holds: its root at
// that size must be the same. It is called before the first line.
func (v *AuditVerifier) Expect(signed, holder string) {
	h, err := OpenAuditHead(signed, v.verifier)
	switch {
	case err != nil || h.Service != v.service:
		v.problem("the head that %s holds was not signed with the key of this log", holder)
	case h.Size < v.begun:
		// Its lines were removed, their time being over.
	default:
		v.expected[h.Size] = claim{h.Root, holder}
	}
	v.compare()
}

// Line takes the next line as it is stored.
func (v *AuditVerifier) Line(index uint64, value []byte) {
	if index != v.next {
		v.problem("line %d stands where line %d is due: lines were removed or inserted", index, v.next)
		v.lost, v.next = true, index
	}
	v.next++
	if _, err := auditRowOf(value); err != nil {
		v.problem("line %d cannot be read", index)
	}
	if v.lost {
		return
	}
	// A range that begins at 0 and a hash of 32 bytes are always taken.
	_ = v.tree.Append(treeHasher.HashLeaf(value), v.told)
	v.compare()
}

func (v *AuditVerifier) told(id compact.NodeID, hash []byte) {
	if v.node != nil && isKept(id) {
		v.node(id, hash)
	}
}

func (v *AuditVerifier) root() []byte {
	root, err := v.tree.GetRootHash(nil)
	if err != nil || root == nil {
		return treeHasher.EmptyRoot()
	}
	return root
}

// compare looks whether somebody else holds a head over exactly these lines.
func (v *AuditVerifier) compare() {
	c, ok := v.expected[v.next]
	if !ok || v.lost {
		return
	}
	delete(v.expected, v.next)
	if !bytes.Equal(c.root, v.root()) {
		v.problem("its first %d lines are not those that the head held by %s is over", v.next, c.holder)
	}
}

// Head takes a head as it is stored, after the last line that it is over.
func (v *AuditVerifier) Head(signed string) {
	h, err := OpenAuditHead(signed, v.verifier)
	if err != nil {
		v.problem("a head over some %d lines was changed or is not signed with the key of this log", v.next)
		v.headDigest = digestOf(signed)
		return
	}
	switch {
	case h.Service != v.service:
		v.problem("a head is that of %s", h.Service)
	case h.Size != v.next && !v.lost:
		v.problem("the head over %d lines stands after %d", h.Size, v.next)
	case !bytes.Equal(h.Previous, v.headDigest):
		v.problem("the head before that over %d lines is not the one that it names: heads were removed, changed or inserted", h.Size)
	case h.First < v.head.First || h.First > v.begun:
		v.problem("the head over %d lines says that lines from %d on are kept; those from %d on are", h.Size, h.First, v.begun)
	case h.First > v.head.First && h.Until.AddDate(0, 0, LeastAuditDays).After(h.Time):
		v.problem("lines were removed that were younger than %d days, says the head over %d lines", LeastAuditDays, h.Size)
	}
	if !v.lost && !bytes.Equal(h.Root, v.root()) {
		v.problem("lines %d to %d are not those that the head over %d lines was signed for: a line was changed, removed, inserted or moved",
			v.head.Size, max(h.Size, 1)-1, h.Size)
		v.lost = true
	}
	v.head, v.headNote, v.headDigest = h, signed, digestOf(signed)
}

// AuditReport is what a check of one log found.
type AuditReport struct {
	Service string
	// Lines that are kept, from First to before Size.
	First, Size uint64
	// Head is the newest one as text, verified with Verifier; empty when none
	// was signed yet. Time is when it was.
	Head, Verifier string
	Time           time.Time
	// Problems are told to people; none means that nothing was changed.
	Problems []string
}

// End tells what was found.
func (v *AuditVerifier) End() AuditReport {
	if v.head.Size != v.next && len(v.problems) == 0 {
		v.problem("no head is over the last %d of its %d lines: lines were added, or heads removed", v.next-v.head.Size, v.next)
	}
	if v.head.First != v.begun && len(v.problems) == 0 {
		v.problem("it begins at line %d; its newest head says at %d", v.begun, v.head.First)
	}
	for size, c := range v.expected {
		if size > v.next {
			v.problem("it has %d lines; the head that %s holds is over %d: the last ones were removed, or the store is an older one", v.next, c.holder, size)
		}
	}
	return AuditReport{
		Service: v.service, First: v.begun, Size: v.next, Head: v.headNote, Verifier: v.verifier, Time: v.head.Time, Problems: v.problems,
	}
}
