package evaluation

import (
	"context"
	"encoding/hex"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
)

// ConfirmEntry makes a proposed entry count, or wait for the resident.
func (s *Service) ConfirmEntry(ctx context.Context, req *pb.ConfirmEntryRequest) (*pb.ConfirmEntryResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ConfirmEntryResponse, error) {
		row, err := s.confirm(tx, call, req.GetId(), req.GetEtag(), now)
		if err != nil {
			return nil, err
		}
		return &pb.ConfirmEntryResponse{Entry: entryProto(row)}, nil
	})
}

func (s *Service) confirm(tx *store.Tx, call access.Call, id, etag string, now *timestamppb.Timestamp) (table.Row[*pb.EntryRow], error) {
	row, err := s.entryToJudge(tx, call, id, etag)
	if err != nil {
		return row, err
	}
	next := proto.CloneOf(row.Value)
	next.Entry.ConfirmedBy = call.Person
	awaited := next.GetEntry().GetResidentWord() == pb.ResidentWord_RESIDENT_WORD_AWAITED
	if ledger.State(row.Value.GetEntry().GetState()) == ledger.Vouched {
		awaited = true // WRONG_STATE: it waits for the resident only
	}
	return s.move(tx, row, next, ledger.Confirming(awaited), now)
}

// entryToJudge reads an entry for somebody who wants to make it count, turn it
// down or take it out: whose organization keeps it, and who is neither the
// member nor of the member's unit, nor wrote it, nor gave the resident's word.
func (s *Service) entryToJudge(tx *store.Tx, call access.Call, id, etag string) (table.Row[*pb.EntryRow], error) {
	row, err := s.entry(tx, scope.Scope{Paths: call.Scope.Paths}, id)
	if err != nil {
		return row, err
	}
	if err := row.Match(etag); err != nil {
		return row, err
	}
	who, err := s.confirmer(tx, call)
	if err != nil {
		return row, err
	}
	e := row.Value.GetEntry()
	if err := who.Check(e.GetMemberId(), row.Value.GetHomePath(), e.GetProposedBy()); err != nil {
		return row, err
	}
	if call.Person == row.Value.GetResidentAnsweredBy() || call.Person == row.Value.GetResidentId() {
		return row, rule.New(rule.Denied, "CONFIRMS_OWN_PROPOSAL", "")
	}
	return row, nil
}

// confirmer is the caller, with the home organization of one who is a member.
func (s *Service) confirmer(r kv.Reader, call access.Call) (ledger.Confirmer, error) {
	m, _, err := s.members.Get(r, call.Person)
	return ledger.Confirmer{Person: call.Person, Grants: grantPaths(call), Home: string(m.HomePath)}, err
}

// move takes an entry one step on. One that comes to count gets its line in the
// member's chain, and so does every later change of whether it counts.
func (s *Service) move(tx *store.Tx, row table.Row[*pb.EntryRow], next *pb.EntryRow, command string, now *timestamppb.Timestamp) (table.Row[*pb.EntryRow], error) {
	state, err := s.entryWay.Next(ledger.State(row.Value.GetEntry().GetState()), command)
	if err != nil {
		return row, err
	}
	e := next.GetEntry()
	e.State = pb.EntryState(state)
	switch command {
	case ledger.Confirm:
		err = s.count(tx, next, now)
	case ledger.Hold:
		if e.GetSequence() > 0 {
			_, err = s.addLine(tx, next, ledger.LineOnHold)
		}
	case ledger.Lift:
		_, err = s.addLine(tx, next, ledger.LineLifted)
	}
	if err != nil {
		return row, err
	}
	previous := row.Value.GetEntry().GetState()
	if row, err = s.tables.entries.Replace(tx, row, next); err != nil {
		return row, err
	}
	tx.Audit(store.Record{Rows: []string{e.GetId()}})
	return row, tx.Emit(entryEvent(entryEventName(command), row, previous))
}

// count gives an entry its line.
func (s *Service) count(tx *store.Tx, row *pb.EntryRow, now *timestamppb.Timestamp) error {
	row.Entry.ConfirmedAt = now
	link, err := s.addLine(tx, row, ledger.LineConfirmed)
	row.Entry.Sequence, row.Entry.Hash = link.Sequence, hex.EncodeToString(link.Hash)
	row.Entry.PreviousHash = hex.EncodeToString(link.Previous)
	return err
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
		typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, typev1.Role_ROLE_GROUP_SECRETARY,
		typev1.Role_ROLE_STREET_OFFICER, typev1.Role_ROLE_DISTRICT_OFFICER,
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
			Method: call.Method, Person: call.Person, Scope: call.Scope, Filter: []string{req.GetCommunityId(), req.GetState().String()},
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
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Person: call.Person}, Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.tables.entries, r, page, table.Query{Prefix: key.Key(nil).String(call.Person)})
		reply.Entries, reply.NextPageToken = entryProtos(rows), next
		return err
	})
	return reply, err
}
