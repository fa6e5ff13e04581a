package requests

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/requests/internal/cover"
	"github.com/linli-project/linli/services/requests/internal/hardship"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// dutyOf answers what the register says about a request's category.
func (s *Service) dutyOf(r kv.Reader, row *pb.RequestRow) (request.Duty, error) {
	duty, err := s.duty(r, row)
	return request.Duty{Owner: request.Owner(duty.GetOwner()), Name: duty.GetOwnerName()}, err
}

// checkAdmission sets the office's word for the category and asks the register
// whose it is.
func (s *Service) checkAdmission(tx *store.Tx, row *pb.RequestRow, req *pb.AdmitRequestRequest) error {
	if req.GetCategory() != "" {
		if len(cover.Find(req.GetCategory())) > 0 {
			return invalid("category", "a kind of request")
		}
		row.Request.Category = req.GetCategory()
	}
	duty, err := s.dutyOf(tx, row)
	if err != nil || req.GetBeyondDuty() {
		return err
	}
	return duty.CheckCommunity()
}

// checkTakesOn refuses the yes of a member who has moved away, and of a provider
// who is no longer on the register.
func (s *Service) checkTakesOn(r kv.Reader, row *pb.RequestRow) error {
	switch q := row.GetRequest(); {
	case q.GetMemberId() != "":
		return s.checkHere(r, row, q.GetMemberId())
	case q.GetProviderId() != "":
		_, err := s.approvedProvider(r, row, q.GetProviderId())
		return err
	}
	return nil
}

// aboutHousehold says whether what is known about a request belongs into a
// hardship case.
func aboutHousehold(r *pb.Request) bool {
	return r.GetKind() == pb.RequestKind_REQUEST_KIND_HARDSHIP || r.GetOnBehalfOf()
}

// checkSaid refuses facts of a household in what the author and others read:
// they see the steps.
func (s *Service) checkSaid(r kv.Reader, row *pb.RequestRow, field, text string) error {
	if !aboutHousehold(row.GetRequest()) {
		return nil
	}
	known, ok, err := s.aidTables.cases.By(r, scope.All(), byRequest, key.Key(nil).String(row.GetRequest().GetId()))
	if err != nil {
		return err
	}
	var names []string
	if ok {
		if names, err = (aid{Service: s}).names(known.Value); err != nil {
			return err
		}
	}
	return hardship.CheckPublic(field, text, names)
}

// PassOnRequest gives a posted request to whose duty it is by the register.
func (s handling) PassOnRequest(ctx context.Context, req *pb.PassOnRequestRequest) (*pb.PassOnRequestResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.PassOnRequestResponse, error) {
		out, err := s.take(tx, call, step{
			command: request.PassOn, id: req.GetId(), etag: req.GetEtag(), scope: office(call),
			change: func(tx *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error {
				duty, err := s.dutyOf(tx, row)
				if err != nil {
					return err
				}
				if row.Request.Escalation, err = duty.PassOn(); err != nil {
					return err
				}
				answered(row, now)
				return s.startClock(tx, row, solveLimit)
			},
		})
		return &pb.PassOnRequestResponse{Request: out}, err
	})
}

// HandRequest gives a request to staff or to a provider.
func (s handling) HandRequest(ctx context.Context, req *pb.HandRequestRequest) (*pb.HandRequestResponse, error) {
	call := access.From(ctx)
	if err := checkHand(req); err != nil {
		return nil, err
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.HandRequestResponse, error) {
		out, err := s.take(tx, call, step{
			command: request.Dispatch, id: req.GetId(), etag: req.GetEtag(), scope: office(call),
			change: func(tx *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error {
				to, office, err := s.handTo(tx, row, req)
				if err != nil {
					return err
				}
				giveBack(row)
				row.HandedPath = string(office)
				row.Request.HandedTo, row.Request.ProviderId, row.Request.DispatchedAt = to, req.GetProviderId(), now
				return nil
			},
		})
		return &pb.HandRequestResponse{Request: out}, err
	})
}

// BeginRequest says that who took a request on has begun.
func (s handling) BeginRequest(ctx context.Context, req *pb.BeginRequestRequest) (*pb.BeginRequestResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.BeginRequestResponse, error) {
		if _, err := s.offered(tx, call, req.GetId()); err != nil {
			return nil, err
		}
		out, err := s.take(tx, call, step{
			command: request.Begin, id: req.GetId(), etag: req.GetEtag(), scope: answering(call),
			change: func(_ *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error {
				row.Request.BegunAt = now
				return request.MayTakeOn(actorOf(call, row), helperOf(row.GetRequest()))
			},
		})
		return &pb.BeginRequestResponse{Request: out}, err
	})
}

// checkHand: a provider of the register, or a person and for whom.
func checkHand(req *pb.HandRequestRequest) error {
	switch provider := req.GetProviderId() != ""; {
	case provider == (req.GetPerson() != ""):
		return invalid("person", "person and organization_id, or provider_id")
	case provider == (req.GetOrganizationId() != ""):
		return invalid("organization_id", "person and organization_id, or provider_id")
	}
	return nil
}

// handTo answers the person who answers for whom a request is given to, and the
// office for which that person acts. A provider may have nobody.
func (s handling) handTo(tx *store.Tx, row *pb.RequestRow, req *pb.HandRequestRequest) (string, scope.Path, error) {
	if req.GetProviderId() != "" {
		person, err := s.approvedProvider(tx, row, req.GetProviderId())
		return person, "", err
	}
	o, ok, err := s.organizations.Get(tx, req.GetOrganizationId())
	if err != nil {
		return "", "", err
	}
	if !ok {
		return "", "", rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "organization_id", "id", req.GetOrganizationId())
	}
	duty, err := s.dutyOf(tx, row)
	if err != nil {
		return "", "", err
	}
	community := scope.Path(row.GetCommunityPath())
	above := o.Path.Contains(community)
	return req.GetPerson(), o.Path, duty.MayHandTo(o.Path == community,
		above && o.Kind == registryv1.OrganizationKind_ORGANIZATION_KIND_STREET,
		above && o.Kind == registryv1.OrganizationKind_ORGANIZATION_KIND_DISTRICT)
}
