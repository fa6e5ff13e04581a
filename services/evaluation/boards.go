package evaluation

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/honor"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
)

func boardProto(row table.Row[*pb.BoardRow]) *pb.Board {
	out := proto.CloneOf(row.Value.GetBoard())
	out.Etag = row.Etag()
	return out
}

func (s *Service) organization(r kv.Reader, id, field string) (copies.Organization, error) {
	o, ok, err := s.organizations.Get(r, id)
	if err == nil && !ok {
		err = rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", field, "id", id)
	}
	return o, err
}

// CreateBoard makes a board; a community has one of each kind.
func (s *Service) CreateBoard(ctx context.Context, req *pb.CreateBoardRequest) (*pb.CreateBoardResponse, error) {
	id, now := s.ids("brd"), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.CreateBoardResponse, error) {
		community, err := s.organization(tx, req.GetCommunityId(), "community_id")
		if err != nil {
			return nil, err
		}
		if community.Kind != registryv1.OrganizationKind_ORGANIZATION_KIND_COMMUNITY {
			return nil, rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "community_id", "id", req.GetCommunityId())
		}
		at := idKey(string(community.Path)).Uint(uint64(req.GetKind()))
		_, exists, err := s.tables.boards.By(tx, scope.All(), byKind, at)
		if err == nil && exists {
			err = rule.New(rule.Exists, "BOARD_EXISTS", "kind")
		}
		if err != nil {
			return nil, err
		}
		row, err := s.tables.boards.Insert(tx, &pb.BoardRow{
			Board:         &pb.Board{Id: id, CommunityId: req.GetCommunityId(), Kind: req.GetKind(), CreatedAt: now},
			CommunityPath: string(community.Path),
		})
		tx.Audit(store.Record{Rows: []string{id}})
		return &pb.CreateBoardResponse{Board: boardProto(row)}, err
	})
}

// ListBoards answers a community's boards; they are public.
func (s *Service) ListBoards(ctx context.Context, req *pb.ListBoardsRequest) (*pb.ListBoardsResponse, error) {
	reply := &pb.ListBoardsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		community, shown, err := s.organizations.Shown(r, req.GetCommunityId(), access.From(ctx).Caller.Scope())
		if err != nil {
			return err
		}
		if !shown {
			return rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "community_id", "id", req.GetCommunityId())
		}
		q := table.Query{Index: byKind, Prefix: idKey(string(community.Path)), Limit: len(pb.BoardKind_name)}
		page, err := s.tables.boards.List(r, scope.All(), q)
		for _, row := range page.Rows {
			reply.Boards = append(reply.Boards, boardProto(row))
		}
		return err
	})
	return reply, err
}

func (s *Service) board(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.BoardRow], error) {
	row, ok, err := s.tables.boards.Get(r, sc, idKey(id))
	if err == nil && !ok {
		err = rule.Absent("board", id)
	}
	return row, err
}

// RecordTrust notes a praise or a satisfied rating.
func (s *Service) RecordTrust(ctx context.Context, req *pb.RecordTrustRequest) (*pb.RecordTrustResponse, error) {
	call, id, today := access.From(ctx), s.ids("tru"), clock.Day(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RecordTrustResponse, error) {
		community, err := s.organization(tx, req.GetCommunityId(), "community_id")
		if err != nil {
			return nil, err
		}
		m, ok, err := s.members.Get(tx, req.GetMemberId())
		if err != nil {
			return nil, err
		}
		if !ok || !belongs(m, community.Path) {
			return nil, rule.New(rule.Precondition, "NOT_OF_THIS_COMMUNITY", "member_id")
		}
		who, err := s.confirmer(tx, call)
		if err == nil {
			err = who.Check(m.ID, string(m.HomePath), "")
		}
		if err == nil && req.GetDay() > today {
			err = rule.New(rule.Invalid, "DAY_IN_FUTURE", "day", "day", req.GetDay())
		}
		if err != nil {
			return nil, err
		}
		trust := &pb.Trust{
			Id: id, CommunityId: req.GetCommunityId(), MemberId: m.ID, Kind: req.GetKind(), SourceId: req.GetSourceId(),
			Day: req.GetDay(), RecordedBy: call.Person,
		}
		first, err := s.keepTrust(tx, &pb.TrustRow{Trust: trust, CommunityPath: string(community.Path)})
		if err == nil && !first {
			err = rule.New(rule.Exists, "ENTRY_EXISTS", "source_id")
		}
		tx.Audit(store.Record{Rows: []string{id}})
		return &pb.RecordTrustResponse{Trust: trust}, err
	})
}

// keepTrust writes a sign of trust, and says whether it is the first from its
// source.
func (s *Service) keepTrust(tx *store.Tx, row *pb.TrustRow) (first bool, err error) {
	t := row.GetTrust()
	_, known, err := s.tables.trust.By(tx, scope.All(), byOrigin, trustKey(t.GetKind(), t.GetSourceId(), t.GetMemberId()))
	if err != nil || known {
		return false, err
	}
	_, err = s.tables.trust.Insert(tx, row)
	return true, err
}

// praised keeps a praise from the service circle for the member it names.
func (s *Service) praised(tx *store.Tx, ev *requestsv1.RequestChanged) error {
	_, err := s.keepTrust(tx, &pb.TrustRow{
		Trust: &pb.Trust{
			Id: "tru_" + ev.GetId(), CommunityId: scope.Path(ev.GetCommunityPath()).ID(), MemberId: ev.GetMemberId(),
			Kind: pb.TrustKind_TRUST_KIND_PRAISE, SourceId: ev.GetId(), Day: ev.GetDay(),
		},
		CommunityPath: ev.GetCommunityPath(),
	})
	return err
}

// evidence counts both kinds of the twelve months before, in a community.
func (s *Service) evidence(r kv.Reader, member string, community scope.Path, today string) (*pb.HonorEvidence, error) {
	out, since := &pb.HonorEvidence{}, honor.Since(today)
	err := s.eachEntry(r, memberKey(member), func(row *pb.EntryRow) {
		e := row.GetEntry()
		if e.GetDay() < since || e.GetDay() > today || !community.Contains(scope.Path(row.GetCommunityPath())) ||
			ledger.State(e.GetState()) != ledger.Confirmed {
			return
		}
		out.Times, out.Cases, out.QuarterHours = out.GetTimes()+e.GetTimes(), out.GetCases()+e.GetCases(), out.GetQuarterHours()+e.GetQuarterHours()
		if e.GetReversedBy() == "" && residentConfirmed(e.GetResidentWord()) {
			out.Confirmations++
		}
	})
	if err != nil {
		return nil, err
	}
	return out, s.eachTrust(r, member, func(row *pb.TrustRow) {
		t := row.GetTrust()
		if t.GetDay() < since || t.GetDay() > today || !community.Contains(scope.Path(row.GetCommunityPath())) {
			return
		}
		if t.GetKind() == pb.TrustKind_TRUST_KIND_PRAISE {
			out.Praises++
			return
		}
		out.Ratings++
	})
}

// residentConfirmed says whether a resident said yes: not reachable is no yes.
func residentConfirmed(w pb.ResidentWord) bool {
	return w == pb.ResidentWord_RESIDENT_WORD_TAP || w == pb.ResidentWord_RESIDENT_WORD_CODE || w == pb.ResidentWord_RESIDENT_WORD_SLIP
}

func (s *Service) eachTrust(r kv.Reader, member string, fn func(*pb.TrustRow)) error {
	q := table.Query{Prefix: key.Key(nil).String(member), Limit: entriesAtOnce}
	for {
		page, err := s.tables.trust.List(r, scope.All(), q)
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
