package requests

import (
	"context"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// mostDuties is how long a district's register gets.
const mostDuties = 500

// district answers the path of a district.
func (s *Service) district(r kv.Reader, id string) (scope.Path, error) {
	o, ok, err := s.organizations.Get(r, id)
	switch {
	case err != nil:
		return "", err
	case !ok:
		return "", rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "district_id", "id", id)
	case o.Kind != registryv1.OrganizationKind_ORGANIZATION_KIND_DISTRICT:
		return "", rule.New(rule.Invalid, "INVALID_FIELD", "district_id", "field", "district_id", "rule", "a district")
	}
	return o.Path, nil
}

// duty answers the register's entry for a request: of the nearest organization
// above its community that has one.
func (s *Service) duty(r kv.Reader, row *pb.RequestRow) (*pb.Duty, error) {
	if row.GetRequest().GetCategory() == "" {
		return nil, nil
	}
	for path := scope.Path(row.GetCommunityPath()); path != "" && path != scope.Root; path = path.Parent() {
		kept, ok, err := s.tables.duties.Get(r, scope.All(), dutyKey(string(path), row.GetRequest().GetCategory()))
		if err != nil || ok {
			return kept.Value.GetDuty(), err
		}
	}
	return nil, nil
}

// SetDuty says whose legal duty a category is.
func (s circle) SetDuty(ctx context.Context, req *pb.SetDutyRequest) (*pb.SetDutyResponse, error) {
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.SetDutyResponse, error) {
		district, err := s.district(tx, req.GetDistrictId())
		if err != nil {
			return nil, err
		}
		next := &pb.DutyRow{DistrictPath: string(district), Duty: &pb.Duty{
			DistrictId: req.GetDistrictId(), Category: req.GetCategory(), Owner: req.GetOwner(), OwnerName: req.GetOwnerName(),
			LimitDays: req.GetLimitDays(), Basis: req.GetBasis(),
		}}
		row, exists, err := s.tables.duties.Get(tx, scope.All(), dutyKey(string(district), req.GetCategory()))
		switch {
		case err != nil:
			return nil, err
		case exists:
			row, err = s.tables.duties.Replace(tx, row, next)
		default:
			row, err = s.tables.duties.Insert(tx, next)
		}
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetDistrictId() + "/" + req.GetCategory()}})
		return &pb.SetDutyResponse{Duty: proto.CloneOf(row.Value.GetDuty())}, nil
	})
}

// ListDuties answers the register of a district.
func (s circle) ListDuties(ctx context.Context, req *pb.ListDutiesRequest) (*pb.ListDutiesResponse, error) {
	out := &pb.ListDutiesResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		district, err := s.district(r, req.GetDistrictId())
		if err != nil {
			return err
		}
		page, err := s.tables.duties.List(r, scope.All(), table.Query{Prefix: key.Key(nil).String(string(district)), Limit: mostDuties})
		for _, row := range page.Rows {
			out.Duties = append(out.Duties, proto.CloneOf(row.Value.GetDuty()))
		}
		return err
	})
	return out, err
}

// ListExclusions answers the requests that were taken out of a year's rates.
func (s circle) ListExclusions(ctx context.Context, req *pb.ListExclusionsRequest) (*pb.ListExclusionsResponse, error) {
	call := access.From(ctx)
	out := &pb.ListExclusionsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		community, err := s.community(r, req.GetCommunityId(), "community_id")
		if err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: call.Scope, Filter: []string{req.GetCommunityId()}, Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.tables.requests, r, page, table.Query{
			Index: byExcluded, Prefix: key.Key(nil).String(string(community)).Uint(uint64(req.GetYear())),
		})
		if err != nil {
			return err
		}
		for _, row := range rows {
			e, err := s.exclusion(row.Value)
			if err != nil {
				return err
			}
			out.Exclusions = append(out.Exclusions, e)
		}
		out.NextPageToken = next
		return nil
	})
	return out, err
}
