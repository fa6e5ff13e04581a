package registry

import (
	"context"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/campaign"
)

// campaigns answers linli.registry.v1.CampaignService.
type campaigns struct {
	pb.UnsafeCampaignServiceServer
	*Service
}

var _ pb.CampaignServiceServer = campaigns{}

// OpenCampaign begins the campaign of a year, of a district or of a whole city.
func (s campaigns) OpenCampaign(ctx context.Context, req *pb.OpenCampaignRequest) (*pb.OpenCampaignResponse, error) {
	if err := campaign.CheckDays(req.GetOpensOn(), req.GetDeadlineOn()); err != nil {
		return nil, err
	}
	kinds, err := kindsDue(req.GetKinds())
	if err != nil {
		return nil, err
	}
	var district string
	var near []string
	err = s.store.View(ctx, func(r kv.Reader) (err error) {
		district, near, err = s.districtOrCity(r, req.GetDistrictId())
		return err
	})
	if err != nil {
		return nil, err
	}
	id, today := s.ids("cpn"), s.today()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.OpenCampaignResponse, error) {
		for _, path := range near {
			_, exists, err := s.campaigns.By(tx, scope.All(), byYear, campaignYearKey(path, req.GetYear()))
			if err != nil {
				return nil, err
			}
			if exists {
				return nil, rule.New(rule.Exists, "CAMPAIGN_EXISTS", "year", "year", strconv.Itoa(int(req.GetYear())))
			}
		}
		row, err := s.campaigns.Insert(tx, &pb.CampaignRow{DistrictPath: district, FromOn: max(today, req.GetOpensOn()), Campaign: &pb.Campaign{
			Id: id, DistrictId: req.GetDistrictId(), Year: req.GetYear(), Title: req.GetTitle(),
			OpensOn: req.GetOpensOn(), DeadlineOn: req.GetDeadlineOn(), Kinds: kinds,
		}})
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		return &pb.OpenCampaignResponse{Campaign: campaignProto(row)}, tx.Emit(campaignOpened(row))
	})
}

// kindsDue answers the kinds that a campaign is about, each once: in service
// when none is said.
func kindsDue(said []pb.MemberKind) ([]pb.MemberKind, error) {
	if len(said) == 0 {
		return []pb.MemberKind{pb.MemberKind_MEMBER_KIND_IN_SERVICE}, nil
	}
	kinds := slices.Clone(said)
	slices.Sort(kinds)
	if kinds[0] == pb.MemberKind_MEMBER_KIND_UNSPECIFIED {
		return nil, rule.New(rule.Invalid, "INVALID_FIELD", "kinds", "field", "kinds", "rule", "known kinds")
	}
	return slices.Compact(kinds), nil
}

// GetCampaign answers one campaign.
func (s campaigns) GetCampaign(ctx context.Context, req *pb.GetCampaignRequest) (*pb.GetCampaignResponse, error) {
	call, reply := access.From(ctx), &pb.GetCampaignResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.campaign(r, call.Scope, req.GetId())
		if err == nil {
			reply.Campaign = campaignProto(row)
		}
		return err
	})
	return reply, err
}

// ListCampaigns answers the campaigns of a district, the latest year first.
func (s campaigns) ListCampaigns(ctx context.Context, req *pb.ListCampaignsRequest) (*pb.ListCampaignsResponse, error) {
	call, reply := access.From(ctx), &pb.ListCampaignsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		district, _, err := s.districtOrCity(r, req.GetDistrictId())
		if err != nil {
			return err
		}
		if !near(call.Scope, district) {
			return rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "district_id", "id", req.GetDistrictId())
		}
		rows, next, err := table.Page(s.pager, s.campaigns, r, table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Paths: []scope.Path{scope.Root}, Person: call.Person},
			Filter: []string{req.GetDistrictId()}, Size: req.GetPageSize(), Token: req.GetPageToken(),
		}, table.Query{Index: byYear, Prefix: key.Key(nil).String(district)})
		reply.NextPageToken = next
		for _, row := range rows {
			reply.Campaigns = append(reply.Campaigns, campaignProto(row))
		}
		return err
	})
	return reply, err
}

// near says whether a scope has a grant in a district, or above it: a campaign
// is known to everybody who works on it.
func near(sc scope.Scope, district string) bool {
	return slices.ContainsFunc(sc.Paths, func(p scope.Path) bool { return p.Related(scope.Path(district)) })
}

// campaign answers a campaign that the scope may know of, or NOT_FOUND.
func (s campaigns) campaign(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.CampaignRow], error) {
	row, ok, err := s.campaigns.Get(r, scope.All(), idKey(id))
	if err == nil && (!ok || !near(sc, row.Value.GetDistrictPath())) {
		err = rule.Absent(s.campaigns.Name(), id)
	}
	return row, err
}

// campaignAt answers a campaign and the part of its district that an
// organization holds: the organization, or the district for one above it.
func (s campaigns) campaignAt(r kv.Reader, id, organizationID string) (*pb.CampaignRow, scope.Path, error) {
	at, err := s.pathOf(r, organizationID)
	if err != nil {
		return nil, "", err
	}
	row, ok, err := s.campaigns.Get(r, scope.All(), idKey(id))
	if err != nil {
		return nil, "", err
	}
	district := scope.Path(row.Value.GetDistrictPath())
	if !ok || !at.Related(district) {
		return nil, "", rule.Absent(s.campaigns.Name(), id)
	}
	if at.Contains(district) {
		at = district
	}
	return row.Value, at, nil
}

func campaignProto(row table.Row[*pb.CampaignRow]) *pb.Campaign {
	c := proto.CloneOf(row.Value.GetCampaign())
	c.Etag = row.Etag()
	return c
}

// policyAt answers the policy of a year that holds at a place: that of the
// nearest organization at or above it which has one, else the defaults.
func (s *Service) policyAt(r kv.Reader, at scope.Path, year int32) (policy.Policy, error) {
	for path := at; path != ""; path = path.Parent() {
		row, ok, err := s.policies.Get(r, scope.All(), policyKey(string(path), year))
		if err != nil {
			return policy.Policy{}, err
		}
		if ok {
			document, err := proto.MarshalOptions{Deterministic: true}.Marshal(row.Value.GetPolicy())
			if err != nil {
				return policy.Policy{}, err
			}
			return s.readPolicies.Of(document)
		}
	}
	return policy.Policy{}, nil
}

// today is the Shanghai day of the civil clock.
func (s *Service) today() string { return s.day(s.store.Civil().Now()) }

// campaignOpened announces a campaign.
func campaignOpened(row table.Row[*pb.CampaignRow]) store.Event {
	c := row.Value.GetCampaign()
	return store.Event{Name: "campaign.opened", EntityID: c.GetId(), Revision: row.Revision, Data: &pb.CampaignOpened{
		CampaignId: c.GetId(), DistrictPath: row.Value.GetDistrictPath(), Year: c.GetYear(), DeadlineOn: c.GetDeadlineOn(),
	}}
}

// exclusionChanged announces a step of an exclusion: its state by name, never
// its reason.
func exclusionChanged(row table.Row[*pb.ExclusionRow], day string) store.Event {
	e, state := row.Value.GetExclusion(), campaign.State(row.Value.GetExclusion().GetState())
	return store.Event{
		Name: "exclusion." + state.String(), EntityID: e.GetCampaignId() + "/" + e.GetMemberId(), Revision: row.Revision,
		Data: &pb.ExclusionChanged{
			CampaignId: e.GetCampaignId(), MemberId: e.GetMemberId(), HomePath: row.Value.GetHomePath(),
			DistrictPath: row.Value.GetDistrictPath(), State: int32(e.GetState()), Revision: row.Revision, Day: day,
		},
	}
}

// placeChanged announces that a place was added or removed.
func placeChanged(step string, row table.Row[*pb.PlaceRow], now time.Time, day func(time.Time) string) store.Event {
	p := row.Value.GetPlace()
	return store.Event{Name: "place." + step, EntityID: p.GetId(), Revision: row.Revision, Data: &pb.PlaceChanged{
		Id: p.GetId(), CommunityPath: row.Value.GetCommunityPath(), HomePath: row.Value.GetHomePath(),
		Unit: p.GetKind() == pb.PlaceKind_PLACE_KIND_UNIT, Day: day(now),
	}}
}
