package registry

import (
	"context"
	"slices"
	"strings"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
)

// GetOrganization answers one organization.
func (s *Service) GetOrganization(ctx context.Context, req *pb.GetOrganizationRequest) (*pb.GetOrganizationResponse, error) {
	call, reply := access.From(ctx), &pb.GetOrganizationResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.visibleOrganization(r, call.Scope, req.GetId())
		if err == nil {
			reply.Organization = organizationProto(row)
		}
		return err
	})
	return reply, err
}

// BatchGetOrganizations answers those of many organizations that the caller may
// know of.
func (s *Service) BatchGetOrganizations(ctx context.Context, req *pb.BatchGetOrganizationsRequest) (*pb.BatchGetOrganizationsResponse, error) {
	call, reply := access.From(ctx), &pb.BatchGetOrganizationsResponse{}
	keys := make([]key.Key, len(req.GetIds()))
	for i, id := range req.GetIds() {
		keys[i] = idKey(id)
	}
	err := s.store.View(ctx, func(r kv.Reader) error {
		rows, err := s.organizations.GetMany(r, scope.All(), keys)
		if err != nil {
			return err
		}
		seen, err := s.look(r, call.Scope, rows)
		for _, row := range rows {
			if seen.allows(row.Value.GetPath()) {
				reply.Organizations = append(reply.Organizations, organizationProto(row))
			}
		}
		return err
	})
	return reply, err
}

// ListOrganizations answers a part of the tree in path order. What the caller may
// not know of is left out while a page is filled: that depends on the
// organizations above, not on the row.
func (s *Service) ListOrganizations(ctx context.Context, req *pb.ListOrganizationsRequest) (*pb.ListOrganizationsResponse, error) {
	call, reply := access.From(ctx), &pb.ListOrganizationsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		q, err := s.organizationRange(r, call.Scope, req)
		if err != nil {
			return err
		}
		rows, next, err := table.PageOf(s.pager, s.organizations, r, table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Paths: []scope.Path{scope.Root}, Person: call.Person},
			Filter: []string{req.GetRootId(), req.GetKind().String()}, Size: req.GetPageSize(), Token: req.GetPageToken(),
		}, q, func(rows []table.Row[*pb.Organization]) ([]table.Row[*pb.Organization], error) {
			seen, err := s.look(r, call.Scope, rows)
			return slices.DeleteFunc(rows, func(o table.Row[*pb.Organization]) bool { return !seen.allows(o.Value.GetPath()) }), err
		})
		reply.NextPageToken = next
		for _, row := range rows {
			reply.Organizations = append(reply.Organizations, organizationProto(row))
		}
		return err
	})
	return reply, err
}

// organizationRange answers the range of a list: below a root that the caller
// may know of, of one kind or all.
func (s *Service) organizationRange(r kv.Reader, sc scope.Scope, req *pb.ListOrganizationsRequest) (table.Query, error) {
	root := string(scope.Root)
	if req.GetRootId() != "" {
		row, err := s.visibleOrganization(r, sc, req.GetRootId())
		if err != nil {
			return table.Query{}, err
		}
		root = row.Value.GetPath()
	}
	if kind := req.GetKind(); kind != pb.OrganizationKind_ORGANIZATION_KIND_UNSPECIFIED {
		return table.Query{Index: byKind, Prefix: key.Key(nil).Uint(uint64(kind)).Prefix(root)}, nil
	}
	return table.Query{Index: byPath, Prefix: key.Key(nil).Prefix(root)}, nil
}

// visibleOrganization answers an organization that the scope may know of, or
// NOT_FOUND.
func (s *Service) visibleOrganization(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.Organization], error) {
	row, ok, err := s.organizations.Get(r, scope.All(), idKey(id))
	if err != nil {
		return row, err
	}
	if !ok {
		return row, rule.Absent(s.organizations.Name(), id)
	}
	seen, err := s.look(r, sc, []table.Row[*pb.Organization]{row})
	if err == nil && !seen.allows(row.Value.GetPath()) {
		err = rule.Absent(s.organizations.Name(), id)
	}
	return row, err
}

// sight says which organizations a scope may know of. One that is not
// displayed, and everything below it, is known only to those who have a grant
// above it or inside it.
type sight struct {
	scope  scope.Scope
	hidden map[scope.Path]bool
}

// look learns which of the organizations and of those above them are hidden.
func (s *Service) look(r kv.Reader, sc scope.Scope, rows []table.Row[*pb.Organization]) (sight, error) {
	seen := sight{scope: sc, hidden: map[scope.Path]bool{}}
	asked := map[string]bool{}
	var keys []key.Key
	for _, row := range rows {
		for id := range strings.SplitSeq(strings.Trim(row.Value.GetPath(), "/"), "/") {
			if !asked[id] {
				asked[id] = true
				keys = append(keys, idKey(id))
			}
		}
	}
	chain, err := s.organizations.GetMany(r, scope.All(), keys)
	for _, o := range chain {
		if !o.Value.GetDisplayed() {
			seen.hidden[scope.Path(o.Value.GetPath())] = true
		}
	}
	return seen, err
}

// allows walks from the top of a path to its end.
func (v sight) allows(path string) bool {
	at := scope.Root
	for id := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if at = at.Child(id); v.hidden[at] && !v.hasGrantNear(at) {
			return false
		}
	}
	return true
}

func (v sight) hasGrantNear(p scope.Path) bool {
	for _, q := range v.scope.Paths {
		if q.Related(p) {
			return true
		}
	}
	return false
}
