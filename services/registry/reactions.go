package registry

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
)

// figureAt names one figure row.
type figureAt struct {
	dimension, path string
	kind            pb.MemberKind
}

func (a figureAt) key() key.Key {
	return key.Key(nil).String(a.dimension).String(a.path).Uint(uint64(a.kind))
}

// daysAt names one row of days.
type daysAt struct {
	path string
	kind pb.MemberKind
}

// deltas are what one event adds to the figures. Sums do not mind the order in
// which events come.
type deltas struct {
	figures map[figureAt]*pb.FigureRow
	days    map[daysAt]map[string]int64
}

func newDeltas() deltas {
	return deltas{figures: map[figureAt]*pb.FigureRow{}, days: map[daysAt]map[string]int64{}}
}

// place is where and as what a member counts.
type place struct {
	home, residence string
	kind            pb.MemberKind
}

func (d deltas) at(p place, do func(*pb.FigureRow)) {
	for _, at := range []figureAt{{dimensionHome, p.home, p.kind}, {dimensionResidence, p.residence, p.kind}} {
		if d.figures[at] == nil {
			d.figures[at] = &pb.FigureRow{Dimension: at.dimension, Path: at.path, Kind: at.kind}
		}
		do(d.figures[at])
	}
}

// on adds to a day on which somebody counts as accepted; "" is none.
func (d deltas) on(p place, day string, by int64) {
	if day == "" {
		return
	}
	at := daysAt{p.home, p.kind}
	if d.days[at] == nil {
		d.days[at] = map[string]int64{}
	}
	d.days[at][day] += by
}

// applyFigures adds an event of members or report-ins to the figures.
func (s *Service) applyFigures(tx *store.Tx, e *typev1.EventRow) error {
	d := newDeltas()
	if e.GetSubject() == "linli.registry.member.imported" {
		var ev pb.MembersImported
		if err := events.Decode(e, &ev); err != nil {
			return err
		}
		for _, m := range ev.GetMembers() {
			d.addMember(m)
		}
		return s.addFigures(tx, d)
	}
	var ev pb.ReportInsChanged
	if err := events.Decode(e, &ev); err != nil {
		return err
	}
	for _, c := range ev.GetReportIns() {
		d.addReportIn(c)
	}
	return s.addFigures(tx, d)
}

// applyMoves lets what belongs to a member follow where a roster moved the
// member.
func (s *Service) applyMoves(tx *store.Tx, e *typev1.EventRow) error {
	var ev pb.MembersImported
	if err := events.Decode(e, &ev); err != nil {
		return err
	}
	return campaigns{Service: s}.followMoves(tx, ev.GetMembers(), s.day(e.GetCivilTime().AsTime()))
}

// addMember counts a new member, or moves a known one with the report-in.
func (d deltas) addMember(m *pb.MemberState) {
	now := place{m.GetHomePath(), m.GetCommunityPath(), m.GetKind()}
	before := place{m.GetPreviousHomePath(), m.GetPreviousCommunityPath(), m.GetPreviousKind()}
	if now == before {
		return
	}
	d.at(now, func(f *pb.FigureRow) { count(f, m.GetReportInState(), 1); f.Members++ })
	d.on(now, m.GetCountedOn(), 1)
	if before.kind != pb.MemberKind_MEMBER_KIND_UNSPECIFIED {
		d.at(before, func(f *pb.FigureRow) { count(f, m.GetReportInState(), -1); f.Members-- })
		d.on(before, m.GetCountedOn(), -1)
	}
}

func (d deltas) addReportIn(c *pb.ReportInStateChange) {
	at := place{c.GetHomePath(), c.GetResidencePath(), c.GetMemberKind()}
	d.at(at, func(f *pb.FigureRow) {
		count(f, c.GetPreviousState(), -1)
		count(f, c.GetState(), 1)
	})
	d.on(at, c.GetPreviousCountedOn(), -1)
	d.on(at, c.GetCountedOn(), 1)
}

func count(f *pb.FigureRow, state pb.ReportInState, by int64) {
	switch state {
	case pb.ReportInState_REPORT_IN_STATE_SUBMITTED:
		f.Submitted += by
	case pb.ReportInState_REPORT_IN_STATE_ACCEPTED:
		f.Accepted += by
	case pb.ReportInState_REPORT_IN_STATE_RETURNED:
		f.Returned += by
	}
}

func (s *Service) addFigures(tx *store.Tx, d deltas) error {
	order := slices.SortedFunc(maps.Keys(d.figures), func(a, b figureAt) int {
		return cmp.Or(cmp.Compare(a.dimension, b.dimension), cmp.Compare(a.path, b.path), cmp.Compare(a.kind, b.kind))
	})
	for _, at := range order {
		if err := s.addFigure(tx, at, d.figures[at]); err != nil {
			return fmt.Errorf("figure: %w", err)
		}
	}
	homes := slices.SortedFunc(maps.Keys(d.days), func(a, b daysAt) int { return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.kind, b.kind)) })
	for _, at := range homes {
		if err := s.addDays(tx, at, d.days[at]); err != nil {
			return fmt.Errorf("figure of days: %w", err)
		}
	}
	return nil
}

func (s *Service) addDays(tx *store.Tx, at daysAt, by map[string]int64) error {
	row, ok, err := s.days.Get(tx, scope.All(), daysKey(at.path, at.kind))
	if err != nil {
		return err
	}
	next := &pb.DaysRow{Path: at.path, Kind: at.kind}
	if ok {
		next = proto.CloneOf(row.Value)
	}
	for _, day := range slices.Sorted(maps.Keys(by)) {
		i, known := slices.BinarySearchFunc(next.Days, day, func(d *pb.DayCount, day string) int { return cmp.Compare(d.GetDay(), day) })
		if !known {
			next.Days = slices.Insert(next.Days, i, &pb.DayCount{Day: day})
		}
		next.Days[i].Accepted += by[day]
	}
	next.Days = slices.DeleteFunc(next.Days, func(d *pb.DayCount) bool { return d.GetAccepted() == 0 })
	if !ok {
		_, err = s.days.Insert(tx, next)
		return err
	}
	_, err = s.days.Replace(tx, row, next)
	return err
}

func (s *Service) addFigure(tx *store.Tx, at figureAt, by *pb.FigureRow) error {
	if by.GetMembers()|by.GetSubmitted()|by.GetAccepted()|by.GetReturned() == 0 {
		return nil
	}
	row, ok, err := s.figures.Get(tx, scope.All(), at.key())
	if err != nil {
		return err
	}
	if !ok {
		_, err = s.figures.Insert(tx, proto.CloneOf(by))
		return err
	}
	next := proto.CloneOf(row.Value)
	next.Members += by.GetMembers()
	next.Submitted += by.GetSubmitted()
	next.Accepted += by.GetAccepted()
	next.Returned += by.GetReturned()
	_, err = s.figures.Replace(tx, row, next)
	return err
}
