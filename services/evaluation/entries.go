package evaluation

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
)

// ledgerConsumer proposes an entry for every request that a member solved.
func (s *Service) ledgerConsumer() events.Consumer {
	return events.Consumer{
		Name: "evaluation-ledger", From: "requests", Kind: events.Fact,
		Subjects: []string{"linli.requests.request.resolved"},
		Apply:    s.propose,
	}
}

func (s *Service) propose(tx *store.Tx, e *typev1.EventRow) error {
	var ev requestsv1.RequestChanged
	if err := events.Decode(e, &ev); err != nil {
		return err
	}
	if ev.GetMemberId() == "" {
		return nil // the office saw to it
	}
	member, ok, err := s.members.Get(tx, ev.GetMemberId())
	if err != nil {
		return err
	}
	if !ok || member.HomePath == "" {
		return fmt.Errorf("member %s is not announced yet", ev.GetMemberId()) // tried again
	}
	community := scope.Path(ev.GetCommunityPath())
	row, err := s.tables.entries.Insert(tx, &pb.EntryRow{
		Entry: &pb.Entry{
			Id: "ent_" + strings.TrimPrefix(ev.GetId(), "req_"), MemberId: ev.GetMemberId(), CommunityId: community.ID(),
			Source: pb.EntrySource_ENTRY_SOURCE_REQUEST, SourceId: ev.GetId(),
			State: pb.EntryState(ledger.Proposed), Day: ev.GetDay(),
			Times: 1, Cases: 1, QuarterHours: ev.GetQuarterHours(), ProposedAt: e.GetCivilTime(),
		},
		CommunityPath: ev.GetCommunityPath(), HomePath: string(member.HomePath),
	})
	if err != nil {
		return err
	}
	return tx.Emit(entryEvent("entry.proposed", row))
}

// ConfirmEntry makes a proposed entry count.
func (s *Service) ConfirmEntry(ctx context.Context, req *pb.ConfirmEntryRequest) (*pb.ConfirmEntryResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	office := scope.Scope{Paths: call.Scope.Paths}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ConfirmEntryResponse, error) {
		row, err := s.entry(tx, office, req.GetId())
		if err != nil {
			return nil, err
		}
		if err := row.Match(req.GetEtag()); err != nil {
			return nil, err
		}
		if err := ledger.MayConfirm(call.Person, grantPaths(call), row.Value.GetEntry().GetMemberId(), row.Value.GetHomePath()); err != nil {
			return nil, err
		}
		state, err := s.entryWay.Next(ledger.State(row.Value.GetEntry().GetState()), ledger.Confirm)
		if err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.Entry.State, next.Entry.ConfirmedAt, next.Entry.ConfirmedBy = pb.EntryState(state), now, call.Person
		if row, err = s.tables.entries.Replace(tx, row, next); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		if err := tx.Emit(entryEvent("entry.confirmed", row)); err != nil {
			return nil, err
		}
		return &pb.ConfirmEntryResponse{Entry: entryProto(row)}, nil
	})
}

func grantPaths(call access.Call) []string {
	var out []string
	for _, g := range call.Grants {
		out = append(out, string(g.Path))
	}
	return out
}

func (s *Service) entry(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.EntryRow], error) {
	row, ok, err := s.tables.entries.By(r, sc, byID, key.Key(nil).String(id))
	if err == nil && !ok {
		err = rule.Absent("entry", id)
	}
	return row, err
}

// keeperRoles read the ledger of the communities they stand for.
func keeperRoles() []typev1.Role {
	return []typev1.Role{
		typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, typev1.Role_ROLE_STREET_OFFICER, typev1.Role_ROLE_DISTRICT_OFFICER,
	}
}

// GetEntry answers one entry.
func (s *Service) GetEntry(ctx context.Context, req *pb.GetEntryRequest) (*pb.GetEntryResponse, error) {
	call := access.From(ctx)
	var row table.Row[*pb.EntryRow]
	err := s.store.View(ctx, func(r kv.Reader) (err error) {
		row, err = s.entry(r, call.ScopeOf(keeperRoles()...), req.GetId())
		return err
	})
	if err != nil {
		return nil, err
	}
	return &pb.GetEntryResponse{Entry: entryProto(row)}, nil
}

// ListEntries answers a community's ledger, the oldest first.
func (s *Service) ListEntries(ctx context.Context, req *pb.ListEntriesRequest) (*pb.ListEntriesResponse, error) {
	call := access.From(ctx)
	reply := &pb.ListEntriesResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		community, ok, err := s.organizations.Get(r, req.GetCommunityId())
		if err != nil {
			return err
		}
		if !ok {
			return rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "community_id", "id", req.GetCommunityId())
		}
		q := table.Query{Index: byKeeper, Prefix: key.Key(nil).String(string(community.Path))}
		if req.GetState() != pb.EntryState_ENTRY_STATE_UNSPECIFIED {
			q = table.Query{Index: byState, Prefix: stateKey(string(community.Path), req.GetState())}
		}
		page := table.PageCall{
			Method: call.Method, Scope: call.Scope, Filter: []string{req.GetCommunityId(), req.GetState().String()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.tables.entries, r, page, q)
		reply.Entries, reply.NextPageToken = entryProtos(rows), next
		return err
	})
	return reply, err
}

// ListMyEntries answers the caller's own ledger, the oldest first.
func (s *Service) ListMyEntries(ctx context.Context, req *pb.ListMyEntriesRequest) (*pb.ListMyEntriesResponse, error) {
	call := access.From(ctx)
	reply := &pb.ListMyEntriesResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		page := table.PageCall{
			Method: call.Method, Scope: scope.Scope{Person: call.Person}, Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.tables.entries, r, page, table.Query{Prefix: key.Key(nil).String(call.Person)})
		reply.Entries, reply.NextPageToken = entryProtos(rows), next
		return err
	})
	return reply, err
}
