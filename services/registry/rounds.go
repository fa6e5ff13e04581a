package registry

import (
	"context"
	"slices"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// What many are told of is told in rounds: slices of a bounded size, each of
// them committed with where the next one begins, so that a kill at any moment
// loses nobody and tells nobody twice.

const (
	roundTick  = 500 * time.Millisecond
	sweepEvery = time.Minute
)

func listSome(n int) table.Query { return table.Query{Limit: n} }

// goRound works on rounds, on messages whose time comes, and on those that were
// kept long enough, until the context ends.
func (s *Service) goRound(ctx context.Context) error {
	tick := time.NewTicker(roundTick)
	defer tick.Stop()
	var swept time.Time
	for {
		n, err := s.tellDue(ctx)
		if now := s.store.Wall().Now(); err == nil && now.Sub(swept) >= sweepEvery {
			swept = now
			err = s.sweepOld(ctx)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.log.Error("tell what many wait for", "error", err)
		}
		if n > 0 && err == nil {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tellDue tells one slice of the oldest round and lets messages out whose time
// has come; it answers how much it did.
func (s *Service) tellDue(ctx context.Context) (n int, err error) {
	civil, wall := s.store.Civil().Now(), s.store.Wall().Now()
	var waits, rounds bool
	err = s.store.View(ctx, func(r kv.Reader) error {
		first, err := s.waiting.List(r, scope.All(), listSome(1))
		if err != nil {
			return err
		}
		waits = len(first.Rows) > 0 && !first.Rows[0].Value.GetDue().AsTime().After(civil)
		oldest, err := s.rounds.List(r, scope.All(), listSome(1))
		rounds = len(oldest.Rows) > 0
		return err
	})
	if err == nil && waits {
		err = s.store.Update(ctx, func(tx *store.Tx) (err error) {
			n, err = s.sendWaiting(tx, civil, wall)
			return err
		})
	}
	if err == nil && rounds {
		n++
		err = s.store.Update(ctx, s.roundSlice)
	}
	return n, err
}

// roundSlice tells one slice of the oldest round.
func (s *Service) roundSlice(tx *store.Tx) error {
	page, err := s.rounds.List(tx, scope.All(), listSome(1))
	if err != nil || len(page.Rows) == 0 {
		return err
	}
	row := page.Rows[0]
	notices, next, err := s.roundNotices(tx, row.Value)
	if err != nil {
		return err
	}
	if err := s.tellAll(tx, row.Value.GetEvent(), notices); err != nil {
		return err
	}
	if next == nil {
		return s.rounds.Delete(tx, row)
	}
	_, err = s.rounds.Replace(tx, row, next)
	return err
}

// sweepOld takes away what was kept long enough, in slices.
func (s *Service) sweepOld(ctx context.Context) error {
	civil := s.store.Civil().Now()
	for {
		n := 0
		err := s.store.Update(ctx, func(tx *store.Tx) (err error) {
			n, err = s.sweep(tx, civil)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

// The walk through members has two parts, like the roster of a
// cycle: those whose home organization lies in it, then those from elsewhere who
// reported in here. The cursor's first byte says which part it belongs to.
const (
	walkHomes    = 'h'
	walkReported = 'r'
)

// walkOn answers the next slice of those whom only a walk finds.
func (s *Service) walkOn(r kv.Reader, a announcement, t tell, next *pb.RoundRow) ([]notice, *pb.RoundRow, error) {
	all, err := a.read(next.GetEvent(), s.placesIn(r))
	if err != nil {
		return nil, nil, err
	}
	f := all[0]
	addresses, err := s.walkSlice(r, t.to, scope.Path(f.under), next)
	if err != nil {
		return nil, nil, err
	}
	var out []notice
	for _, address := range addresses {
		out = append(out, f.notice(address, t))
	}
	if len(next.GetCursor()) == 0 {
		next = nil
	}
	return out, next, nil
}

// walkSlice answers some addresses and moves the cursor; an empty one afterwards
// is the end.
func (s *Service) walkSlice(r kv.Reader, to who, under scope.Path, next *pb.RoundRow) ([]string, error) {
	part, after := byte(walkHomes), key.Key(nil)
	if c := next.GetCursor(); len(c) > 0 {
		part = c[0]
		if len(c) > 1 {
			after = c[1:]
		}
	}
	// A path that begins like the district's lies in it: Prefix cuts the key inside
	// its string.
	q := table.Query{Prefix: key.Key(nil).Prefix(string(under)), After: after, Limit: tellAtOnce}
	next.Cursor = nil
	switch {
	case to != everyMember && to != everyMemberHere:
		q.Index = byPath
		page, err := s.organizations.List(r, scope.All(), q)
		if page.Last != nil {
			next.Cursor = append([]byte{walkHomes}, page.Last...)
		}
		var out []string
		for _, o := range page.Rows {
			if slices.Contains(walked(to), o.Value.GetKind()) {
				out = append(out, toOffice(o.Value.GetPath()))
			}
		}
		return out, err
	case part == walkHomes:
		q.Index = byHome
		page, err := s.members.List(r, scope.All(), q)
		if to == everyMember {
			next.Cursor = []byte{walkReported}
		}
		if page.Last != nil {
			next.Cursor = append([]byte{walkHomes}, page.Last...)
		}
		var out []string
		for _, m := range page.Rows {
			out = append(out, toPerson(m.Value.GetMember().GetId()))
		}
		return out, err
	default:
		return s.walkReported(r, under, q, next)
	}
}

// walkReported answers members from elsewhere whose report-in was accepted here.
func (s *Service) walkReported(r kv.Reader, under scope.Path, q table.Query, next *pb.RoundRow) ([]string, error) {
	q.Index = byCommunity
	page, err := s.reportIns.List(r, scope.All(), q)
	if page.Last != nil {
		next.Cursor = append([]byte{walkReported}, page.Last...)
	}
	var out []string
	for _, row := range page.Rows {
		accepted := row.Value.GetReportIn().GetState() == pb.ReportInState_REPORT_IN_STATE_ACCEPTED
		if accepted && !under.Contains(scope.Path(row.Value.GetHomePath())) {
			out = append(out, toPerson(row.Value.GetReportIn().GetMemberId()))
		}
	}
	return out, err
}

// walked are the kinds of organizations that a walk stops at.
func walked(to who) []pb.OrganizationKind {
	switch to {
	case everyCommunity:
		return []pb.OrganizationKind{pb.OrganizationKind_ORGANIZATION_KIND_COMMUNITY}
	case everyHome:
		return []pb.OrganizationKind{
			pb.OrganizationKind_ORGANIZATION_KIND_COMMUNITY, pb.OrganizationKind_ORGANIZATION_KIND_WORKPLACE,
			pb.OrganizationKind_ORGANIZATION_KIND_BRANCH,
		}
	}
	return []pb.OrganizationKind{
		pb.OrganizationKind_ORGANIZATION_KIND_STREET, pb.OrganizationKind_ORGANIZATION_KIND_COMMUNITY,
		pb.OrganizationKind_ORGANIZATION_KIND_WORKPLACE, pb.OrganizationKind_ORGANIZATION_KIND_BRANCH,
		pb.OrganizationKind_ORGANIZATION_KIND_FUNCTIONAL_GROUP, pb.OrganizationKind_ORGANIZATION_KIND_HEART_HOME,
	}
}
