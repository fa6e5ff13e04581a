package evaluation

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
)

// ledgerConsumer follows requests: one that a member solved proposes an entry,
// one that is reopened puts it on hold, and solved again lifts it. A praise is
// kept for the honor roll.
func (s *Service) ledgerConsumer() events.Consumer {
	return events.Consumer{
		Name: "evaluation-ledger", From: "requests", Kind: events.Fact,
		Subjects: []string{"linli.requests.request.resolved", "linli.requests.request.reopened"},
		Apply:    s.followRequest,
	}
}

func (s *Service) followRequest(tx *store.Tx, e *typev1.EventRow) error {
	var ev requestsv1.RequestChanged
	if err := events.Decode(e, &ev); err != nil {
		return err
	}
	if strings.Contains(e.GetType(), ".reopened.") {
		return s.holdRequest(tx, ev.GetId(), e.GetCivilTime())
	}
	if ev.GetMemberId() == "" {
		return nil // the office saw to it
	}
	if ev.GetKind() == requestsv1.RequestKind_REQUEST_KIND_PRAISE {
		return s.praised(tx, &ev) // of the member, not a service by the member
	}
	known, ok, err := s.tables.entries.By(tx, scope.All(), byOrigin,
		originKey(pb.EntrySource_ENTRY_SOURCE_REQUEST, ev.GetId(), ev.GetMemberId()))
	if err != nil {
		return err
	}
	if ok {
		return s.liftRequest(tx, known, &ev, e.GetCivilTime())
	}
	return s.proposeRequest(tx, &ev, e)
}

func (s *Service) proposeRequest(tx *store.Tx, ev *requestsv1.RequestChanged, e *typev1.EventRow) error {
	member, ok, err := s.members.Get(tx, ev.GetMemberId())
	if err != nil {
		return err
	}
	if !ok || member.HomePath == "" {
		return fmt.Errorf("member %s is not announced yet", ev.GetMemberId()) // tried again
	}
	id := "ent_" + strings.TrimPrefix(ev.GetId(), "req_")
	if _, taken, err := s.tables.entries.By(tx, scope.All(), byID, key.Key(nil).String(id)); err != nil {
		return err
	} else if taken { // somebody else had solved it before it was reopened
		id += "_" + strconv.FormatUint(ev.GetRevision(), 10)
	}
	return s.propose(tx, &pb.EntryRow{
		Entry: &pb.Entry{
			Id: id, MemberId: ev.GetMemberId(), CommunityId: scope.Path(ev.GetCommunityPath()).ID(),
			Source: pb.EntrySource_ENTRY_SOURCE_REQUEST, SourceId: ev.GetId(), Day: ev.GetDay(),
			Times: 1, Cases: 1, QuarterHours: ev.GetQuarterHours(), ProposedAt: e.GetCivilTime(),
		},
		CommunityPath: ev.GetCommunityPath(), HomePath: string(member.HomePath),
	})
}

// holdRequest puts the entries of a reopened request on hold. One that was
// taken out counts nothing any more.
func (s *Service) holdRequest(tx *store.Tx, request string, now *timestamppb.Timestamp) error {
	q := table.Query{
		Index: byOrigin, Limit: entriesAtOnce,
		Prefix: key.Key(nil).Uint(uint64(pb.EntrySource_ENTRY_SOURCE_REQUEST)).String(request),
	}
	page, err := s.tables.entries.List(tx, scope.All(), q)
	if err != nil {
		return err
	}
	for _, row := range page.Rows {
		at := ledger.State(row.Value.GetEntry().GetState())
		if at == ledger.OnHold || at == ledger.TurnedDown || row.Value.GetEntry().GetReversedBy() != "" {
			continue
		}
		next := proto.CloneOf(row.Value)
		next.Entry.Why = "REOPENED"
		if _, err := s.move(tx, row, next, ledger.Hold, now); err != nil {
			return err
		}
	}
	return nil
}

// liftRequest lets an entry go on whose request is resolved again by the same
// member. What did not count yet takes the new figures; a line never changes.
func (s *Service) liftRequest(tx *store.Tx, row table.Row[*pb.EntryRow], ev *requestsv1.RequestChanged, now *timestamppb.Timestamp) error {
	if ledger.State(row.Value.GetEntry().GetState()) != ledger.OnHold {
		return nil
	}
	next := proto.CloneOf(row.Value)
	next.Entry.Why = ""
	counted := next.GetEntry().GetSequence() > 0
	if !counted {
		next.Entry.ConfirmedBy, next.Entry.QuarterHours = "", ev.GetQuarterHours()
	}
	_, err := s.move(tx, row, next, ledger.Lifting(counted), now)
	return err
}

// propose writes a new entry and looks whether a person should look at it.
func (s *Service) propose(tx *store.Tx, row *pb.EntryRow) error {
	state, err := s.entryWay.Next(ledger.New, ledger.Propose)
	if err != nil {
		return err
	}
	row.Entry.State = pb.EntryState(state)
	inserted, err := s.tables.entries.Insert(tx, row)
	if err != nil {
		return err
	}
	if err := s.raiseAtProposal(tx, row); err != nil {
		return err
	}
	return tx.Emit(entryEvent(entryEventName(ledger.Propose), inserted, pb.EntryState_ENTRY_STATE_UNSPECIFIED))
}

// ProposeEntry writes an entry for a member.
func (s *Service) ProposeEntry(ctx context.Context, req *pb.ProposeEntryRequest) (*pb.ProposeEntryResponse, error) {
	call, id, now := access.From(ctx), s.ids("ent"), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ProposeEntryResponse, error) {
		keeper, err := s.organization(tx, req.GetCommunityId(), "community_id")
		if err != nil {
			return nil, err
		}
		w := written{id: id, by: call.Person, keeper: keeper.Path, now: now}
		entry, err := s.proposeFor(tx, req.GetMemberId(), "member_id", req.GetService(), w)
		if err != nil {
			return nil, err
		}
		return &pb.ProposeEntryResponse{Entry: entry}, nil
	})
}

func (s *Service) proposeFor(tx *store.Tx, member, field string, in *pb.Service, w written) (*pb.Entry, error) {
	m, ok, err := s.members.Get(tx, member)
	if err != nil {
		return nil, err
	}
	if !ok || !belongs(m, w.keeper) {
		return nil, rule.New(rule.Precondition, "NOT_OF_THIS_COMMUNITY", field)
	}
	w.member = m
	return s.byHand(tx, in, w)
}

// belongs says whether an organization keeps the ledger of a member: the
// community reported in to, a group or heart home in it, or the home.
func belongs(m copies.Member, keeper scope.Path) bool {
	return keeper.Contains(m.ReportedPath) || m.ReportedPath.Contains(keeper) || keeper.Contains(m.HomePath)
}

// ProposeMyEntry writes an entry for the caller.
func (s *Service) ProposeMyEntry(ctx context.Context, req *pb.ProposeMyEntryRequest) (*pb.ProposeMyEntryResponse, error) {
	call, id, now := access.From(ctx), s.ids("ent"), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ProposeMyEntryResponse, error) {
		m, ok, err := s.members.Get(tx, call.Person)
		if err != nil {
			return nil, err
		}
		if !ok || m.ReportedPath == "" {
			return nil, rule.New(rule.Precondition, "NOT_OF_THIS_COMMUNITY", "")
		}
		entry, err := s.byHand(tx, req.GetService(), written{id: id, by: call.Person, member: m, keeper: m.ReportedPath, now: now})
		if err != nil {
			return nil, err
		}
		return &pb.ProposeMyEntryResponse{Entry: entry}, nil
	})
}

// written is who writes an entry by hand, for whom and where.
type written struct {
	id, by string
	member copies.Member
	keeper scope.Path
	now    *timestamppb.Timestamp
}

func (s *Service) byHand(tx *store.Tx, in *pb.Service, w written) (*pb.Entry, error) {
	source, sourceID := in.GetSource(), in.GetSourceId()
	if source == pb.EntrySource_ENTRY_SOURCE_UNSPECIFIED || source == pb.EntrySource_ENTRY_SOURCE_BY_HAND {
		source, sourceID = pb.EntrySource_ENTRY_SOURCE_BY_HAND, w.id
	}
	if sourceID == "" {
		return nil, rule.New(rule.Invalid, "INVALID_FIELD", "service.source_id", "field", "service.source_id", "rule", "1–64")
	}
	if err := serviceOf(in, w, source).Check(clock.Day(w.now.AsTime())); err != nil {
		return nil, err
	}
	_, exists, err := s.tables.entries.By(tx, scope.All(), byOrigin, originKey(source, sourceID, w.member.ID))
	if err == nil && exists {
		err = rule.New(rule.Exists, "ENTRY_EXISTS", "service.source_id")
	}
	if err != nil {
		return nil, err
	}
	row := &pb.EntryRow{
		Entry: &pb.Entry{
			Id: w.id, MemberId: w.member.ID, CommunityId: w.keeper.ID(), Source: source, SourceId: sourceID,
			Day: in.GetDay(), Times: in.GetTimes(), Cases: in.GetCases(), QuarterHours: in.GetQuarterHours(),
			ProposedAt: w.now, Kind: in.GetKind(), FromMinute: in.GetFromMinute(), ToMinute: in.GetToMinute(),
			Evidence: in.GetEvidence(), ProposedBy: w.by,
		},
		CommunityPath: string(w.keeper), HomePath: string(w.member.HomePath), ResidentId: in.GetResidentId(),
	}
	if in.GetServedResident() || in.GetResidentId() != "" {
		row.Entry.ResidentWord = pb.ResidentWord_RESIDENT_WORD_AWAITED
	}
	if err := s.propose(tx, row); err != nil {
		return nil, err
	}
	tx.Audit(store.Record{Rows: []string{w.id}})
	made, err := s.entry(tx, scope.All(), w.id)
	return entryProto(made), err
}

func serviceOf(in *pb.Service, w written, source pb.EntrySource) ledger.Service {
	out := ledger.Service{
		Day: in.GetDay(), FromMinute: in.GetFromMinute(), ToMin: in.GetToMinute(),
		Sum:    ledger.Sum{Times: in.GetTimes(), Cases: in.GetCases(), QuarterHours: in.GetQuarterHours()},
		ByHand: source == pb.EntrySource_ENTRY_SOURCE_BY_HAND, Member: w.member.ID, ProposedBy: w.by,
	}
	for _, v := range in.GetEvidence() {
		out.Evidence = append(out.Evidence, ledger.Evidence{
			Witness: v.GetKind() == pb.EvidenceKind_EVIDENCE_KIND_WITNESS, File: v.GetSha256(), Person: v.GetWitnessId(),
		})
	}
	return out
}
