package registry

import (
	"context"
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/rpc"
)

// applicant answers what a caller is told of who reported in, by both ways.
func (h *house) applicant(ctx context.Context, community, id string) *pb.ReportInApplicant {
	h.t.Helper()
	one, err := h.GetReportIn(ctx, &pb.GetReportInRequest{Id: id})
	must(h.t, err)
	list, err := h.ListReportIns(ctx, &pb.ListReportInsRequest{OrganizationId: community})
	must(h.t, err)
	for _, r := range list.GetReportIns() {
		if r.GetId() == id {
			if diff := diffProto(one.GetReportIn(), r); diff != "" {
				h.t.Errorf("get and list differ: %s", diff)
			}
		}
	}
	return one.GetReportIn().GetApplicant()
}

// TestReportIn_TheCommunitySeesWhoItIs: what it needs to decide, while it waits
// for it and while the member is with it.
func TestReportIn_TheCommunitySeesWhoItIs(t *testing.T) {
	h := start(t).withDistrict()
	id := h.withMembers(1)[0]
	staff, r := h.staff(communityA), h.submit(id).GetId()
	member, err := h.GetMember(h.member(id), &pb.GetMemberRequest{Id: id})
	must(t, err)
	home, err := h.GetOrganization(h.officer(workplace), &pb.GetOrganizationRequest{Id: "W00005"})
	must(t, err)
	m := member.GetMember()
	want := &pb.ReportInApplicant{Name: m.GetName(), Kind: m.GetKind(), HomeOrganizationName: home.GetOrganization().GetName(),
		CommunityId: "430101002001", Building: "15栋", MaskedPhone: "139****0000"}
	if diff := diffProto(want, h.applicant(staff, "430101002001", r)); diff != "" {
		t.Error(diff)
	}
	for name, ctx := range map[string]context.Context{
		"the district": h.districtOfficer(), "the street": h.as("s", grant(typev1.Role_ROLE_STREET_OFFICER, district+"430101002/")),
	} {
		if _, err := h.ListReportIns(ctx, &pb.ListReportInsRequest{OrganizationId: "430101002001"}); rpc.Reason(err) != "ROLE_NOT_ALLOWED" {
			t.Errorf("%s has no list of report-ins: %v", name, err)
		}
	}
	for name, ctx := range map[string]context.Context{"the member": h.member(id), "the workplace": h.officer(workplace)} {
		if got, err := h.GetReportIn(ctx, &pb.GetReportInRequest{Id: r}); err != nil || got.GetReportIn().GetApplicant() != nil {
			t.Errorf("%s is told %v (%v)", name, got, err)
		}
	}

	_, err = h.ReturnReportIn(staff, &pb.ReturnReportInRequest{Id: r, Reason: "楼栋有误"})
	must(t, err)
	if a := h.applicant(staff, "430101002001", r); a != nil {
		t.Errorf("after the return: %v", a)
	}
	_, err = h.ResubmitReportIn(h.member(id), &pb.ResubmitReportInRequest{Id: r})
	must(t, err)
	_, err = h.AcceptReportIn(staff, &pb.AcceptReportInRequest{Id: r})
	must(t, err)
	if a := h.applicant(staff, "430101002001", r); a.GetName() != m.GetName() {
		t.Errorf("after it was accepted: %v", a)
	}
	_, err = h.TransferReportIn(h.member(id), &pb.TransferReportInRequest{Id: r, CommunityId: "430101002002"})
	must(t, err)
	if a := h.applicant(h.staff(communityB), "430101002002", r); a.GetName() != m.GetName() {
		t.Errorf("the next community: %v", a)
	}
	if _, err = h.GetReportIn(staff, &pb.GetReportInRequest{Id: r}); err == nil {
		t.Error("the former community sees it still")
	}
}

// TestListMembers_OfACommunity: those at home there and those who reported in,
// each once; the latter for its own party staff only, and while they are there.
func TestListMembers_OfACommunity(t *testing.T) {
	h := start(t).withDistrict()
	ids := h.withMembers(5)
	staff := h.staff(communityA)
	count := func(ctx context.Context) (n int) {
		t.Helper()
		req := &pb.ListMembersRequest{OrganizationId: "430101002001", PageSize: 2}
		for {
			page, err := h.ListMembers(ctx, req)
			must(t, err)
			n += len(page.GetMembers())
			if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
				return n
			}
		}
	}
	if n := count(staff); n != 0 {
		t.Errorf("%d before anybody reported in", n)
	}
	var reportIns []string
	for _, id := range ids {
		reportIns = append(reportIns, h.submit(id).GetId())
	}
	if n := count(staff); n != 0 {
		t.Errorf("%d before the community accepted", n)
	}
	for _, r := range reportIns[:3] {
		_, err := h.AcceptReportIn(staff, &pb.AcceptReportInRequest{Id: r})
		must(t, err)
	}
	if n := count(staff); n != 3 {
		t.Errorf("%d of 3", n)
	}
	street := h.as("s", grant(typev1.Role_ROLE_STREET_OFFICER, district+"430101002/"))
	_, err := h.ListMembers(street, &pb.ListMembersRequest{OrganizationId: "430101002001"})
	wantReason(t, err, "ROLE_NOT_ALLOWED")
	_, err = h.sendRoster(h.districtOfficer(), "430101", true, rosterOf(
		person(8, "党员类别", "退休", "组织关系所在党组织编码", "430101002001", "工作单位编码", "", "报到日期", ""),
		person(9, "党员类别", "退休", "组织关系所在党组织编码", "430101002001", "工作单位编码", "")))
	must(t, err)
	if n := count(staff); n != 5 {
		t.Errorf("%d, with two at home there of whom one reported in", n)
	}
	_, err = h.TransferReportIn(h.member(ids[0]), &pb.TransferReportInRequest{Id: reportIns[0], CommunityId: "430101002002"})
	must(t, err)
	if n := count(staff); n != 4 {
		t.Errorf("%d of 4 after one left", n)
	}
}
