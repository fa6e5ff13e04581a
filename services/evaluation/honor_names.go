package evaluation

import (
	"context"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

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
	displayed, err := s.displayed(r, m.HomePath)
	if err != nil || !displayed {
		return "", err
	}
	return s.openText(row.GetSealedName(), "", honorNamePlace(h.GetId()))
}

// displayed says whether an organization and all above it are displayed: below
// one that is not, the registry hides everything.
func (s *Service) displayed(r kv.Reader, path scope.Path) (bool, error) {
	for at := path; at != ""; at = at.Parent() {
		o, known, err := s.organizations.Get(r, at.ID())
		if err != nil || known && !o.Displayed {
			return false, err
		}
	}
	return true, nil
}
