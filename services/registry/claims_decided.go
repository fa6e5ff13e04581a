package registry

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/claim"
)

// deciders are the grants under which a caller decides on claims of residents, or
// of members.
func deciders(call access.Call, residents bool) scope.Scope {
	roles := []typev1.Role{
		typev1.Role_ROLE_DISTRICT_OFFICER, typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, typev1.Role_ROLE_WORKPLACE_OFFICER,
		typev1.Role_ROLE_BRANCH_OFFICER,
	}
	if residents {
		roles = []typev1.Role{typev1.Role_ROLE_DISTRICT_OFFICER, typev1.Role_ROLE_COMMITTEE_STAFF}
	}
	return scope.Scope{Paths: call.ScopeOf(roles...).Paths}
}

// ListClaims answers the claims of an organization and those below it.
func (s privacy) ListClaims(ctx context.Context, req *pb.ListClaimsRequest) (*pb.ListClaimsResponse, error) {
	call, reply, state := access.From(ctx), &pb.ListClaimsResponse{}, req.GetState()
	if state == pb.ClaimState_CLAIM_STATE_UNSPECIFIED {
		state = pb.ClaimState_CLAIM_STATE_REQUESTED
	}
	err := s.store.View(ctx, func(r kv.Reader) error {
		path, err := s.pathOf(r, req.GetOrganizationId())
		if err != nil {
			return err
		}
		sc := deciders(call, req.GetResidents())
		if !sc.Covers(path) {
			return nil // of members where only residents are the caller's, or the other way
		}
		whose := "members"
		if req.GetResidents() {
			whose = "residents"
		}
		rows, next, err := table.Page(s.pager, s.claims, r, table.PageCall{
			Method: call.Method, Person: call.Person, Scope: sc, Filter: []string{req.GetOrganizationId(), whose, state.String()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}, table.Query{Index: byOffice, Prefix: claimsKey(req.GetResidents(), state).Prefix(string(path))})
		reply.NextPageToken = next
		for _, row := range rows {
			reply.Claims = append(reply.Claims, officeClaim(row))
		}
		return err
	})
	return reply, err
}

// claimToDecide answers a claim that the caller may decide on; one of somebody
// else's office looks like none.
func (s privacy) claimToDecide(r kv.Reader, call access.Call, id, etag string) (table.Row[*pb.ClaimRow], error) {
	row, err := s.claim(r, scope.All(), id, "")
	if err == nil && !deciders(call, row.Value.GetClaim().GetResident()).Covers(scope.Path(row.Value.GetOfficePath())) {
		err = rule.Absent(s.claims.Name(), id)
	}
	if err == nil {
		err = row.Match(etag)
	}
	return row, err
}

// RevealClaim opens what was written. The answer is remembered nowhere.
func (s privacy) RevealClaim(ctx context.Context, req *pb.RevealClaimRequest) (*pb.RevealClaimResponse, error) {
	call, reply := access.From(ctx), &pb.RevealClaimResponse{}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		row, err := s.claimToDecide(tx, call, req.GetId(), "")
		if err != nil {
			return err
		}
		reply.Claim = ownClaim(row)
		return tx.Reveal(store.Record{
			Rows: []string{req.GetId()}, Subjects: []string{row.Value.GetClaim().GetPerson()}, Reason: req.GetReason(),
		})
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// AcceptClaim grants a claim: a correction is written, an erasure waits.
func (s privacy) AcceptClaim(ctx context.Context, req *pb.AcceptClaimRequest) (*pb.AcceptClaimResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AcceptClaimResponse, error) {
		row, err := s.claimToDecide(tx, call, req.GetId(), req.GetEtag())
		if err == nil {
			err = claim.MayDecide(row.Value.GetClaim().GetPerson(), call.Person)
		}
		if err != nil {
			return nil, err
		}
		decide := func(c *pb.Claim) { c.DecidedAt, c.DecidedBy = timestamppb.New(now), call.Person }
		if c := row.Value.GetClaim(); c.GetKind() == pb.ClaimKind_CLAIM_KIND_CORRECTION {
			if row, err = s.moveClaim(tx, row, claim.Correct, decide); err == nil {
				err = s.correct(tx, c)
			}
			if err != nil {
				return nil, err
			}
			return &pb.AcceptClaimResponse{Claim: officeClaim(row)}, nil
		}
		p, err := s.policyAt(tx, scope.Path(row.Value.GetOfficePath()), int32(now.In(clock.Shanghai()).Year()))
		if err != nil {
			return nil, err
		}
		row, err = s.moveClaim(tx, row, claim.Accept, func(c *pb.Claim) {
			decide(c)
			c.BeginsAt = timestamppb.New(claim.BeginsAt(now, p.Int("privacy.erasure_wait_days")))
		})
		if err != nil {
			return nil, err
		}
		return &pb.AcceptClaimResponse{Claim: officeClaim(row)}, nil
	})
}

// RefuseClaim refuses a claim with a reason for the person.
func (s privacy) RefuseClaim(ctx context.Context, req *pb.RefuseClaimRequest) (*pb.RefuseClaimResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RefuseClaimResponse, error) {
		row, err := s.claimToDecide(tx, call, req.GetId(), req.GetEtag())
		if err == nil {
			err = claim.MayDecide(row.Value.GetClaim().GetPerson(), call.Person)
		}
		if err == nil {
			row, err = s.moveClaim(tx, row, claim.Refuse, func(c *pb.Claim) {
				c.DecidedAt, c.DecidedBy, c.Refusal = now, call.Person, req.GetReason()
			})
		}
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Reason: req.GetReason()})
		return &pb.RefuseClaimResponse{Claim: officeClaim(row)}, nil
	})
}
