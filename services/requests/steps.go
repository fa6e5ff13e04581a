package requests

import (
	"cmp"
	"context"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// officeRoles read requests by the organization they stand for.
func officeRoles() []typev1.Role {
	return []typev1.Role{
		typev1.Role_ROLE_COMMITTEE_STAFF, typev1.Role_ROLE_COMMUNITY_PARTY_STAFF,
		typev1.Role_ROLE_STREET_OFFICER, typev1.Role_ROLE_DISTRICT_OFFICER,
	}
}

// handlingRoles see to requests: the committee, and the offices above what is
// escalated to them.
func handlingRoles() []typev1.Role {
	return []typev1.Role{typev1.Role_ROLE_COMMITTEE_STAFF, typev1.Role_ROLE_STREET_OFFICER, typev1.Role_ROLE_DISTRICT_OFFICER}
}

// step is one move of a request: which row, under which command, and what it
// changes. change may refuse.
type step struct {
	command  string
	id, etag string
	scope    scope.Scope
	change   func(tx *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error
}

// take moves a request along its way inside a transaction: scope, etag, state,
// the step's own rule, the row, the event.
func (s *Service) take(tx *store.Tx, call access.Call, st step) (*pb.Request, error) {
	row, err := s.read(tx, st.scope, st.id)
	if err != nil {
		return nil, err
	}
	if err := row.Match(st.etag); err != nil {
		return nil, err
	}
	state, err := s.way.Next(request.State(row.Value.GetRequest().GetState()), st.command)
	if err != nil {
		return nil, err
	}
	next := proto.CloneOf(row.Value)
	next.Request.State = pb.RequestState(state)
	if err := st.change(tx, next, timestamppb.New(s.store.Civil().Now())); err != nil {
		return nil, err
	}
	kept, err := s.tables.requests.Replace(tx, row, next)
	if err != nil {
		return nil, err
	}
	if err := s.announceStep(tx, st.command, row, kept); err != nil {
		return nil, err
	}
	return s.requestProto(call, kept)
}

// staffScope is the office's alone: that a row is somebody's own opens no
// step of the office.
func staffScope(call access.Call) scope.Scope {
	return scope.Scope{Paths: call.ScopeOf(typev1.Role_ROLE_COMMITTEE_STAFF).Paths}
}

func actorOf(call access.Call, row *pb.RequestRow) request.Actor {
	path := scope.Path(row.GetCommunityPath())
	return request.Actor{
		Person: call.Person, Staff: staffScope(call).Covers(path), Above: withThis(call, row.GetRequest(), path),
		OutOfOffice: outOfOffice(call, row), ForProvider: forProvider(row.GetRequest()),
	}
}

// outOfOffice says whether a request was handed to the caller for an office in
// which the caller holds no grant.
func outOfOffice(call access.Call, row *pb.RequestRow) bool {
	return row.GetHandedPath() != "" && call.Person == row.GetRequest().GetHandedTo() &&
		!slices.ContainsFunc(call.Grants, func(g access.Grant) bool {
			return slices.Contains(officeRoles(), g.Role) && string(g.Path) == row.GetHandedPath()
		})
}

// hidden says whether a request is the caller's only by a hand-over to an office
// that is not the caller's.
func hidden(call access.Call, row *pb.RequestRow) bool {
	return outOfOffice(call, row) && !call.ScopeOf(officeRoles()...).Covers(scope.Path(row.GetCommunityPath()))
}

// forProvider says whether a request was handed to a provider without a person.
func forProvider(r *pb.Request) bool { return r.GetProviderId() != "" && r.GetHandedTo() == "" }

// withThis says whether the caller's office is the one above that an escalated
// request is with.
func withThis(call access.Call, r *pb.Request, path scope.Path) bool {
	switch r.GetEscalation() {
	case request.WithStreet:
		return officesOf(call, typev1.Role_ROLE_STREET_OFFICER).Covers(path)
	case request.WithDepartment:
		return officesOf(call, typev1.Role_ROLE_DISTRICT_OFFICER).Covers(path)
	}
	return false
}

// helperOf is who a request was dispatched to: a member, or staff or provider.
func helperOf(r *pb.Request) string { return cmp.Or(r.GetMemberId(), r.GetHandedTo()) }

// AdmitRequest takes a posted request on as the community's.
func (s *Service) AdmitRequest(ctx context.Context, req *pb.AdmitRequestRequest) (*pb.AdmitRequestResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AdmitRequestResponse, error) {
		out, err := s.take(tx, call, step{
			command: request.Admit, id: req.GetId(), etag: req.GetEtag(), scope: staffScope(call),
			change: func(tx *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error {
				answered(row, now)
				row.Request.AdmittedAt = now
				if err := s.checkAdmission(tx, row, req); err != nil {
					return err
				}
				return s.startClock(tx, row, solveLimit)
			},
		})
		return &pb.AdmitRequestResponse{Request: out}, err
	})
}

// DispatchRequest offers a request to a member who has reported in here.
func (s *Service) DispatchRequest(ctx context.Context, req *pb.DispatchRequestRequest) (*pb.DispatchRequestResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.DispatchRequestResponse, error) {
		out, err := s.take(tx, call, step{
			command: request.Dispatch, id: req.GetId(), etag: req.GetEtag(), scope: staffScope(call),
			change: func(tx *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error {
				if err := s.checkHere(tx, row, req.GetMemberId()); err != nil {
					return err
				}
				giveBack(row)
				row.Request.MemberId, row.Request.DispatchedAt = req.GetMemberId(), now
				return nil
			},
		})
		return &pb.DispatchRequestResponse{Request: out}, err
	})
}

// checkHere answers MEMBER_NOT_IN_COMMUNITY for a member who has not reported in
// where the request is, or has moved away since.
func (s *Service) checkHere(r kv.Reader, row *pb.RequestRow, member string) error {
	m, ok, err := s.members.Get(r, member)
	if err == nil && (!ok || string(m.ReportedPath) != row.GetCommunityPath()) {
		err = rule.New(rule.Precondition, "MEMBER_NOT_IN_COMMUNITY", "member_id")
	}
	return err
}

// giveBack takes a request from whom it was dispatched to.
func giveBack(row *pb.RequestRow) {
	r := row.GetRequest()
	row.HandedPath = ""
	r.MemberId, r.HandedTo, r.ProviderId, r.TakenOnBy = "", "", "", ""
	r.DispatchedAt, r.TakenOnAt, r.BegunAt = nil, nil, nil
}

// TakeOnRequest is the member's yes.
func (s *Service) TakeOnRequest(ctx context.Context, req *pb.TakeOnRequestRequest) (*pb.TakeOnRequestResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.TakeOnRequestResponse, error) {
		out, err := s.take(tx, call, step{
			command: request.TakeOn, id: req.GetId(), etag: req.GetEtag(), scope: scope.Scope{Person: call.Person},
			change: func(tx *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error {
				row.Request.TakenOnAt = now
				if err := request.MayTakeOn(actorOf(call, row), helperOf(row.GetRequest())); err != nil {
					return err
				}
				return s.checkTakesOn(tx, row)
			},
		})
		return &pb.TakeOnRequestResponse{Request: out}, err
	})
}

// ResolveRequest answers what was done.
func (s *Service) ResolveRequest(ctx context.Context, req *pb.ResolveRequestRequest) (*pb.ResolveRequestResponse, error) {
	call := access.From(ctx)
	own := scope.Scope{Paths: officesOf(call, handlingRoles()...).Paths, Person: call.Person}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ResolveRequestResponse, error) {
		out, err := s.take(tx, call, step{
			command: request.Resolve, id: req.GetId(), etag: req.GetEtag(), scope: own,
			change: func(tx *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error {
				r := row.GetRequest()
				r.QuarterHours, r.ResolvedAt = req.GetQuarterHours(), now
				stopClock(row)
				if err := s.settleNuisance(tx, row, false); err != nil {
					return err
				}
				if err := s.checkSaid(tx, row, "answer", req.GetAnswer()); err != nil {
					return err
				}
				if err := request.MayResolve(actorOf(call, row), helperOf(r), r.GetMemberId(), req.GetQuarterHours()); err != nil {
					return err
				}
				return s.say(row, func(w *pb.SaidWords) { w.Answer = req.GetAnswer() })
			},
		})
		return &pb.ResolveRequestResponse{Request: out}, err
	})
}

// RateRequest is the author's word.
func (s *Service) RateRequest(ctx context.Context, req *pb.RateRequestRequest) (*pb.RateRequestResponse, error) {
	call := access.From(ctx)
	own := scope.Scope{Paths: staffScope(call).Paths, Person: call.Person}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RateRequestResponse, error) {
		out, err := s.take(tx, call, step{
			command: request.Rate, id: req.GetId(), etag: req.GetEtag(), scope: own,
			change: func(_ *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error {
				r := row.GetRequest()
				r.Rating, r.Solved, r.RatedAt = req.GetRating(), req.GetSolved(), now
				return request.MayRate(actorOf(call, row), r.GetAuthor())
			},
		})
		return &pb.RateRequestResponse{Request: out}, err
	})
}

// CloseRequest files a request.
func (s *Service) CloseRequest(ctx context.Context, req *pb.CloseRequestRequest) (*pb.CloseRequestResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.CloseRequestResponse, error) {
		out, err := s.take(tx, call, step{
			command: request.Close, id: req.GetId(), etag: req.GetEtag(), scope: staffScope(call),
			change: func(_ *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error {
				row.Request.ClosedAt = now
				return nil
			},
		})
		return &pb.CloseRequestResponse{Request: out}, err
	})
}
