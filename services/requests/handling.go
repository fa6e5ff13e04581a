package requests

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// handling answers linli.requests.v1.HandlingService.
type handling struct {
	pb.UnsafeHandlingServiceServer
	*Service
}

var _ pb.HandlingServiceServer = handling{}

// office is the scope of the offices that a method takes: a row that is
// somebody's own opens no step of an office.
func office(call access.Call) scope.Scope { return scope.Scope{Paths: call.Scope.Paths} }

// DeclineRequest ends a request with a written reason.
func (s handling) DeclineRequest(ctx context.Context, req *pb.DeclineRequestRequest) (*pb.DeclineRequestResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.DeclineRequestResponse, error) {
		out, err := s.take(tx, call, step{
			command: request.Decline, id: req.GetId(), etag: req.GetEtag(), scope: office(call),
			change: func(tx *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error {
				answered(row, now)
				stopClock(row)
				row.Request.ClosedAt = now
				row.Exclusion = &pb.Exclusion{RequestId: req.GetId(), Approver: call.Person, ExcludedAt: now, NotToSolve: true}
				if err := s.checkSaid(tx, row, "reason", req.GetReason()); err != nil {
					return err
				}
				if err := s.settleNuisance(tx, row, req.GetUnfounded()); err != nil {
					return err
				}
				return s.say(row, func(w *pb.SaidWords) { w.Reason, w.Exclusion = req.GetReason(), req.GetReason() })
			},
		})
		return &pb.DeclineRequestResponse{Request: out}, err
	})
}

// MergeRequest links a request to an earlier one, both ways.
func (s handling) MergeRequest(ctx context.Context, req *pb.MergeRequestRequest) (*pb.MergeRequestResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.MergeRequestResponse, error) {
		out, err := s.take(tx, call, step{
			command: request.Merge, id: req.GetId(), etag: req.GetEtag(), scope: office(call),
			change: func(tx *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error {
				answered(row, now)
				stopClock(row)
				row.Request.MergedInto, row.Request.ClosedAt = req.GetIntoId(), now
				row.Exclusion = &pb.Exclusion{
					RequestId: req.GetId(), Approver: call.Person, ExcludedAt: now, NotToSolve: true, MergedInto: req.GetIntoId(),
				}
				if err := s.settleNuisance(tx, row, false); err != nil {
					return err
				}
				return s.linkMerged(tx, office(call), row.GetRequest(), req.GetIntoId())
			},
		})
		return &pb.MergeRequestResponse{Request: out}, err
	})
}

// linkMerged notes a merged request at the one that stays; its author stands
// with that one from then on.
func (s handling) linkMerged(tx *store.Tx, sees scope.Scope, merged *pb.Request, into string) error {
	row, err := s.read(tx, sees, into)
	if err != nil {
		return err
	}
	stays := row.Value.GetRequest()
	if into == merged.GetId() || stays.GetCommunityId() != merged.GetCommunityId() || public(stays) != public(merged) || !requestOpen(stays) {
		return rule.New(rule.Precondition, "NOT_MERGEABLE", "into_id")
	}
	next := proto.CloneOf(row.Value)
	next.Request.Merged = append(next.Request.Merged, merged.GetId())
	if merged.GetAuthor() != stays.GetAuthor() {
		first, err := s.tables.joined.Set(tx, s.joinedKey(into, merged.GetAuthor()))
		if err != nil {
			return err
		}
		if first {
			next.Request.Joined++
		}
	}
	_, err = s.tables.requests.Replace(tx, row, next)
	return err
}

// VerifyRequest records what a visit found.
func (s handling) VerifyRequest(ctx context.Context, req *pb.VerifyRequestRequest) (*pb.VerifyRequestResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.VerifyRequestResponse, error) {
		out, err := s.take(tx, call, step{
			command: request.Verify, id: req.GetId(), etag: req.GetEtag(), scope: office(call),
			change: func(_ *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error {
				if aboutHousehold(row.GetRequest()) {
					return rule.New(rule.Precondition, "FACTS_IN_CASE", "found")
				}
				row.Request.VerifiedAt = now
				return s.say(row, func(w *pb.SaidWords) { w.Found = req.GetFound() })
			},
		})
		return &pb.VerifyRequestResponse{Request: out}, err
	})
}

// AnswerOffer is the yes or no of whom a request was given to.
func (s handling) AnswerOffer(ctx context.Context, req *pb.AnswerOfferRequest) (*pb.AnswerOfferResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AnswerOfferResponse, error) {
		r, err := s.offered(tx, call, req.GetId())
		if err != nil {
			return nil, err
		}
		out, err := s.take(tx, call, step{
			command: request.Answer(req.GetTakeOn(), r.GetMemberId() != "", int(r.GetReturns())), id: req.GetId(), etag: req.GetEtag(), scope: answering(call),
			change: func(tx *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error {
				if err := request.MayTakeOn(actorOf(call, row), helperOf(row.GetRequest())); err != nil {
					return err
				}
				if req.GetTakeOn() && forProvider(row.GetRequest()) {
					row.Request.TakenOnBy = call.Person
				}
				return s.answerOffer(tx, row, req, now)
			},
		})
		return &pb.AnswerOfferResponse{Request: out}, err
	})
}

// answering is whose answers are taken: whom it was given to, and staff for a
// provider without a person.
func answering(call access.Call) scope.Scope {
	return scope.Scope{Paths: staffScope(call).Paths, Person: call.Person}
}

// offered answers a request to whom it was given; to staff of its community
// only for a provider without a person.
func (s handling) offered(tx *store.Tx, call access.Call, id string) (*pb.Request, error) {
	row, err := s.read(tx, answering(call), id)
	if err != nil {
		return nil, err
	}
	if r := row.Value.GetRequest(); forProvider(r) || slices.Contains(persons(r), call.Person) {
		return r, nil
	}
	return nil, rule.Absent("request", id)
}

// answerOffer notes a yes, or gives the request back: a member's no is kept by
// nobody's name, a unit's second no goes to the street.
func (s handling) answerOffer(tx *store.Tx, row *pb.RequestRow, req *pb.AnswerOfferRequest, now *timestamppb.Timestamp) error {
	r := row.GetRequest()
	if req.GetTakeOn() {
		r.TakenOnAt = now
		return s.checkTakesOn(tx, row)
	}
	member := r.GetMemberId() != ""
	giveBack(row)
	if member {
		return nil
	}
	if req.GetReason() == "" {
		return invalid("reason", "not blank")
	}
	if err := s.checkSaid(tx, row, "reason", req.GetReason()); err != nil {
		return err
	}
	if err := s.say(row, func(w *pb.SaidWords) { w.Reason = req.GetReason() }); err != nil {
		return err
	}
	if r.Returns++; r.GetState() != pb.RequestState_REQUEST_STATE_ESCALATED {
		return nil
	}
	r.Escalation = request.WithStreet
	return s.startClock(tx, row, solveLimit)
}

// RecallRequest takes a request back that nobody has taken on.
func (s handling) RecallRequest(ctx context.Context, req *pb.RecallRequestRequest) (*pb.RecallRequestResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RecallRequestResponse, error) {
		out, err := s.take(tx, call, step{
			command: request.Recall, id: req.GetId(), etag: req.GetEtag(), scope: office(call),
			change: func(_ *store.Tx, row *pb.RequestRow, _ *timestamppb.Timestamp) error {
				giveBack(row)
				return nil
			},
		})
		return &pb.RecallRequestResponse{Request: out}, err
	})
}

// CloseUnsolved ends a request honestly.
func (s handling) CloseUnsolved(ctx context.Context, req *pb.CloseUnsolvedRequest) (*pb.CloseUnsolvedResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.CloseUnsolvedResponse, error) {
		out, err := s.take(tx, call, step{
			command: request.CloseUnsolved, id: req.GetId(), etag: req.GetEtag(), scope: office(call),
			change: func(tx *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error {
				stopClock(row)
				row.Request.ClosedAt = now
				if err := request.MayEnd(actorOf(call, row)); err != nil {
					return err
				}
				if err := s.checkSaid(tx, row, "answer", req.GetAnswer()); err != nil {
					return err
				}
				if err := s.settleNuisance(tx, row, false); err != nil {
					return err
				}
				return s.say(row, func(w *pb.SaidWords) { w.Answer = req.GetAnswer() })
			},
		})
		return &pb.CloseUnsolvedResponse{Request: out}, err
	})
}

// touch changes a request without a move along its way, and announces it.
func (s handling) touch(tx *store.Tx, call access.Call, id, etag, what string, change func(row *pb.RequestRow, now time.Time) error) (*pb.Request, error) {
	row, err := s.read(tx, office(call), id)
	if err != nil {
		return nil, err
	}
	if err := row.Match(etag); err != nil {
		return nil, err
	}
	next := proto.CloneOf(row.Value)
	if err := change(next, s.store.Civil().Now()); err != nil {
		return nil, err
	}
	kept, err := s.tables.requests.Replace(tx, row, next)
	if err != nil {
		return nil, err
	}
	if err := s.announce(tx, what, kept, row.Value.GetRequest().GetState(), firstTime{}); err != nil {
		return nil, err
	}
	return s.requestProto(call, kept)
}

// ExcludeRequest takes a request out of the rates.
func (s handling) ExcludeRequest(ctx context.Context, req *pb.ExcludeRequestRequest) (*pb.ExcludeRequestResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ExcludeRequestResponse, error) {
		out, err := s.touch(tx, call, req.GetId(), req.GetEtag(), excluded, func(row *pb.RequestRow, now time.Time) error {
			row.Request.Excluded = true
			row.Exclusion = &pb.Exclusion{
				RequestId: req.GetId(), Approver: call.Person, ExcludedAt: timestamppb.New(now),
			}
			return s.say(row, func(w *pb.SaidWords) { w.Exclusion = req.GetReason() })
		})
		return &pb.ExcludeRequestResponse{Request: out}, err
	})
}
