package registry

import (
	"context"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
)

// memberFacts answers linli.registry.v1.MemberFactsService.
type memberFacts struct {
	pb.UnsafeMemberFactsServiceServer
	*Service
}

var _ pb.MemberFactsServiceServer = memberFacts{}

// RevealMemberFacts opens what lies sealed of a member, as far as the caller's
// office has to know it: the community reached by a report-in needs to find the
// member, the home organization keeps the member's record.
func (s memberFacts) RevealMemberFacts(ctx context.Context, req *pb.RevealMemberFactsRequest) (*pb.RevealMemberFactsResponse, error) {
	call, reply := access.From(ctx), &pb.RevealMemberFactsResponse{}
	offices := call.ScopeOf(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, typev1.Role_ROLE_WORKPLACE_OFFICER)
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		row, err := s.member(tx, scope.Scope{Paths: offices.Paths}, req.GetId())
		if err != nil {
			return err
		}
		if reply, err = s.openFacts(row.Value, offices.Covers(scope.Path(row.Value.GetHomePath()))); err != nil {
			return err
		}
		return tx.Reveal(store.Record{Rows: []string{req.GetId()}, Subjects: []string{req.GetId()}, Reason: req.GetReason()})
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// openFacts opens all facts to the home organization, and to others what it
// takes to find the member.
func (s memberFacts) openFacts(m *pb.MemberRow, home bool) (*pb.RevealMemberFactsResponse, error) {
	out, id := &pb.RevealMemberFactsResponse{}, m.GetMember().GetId()
	for _, f := range []struct {
		name     string
		sealed   []byte
		to       *string
		homeOnly bool
	}{
		{"id_number", m.GetSealedIdNumber(), &out.IdNumber, true}, {"joined_on", m.GetSealedJoinedOn(), &out.JoinedOn, true},
		{"phone", m.GetSealedPhone(), &out.Phone, false}, {"unit", m.GetSealedUnit(), &out.Unit, false},
	} {
		if f.homeOnly && !home {
			continue
		}
		plain, err := s.store.Keyring().Open(f.sealed, s.members.Name(), id, f.name)
		if err != nil {
			return nil, err
		}
		*f.to = string(plain)
	}
	return out, nil
}
