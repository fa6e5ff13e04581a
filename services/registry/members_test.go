package registry

import (
	"context"
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

func TestGetMember_IsMasked(t *testing.T) {
	h := start(t).withDistrict()
	id := h.withMembers(1)[0]
	reply, err := h.GetMember(h.member(id), &pb.GetMemberRequest{Id: id})
	must(t, err)
	want := &pb.Member{
		Id: id, Name: "党员0", Sex: "female", MaskedIdNumber: "430***********" + idNumber(0)[14:], MaskedPhone: "139****0000",
		Status: pb.MemberStatus_MEMBER_STATUS_FORMAL, Kind: pb.MemberKind_MEMBER_KIND_IN_SERVICE,
		HomeOrganizationId: "W00005", WorkplaceId: "W00005", CommunityId: "430101002001", Building: "15栋",
		Specialties: []string{"法律援助", "医疗健康"}, Interests: []string{"太极"}, Etag: "1",
	}
	if diff := diffProto(want, reply.GetMember()); diff != "" {
		t.Error(diff)
	}
}

func TestGetMember_WhoSees(t *testing.T) {
	h := start(t).withDistrict()
	done, err := h.sendRoster(h.officer(workplace), "W00005", true, rosterOf(person(1)))
	must(t, err)
	if done.GetReportIns() != 1 {
		t.Fatal(done)
	}
	id := h.memberIDs("W00005")[0]
	for name, tc := range map[string]struct {
		ctx  context.Context
		sees bool
	}{
		"the member":                     {h.member(id), true},
		"the workplace":                  {h.officer(workplace), true},
		"the district":                   {h.districtOfficer(), true},
		"the community that accepted":    {h.staff(communityA), true},
		"its committee":                  {h.as("c", grant(typev1.Role_ROLE_COMMITTEE_STAFF, communityA)), true},
		"the street above it":            {h.as("s", grant(typev1.Role_ROLE_STREET_OFFICER, district+"430101002/")), true},
		"another community":              {h.staff(communityB), false},
		"another workplace":              {h.officer(district + "W00006/"), false},
		"another member of the unit":     {h.as("mem_0", grant(typev1.Role_ROLE_MEMBER, workplace)), false},
		"a resident of the community":    {h.as("r", grant(typev1.Role_ROLE_RESIDENT, communityA)), false},
		"a reviewer from everywhere":     {h.as("v", grant(typev1.Role_ROLE_REVIEWER, "/")), false},
		"a group secretary next door":    {h.as("g", grant(typev1.Role_ROLE_GROUP_SECRETARY, communityA)), false},
		"the district of another number": {h.as("d", grant(typev1.Role_ROLE_DISTRICT_OFFICER, "/430100/43010/")), false},
	} {
		_, err := h.GetMember(tc.ctx, &pb.GetMemberRequest{Id: id})
		if tc.sees && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !tc.sees {
			if err == nil {
				t.Errorf("%s sees the member", name)
			}
			wantReason(t, err, "NOT_FOUND")
		}
	}
}

func TestListMembers(t *testing.T) {
	h := start(t).withDistrict()
	ids := h.withMembers(130)
	if len(ids) != 130 {
		t.Fatalf("%d members", len(ids))
	}
	for name, tc := range map[string]struct {
		ctx          context.Context
		organization string
		reason       string
	}{
		"the own":               {h.officer(workplace), "W00005", ""},
		"another workplace":     {h.officer(workplace), "W00006", "UNKNOWN_ORGANIZATION"},
		"the district above":    {h.officer(workplace), "430101", "UNKNOWN_ORGANIZATION"},
		"unknown":               {h.districtOfficer(), "NOBODY", "UNKNOWN_ORGANIZATION"},
		"a resident":            {h.as("r", grant(typev1.Role_ROLE_RESIDENT, workplace)), "W00005", "ROLE_NOT_ALLOWED"},
		"a reviewer, elsewhere": {h.as("b", grant(typev1.Role_ROLE_REVIEWER, workplace), grant(typev1.Role_ROLE_WORKPLACE_OFFICER, district+"W00006/")), "W00005", "UNKNOWN_ORGANIZATION"},
	} {
		_, err := h.ListMembers(tc.ctx, &pb.ListMembersRequest{OrganizationId: tc.organization})
		if err != nil || tc.reason != "" {
			t.Run(name, func(t *testing.T) { wantReason(t, err, tc.reason) })
		}
	}
	page, err := h.ListMembers(h.officer(workplace), &pb.ListMembersRequest{OrganizationId: "W00005"})
	must(t, err)
	if len(page.GetMembers()) != 50 || page.GetMembers()[0].GetId() != ids[0] {
		t.Errorf("%d members on a page", len(page.GetMembers()))
	}
	_, err = h.ListMembers(h.districtOfficer(), &pb.ListMembersRequest{OrganizationId: "W00005", PageToken: page.GetNextPageToken()})
	wantReason(t, err, "BAD_PAGE_TOKEN")
	_, err = h.ListMembers(h.officer(workplace), &pb.ListMembersRequest{OrganizationId: "W00005", PageSize: 5000})
	wantReason(t, err, "INVALID_FIELD")
	if fields(err) != "page_size" {
		t.Errorf("fields %q", fields(err))
	}
}
