package registry

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// policies answers linli.registry.v1.PolicyService.
type policies struct {
	pb.UnsafePolicyServiceServer
	*Service
}

var _ pb.PolicyServiceServer = policies{}

// GetPolicy answers every value that holds, with where it comes from.
func (s policies) GetPolicy(ctx context.Context, req *pb.GetPolicyRequest) (*pb.GetPolicyResponse, error) {
	reply := &pb.GetPolicyResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		district, err := s.district(r, req.GetDistrictId())
		if err != nil {
			return err
		}
		row, _, err := s.policies.Get(r, scope.All(), policyKey(district, req.GetYear()))
		if err != nil {
			return err
		}
		reply.Policy, err = wholePolicy(row, req)
		return err
	})
	return reply, err
}

// wholePolicy is what was said with the defaults beside it.
func wholePolicy(row table.Row[*pb.PolicyRow], req *pb.GetPolicyRequest) (*pb.Policy, error) {
	out := &pb.Policy{DistrictId: req.GetDistrictId(), Year: req.GetYear()}
	if row.Value != nil {
		out = proto.CloneOf(row.Value.GetPolicy())
		out.Etag = row.Etag()
	}
	p, err := copies.PolicyOf(out)
	if err != nil {
		return nil, err
	}
	said := out.Values
	out.Values = nil
	for _, k := range policy.Keys() {
		if i := slices.IndexFunc(said, func(v *pb.PolicyValue) bool { return v.GetKey() == k.Name }); i >= 0 {
			out.Values = append(out.Values, said[i])
			continue
		}
		out.Values = append(out.Values, &pb.PolicyValue{Key: k.Name, Value: p.Text(k.Name), ByDefault: true})
	}
	if y, ok := p.CalendarOf(int(req.GetYear())); ok && len(out.Calendars) == 0 {
		out.Calendars = []*pb.OfficialCalendar{{
			Year: int32(y.Year), Holidays: y.Holidays, Workdays: y.Workdays,
			Source: &pb.PolicySource{Title: y.Source.Title, Number: y.Source.Number, Article: y.Source.Article},
		}}
	}
	return out, nil
}

// PublishPolicy makes the next version of a district's policy.
func (s policies) PublishPolicy(ctx context.Context, req *pb.PublishPolicyRequest) (*pb.PublishPolicyResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.PublishPolicyResponse, error) {
		district, err := s.district(tx, req.GetDistrictId())
		if err != nil {
			return nil, err
		}
		row, exists, err := s.policies.Get(tx, call.Scope, policyKey(district, req.GetYear()))
		if err != nil {
			return nil, err
		}
		next := &pb.PolicyRow{DistrictPath: district, Policy: &pb.Policy{DistrictId: req.GetDistrictId(), Year: req.GetYear()}}
		if exists {
			if err := row.Match(req.GetEtag()); err != nil {
				return nil, err
			}
			next = proto.CloneOf(row.Value)
		}
		amend(next.GetPolicy(), req)
		next.Policy.Version, next.Policy.PublishedAt, next.Policy.PublishedBy = next.Policy.Version+1, now, call.Person
		if _, err := copies.PolicyOf(next.GetPolicy()); err != nil {
			return nil, err
		}
		kept, err := s.keepPolicy(tx, row, exists, next)
		if err != nil {
			return nil, err
		}
		out := proto.CloneOf(kept.Value.GetPolicy())
		out.Etag = kept.Etag()
		return &pb.PublishPolicyResponse{Policy: out}, nil
	})
}

func (s policies) keepPolicy(tx *store.Tx, row table.Row[*pb.PolicyRow], exists bool, next *pb.PolicyRow) (table.Row[*pb.PolicyRow], error) {
	var kept table.Row[*pb.PolicyRow]
	var err error
	if exists {
		kept, err = s.policies.Replace(tx, row, next)
	} else {
		kept, err = s.policies.Insert(tx, next)
	}
	if err != nil {
		return kept, err
	}
	if _, err := s.policyVersions.Insert(tx, next); err != nil {
		return kept, err
	}
	id := next.GetPolicy().GetDistrictId() + "-" + strconv.Itoa(int(next.GetPolicy().GetYear()))
	tx.Audit(store.Record{Rows: []string{id}})
	return kept, tx.Emit(store.Event{
		Name: "policy.published", EntityID: id, Revision: kept.Revision,
		Data: &pb.PolicyPublished{Revision: kept.Revision, DistrictPath: next.GetDistrictPath(), Policy: next.GetPolicy()},
	})
}

// amend puts what the call says in the place of what was said before.
func amend(p *pb.Policy, req *pb.PublishPolicyRequest) {
	for _, v := range req.GetValues() {
		v = proto.CloneOf(v)
		v.ByDefault = false
		if i := slices.IndexFunc(p.Values, func(o *pb.PolicyValue) bool { return o.GetKey() == v.GetKey() }); i >= 0 {
			p.Values[i] = v
			continue
		}
		p.Values = append(p.Values, v)
	}
	slices.SortFunc(p.Values, func(a, b *pb.PolicyValue) int { return strings.Compare(a.GetKey(), b.GetKey()) })
	for _, c := range req.GetCalendars() {
		p.Calendars = slices.DeleteFunc(p.Calendars, func(o *pb.OfficialCalendar) bool { return o.GetYear() == c.GetYear() })
		p.Calendars = append(p.Calendars, c)
	}
}

// district answers the path of a district.
func (s *Service) district(r kv.Reader, id string) (string, error) {
	row, ok, err := s.organizations.Get(r, scope.All(), idKey(id))
	if err == nil && (!ok || row.Value.GetKind() != pb.OrganizationKind_ORGANIZATION_KIND_DISTRICT) {
		err = rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "district_id", "id", id)
	}
	return row.Value.GetPath(), err
}

// ListPolicyVersions answers what was published, the newest first.
func (s policies) ListPolicyVersions(ctx context.Context, req *pb.ListPolicyVersionsRequest) (*pb.ListPolicyVersionsResponse, error) {
	call, reply := access.From(ctx), &pb.ListPolicyVersionsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		district, err := s.district(r, req.GetDistrictId())
		if err != nil {
			return err
		}
		rows, next, err := table.Page(s.pager, s.policyVersions, r, table.PageCall{
			Method: call.Method, Person: call.Person, Scope: call.Scope, Filter: []string{req.GetDistrictId(), strconv.Itoa(int(req.GetYear()))},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}, table.Query{Prefix: policyKey(district, req.GetYear())})
		for _, row := range rows {
			reply.Policies = append(reply.Policies, row.Value.GetPolicy())
		}
		reply.NextPageToken = next
		return err
	})
	return reply, err
}
