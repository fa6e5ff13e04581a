package evaluation

import (
	"context"
	"crypto/rand"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

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

func (s *Service) codeDigest(code string) []byte {
	return s.store.Keyring().Digest("resident code", code)
}

func digestKey(digest []byte) key.Key { return key.Key(nil).String(string(digest)) }

// IssueResidentCode makes a code of 128 random bits or more; the store knows a
// keyed digest of it only.
func (s *Service) IssueResidentCode(ctx context.Context, req *pb.IssueResidentCodeRequest) (*pb.IssueResidentCodeResponse, error) {
	call, code, now := access.From(ctx), rand.Text(), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.IssueResidentCodeResponse, error) {
		row, err := s.entryToJudge(tx, call, req.GetId(), "")
		if err != nil {
			return nil, err
		}
		if err := residentAwaited(row.Value.GetEntry()); err != nil {
			return nil, err
		}
		p, err := s.policyAt(tx, row.Value.GetCommunityPath(), now)
		if err != nil {
			return nil, err
		}
		if err := s.dropCode(tx, req.GetId()); err != nil {
			return nil, err
		}
		expires := timestamppb.New(now.AddDate(0, 0, p.Int("ledger.code_days")))
		if _, err := s.tables.codes.Insert(tx, &pb.CodeRow{Digest: s.codeDigest(code), EntryId: req.GetId(), ExpiresAt: expires}); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		return &pb.IssueResidentCodeResponse{Code: code, ExpiresAt: expires}, nil
	})
}

// residentAwaited refuses an entry that waits for nobody's word.
func residentAwaited(e *pb.Entry) error {
	at := ledger.State(e.GetState())
	if e.GetResidentWord() != pb.ResidentWord_RESIDENT_WORD_AWAITED || at != ledger.Proposed && at != ledger.Vouched {
		return rule.New(rule.Precondition, "NO_RESIDENT_AWAITED", "")
	}
	return nil
}

func (s *Service) dropCode(tx *store.Tx, entry string) error {
	old, ok, err := s.tables.codes.By(tx, scope.All(), byEntry, key.Key(nil).String(entry))
	if err != nil || !ok {
		return err
	}
	return s.tables.codes.Delete(tx, old)
}

// AnswerByCode is the resident's word by code. Whatever is wrong with a code
// is answered alike.
func (s *Service) AnswerByCode(ctx context.Context, req *pb.AnswerByCodeRequest) (*pb.AnswerByCodeResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AnswerByCodeResponse, error) {
		unknown := rule.New(rule.NotFound, "CODE_UNKNOWN", "code")
		code, ok, err := s.tables.codes.Get(tx, scope.All(), digestKey(s.codeDigest(req.GetCode())))
		if err != nil {
			return nil, err
		}
		if !ok || now.AsTime().After(code.Value.GetExpiresAt().AsTime()) {
			return nil, unknown
		}
		row, err := s.entry(tx, scope.All(), code.Value.GetEntryId())
		if err != nil {
			return nil, err
		}
		if residentAwaited(row.Value.GetEntry()) != nil {
			return nil, unknown
		}
		word := pb.ResidentWord_RESIDENT_WORD_CODE
		if row, err = s.residentSays(tx, call, row, answer{word: word, served: req.GetServed(), now: now}); err != nil {
			return nil, err
		}
		return &pb.AnswerByCodeResponse{Day: row.Value.GetEntry().GetDay(), Word: row.Value.GetEntry().GetResidentWord()}, nil
	})
}

// answer is a resident's word.
type answer struct {
	word   pb.ResidentWord
	served bool
	now    *timestamppb.Timestamp
}

// residentSays takes the resident's word. Who gives it is neither the member
// nor of the member's unit, wrote nothing of it and has not confirmed it.
func (s *Service) residentSays(tx *store.Tx, call access.Call, row table.Row[*pb.EntryRow], a answer) (table.Row[*pb.EntryRow], error) {
	who, err := s.confirmer(tx, call)
	if err != nil {
		return row, err
	}
	e := row.Value.GetEntry()
	if err := who.Check(e.GetMemberId(), row.Value.GetHomePath(), e.GetProposedBy()); err != nil {
		return row, err
	}
	if call.Person == e.GetConfirmedBy() {
		return row, rule.New(rule.Denied, "CONFIRMS_OWN_PROPOSAL", "")
	}
	if err := s.dropCode(tx, e.GetId()); err != nil {
		return row, err
	}
	next := proto.CloneOf(row.Value)
	next.ResidentAnsweredBy, next.Entry.ResidentWord = call.Person, a.word
	if !a.served {
		next.Entry.ResidentWord, next.Entry.Why = pb.ResidentWord_RESIDENT_WORD_DENIED, "RESIDENT_DENIED"
		if err := s.raise(tx, next, alarm{kind: pb.AlarmKind_ALARM_KIND_RESIDENT_DENIED, subject: e.GetId(), entries: []string{e.GetId()}, now: a.now}); err != nil {
			return row, err
		}
		return s.move(tx, row, next, ledger.TurnDown, a.now)
	}
	return s.takeWord(tx, row, next, a.now)
}

// takeWord keeps a confirming word: an entry that the office has vouched for
// counts from now on.
func (s *Service) takeWord(tx *store.Tx, row table.Row[*pb.EntryRow], next *pb.EntryRow, now *timestamppb.Timestamp) (table.Row[*pb.EntryRow], error) {
	if ledger.State(row.Value.GetEntry().GetState()) == ledger.Vouched {
		return s.move(tx, row, next, ledger.Confirm, now)
	}
	tx.Audit(store.Record{Rows: []string{next.GetEntry().GetId()}})
	return s.tables.entries.Replace(tx, row, next)
}

// AnswerForMyself is the word of the resident whom the entry names.
func (s *Service) AnswerForMyself(ctx context.Context, req *pb.AnswerForMyselfRequest) (*pb.AnswerForMyselfResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AnswerForMyselfResponse, error) {
		row, err := s.entry(tx, scope.All(), req.GetId())
		if err != nil {
			return nil, err
		}
		if row.Value.GetResidentId() != call.Person {
			return nil, rule.Absent("entry", req.GetId())
		}
		if err := residentAwaited(row.Value.GetEntry()); err != nil {
			return nil, err
		}
		word := pb.ResidentWord_RESIDENT_WORD_TAP
		if row, err = s.residentSays(tx, call, row, answer{word: word, served: req.GetServed(), now: now}); err != nil {
			return nil, err
		}
		return &pb.AnswerForMyselfResponse{Service: receivedProto(row.Value.GetEntry())}, nil
	})
}

func receivedProto(e *pb.Entry) *pb.ReceivedService {
	return &pb.ReceivedService{
		Id: e.GetId(), CommunityId: e.GetCommunityId(), Day: e.GetDay(), Kind: e.GetKind(), Word: e.GetResidentWord(),
	}
}

// ListReceivedServices answers the services that name the caller.
func (s *Service) ListReceivedServices(ctx context.Context, req *pb.ListReceivedServicesRequest) (*pb.ListReceivedServicesResponse, error) {
	call := access.From(ctx)
	reply := &pb.ListReceivedServicesResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		// The range is the caller's own, whoever keeps the rows.
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.All(), Filter: []string{call.Person}, Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		q := table.Query{Index: byResident, Prefix: key.Key(nil).String(call.Person)}
		rows, next, err := table.Page(s.pager, s.tables.entries, r, page, q)
		for _, row := range rows {
			reply.Services = append(reply.Services, receivedProto(row.Value.GetEntry()))
		}
		reply.NextPageToken = next
		return err
	})
	return reply, err
}

// RecordResidentWord records a slip, or why the resident cannot be reached.
func (s *Service) RecordResidentWord(ctx context.Context, req *pb.RecordResidentWordRequest) (*pb.RecordResidentWordResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RecordResidentWordResponse, error) {
		row, err := s.entryToJudge(tx, call, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		if err := residentAwaited(row.Value.GetEntry()); err != nil {
			return nil, err
		}
		slip := req.GetWord() == pb.ResidentWord_RESIDENT_WORD_SLIP
		if slip && req.GetSlipSha256() == "" {
			return nil, rule.New(rule.Invalid, "EVIDENCE_MISSING", "slip_sha256")
		}
		if !slip && req.GetNote() == "" {
			return nil, rule.New(rule.Invalid, "EVIDENCE_MISSING", "note")
		}
		next := proto.CloneOf(row.Value)
		next.Entry.ResidentWord = req.GetWord()
		if slip {
			next.Entry.Evidence = append(next.Entry.Evidence, &pb.Evidence{Kind: pb.EvidenceKind_EVIDENCE_KIND_DOCUMENT, Sha256: req.GetSlipSha256()})
		}
		if err := s.dropCode(tx, req.GetId()); err != nil {
			return nil, err
		}
		if row, err = s.takeWord(tx, row, next, now); err != nil {
			return nil, err
		}
		if slip {
			err = s.raiseSameEvidence(tx, row.Value, now)
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}, Reason: req.GetNote()})
		return &pb.RecordResidentWordResponse{Entry: entryProto(row)}, err
	})
}
