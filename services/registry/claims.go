package registry

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/claim"
	"github.com/linli-project/linli/services/registry/internal/member"
)

// privacy answers linli.registry.v1.PrivacyService.
type privacy struct {
	pb.UnsafePrivacyServiceServer
	*Service
}

var _ pb.PrivacyServiceServer = privacy{}

// RequestCorrection asks the home organization to correct a fact.
func (s privacy) RequestCorrection(ctx context.Context, req *pb.RequestCorrectionRequest) (*pb.RequestCorrectionResponse, error) {
	if err := member.CheckFact(member.Fact(req.GetFact()), req.GetValue()); err != nil {
		return nil, err
	}
	call, fresh := access.From(ctx), s.newClaim(ctx, pb.ClaimKind_CLAIM_KIND_CORRECTION)
	fresh.Fact, fresh.Value, fresh.Why = req.GetFact(), req.GetValue(), req.GetWhy()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RequestCorrectionResponse, error) {
		_, known, err := s.members.Get(tx, scope.All(), idKey(call.Person))
		if err == nil && !known {
			err = rule.New(rule.Precondition, "NO_RECORD_KEPT", "")
		}
		if err != nil {
			return nil, err
		}
		out, err := s.putClaim(tx, call, fresh, claim.Corrections())
		return &pb.RequestCorrectionResponse{Claim: out}, err
	})
}

// RequestErasure asks the office that keeps the person's record to erase the
// person.
func (s privacy) RequestErasure(ctx context.Context, req *pb.RequestErasureRequest) (*pb.RequestErasureResponse, error) {
	call, fresh := access.From(ctx), s.newClaim(ctx, pb.ClaimKind_CLAIM_KIND_ERASURE)
	fresh.Why = req.GetWhy()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RequestErasureResponse, error) {
		out, err := s.putClaim(tx, call, fresh, claim.Erasures())
		return &pb.RequestErasureResponse{Claim: out}, err
	})
}

// newClaim is what a claim has before the transaction.
func (s privacy) newClaim(ctx context.Context, kind pb.ClaimKind) *pb.Claim {
	return &pb.Claim{
		Id: s.ids("clm"), Kind: kind, Person: access.From(ctx).Person, RequestedAt: timestamppb.New(s.store.Civil().Now()),
	}
}

// putClaim writes a new claim for the office that keeps the record.
func (s privacy) putClaim(tx *store.Tx, call access.Call, fresh *pb.Claim, way rule.Machine[claim.State]) (*pb.Claim, error) {
	c := proto.CloneOf(fresh)
	before, open, err := s.claims.By(tx, scope.All(), byOpenClaim, openClaimKey(c))
	if err == nil && open {
		err = rule.New(rule.Precondition, "CLAIM_OPEN", "", "id", before.Value.GetClaim().GetId())
	}
	if err != nil {
		return nil, err
	}
	office, resident, err := s.keeperOf(tx, call)
	if err != nil {
		return nil, err
	}
	state, err := way.Next(claim.New, claim.Request)
	if err != nil {
		return nil, err
	}
	c.State, c.OrganizationId, c.Resident = pb.ClaimState(state), office.ID(), resident
	row, err := s.claims.Insert(tx, &pb.ClaimRow{Claim: c, OfficePath: string(office)})
	if err != nil {
		return nil, err
	}
	return ownClaim(row), s.announceClaim(tx, row, claim.Requested.String())
}

// keeperOf answers which office keeps the record of a person: the home
// organization of a member, or where that is outside linli the community of
// residence; the community of a resident. Who holds an office besides is not
// erased while holding it.
func (s privacy) keeperOf(r kv.Reader, call access.Call) (office scope.Path, resident bool, err error) {
	account, _, err := s.accounts.By(r, scope.All(), byAccountPerson, idKey(call.Person))
	if err != nil {
		return "", false, err
	}
	for _, g := range account.Value.GetAccount().GetGrants() {
		if g.GetRole() != typev1.Role_ROLE_RESIDENT {
			return "", false, rule.New(rule.Precondition, "ERASURE_IN_OFFICE", "")
		}
	}
	m, isMember, err := s.members.Get(r, scope.All(), idKey(call.Person))
	lives := call.Caller.Scope(typev1.Role_ROLE_RESIDENT).Paths
	switch {
	case err != nil:
		return "", false, err
	case isMember:
		home, err := s.placesIn(r)(m.Value.GetMember().GetHomeOrganizationId())
		if home.outside {
			return scope.Path(m.Value.GetCommunityPath()), false, err
		}
		return scope.Path(m.Value.GetHomePath()), false, err
	case len(lives) > 0:
		return lives[0], true, nil
	}
	return "", false, rule.New(rule.Precondition, "NO_RECORD_KEPT", "")
}

// WithdrawClaim takes the caller's own claim back.
func (s privacy) WithdrawClaim(ctx context.Context, req *pb.WithdrawClaimRequest) (*pb.WithdrawClaimResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.WithdrawClaimResponse, error) {
		row, err := s.claim(tx, scope.Scope{Person: call.Person}, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		row, err = s.moveClaim(tx, row, claim.Withdraw, func(c *pb.Claim) { c.BeginsAt = nil })
		if err != nil {
			return nil, err
		}
		return &pb.WithdrawClaimResponse{Claim: ownClaim(row)}, nil
	})
}

// ListMyClaims answers the caller's claims.
func (s privacy) ListMyClaims(ctx context.Context, req *pb.ListMyClaimsRequest) (*pb.ListMyClaimsResponse, error) {
	call, reply := access.From(ctx), &pb.ListMyClaimsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		rows, next, err := table.Page(s.pager, s.claims, r, table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Person: call.Person}, Size: req.GetPageSize(), Token: req.GetPageToken(),
		}, table.Query{Index: byAccountPerson, Prefix: idKey(call.Person)})
		reply.NextPageToken = next
		for _, row := range rows {
			reply.Claims = append(reply.Claims, ownClaim(row))
		}
		return err
	})
	return reply, err
}

// claim answers a claim that the scope may see, at the etag.
func (s *Service) claim(r kv.Reader, sc scope.Scope, id, etag string) (table.Row[*pb.ClaimRow], error) {
	row, ok, err := s.claims.Get(r, sc, idKey(id))
	if err == nil && !ok {
		err = rule.Absent(s.claims.Name(), id)
	}
	if err != nil {
		return row, err
	}
	return row, row.Match(etag)
}

// wayOf is the state machine of a claim.
func wayOf(c *pb.Claim) rule.Machine[claim.State] {
	if c.GetKind() == pb.ClaimKind_CLAIM_KIND_CORRECTION {
		return claim.Corrections()
	}
	return claim.Erasures()
}

// moveClaim leads a claim a step on, announces and audits it.
func (s *Service) moveClaim(tx *store.Tx, row table.Row[*pb.ClaimRow], command string, set func(*pb.Claim)) (table.Row[*pb.ClaimRow], error) {
	state, err := wayOf(row.Value.GetClaim()).Next(claim.State(row.Value.GetClaim().GetState()), command)
	if err != nil {
		return row, err
	}
	next := proto.CloneOf(row.Value)
	next.Claim.State = pb.ClaimState(state)
	set(next.GetClaim())
	if row, err = s.claims.Replace(tx, row, next); err != nil {
		return row, err
	}
	return row, s.announceClaim(tx, row, state.String())
}

// announceClaim says where a claim stands; that an erasure begins is told to the
// services, by its own event.
func (s *Service) announceClaim(tx *store.Tx, row table.Row[*pb.ClaimRow], step string) error {
	c := row.Value.GetClaim()
	tx.Audit(store.Record{Rows: []string{c.GetId(), c.GetPerson()}})
	if claim.State(c.GetState()) == claim.Erasing {
		return tx.Emit(store.Event{Name: "person.erasing", EntityID: c.GetId(), Revision: row.Revision, Data: &pb.PersonErasing{
			ClaimId: c.GetId(), Person: c.GetPerson(),
		}})
	}
	return tx.Emit(store.Event{Name: "claim." + step, EntityID: c.GetId(), Revision: row.Revision, Data: &pb.ClaimChanged{
		Id: c.GetId(), Kind: c.GetKind(), State: c.GetState(), Person: c.GetPerson(), OfficePath: row.Value.GetOfficePath(),
	}})
}

// ownClaim is a claim as who made it sees it, and who opened it.
func ownClaim(row table.Row[*pb.ClaimRow]) *pb.Claim {
	out := proto.CloneOf(row.Value.GetClaim())
	out.Etag = row.Etag()
	return out
}

// officeClaim is a claim without what was written.
func officeClaim(row table.Row[*pb.ClaimRow]) *pb.Claim {
	out := ownClaim(row)
	out.Value, out.Why, out.Refusal = "", "", ""
	return out
}
