package requests

import (
	"context"
	"encoding/hex"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/hardship"
)

// climb is one step of a case: which row, under which command, with which
// reason for what it leaves out, and what it changes. change may refuse.
type climb struct {
	command, id, etag string
	skipReason        string
	scope             scope.Scope
	now               time.Time
	change            func(tx *store.Tx, row *pb.HardshipCaseRow) error
}

// climb moves a case inside a transaction: scope, etag, state, the rungs left
// out, the step's own rule, erasure, the row, the event, the count.
func (a aid) climb(tx *store.Tx, c climb) (*pb.HardshipCase, error) {
	row, err := a.caseRow(tx, c.scope, c.id)
	if err != nil {
		return nil, err
	}
	if err := row.Match(c.etag); err != nil {
		return nil, err
	}
	previous := hardship.State(row.Value.GetHardshipCase().GetState())
	state, err := a.ladder.Next(previous, c.command)
	if err != nil {
		return nil, err
	}
	next := proto.CloneOf(row.Value)
	if err := a.skip(next, c); err != nil {
		return nil, err
	}
	next.HardshipCase.State = pb.HardshipState(state)
	if c.change != nil {
		if err := c.change(tx, next); err != nil {
			return nil, err
		}
	}
	if hardship.ErasesFacts(previous, c.command) {
		if err := a.erase(tx, next); err != nil {
			return nil, err
		}
	}
	addStep(next, c.command, c.now)
	kept, err := a.aidTables.cases.Replace(tx, row, next)
	if err != nil {
		return nil, err
	}
	if err := a.announceCase(tx, c.command, kept, previous, c.now); err != nil {
		return nil, err
	}
	return caseProto(kept, c.now), nil
}

func standing(c *pb.HardshipCase) hardship.Standing {
	return hardship.Standing{
		State: hardship.State(c.GetState()), Decision: hardship.Decision(c.GetReliefDecision()), Aided: c.GetAids() > 0,
	}
}

// skip names the rungs that a step leaves out on the case, and keeps the
// reason sealed beside the facts.
func (a aid) skip(row *pb.HardshipCaseRow, c climb) error {
	skipped := hardship.Skipped(standing(row.GetHardshipCase()), c.command)
	if err := hardship.CheckSkip(skipped, c.skipReason); err != nil || len(skipped) == 0 {
		return err
	}
	all := &pb.SkippedRungs{}
	if err := a.unseal(row.GetSealedSkipped(), all, c.id, sealedSkipped); err != nil {
		return err
	}
	all.Skipped = append(all.Skipped, &pb.SkippedRung{Rungs: skipped, Reason: c.skipReason})
	row.HardshipCase.Skipped = append(row.HardshipCase.Skipped, skipped...)
	var err error
	row.SealedSkipped, err = a.sealed(all, c.id, sealedSkipped)
	return err
}

// erase takes out of a case, and of the request it came from, all that was
// written about somebody who did not consent.
func (a aid) erase(tx *store.Tx, row *pb.HardshipCaseRow) error {
	row.SealedFacts, row.SealedConsent, row.SealedSkipped, row.People = nil, nil, nil, nil
	row.HardshipCase.FactsErased, row.HardshipCase.FactsSealed = true, false
	request, err := a.read(tx, scope.All(), row.GetHardshipCase().GetRequestId())
	if err != nil {
		return err
	}
	next := proto.CloneOf(request.Value)
	next.SealedText = nil
	next.Request.Text, next.Request.TextSealed = "", false
	next.Request.Building, next.Request.Category, next.Request.TextCovered = "", "", false
	if err := a.say(next, func(w *pb.SaidWords) { w.Found, w.Reason, w.ClockReason = "", "", "" }); err != nil {
		return err
	}
	if _, err := a.tables.requests.Replace(tx, request, next); err != nil {
		return err
	}
	if err := a.forgetPictures(tx, row.GetHardshipCase().GetRequestId()); err != nil {
		return err
	}
	return a.forgetMessages(tx, row.GetHardshipCase().GetRequestId())
}

// addStep writes a step down for the author of the request.
func addStep(row *pb.HardshipCaseRow, command string, now time.Time) {
	row.Steps = append(row.Steps, &pb.HardshipStep{State: stepOf(command), Day: clock.Day(now)})
}

// stepOf answers what a command is called among the steps, which is not always
// the state it leads to: a late decision moves nothing.
func stepOf(command string) pb.HardshipState {
	return map[string]pb.HardshipState{
		hardship.Open: pb.HardshipState_HARDSHIP_STATE_OPENED, hardship.Visit: pb.HardshipState_HARDSHIP_STATE_VISITED,
		hardship.Consent: pb.HardshipState_HARDSHIP_STATE_CONSENTED, hardship.Refuse: pb.HardshipState_HARDSHIP_STATE_REFUSED,
		hardship.AskRelief: pb.HardshipState_HARDSHIP_STATE_RELIEF, hardship.DecideRelief: pb.HardshipState_HARDSHIP_STATE_RELIEF_DECIDED,
		hardship.Refer: pb.HardshipState_HARDSHIP_STATE_REFERRED, hardship.OpenMutual: pb.HardshipState_HARDSHIP_STATE_MUTUAL_AID,
		hardship.Close: pb.HardshipState_HARDSHIP_STATE_CLOSED,
	}[command]
}

// What this side announces and counts, by the command that was carried out.
func caseEventName(command string) string {
	return map[string]string{
		hardship.Open: "hardship_case.opened", hardship.Visit: "hardship_case.visited", hardship.Consent: "hardship_case.consented",
		hardship.Refuse: "hardship_case.refused", hardship.AskRelief: "hardship_case.relief_asked",
		hardship.DecideRelief: "hardship_case.relief_decided", hardship.Refer: "hardship_case.referred",
		hardship.OpenMutual: "hardship_case.mutual_aid", hardship.Close: "hardship_case.closed",
	}[command]
}

func measureOfStep(command string, c *pb.HardshipCase) string {
	if command == hardship.DecideRelief && c.GetReliefDecision() != pb.ReliefDecision_RELIEF_DECISION_REFUSED {
		return measureRelieved
	}
	return map[string]string{
		hardship.Open: measureOpened, hardship.Consent: measureConsented, hardship.Refuse: measureRefused,
		hardship.Refer: measureReferred, hardship.OpenMutual: measureMutual, hardship.Close: measureEnded,
	}[command]
}

// announceCase audits, emits and counts a step.
func (a aid) announceCase(tx *store.Tx, command string, row table.Row[*pb.HardshipCaseRow], previous hardship.State, now time.Time) error {
	c := row.Value.GetHardshipCase()
	tx.Audit(store.Record{Rows: []string{c.GetId()}})
	if measure := measureOfStep(command, c); measure != "" {
		if err := a.countHardship(tx, row.Value.GetCommunityPath(), measure, now); err != nil {
			return err
		}
	}
	return tx.Emit(caseEvent(caseEventName(command), row, previous, now))
}

func caseEvent(name string, row table.Row[*pb.HardshipCaseRow], previous hardship.State, now time.Time) store.Event {
	c := row.Value.GetHardshipCase()
	return store.Event{
		Name: name, EntityID: c.GetId(), Revision: row.Revision,
		Data: &pb.HardshipCaseChanged{
			Id: c.GetId(), Revision: row.Revision, CommunityId: c.GetCommunityId(), RequestId: c.GetRequestId(),
			Author: row.Value.GetAuthor(), State: c.GetState(), PreviousState: pb.HardshipState(previous), Day: clock.Day(now),
		},
	}
}

// VisitHardshipCase records the visit and seals its facts.
func (a aid) VisitHardshipCase(ctx context.Context, req *pb.VisitHardshipCaseRequest) (*pb.VisitHardshipCaseResponse, error) {
	call, now := access.From(ctx), a.store.Civil().Now()
	sealed, err := a.sealed(req.GetFacts(), req.GetId(), sealedFacts)
	if err != nil {
		return nil, err
	}
	return store.Do(ctx, a.store, req, func(tx *store.Tx) (*pb.VisitHardshipCaseResponse, error) {
		out, err := a.climb(tx, climb{
			command: hardship.Visit, id: req.GetId(), etag: req.GetEtag(), scope: staffScope(call), now: now,
			change: func(_ *store.Tx, row *pb.HardshipCaseRow) error {
				row.SealedFacts, row.HardshipCase.FactsSealed = sealed, true
				row.HardshipCase.VisitedAt = timestamppb.New(now)
				row.People = a.people(req.GetFacts())
				return nil
			},
		})
		return &pb.VisitHardshipCaseResponse{HardshipCase: out}, err
	})
}

// people are the keyed hashes of a household: by ID number, else by name and
// phone; who has neither is not found again.
func (a aid) people(f *pb.HardshipFacts) (hashes [][]byte) {
	for _, p := range f.GetPeople() {
		switch {
		case p.GetIdNumber() != "":
			hashes = append(hashes, a.store.Keyring().Blind("hardship person", "id", p.GetIdNumber()))
		case p.GetPhone() != "":
			hashes = append(hashes, a.store.Keyring().Blind("hardship person", "phone", p.GetName(), p.GetPhone()))
		}
	}
	return hashes
}

// causesOf are the keyed hashes under which a cause of a year is found for
// each of a household; a household that cannot be found again has its case.
func (a aid) causesOf(row *pb.HardshipCaseRow, year string, cause pb.AidCause) (hashes [][]byte) {
	seen := map[string]bool{}
	for _, p := range append([][]byte{[]byte(row.GetHardshipCase().GetId())}, row.GetPeople()...) {
		h := a.store.Keyring().Blind("hardship cause", hex.EncodeToString(p), year, cause.String())
		if !seen[string(h)] {
			seen[string(h)] = true
			hashes = append(hashes, h)
		}
	}
	return hashes
}

// RecordHardshipConsent records the answer of the person or the guardian.
func (a aid) RecordHardshipConsent(ctx context.Context, req *pb.RecordHardshipConsentRequest) (*pb.RecordHardshipConsentResponse, error) {
	call, now, command := access.From(ctx), a.store.Civil().Now(), hardship.Refuse
	if req.GetGiven() {
		command = hardship.Consent
	}
	if req.GetGiven() && req.GetName() == "" {
		return nil, invalid("name", "1–40")
	}
	sealed, err := a.sealed(&pb.ConsentFacts{By: req.GetBy(), Name: req.GetName()}, req.GetId(), sealedConsent)
	if err != nil {
		return nil, err
	}
	return store.Do(ctx, a.store, req, func(tx *store.Tx) (*pb.RecordHardshipConsentResponse, error) {
		out, err := a.climb(tx, climb{
			command: command, id: req.GetId(), etag: req.GetEtag(), scope: staffScope(call), now: now,
			change: func(_ *store.Tx, row *pb.HardshipCaseRow) error {
				c := row.GetHardshipCase()
				c.ConsentBy, c.ConsentRecordedBy, c.ConsentAt = req.GetBy(), call.Person, timestamppb.New(now)
				row.SealedConsent = sealed // a refusal erases it with the rest
				return nil
			},
		})
		return &pb.RecordHardshipConsentResponse{HardshipCase: out}, err
	})
}

// AskRelief starts the street's clock.
func (a aid) AskRelief(ctx context.Context, req *pb.AskReliefRequest) (*pb.AskReliefResponse, error) {
	call, now := access.From(ctx), a.store.Civil().Now()
	return store.Do(ctx, a.store, req, func(tx *store.Tx) (*pb.AskReliefResponse, error) {
		out, err := a.climb(tx, climb{
			command: hardship.AskRelief, id: req.GetId(), etag: req.GetEtag(), scope: staffScope(call), now: now,
			change: func(tx *store.Tx, row *pb.HardshipCaseRow) (err error) {
				row.HardshipCase.ReliefAskedAt = timestamppb.New(now)
				row.WatchUntil, err = a.limit(tx, row.GetCommunityPath(), now, "requests.relief_days")
				row.HardshipCase.ReliefDueAt = row.GetWatchUntil()
				return err
			},
		})
		return &pb.AskReliefResponse{HardshipCase: out}, err
	})
}

// DecideRelief records what the street decided.
func (a aid) DecideRelief(ctx context.Context, req *pb.DecideReliefRequest) (*pb.DecideReliefResponse, error) {
	call, now := access.From(ctx), a.store.Civil().Now()
	return store.Do(ctx, a.store, req, func(tx *store.Tx) (*pb.DecideReliefResponse, error) {
		out, err := a.climb(tx, climb{
			command: hardship.DecideRelief, id: req.GetId(), etag: req.GetEtag(),
			scope: officesOf(call, typev1.Role_ROLE_STREET_OFFICER), now: now,
			change: func(_ *store.Tx, row *pb.HardshipCaseRow) error {
				c := row.GetHardshipCase()
				if err := hardship.CheckDecision(c.GetReliefAskedAt() != nil, hardship.Decision(c.GetReliefDecision())); err != nil {
					return err
				}
				c.ReliefDecision, c.ReliefDocument, c.ReliefDecidedAt = req.GetDecision(), req.GetDocument(), timestamppb.New(now)
				row.WatchUntil = nil
				return nil
			},
		})
		return &pb.DecideReliefResponse{HardshipCase: out}, err
	})
}

// ReferHardshipCase hands a case to a public-benefit organization.
func (a aid) ReferHardshipCase(ctx context.Context, req *pb.ReferHardshipCaseRequest) (*pb.ReferHardshipCaseResponse, error) {
	call, now := access.From(ctx), a.store.Civil().Now()
	return store.Do(ctx, a.store, req, func(tx *store.Tx) (*pb.ReferHardshipCaseResponse, error) {
		out, err := a.climb(tx, climb{
			command: hardship.Refer, id: req.GetId(), etag: req.GetEtag(), skipReason: req.GetSkipReason(),
			scope: staffScope(call), now: now,
			change: func(_ *store.Tx, row *pb.HardshipCaseRow) error {
				row.HardshipCase.Referral, row.HardshipCase.ReferredAt = req.GetReferral(), timestamppb.New(now)
				return nil
			},
		})
		return &pb.ReferHardshipCaseResponse{HardshipCase: out}, err
	})
}

// OpenMutualAid asks the neighbourhood.
func (a aid) OpenMutualAid(ctx context.Context, req *pb.OpenMutualAidRequest) (*pb.OpenMutualAidResponse, error) {
	call, now := access.From(ctx), a.store.Civil().Now()
	return store.Do(ctx, a.store, req, func(tx *store.Tx) (*pb.OpenMutualAidResponse, error) {
		out, err := a.climb(tx, climb{
			command: hardship.OpenMutual, id: req.GetId(), etag: req.GetEtag(), skipReason: req.GetSkipReason(),
			scope: staffScope(call), now: now,
			change: func(_ *store.Tx, row *pb.HardshipCaseRow) error {
				row.HardshipCase.MutualAidAt = timestamppb.New(now)
				return nil
			},
		})
		return &pb.OpenMutualAidResponse{HardshipCase: out}, err
	})
}

// CloseHardshipCase ends a case and takes its public layer down.
func (a aid) CloseHardshipCase(ctx context.Context, req *pb.CloseHardshipCaseRequest) (*pb.CloseHardshipCaseResponse, error) {
	call, now := access.From(ctx), a.store.Civil().Now()
	return store.Do(ctx, a.store, req, func(tx *store.Tx) (*pb.CloseHardshipCaseResponse, error) {
		out, err := a.climb(tx, climb{
			command: hardship.Close, id: req.GetId(), etag: req.GetEtag(), skipReason: req.GetSkipReason(),
			scope: staffScope(call), now: now,
			change: func(tx *store.Tx, row *pb.HardshipCaseRow) error {
				if err := a.checkConfirmed(tx, req.GetId()); err != nil {
					return err
				}
				row.HardshipCase.ClosedAt, row.WatchUntil = timestamppb.New(now), nil
				return a.takeDownHelp(tx, row)
			},
		})
		return &pb.CloseHardshipCaseResponse{HardshipCase: out}, err
	})
}
