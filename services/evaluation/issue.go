package evaluation

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/cycle"
)

// sliceLetters keeps a slice of issuing inside the limits of a commit.
const sliceLetters = 50

// codeLetters have no two that look alike (Crockford's base 32).
const codeLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newCode answers twelve letters, 60 bits, that nobody guesses.
func newCode() string {
	random := make([]byte, 12)
	_, _ = rand.Read(random) // never fails
	for i, b := range random {
		random[i] = codeLetters[int(b)%len(codeLetters)]
	}
	return string(random)
}

// issueSlice issues one page of a closing cycle's letters. Their lines do not
// change meanwhile: corrections wait for the close.
func (s *Service) issueSlice(ctx context.Context, row table.Row[*pb.CycleRow]) error {
	var page table.Listing[*pb.LetterRow]
	var issues []issuing
	now := s.store.Civil().Now()
	err := s.store.View(ctx, func(r kv.Reader) (err error) {
		page, err = s.tables.letters.List(r, scope.All(), table.Query{
			Prefix: cycleKey(row.Value.GetCycle().GetId()), After: row.Value.GetCursor(), Limit: sliceLetters,
		})
		for _, letter := range page.Rows {
			is, err := s.issuing(r, letter.Value, nil, now)
			if err != nil {
				return err
			}
			issues = append(issues, is)
		}
		return err
	})
	if err != nil {
		return err
	}
	for i := range issues {
		issues[i].code = newCode()
	}
	return s.store.Update(ctx, func(tx *store.Tx) error {
		p, err := s.policies.For(tx, scope.Path(row.Value.GetDistrictPath()), now.In(clock.Shanghai()).Year())
		if err != nil {
			return err
		}
		for i, letter := range page.Rows {
			if _, err := s.issue(tx, p, letter, issues[i]); err != nil {
				return err
			}
		}
		if page.Last != nil {
			next := proto.CloneOf(row.Value)
			next.Cursor = page.Last
			_, err := s.tables.cycles.Replace(tx, row, next)
			return err
		}
		closed, err := s.moveCycle(tx, row, cycle.Issue, func(r *pb.CycleRow) { r.Cycle.ClosedAt = timestamppb.New(now) })
		if err != nil {
			return err
		}
		return tx.Emit(cycleEvent("cycle.closed", closed, now))
	})
}

// issuing is what a letter is issued with.
type issuing struct {
	code       string
	correction []byte // sealed
	noted      []*pb.NotedMember
	digest     []byte
	at         time.Time
}

// issuing reads what a letter says at a time. changed stands in for the line of
// its member.
func (s *Service) issuing(r kv.Reader, l *pb.LetterRow, changed *pb.ResultRow, at time.Time) (issuing, error) {
	noted, err := s.noted(r, l, clock.Day(at))
	if err != nil {
		return issuing{}, err
	}
	says := proto.CloneOf(l)
	says.Noted = noted
	digest, err := s.digest(r, says, changed)
	return issuing{noted: noted, digest: digest, at: at}, err
}

// issue issues a letter, the first time or again: under a new code, and a reply
// is asked for.
func (s *Service) issue(tx *store.Tx, p policy.Policy, row table.Row[*pb.LetterRow], is issuing) (table.Row[*pb.LetterRow], error) {
	next := proto.CloneOf(row.Value)
	l := next.GetLetter()
	if l.GetIssue() > 0 {
		if err := s.supersede(tx, l); err != nil {
			return row, err
		}
	}
	l.Issue++
	l.Code, l.Correction, l.IssuedAt, l.Reminders, l.RepliedAt = is.code, "", timestamppb.New(is.at), 0, nil
	next.RemindAt, next.Reply, next.SealedWhy = timestamppb.New(endOfDays(is.at, p.Int("evaluation.reply_days"))), nil, nil
	next.SealedCorrection, next.Noted = is.correction, is.noted
	_, err := s.sheetTables.issues.Insert(tx, &pb.IssueRow{
		Code: is.code, LetterId: l.GetId(), Issue: l.GetIssue(), Digest: is.digest, IssuedAt: l.GetIssuedAt(),
		Members: l.GetMembers(), Year: l.GetYear(), SealedCorrection: is.correction,
	})
	if err != nil {
		return row, err
	}
	kept, err := s.tables.letters.Replace(tx, row, next)
	if err != nil {
		return row, err
	}
	return kept, tx.Emit(letterEvent("letter.issued", kept, is.at))
}

// supersede marks the present issue of a letter.
func (s *Service) supersede(tx *store.Tx, l *pb.Letter) error {
	row, ok, err := s.sheetTables.issues.By(tx, scope.All(), byLetter, issueKey(l.GetId(), l.GetIssue()))
	if err == nil && !ok {
		err = rule.Absent("letter", l.GetId())
	}
	if err != nil {
		return err
	}
	next := proto.CloneOf(row.Value)
	next.Superseded = true
	_, err = s.sheetTables.issues.Replace(tx, row, next)
	return err
}

// digest answers the SHA-256 of a letter's facts: year, home organization and
// every line, each behind its length. changed stands in for the line of its
// member.
func (s *Service) digest(r kv.Reader, l *pb.LetterRow, changed *pb.ResultRow) ([]byte, error) {
	sum := sha256.New()
	add := func(b []byte) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(b)))
		sum.Write(length[:])
		sum.Write(b)
	}
	add(binary.BigEndian.AppendUint32(nil, uint32(l.GetLetter().GetYear())))
	add([]byte(l.GetHomePath()))
	of := letterLines{Service: s, ids: notedBy(l)}
	for q := linesOf(l); ; {
		page, err := s.tables.results.List(r, scope.All(), q)
		if err == nil {
			err = s.fill(r, page.Rows...)
		}
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			line := row.Value
			if changed.GetMemberId() == line.GetMemberId() {
				line = changed
			}
			fact, err := of.fact(line)
			if err != nil {
				return nil, err
			}
			text, err := proto.MarshalOptions{Deterministic: true}.Marshal(fact)
			if err != nil {
				return nil, err
			}
			add(text)
		}
		if page.Last == nil {
			return sum.Sum(nil), nil
		}
		q.After = page.Last
	}
}

// CorrectResult sums a member's year anew after the close and issues the letter
// again.
func (s sheets) CorrectResult(ctx context.Context, req *pb.CorrectResultRequest) (*pb.CorrectResultResponse, error) {
	call, now, code := access.From(ctx), s.store.Civil().Now(), newCode()
	reason := s.sealText(req.GetReason(), correctionPlace(code))
	opinion := s.sealText(req.GetOpinionText(), opinionPlace(req.GetCycleId(), req.GetMemberId()))
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.CorrectResultResponse, error) {
		c, err := s.cycle(tx, scope.Scope{Paths: call.Scope.Paths}, req.GetCycleId())
		if err != nil {
			return nil, err
		}
		if err := cycle.CheckCorrect(cycle.State(c.Value.GetCycle().GetState())); err != nil {
			return nil, err
		}
		row, ok, err := s.tables.results.By(tx, scope.All(), byMember, memberCycleKey(req.GetMemberId(), req.GetCycleId()))
		if err == nil && !ok {
			err = rule.Absent("sheet", req.GetMemberId())
		}
		if err == nil {
			err = s.fill(tx, row)
		}
		if err != nil {
			return nil, err
		}
		var changed *pb.ResultRow
		err = s.sumAgain(tx, row, func(next *pb.ResultRow) {
			if req.GetOpinion() != pb.Opinion_OPINION_UNSPECIFIED {
				putOpinion(next, req.GetOpinion(), opinion, call.Person)
			}
			next.CorrectedAt, changed = timestamppb.New(now), next
		})
		if err != nil {
			return nil, err
		}
		kept, err := s.issueAgain(ctx, tx, c.Value, changed, code, reason, now)
		if err != nil {
			return nil, err
		}
		// The reason can speak of the member: it stays with the issue, sealed.
		tx.Audit(store.Record{Rows: []string{req.GetCycleId(), req.GetMemberId(), kept.Value.GetLetter().GetId()}})
		letter, err := s.letterProto(kept.Value)
		return &pb.CorrectResultResponse{Letter: letter}, err
	})
}

// issueAgain issues the letter that holds a changed line. The other lines are
// read on a snapshot of their own, since there can be more of them than one
// commit checks; a second correction of the same letter writes the same row, so
// one of the two runs again.
func (s sheets) issueAgain(ctx context.Context, tx *store.Tx, c *pb.CycleRow, changed *pb.ResultRow, code string, reason []byte, now time.Time) (table.Row[*pb.LetterRow], error) {
	letter, ok, err := s.tables.letters.Get(tx, scope.All(), homeKey(changed.GetCycleId(), changed.GetHomePath()))
	if err == nil && !ok {
		err = rule.Absent("letter", changed.GetMemberId())
	}
	if err != nil {
		return letter, err
	}
	var is issuing
	err = s.store.View(ctx, func(r kv.Reader) (err error) {
		is, err = s.issuing(r, letter.Value, changed, now)
		return err
	})
	if err != nil {
		return letter, err
	}
	p, err := s.policies.For(tx, scope.Path(c.GetDistrictPath()), now.In(clock.Shanghai()).Year())
	if err != nil {
		return letter, err
	}
	is.code, is.correction = code, reason
	return s.issue(tx, p, letter, is)
}

// sumAgain sums a member's year anew, by what the ledger, the poll and the
// survey say now and by the policy that holds now, and puts the difference into
// the letter and the cycle.
func (s *Service) sumAgain(tx *store.Tx, row table.Row[*pb.ResultRow], change func(*pb.ResultRow)) error {
	c, err := s.cycle(tx, scope.All(), row.Value.GetCycleId())
	if err != nil {
		return err
	}
	year := c.Value.GetCycle().GetYear()
	f, err := s.reading(tx, year, newSaid()).of(row.Value)
	if err != nil {
		return err
	}
	p, err := s.policies.For(tx, scope.Path(c.Value.GetDistrictPath()), int(year))
	if err != nil {
		return err
	}
	by, err := newMeasure(row.Value.GetCycleId(), p)
	if err == nil {
		err = s.keepQuotes(tx, by.quotes)
	}
	if err != nil {
		return err
	}
	next := by.summed(row.Value, f)
	change(next)
	if _, err := s.tables.results.Replace(tx, row, next); err != nil {
		return err
	}
	return s.addDifference(tx, c, row.Value, next)
}

// addDifference puts what changed of a result into its letter and its cycle.
func (s *Service) addDifference(tx *store.Tx, c table.Row[*pb.CycleRow], before, after *pb.ResultRow) error {
	was, is := sumOf(before), sumOf(after)
	if was == is {
		return nil
	}
	letter, ok, err := s.tables.letters.Get(tx, scope.All(), homeKey(after.GetCycleId(), after.GetHomePath()))
	if err == nil && !ok {
		err = rule.Absent("letter", after.GetMemberId())
	}
	if err != nil {
		return err
	}
	l, total := proto.CloneOf(letter.Value), proto.CloneOf(c.Value)
	served := int64(0)
	switch {
	case is.Any() && !was.Any():
		served = 1
	case was.Any() && !is.Any():
		served = -1
	}
	times, cases, quarters := int64(is.Times-was.Times), int64(is.Cases-was.Cases), int64(is.QuarterHours-was.QuarterHours)
	l.Letter.MembersWithService += served
	l.Letter.Times, l.Letter.Cases, l.Letter.QuarterHours = l.Letter.Times+times, l.Letter.Cases+cases, l.Letter.QuarterHours+quarters
	total.Cycle.MembersWithService += served
	total.Cycle.Times, total.Cycle.Cases, total.Cycle.QuarterHours = total.Cycle.Times+times, total.Cycle.Cases+cases, total.Cycle.QuarterHours+quarters
	if _, err := s.tables.letters.Replace(tx, letter, l); err != nil {
		return err
	}
	_, err = s.tables.cycles.Replace(tx, c, total)
	return err
}
