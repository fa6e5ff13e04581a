package evaluation

import (
	"context"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
)

// largestLetterPage is how many lines one answer of GetLetter holds.
const largestLetterPage = 500

// newLetter is a letter without sums; id and time are given when it is kept.
func newLetter(c *pb.CycleRow, homePath string) *pb.LetterRow {
	return &pb.LetterRow{
		Letter: &pb.Letter{
			CycleId: c.GetCycle().GetId(), HomeOrganizationId: scope.Path(homePath).ID(), Year: c.GetCycle().GetYear(),
		},
		HomePath: homePath, DistrictPath: c.GetDistrictPath(),
	}
}

func addToLetter(l *pb.Letter, s ledger.Sum) {
	l.Members++
	if s.Any() {
		l.MembersWithService++
	}
	l.Times += int64(s.Times)
	l.Cases += int64(s.Cases)
	l.QuarterHours += int64(s.QuarterHours)
}

func sumOf(r *pb.ResultRow) ledger.Sum {
	return ledger.Sum{Times: r.GetTimes(), Cases: r.GetCases(), QuarterHours: r.GetQuarterHours()}
}

func addToCycle(c *pb.Cycle, s ledger.Sum) {
	if s.Any() {
		c.MembersWithService++
	}
	c.Times += int64(s.Times)
	c.Cases += int64(s.Cases)
	c.QuarterHours += int64(s.QuarterHours)
}

// keepLetters adds a slice to its letters and answers how many are new: a
// home organization's members can lie in two slices.
func (s *Service) keepLetters(tx *store.Tx, letters []*pb.LetterRow) (made int64, err error) {
	for _, part := range letters {
		row, ok, err := s.tables.letters.Get(tx, scope.All(), homeKey(part.GetLetter().GetCycleId(), part.GetHomePath()))
		if err != nil {
			return 0, err
		}
		if !ok {
			if _, err := s.tables.letters.Insert(tx, part); err != nil {
				return 0, err
			}
			made++
			continue
		}
		next := proto.CloneOf(row.Value)
		next.Letter.Members += part.GetLetter().GetMembers()
		next.Letter.MembersWithService += part.GetLetter().GetMembersWithService()
		next.Letter.Times += part.GetLetter().GetTimes()
		next.Letter.Cases += part.GetLetter().GetCases()
		next.Letter.QuarterHours += part.GetLetter().GetQuarterHours()
		if _, err := s.tables.letters.Replace(tx, row, next); err != nil {
			return 0, err
		}
	}
	return made, nil
}

// ListLetters answers the letters of a computed cycle, without lines.
func (s *Service) ListLetters(ctx context.Context, req *pb.ListLettersRequest) (*pb.ListLettersResponse, error) {
	call := access.From(ctx)
	reply := &pb.ListLettersResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		if _, err := s.cycle(r, call.Scope, req.GetCycleId()); err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: call.Scope, Filter: []string{req.GetCycleId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.tables.letters, r, page, table.Query{Prefix: cycleKey(req.GetCycleId())})
		for _, row := range rows {
			letter, err := s.letterProto(row.Value)
			if err != nil {
				return err
			}
			reply.Letters = append(reply.Letters, letter)
		}
		reply.NextPageToken = next
		return err
	})
	return reply, err
}

// GetLetter answers the facts of one letter.
func (s *Service) GetLetter(ctx context.Context, req *pb.GetLetterRequest) (*pb.GetLetterResponse, error) {
	call := access.From(ctx)
	reply, day := &pb.GetLetterResponse{}, s.today()
	size := req.GetPageSize()
	if size == 0 {
		size = largestLetterPage
	}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.letter(r, call.Scope, req.GetId())
		if err != nil {
			return err
		}
		if err := s.notSubject(r, call.Person, row.Value); err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: linesScope(call, row.Value), Filter: []string{req.GetId()},
			Size: size, Max: largestLetterPage, Token: req.GetPageToken(),
		}
		lines, next, err := table.Page(s.pager, s.tables.results, r, page, linesOf(row.Value))
		if err == nil {
			err = s.fill(r, lines...)
		}
		if err != nil {
			return err
		}
		if reply.Letter, err = s.letterProto(row.Value); err != nil {
			return err
		}
		reply.Letter.NextPageToken = next
		of := s.linesFor(call, row.Value, day)
		for _, l := range lines {
			line, err := of.line(r, l.Value)
			if err != nil {
				return err
			}
			reply.Letter.Lines = append(reply.Letter.Lines, line)
		}
		return nil
	})
	if err == nil {
		err = s.traceReading(ctx, notesOf(reply.GetLetter().GetLines())...)
	}
	if err != nil {
		return nil, err
	}
	return reply, nil
}

func (s *Service) letter(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.LetterRow], error) {
	row, ok, err := s.tables.letters.By(r, scope.Scope{Paths: sc.Paths}, byID, key.Key(nil).String(id))
	if err == nil && !ok {
		err = rule.Absent("letter", id)
	}
	return row, err
}

// linesScope opens the lines of a letter that the caller may read: a letter to
// an external organization is read by the district, which has no grant there.
func linesScope(call access.Call, l *pb.LetterRow) scope.Scope {
	return scope.Scope{Paths: []scope.Path{scope.Path(l.GetHomePath())}, Person: call.Person}
}

// linesOf is the range of a letter's lines.
func linesOf(l *pb.LetterRow) table.Query {
	return table.Query{Prefix: homeKey(l.GetLetter().GetCycleId(), l.GetHomePath()), Limit: largestLetterPage}
}
