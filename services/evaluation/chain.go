package evaluation

import (
	"bytes"
	"slices"
	"strconv"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
)

// Where the sums and the day stand among the facts of a line.
const (
	factDay = iota
	factTimes
	factCases
	factQuarters
)

// facts are what a line says of an entry, in a fixed order: all that no longer
// changes once it is confirmed.
func facts(row *pb.EntryRow) []string {
	e := row.GetEntry()
	number := func(n int32) string { return strconv.Itoa(int(n)) }
	out := []string{
		e.GetDay(), number(e.GetTimes()), number(e.GetCases()), number(e.GetQuarterHours()),
		row.GetCommunityPath(), row.GetHomePath(), number(int32(e.GetSource())), e.GetSourceId(), number(int32(e.GetKind())),
		number(e.GetFromMinute()), number(e.GetToMinute()), number(int32(e.GetResidentWord())), e.GetReverses(),
		e.GetProposedBy(), e.GetConfirmedBy(), strconv.FormatInt(e.GetConfirmedAt().AsTime().UnixNano(), 10),
	}
	for _, v := range e.GetEvidence() {
		out = append(out, number(int32(v.GetKind())), v.GetSha256(), v.GetWitnessId())
	}
	return out
}

func files(e *pb.Entry) []string {
	var out []string
	for _, v := range e.GetEvidence() {
		if v.GetSha256() != "" && !slices.Contains(out, v.GetSha256()) {
			out = append(out, v.GetSha256())
		}
	}
	return out
}

// addLine writes the next line of a member's chain.
func (s *Service) addLine(tx *store.Tx, row *pb.EntryRow, kind ledger.LineKind) (ledger.Link, error) {
	member := row.GetEntry().GetMemberId()
	head, ok, err := s.tables.heads.Get(tx, scope.All(), memberKey(member))
	if err != nil {
		return ledger.Link{}, err
	}
	line := ledger.Line{
		Member: member, Sequence: head.Value.GetLines() + 1, Kind: kind,
		Entry: row.GetEntry().GetId(), Facts: facts(row), Previous: head.Value.GetHash(),
	}
	link := ledger.Link{Line: line, Hash: line.Hash()}
	if _, err := s.tables.lines.Insert(tx, &pb.LineRow{
		MemberId: member, Sequence: line.Sequence, Kind: pb.LineKind(kind), EntryId: line.Entry,
		Facts: line.Facts, PreviousHash: line.Previous, Hash: link.Hash,
	}); err != nil {
		return link, err
	}
	next := &pb.HeadRow{MemberId: member, Lines: line.Sequence, Hash: link.Hash, SummedLines: line.Sequence}
	next.Seal = s.headSeal(next)
	if next.Years, err = s.sumsWith(tx, head.Value, row.GetEntry(), kind); err != nil {
		return link, err
	}
	if !ok {
		_, err = s.tables.heads.Insert(tx, next)
	} else {
		_, err = s.tables.heads.Replace(tx, head, next)
	}
	return link, err
}

func (s *Service) headSeal(h *pb.HeadRow) []byte {
	return s.store.Keyring().Digest("ledger head", h.GetMemberId(), strconv.FormatUint(h.GetLines(), 10), string(h.GetHash()))
}

// proof is what a walk along a member's chain found.
type proof struct {
	walk *ledger.Walk
	head *pb.HeadRow
}

const linesAtOnce = 500

// prove walks the chain of a member and compares it with the entries.
func (s *Service) prove(r kv.Reader, member string) (proof, error) {
	p := proof{walk: &ledger.Walk{Member: member}}
	q := table.Query{Prefix: memberKey(member), Limit: linesAtOnce}
	for {
		page, err := s.tables.lines.List(r, scope.All(), q)
		if err != nil {
			return p, err
		}
		for _, l := range page.Rows {
			p.walk.Next(linkOf(l.Value))
		}
		if page.Last == nil {
			break
		}
		q.After = page.Last
	}
	head, _, err := s.tables.heads.Get(r, scope.All(), memberKey(member))
	if err != nil {
		return p, err
	}
	p.head = head.Value
	if p.walk.Lines() > 0 && !bytes.Equal(s.headSeal(p.head), p.head.GetSeal()) {
		p.walk.End(p.walk.Lines(), nil) // not a head of this store's
	} else {
		p.walk.End(p.head.GetLines(), p.head.GetHash())
	}
	counted, err := s.proveEntries(r, member, p.walk)
	if err == nil && !sameSums(p.head, counted) {
		p.walk.Sums()
	}
	return p, err
}

func linkOf(l *pb.LineRow) ledger.Link {
	return ledger.Link{
		Line: ledger.Line{
			Member: l.GetMemberId(), Sequence: l.GetSequence(), Kind: ledger.LineKind(l.GetKind()),
			Entry: l.GetEntryId(), Facts: l.GetFacts(), Previous: l.GetPreviousHash(),
		},
		Hash: l.GetHash(),
	}
}

// proveEntries compares the entries with their lines, and adds up what counts.
func (s *Service) proveEntries(r kv.Reader, member string, w *ledger.Walk) (ledger.Years, error) {
	seen, years := map[string]bool{}, ledger.Years{}
	err := s.eachEntry(r, key.Key(nil).String(member), func(row *pb.EntryRow) {
		e := row.GetEntry()
		seen[e.GetId()] = true
		counts := ledger.State(e.GetState()) == ledger.Confirmed
		w.Entry(e.GetId(), counts || e.GetSequence() > 0, counts, facts(row))
		if counts {
			years.Add(e.GetDay(), sumOfEntry(e))
		}
	})
	if err != nil {
		return nil, err
	}
	var missing []string
	for id := range w.Standings() {
		if !seen[id] {
			missing = append(missing, id)
		}
	}
	slices.Sort(missing)
	for _, id := range missing {
		w.Missing(id)
	}
	return years, nil
}

// eachEntry reads a range of entries by member, day and id.
func (s *Service) eachEntry(r kv.Reader, prefix key.Key, fn func(*pb.EntryRow)) error {
	q := table.Query{Prefix: prefix, Limit: entriesAtOnce}
	for {
		page, err := s.tables.entries.List(r, scope.All(), q)
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			fn(row.Value)
		}
		if page.Last == nil {
			return nil
		}
		q.After = page.Last
	}
}

// yearsOf sums what counts in a chain by year, by replay alone.
func yearsOf(w *ledger.Walk) ledger.Years {
	years := ledger.Years{}
	for _, at := range w.Standings() {
		if !at.Counts() || len(at.Facts) <= factQuarters {
			continue
		}
		n := [3]int32{}
		for i, f := range []int{factTimes, factCases, factQuarters} {
			v, err := strconv.ParseInt(at.Facts[f], 10, 32)
			if err != nil {
				continue // a changed line; the walk has said so
			}
			n[i] = int32(v)
		}
		years.Add(at.Facts[factDay], ledger.Sum{Times: n[0], Cases: n[1], QuarterHours: n[2]})
	}
	return years
}

// chainCheck is the chain as fsck sees it: every member's lines, and that none
// lacks a head.
type chainCheck struct{ s *Service }

// Name answers the check's word.
func (chainCheck) Name() string { return "ledger_chain" }

// Numbers are none of its own: the tables it reads are checked as such too.
func (chainCheck) Numbers() []uint16 { return nil }

// Check proves every member's chain, each on one snapshot.
func (c chainCheck) Check(view func(func(kv.Reader) error) error) (table.Report, error) {
	var report table.Report
	report.Count(c.Name(), 0)
	after := ""
	for more := true; more; {
		err := view(func(r kv.Reader) error {
			member, ok, err := c.s.nextMember(r, after)
			if more = ok && err == nil; !more {
				return err
			}
			after = member
			p, err := c.s.prove(r, member)
			if err != nil {
				return err
			}
			report.Count(c.Name(), 1)
			for _, f := range p.walk.Faults() {
				report.Problem("ledger chain: " + f.What)
			}
			return nil
		})
		if err != nil {
			return report, err
		}
	}
	return report, nil
}

// nextMember answers the member after another who has a head, a line or an
// entry, in the order of keys.
func (s *Service) nextMember(r kv.Reader, after string) (member string, ok bool, err error) {
	at := key.Key(nil)
	if after != "" {
		at = key.Key(memberKey(after).End())
	}
	take := func(id string) {
		if !ok || bytes.Compare(memberKey(id), memberKey(member)) < 0 {
			member, ok = id, true
		}
	}
	heads, err := s.tables.heads.List(r, scope.All(), table.Query{After: at, Limit: 1})
	if err != nil {
		return "", false, err
	}
	lines, err := s.tables.lines.List(r, scope.All(), table.Query{After: at, Limit: 1})
	if err != nil {
		return "", false, err
	}
	entries, err := s.tables.entries.List(r, scope.All(), table.Query{After: at, Limit: 1})
	if err != nil {
		return "", false, err
	}
	for _, h := range heads.Rows {
		take(h.Value.GetMemberId())
	}
	for _, l := range lines.Rows {
		take(l.Value.GetMemberId())
	}
	for _, e := range entries.Rows {
		take(e.Value.GetEntry().GetMemberId())
	}
	return member, ok, nil
}

func (s *Service) ledgerCheckers() []table.Checker {
	return []table.Checker{
		s.tables.lines, s.tables.heads, s.tables.codes, s.tables.alarms, chainCheck{s},
	}
}
