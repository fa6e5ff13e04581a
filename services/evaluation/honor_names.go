package evaluation

import (
	"context"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
)

// The name of a member who is named for a board. Most readers of a board may not
// ask the registry for it, so it lies with the honor, sealed, from the proposal
// to the end; the board shows it by the member's consent.

func honorNamePlace(id string) []string { return []string{"honor", id, "name"} }

// honorName asks the registry for the name as the caller, and seals it for the
// honor. Nothing when the caller may not see it.
func (s *Service) honorName(ctx context.Context, id, member string) ([]byte, error) {
	n := names{ctx: forReader(ctx), registry: s.registry, members: map[string]string{}}
	name, err := n.member(member)
	if err != nil || name == "" {
		return nil, err
	}
	return s.sealText(name, honorNamePlace(id)), nil
}

// shownName is the name of a member who is public on a board. Empty when none was
// kept, and for members of a home organization that is not displayed: of them a
// reader learns what the registry says.
func (s *Service) shownName(r kv.Reader, row *pb.HonorRow) (string, error) {
	h := row.GetHonor()
	if len(row.GetSealedName()) == 0 || !public(h) {
		return "", nil
	}
	m, known, err := s.members.Get(r, h.GetMemberId())
	if err != nil || !known {
		return "", err
	}
	displayed, err := s.organizations.KnownTo(r, m.HomePath, scope.Scope{})
	if err != nil || !displayed {
		return "", err
	}
	return s.openText(row.GetSealedName(), "", honorNamePlace(h.GetId()))
}

// mayBeShown says whether a member who is public on a board is there for this
// reader: one of a home organization that is not displayed is for those in it,
// below and above it, for the member, and for the party organization that keeps
// the board.
func (s *Service) mayBeShown(r kv.Reader, call access.Call, row *pb.HonorRow) (bool, error) {
	id := row.GetHonor().GetMemberId()
	if call.Person == id || call.Caller.Scope(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF).Covers(scope.Path(row.GetCommunityPath())) {
		return true, nil
	}
	m, known, err := s.members.Get(r, id)
	if err != nil || !known {
		return !known, err
	}
	return s.organizations.KnownTo(r, m.HomePath, call.Caller.Scope())
}
