package requests_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// What is seeded is what would have been posted: the same rows, the same
// figures, one event for all of them.
func TestSeed_IsPostedTogether(t *testing.T) {
	h := newHouse(t, inMemory())
	seeds := pb.NewSeedServiceClient(h.Conn())
	admin := h.as(typev1.Role_ROLE_SYSTEM_ADMIN, "seeder", "/")
	second := problem()
	second.CommunityId, second.Text = "C2", "第二件,电话13800001234"
	seeded, err := seeds.SeedRequests(admin, &pb.SeedRequestsRequest{Requests: []*pb.PostRequestRequest{problem(), second, problem()}})
	if err != nil || len(seeded.GetIds()) != 3 {
		t.Fatalf("%v, %v", seeded, err)
	}
	posted := h.post(h.resident("seeder"), t, problem())
	first, err := h.client.GetRequest(h.resident("seeder"), &pb.GetRequestRequest{Id: seeded.GetIds()[0]})
	if err != nil {
		t.Fatal(err)
	}
	like := proto.CloneOf(posted)
	like.Id, like.Code, like.PostedAt = first.GetRequest().GetId(), first.GetRequest().GetCode(), first.GetRequest().GetPostedAt()
	if !proto.Equal(first.GetRequest(), like) || first.GetRequest().GetCode() == "" {
		t.Errorf("seeded %v, posted %v", first.GetRequest(), posted)
	}
	h.Drain()
	circle, err := h.client.GetCircle(h.staff(), &pb.GetCircleRequest{OrganizationId: "11"})
	if kinds := circle.GetCircle().GetKinds(); err != nil || len(kinds) != 1 || kinds[0].GetPosted() != 4 || circle.GetCircle().GetAuthors() != 2 {
		t.Errorf("the figures: %v, %v", circle, err)
	}
}

func TestSeed_Refusals(t *testing.T) {
	h := newHouse(t, inMemory())
	seeds := pb.NewSeedServiceClient(h.Conn())
	_, err := seeds.SeedRequests(h.staff(), &pb.SeedRequestsRequest{Requests: []*pb.PostRequestRequest{problem()}})
	refused(t, "committee staff", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	admin, elsewhere := h.as(typev1.Role_ROLE_SYSTEM_ADMIN, "seeder", "/"), problem()
	elsewhere.CommunityId = "C9"
	_, err = seeds.SeedRequests(admin, &pb.SeedRequestsRequest{Requests: []*pb.PostRequestRequest{problem(), elsewhere}})
	refused(t, "an unknown community", err, codes.NotFound, "UNKNOWN_ORGANIZATION")
	page, err := h.client.ListRequests(h.staff(), &pb.ListRequestsRequest{CommunityId: "C1"})
	if err != nil || len(page.GetRequests()) != 0 {
		t.Errorf("posted all the same: %v, %v", page, err)
	}
}

// The whole view answers of each request what GetRequest answers.
func TestLists_WholeView(t *testing.T) {
	h := newHouse(t, inMemory())
	h.post(h.resident("r1"), t, problem())
	h.walk(t)
	page, err := h.client.ListRequests(h.staff(), &pb.ListRequestsRequest{CommunityId: "C1", View: pb.RequestView_REQUEST_VIEW_WHOLE})
	if err != nil || len(page.GetWholeRequests()) != 2 || len(page.GetRequests()) != 0 {
		t.Fatalf("%v, %v", page, err)
	}
	for _, whole := range page.GetWholeRequests() {
		one, err := h.client.GetRequest(h.staff(), &pb.GetRequestRequest{Id: whole.GetId()})
		if err != nil || !proto.Equal(one.GetRequest(), whole) {
			t.Errorf("in the list %v, by itself %v, %v", whole, one.GetRequest(), err)
		}
	}
	short, err := h.client.ListRequests(h.staff(), &pb.ListRequestsRequest{CommunityId: "C1", PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.client.ListRequests(h.staff(), &pb.ListRequestsRequest{
		CommunityId: "C1", PageSize: 1, PageToken: short.GetNextPageToken(), View: pb.RequestView_REQUEST_VIEW_WHOLE})
	refused(t, "the token of another view", err, codes.InvalidArgument, "BAD_PAGE_TOKEN")
}
