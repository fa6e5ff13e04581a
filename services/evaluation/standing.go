package evaluation

import (
	"context"
	"encoding/hex"
	"strconv"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
)

// ledgerOf answers a member whose ledger the caller may read: the member, and
// who keeps ledgers at the community reported in to, at home, or above.
func (s *Service) ledgerOf(r kv.Reader, call access.Call, id string) (copies.Member, error) {
	m, ok, err := s.members.Get(r, id)
	if err != nil {
		return m, err
	}
	sc := call.ScopeOf(keeperRoles()...)
	if !ok || !sc.Owns(id) && !sc.Covers(m.ReportedPath) && !sc.Covers(m.HomePath) {
		return m, rule.Absent("member", id)
	}
	return m, nil
}

// GetMemberLedger answers a member's years and stars.
func (s *Service) GetMemberLedger(ctx context.Context, req *pb.GetMemberLedgerRequest) (*pb.GetMemberLedgerResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	reply := &pb.GetMemberLedgerResponse{MemberId: req.GetMemberId()}
	err := s.store.View(ctx, func(r kv.Reader) error {
		m, err := s.ledgerOf(r, call, req.GetMemberId())
		if err != nil {
			return err
		}
		years := ledger.Years{}
		if err := s.addEntries(r, memberKey(m.ID), years); err != nil {
			return err
		}
		at := m.ReportedPath
		if at == "" {
			at = m.HomePath
		}
		p, err := s.policyAt(r, string(at), now)
		reply.Years, reply.Stars = yearProtos(years), starsOf(p, years.All())
		return err
	})
	return reply, err
}

// starsOf answers the red stars by the measure and thresholds of the policy.
func starsOf(p policy.Policy, all ledger.Sum) *pb.RedStars {
	out := &pb.RedStars{Measure: pb.StarMeasure_STAR_MEASURE_TIMES, Counted: all.Times}
	if p.Text("ledger.star_measure") == "cases" {
		out.Measure, out.Counted = pb.StarMeasure_STAR_MEASURE_CASES, all.Cases
	}
	var thresholds [ledger.StarLevels]int32
	for i := range thresholds {
		thresholds[i] = int32(p.Int("ledger.star_" + strconv.Itoa(i+1)))
	}
	out.Level, out.NextAt = ledger.Stars(out.GetCounted(), thresholds)
	return out
}

// VerifyLedger proves a member's chain.
func (s *Service) VerifyLedger(ctx context.Context, req *pb.VerifyLedgerRequest) (*pb.VerifyLedgerResponse, error) {
	call := access.From(ctx)
	reply := &pb.VerifyLedgerResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		m, err := s.ledgerOf(r, call, req.GetMemberId())
		if err != nil {
			return err
		}
		p, err := s.prove(r, m.ID)
		if err != nil {
			return err
		}
		for _, f := range p.walk.Faults() {
			reply.Faults = append(reply.Faults, &pb.LedgerFault{Sequence: f.Sequence, What: f.What, EntryId: f.Entry})
		}
		reply.Sound, reply.Lines = len(reply.GetFaults()) == 0, p.walk.Lines()
		reply.HeadHash = hex.EncodeToString(p.head.GetHash())
		reply.Years = yearProtos(yearsOf(p.walk))
		return nil
	})
	return reply, err
}
