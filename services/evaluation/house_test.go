package evaluation_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/testkit"
	"github.com/linli-project/linli/services/evaluation"
)

// A made-up district 11: community C1, workplaces W1 and W2, an external
// organization X1.
const (
	district  = "/1/11/"
	community = "/1/11/111/C1/"
	w1        = "/1/11/W1/"
	w2        = "/1/11/W2/"
	external  = "/X1/"
)

type house struct {
	*testkit.House
	client  pb.EvaluationServiceClient
	service *evaluation.Service
}

// names is a registry that knows everybody by name; a letter's reader asks it.
type names struct {
	registryv1.RegistryServiceClient
	hidden bool
}

func (n names) ListMembers(_ context.Context, in *registryv1.ListMembersRequest, _ ...grpc.CallOption) (*registryv1.ListMembersResponse, error) {
	if n.hidden || in.GetOrganizationId() == "X1" {
		return nil, status.Error(codes.NotFound, "not yours")
	}
	return &registryv1.ListMembersResponse{Members: []*registryv1.Member{
		{Id: "m1", Name: "=王一"}, {Id: "m2", Name: "李二"}, {Id: "m3", Name: "张三"}}}, nil
}

func (n names) GetMember(_ context.Context, in *registryv1.GetMemberRequest, _ ...grpc.CallOption) (*registryv1.GetMemberResponse, error) {
	if n.hidden {
		return nil, status.Error(codes.NotFound, "not yours")
	}
	return &registryv1.GetMemberResponse{Member: &registryv1.Member{Id: in.GetId(), Name: "名" + in.GetId()}}, nil
}

func (n names) GetOrganization(_ context.Context, in *registryv1.GetOrganizationRequest, _ ...grpc.CallOption) (*registryv1.GetOrganizationResponse, error) {
	return &registryv1.GetOrganizationResponse{Organization: &registryv1.Organization{Id: in.GetId(), Name: "组织" + in.GetId()}}, nil
}

func inMemory() kv.DB { return kvtest.Rerun(kv.New(memkv.New(), kv.Options{})) }

func newHouse(t *testing.T, db kv.DB, registry registryv1.RegistryServiceClient) house {
	t.Helper()
	h := testkit.New(t)
	st := h.StoreOn("evaluation", db)
	h.Store("registry")
	h.Store("requests")
	s, err := evaluation.New(evaluation.Deps{Store: st, IDs: ids.New, Log: h.Logger(), Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	h.Start(s)
	for path, kind := range map[string]registryv1.OrganizationKind{
		district:  registryv1.OrganizationKind_ORGANIZATION_KIND_DISTRICT,
		community: registryv1.OrganizationKind_ORGANIZATION_KIND_COMMUNITY,
		w1:        registryv1.OrganizationKind_ORGANIZATION_KIND_WORKPLACE,
		w2:        registryv1.OrganizationKind_ORGANIZATION_KIND_WORKPLACE,
		external:  registryv1.OrganizationKind_ORGANIZATION_KIND_EXTERNAL,
	} {
		id := scope.Path(path).ID()
		h.Announce("registry", store.Event{Name: "organization.registered", EntityID: id, Revision: 1,
			Data: &registryv1.OrganizationChanged{Id: id, Kind: kind, Path: path, Displayed: true, Revision: 1}})
	}
	return house{h, pb.NewEvaluationServiceClient(h.Conn()), s}
}

// member announces a member of a home organization, reported in to the
// community or not.
func (h house) member(id, home string, reported bool) {
	h.Announce("registry", store.Event{Name: "member.imported", EntityID: "imp" + id, Revision: 1, Data: &registryv1.MembersImported{
		Members: []*registryv1.MemberState{{Id: id, Revision: 1, Kind: registryv1.MemberKind_MEMBER_KIND_IN_SERVICE,
			HomePath: home, CommunityPath: community}}}})
	if reported {
		h.Announce("registry", store.Event{Name: "report_in.accepted", EntityID: "r" + id, Revision: 2, Data: &registryv1.ReportInsChanged{
			ReportIns: []*registryv1.ReportInStateChange{{Id: "r" + id, Revision: 2, MemberId: id, HomePath: home,
				CommunityPath: community, State: registryv1.ReportInState_REPORT_IN_STATE_ACCEPTED}}}})
	}
}

// resolved announces that a member solved a request on a day.
func (h house) resolved(id, member, day string, quarterHours int32) {
	h.Announce("requests", store.Event{Name: "request.resolved", EntityID: id, Revision: 5, Data: &requestsv1.RequestChanged{
		Id: id, Revision: 5, CommunityPath: community, Kind: requestsv1.RequestKind_REQUEST_KIND_PROBLEM,
		State: requestsv1.RequestState_REQUEST_STATE_RESOLVED, MemberId: member, QuarterHours: quarterHours, Day: day}})
}

func (h house) as(role typev1.Role, person, path string) context.Context {
	return h.As(person, access.Grant{Role: role, Path: scope.Path(path)})
}

func (h house) staff() context.Context {
	return h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "staff", community)
}

func (h house) officer() context.Context {
	return h.as(typev1.Role_ROLE_DISTRICT_OFFICER, "officer", district)
}

func (h house) entries(t *testing.T, state pb.EntryState) []*pb.Entry {
	t.Helper()
	reply, err := h.client.ListEntries(h.staff(), &pb.ListEntriesRequest{CommunityId: "C1", State: state})
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetEntries()
}

// confirmAll confirms what is proposed.
func (h house) confirmAll(t *testing.T) {
	t.Helper()
	h.Drain()
	for _, e := range h.entries(t, pb.EntryState_ENTRY_STATE_PROPOSED) {
		if _, err := h.client.ConfirmEntry(h.staff(), &pb.ConfirmEntryRequest{Id: e.GetId()}); err != nil {
			t.Fatal(err)
		}
	}
}

// await asks for a cycle until it has come to a state.
func (h house) await(t *testing.T, id string, state pb.CycleState) *pb.Cycle {
	t.Helper()
	return h.awaitFor(h.officer(), t, id, state)
}

func (h house) awaitFor(officer context.Context, t *testing.T, id string, state pb.CycleState) *pb.Cycle {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		reply, err := h.client.GetCycle(officer, &pb.GetCycleRequest{Id: id})
		if err != nil {
			t.Fatal(err)
		}
		if reply.GetCycle().GetState() == state {
			return reply.GetCycle()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the cycle stays in %s", reply.GetCycle().GetState())
		}
	}
}

// cycle opens and computes the cycle of 2013.
func (h house) cycle(t *testing.T) *pb.Cycle {
	t.Helper()
	opened, err := h.client.OpenCycle(h.officer(), &pb.OpenCycleRequest{DistrictId: "11", Year: 2013})
	if err != nil {
		t.Fatal(err)
	}
	id := opened.GetCycle().GetId()
	h.await(t, id, pb.CycleState_CYCLE_STATE_OPEN)
	if _, err := h.client.ComputeCycle(h.officer(), &pb.ComputeCycleRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	return h.await(t, id, pb.CycleState_CYCLE_STATE_COMPUTED)
}

func (h house) letters(t *testing.T, cycle string) map[string]*pb.Letter {
	t.Helper()
	out := map[string]*pb.Letter{}
	for token := ""; ; {
		page, err := h.client.ListLetters(h.officer(), &pb.ListLettersRequest{CycleId: cycle, PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.GetLetters() {
			out[l.GetHomeOrganizationId()] = l
		}
		if token = page.GetNextPageToken(); token == "" {
			return out
		}
	}
}

func refused(t *testing.T, what string, err error, code codes.Code, reason string) {
	t.Helper()
	if status.Code(err) != code || rpc.Reason(err) != reason {
		t.Errorf("%s: %v with %q, want %v with %q", what, status.Code(err), rpc.Reason(err), code, reason)
	}
}

// big announces members in bulk: n of a home organization, by number.
func (h house) big(prefix, home string, n int) {
	const slice = 100
	for at := 0; at < n; at += slice {
		ev := &registryv1.MembersImported{}
		for i := at; i < min(at+slice, n); i++ {
			ev.Members = append(ev.Members, &registryv1.MemberState{Id: fmt.Sprintf("%s%05d", prefix, i), Revision: 1, HomePath: home, CommunityPath: community})
		}
		h.Announce("registry", store.Event{Name: "member.imported", EntityID: fmt.Sprintf("imp-%s-%d", prefix, at), Revision: 1, Data: ev})
	}
}
