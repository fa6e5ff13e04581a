package evaluation

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
)

func why(r pb.EntryReason) string { return strings.TrimPrefix(r.String(), "ENTRY_REASON_") }

// TurnDownEntry refuses a proposed entry.
func (s *Service) TurnDownEntry(ctx context.Context, req *pb.TurnDownEntryRequest) (*pb.TurnDownEntryResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.TurnDownEntryResponse, error) {
		row, err := s.entryToJudge(tx, call, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.Entry.Why = why(req.GetReason())
		if row, err = s.move(tx, row, next, ledger.TurnDown, now); err != nil {
			return nil, err
		}
		return &pb.TurnDownEntryResponse{Entry: entryProto(row)}, nil
	})
}

// ReverseEntry takes a confirmed entry out with a second one of the same day.
func (s *Service) ReverseEntry(ctx context.Context, req *pb.ReverseEntryRequest) (*pb.ReverseEntryResponse, error) {
	call, id, now := access.From(ctx), s.ids("ent"), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ReverseEntryResponse, error) {
		row, err := s.entryToJudge(tx, call, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		if err := mayReverse(row.Value.GetEntry()); err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.Entry.ReversedBy, next.Entry.Why = id, why(req.GetReason())
		if _, err := s.tables.entries.Replace(tx, row, next); err != nil {
			return nil, err
		}
		reversing, err := s.insertReversal(tx, row.Value, id, call.Person, why(req.GetReason()), now)
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId(), id}})
		if err := tx.Emit(reversalEvent(reversing, row.Value.GetEntry().GetSource())); err != nil {
			return nil, err
		}
		return &pb.ReverseEntryResponse{Entry: entryProto(reversing)}, nil
	})
}

// mayReverse lets only what counts be taken out, and once.
func mayReverse(e *pb.Entry) error {
	if e.GetReversedBy() != "" || e.GetReverses() != "" {
		return rule.New(rule.Precondition, "ALREADY_REVERSED", "", "by", e.GetReversedBy())
	}
	if at := ledger.State(e.GetState()); at != ledger.Confirmed {
		return rule.New(rule.Precondition, "WRONG_STATE", "", "entity", "entry", "state", at.String(),
			"command", "reverse", "allowed", strings.Join(ledger.Machine().Allowed(at), ", "))
	}
	return nil
}

// insertReversal writes the opposite of an entry on its own day, so that the
// sum of its own year is as if it had never been.
func (s *Service) insertReversal(tx *store.Tx, of *pb.EntryRow, id, person, reason string, now *timestamppb.Timestamp) (table.Row[*pb.EntryRow], error) {
	e := of.GetEntry()
	sum := ledger.Sum{Times: e.GetTimes(), Cases: e.GetCases(), QuarterHours: e.GetQuarterHours()}.Negative()
	row := &pb.EntryRow{
		Entry: &pb.Entry{
			Id: id, MemberId: e.GetMemberId(), CommunityId: e.GetCommunityId(), Kind: e.GetKind(),
			Source: pb.EntrySource_ENTRY_SOURCE_REVERSAL, SourceId: e.GetId(), State: pb.EntryState(ledger.Confirmed),
			Day: e.GetDay(), Times: sum.Times, Cases: sum.Cases, QuarterHours: sum.QuarterHours,
			ProposedAt: now, ConfirmedBy: person, Reverses: e.GetId(), Why: reason,
		},
		CommunityPath: of.GetCommunityPath(), HomePath: of.GetHomePath(),
	}
	if err := s.count(tx, row, now); err != nil {
		return table.Row[*pb.EntryRow]{}, err
	}
	return s.tables.entries.Insert(tx, row)
}
