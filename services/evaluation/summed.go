package evaluation

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

const (
	// pageMembers and pageBytes bound a page of sums: what is read to show one
	// sheet, and well below the largest value of the store.
	pageMembers = 100
	pageBytes   = 40 << 10
	// memberBytes is what a member takes of a page beside the composite.
	memberBytes = 80
)

// summedPages cuts the sums of members, in the order of the roster, into pages.
type summedPages struct {
	all   []*pb.SummedPageRow
	at    map[*pb.CompositeRow]int32 // where the present page has a composite
	bytes int
}

func (p *summedPages) add(row *pb.ResultRow, f figures) {
	if n := len(p.all); n == 0 || len(p.all[n-1].GetMembers()) == pageMembers || p.bytes > pageBytes {
		p.all = append(p.all, &pb.SummedPageRow{CycleId: row.GetCycleId(), HomePath: row.GetHomePath(), MemberId: row.GetMemberId()})
		p.at, p.bytes = map[*pb.CompositeRow]int32{}, 0
	}
	page := p.all[len(p.all)-1]
	at, known := p.at[f.composite]
	if !known {
		at = int32(len(page.GetComposites()))
		page.Composites = append(page.Composites, f.composite)
		p.at[f.composite] = at
		p.bytes += proto.Size(f.composite)
	}
	p.bytes += memberBytes
	page.Members = append(page.Members, &pb.MemberSum{
		MemberId: row.GetMemberId(), Times: f.sum.Times, Cases: f.sum.Cases, QuarterHours: f.sum.QuarterHours,
		Proposed: f.proposed, Composite: at,
	})
}

// keep writes the pages. Nobody else writes them.
func (p *summedPages) keep(tx *store.Tx, t *table.Table[*pb.SummedPageRow]) error {
	for _, page := range p.all {
		if _, err := t.Insert(tx, page); err != nil {
			return err
		}
	}
	return nil
}

// fill puts the figures of summed pages into rows of the roster that have none
// of their own. Rows with figures of their own were changed since, or are of
// before there were pages; rows of a cycle that is not summed stay as they are.
func (s *Service) fill(r kv.Reader, rows ...table.Row[*pb.ResultRow]) error {
	var page *pb.SummedPageRow
	sums := map[string]*pb.MemberSum{}
	for _, row := range rows {
		v := row.Value
		if v == nil || v.GetComposite() != nil {
			continue
		}
		if sums[v.GetMemberId()] == nil || page.GetCycleId() != v.GetCycleId() {
			var err error
			if page, err = s.summedPage(r, v); err != nil {
				return err
			}
			clear(sums)
			for _, m := range page.GetMembers() {
				sums[m.GetMemberId()] = m
			}
		}
		m, ok := sums[v.GetMemberId()]
		if !ok {
			continue
		}
		if int(m.GetComposite()) >= len(page.GetComposites()) {
			return fmt.Errorf("%w: a summed page lacks a composite", kv.ErrCorrupt)
		}
		v.Times, v.Cases, v.QuarterHours = m.GetTimes(), m.GetCases(), m.GetQuarterHours()
		v.Proposed, v.Composite = m.GetProposed(), page.GetComposites()[m.GetComposite()]
	}
	return nil
}

// summedPage answers the page that holds a member, nil for none: the last one
// that begins at the member or before.
func (s *Service) summedPage(r kv.Reader, row *pb.ResultRow) (*pb.SummedPageRow, error) {
	found, err := s.tables.summed.List(r, scope.All(), table.Query{
		Prefix: cycleKey(row.GetCycleId()), Reverse: true, Limit: 1,
		After: append(resultKey(row.GetCycleId(), row.GetHomePath(), row.GetMemberId()), 0),
	})
	if err != nil || len(found.Rows) == 0 {
		return nil, err
	}
	return found.Rows[0].Value, nil
}
