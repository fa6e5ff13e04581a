package registry

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
)

// withMembers imports n members of the workplace who live in community A, and
// answers their ids.
func (h *house) withMembers(n int) []string {
	h.t.Helper()
	var rows []string
	for i := range n {
		rows = append(rows, person(i))
	}
	done, err := h.sendRoster(h.officer(workplace), "W00005", false, rosterOf(rows...))
	must(h.t, err)
	if int(done.GetCreated()) != n {
		h.t.Fatalf("members: %v", done)
	}
	return h.memberIDs("W00005")
}

// memberIDs lists the members of an organization, in the order of the roster.
func (h *house) memberIDs(organization string) (out []string) {
	h.t.Helper()
	req := &pb.ListMembersRequest{OrganizationId: organization, PageSize: 200}
	for {
		page, err := h.ListMembers(h.districtOfficer(), req)
		must(h.t, err)
		for _, m := range page.GetMembers() {
			out = append(out, m.GetId())
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			return out
		}
	}
}

func (h *house) submit(id string) *pb.ReportIn {
	h.t.Helper()
	reply, err := h.SubmitReportIn(h.member(id), &pb.SubmitReportInRequest{MemberId: id})
	must(h.t, err)
	return reply.GetReportIn()
}

// TestReportIn_TheWholeWay runs in memory and on a file.
func TestReportIn_TheWholeWay(t *testing.T) {
	for name, h := range map[string]*house{"memory": start(t), "file": startBolt(t)} {
		t.Run(name, func(t *testing.T) { theWholeWay(t, h.withDistrict()) })
	}
}

func theWholeWay(t *testing.T, h *house) {
	id := h.withMembers(1)[0]
	staff := h.staff(communityA)
	_, err := h.GetMember(staff, &pb.GetMemberRequest{Id: id})
	wantReason(t, err, "NOT_FOUND") // not before the report-in is accepted

	r := h.submit(id)
	now := timestamppb.New(h.Civil.Now())
	want := &pb.ReportIn{Id: r.GetId(), MemberId: id, CommunityId: "430101002001", HomeOrganizationId: "W00005",
		State: pb.ReportInState_REPORT_IN_STATE_SUBMITTED, SubmittedAt: now, Etag: "1"}
	if diff := diffProto(want, r); diff != "" {
		t.Error(diff)
	}
	back, err := h.ReturnReportIn(staff, &pb.ReturnReportInRequest{Id: r.GetId(), Etag: "1", Reason: " 请补填楼栋 "})
	must(t, err)
	want.State, want.DecidedAt, want.DecidedBy, want.ReturnReason, want.Etag = pb.ReportInState_REPORT_IN_STATE_RETURNED, now, "staff of "+communityA, "请补填楼栋", "2"
	if diff := diffProto(want, back.GetReportIn()); diff != "" {
		t.Error(diff)
	}
	_, err = h.SubmitReportIn(h.member(id), &pb.SubmitReportInRequest{MemberId: id})
	wantReason(t, err, "REPORT_IN_ACTIVE")
	again, err := h.ResubmitReportIn(h.member(id), &pb.ResubmitReportInRequest{Id: r.GetId(), Etag: "2"})
	must(t, err)
	want.State, want.DecidedAt, want.DecidedBy, want.ReturnReason, want.Etag = pb.ReportInState_REPORT_IN_STATE_SUBMITTED, nil, "", "", "3"
	if diff := diffProto(want, again.GetReportIn()); diff != "" {
		t.Error(diff)
	}
	accepted, err := h.AcceptReportIn(staff, &pb.AcceptReportInRequest{Id: r.GetId(), Etag: "3"})
	must(t, err)
	want.State, want.DecidedAt, want.DecidedBy, want.Etag = pb.ReportInState_REPORT_IN_STATE_ACCEPTED, now, "staff of "+communityA, "4"
	want.CountedOn = "2013-12-31"
	if diff := diffProto(want, accepted.GetReportIn()); diff != "" {
		t.Error(diff)
	}
	got, err := h.GetReportIn(h.member(id), &pb.GetReportInRequest{Id: r.GetId()})
	must(t, err)
	if diff := diffProto(want, got.GetReportIn()); diff != "" {
		t.Error(diff)
	}
	_, err = h.GetMember(staff, &pb.GetMemberRequest{Id: id})
	must(t, err) // accepting has opened the member to the community

	h.Drain()
	c, err := h.GetCompletion(staff, &pb.GetCompletionRequest{OrganizationId: "430101002001"})
	must(t, err)
	if diff := diffProto(&pb.CompletionOfKind{Members: 1, Accepted: 1}, c.GetCompletion().GetTotal()); diff != "" {
		t.Error(diff)
	}
}

func TestReportIn_WrongStates(t *testing.T) {
	h := start(t).withDistrict()
	id := h.withMembers(1)[0]
	staff, r := h.staff(communityA), h.submit(id)
	_, err := h.ResubmitReportIn(h.member(id), &pb.ResubmitReportInRequest{Id: r.GetId()})
	wantReason(t, err, "WRONG_STATE")
	_, err = h.AcceptReportIn(staff, &pb.AcceptReportInRequest{Id: r.GetId(), Etag: "7"})
	wantReason(t, err, "STALE_ETAG")
	_, err = h.AcceptReportIn(staff, &pb.AcceptReportInRequest{Id: r.GetId()})
	must(t, err)
	_, err = h.AcceptReportIn(staff, &pb.AcceptReportInRequest{Id: r.GetId()})
	wantReason(t, err, "WRONG_STATE") // a double accept
	_, err = h.ReturnReportIn(staff, &pb.ReturnReportInRequest{Id: r.GetId(), Reason: "晚了"})
	wantReason(t, err, "WRONG_STATE")
	_, err = h.ReturnReportIn(staff, &pb.ReturnReportInRequest{Id: r.GetId(), Etag: "1", Reason: "旧"})
	wantReason(t, err, "STALE_ETAG")
	for _, blank := range []string{"　", "   ", "\u200b\u200b"} {
		_, err = h.ReturnReportIn(staff, &pb.ReturnReportInRequest{Id: r.GetId(), Reason: blank})
		wantReason(t, err, "INVALID_FIELD")
	}
	_, err = h.ReturnReportIn(staff, &pb.ReturnReportInRequest{Id: r.GetId()})
	wantReason(t, err, "INVALID_FIELD")
	got, err := h.GetReportIn(staff, &pb.GetReportInRequest{Id: r.GetId()})
	must(t, err)
	if got.GetReportIn().GetEtag() != "2" {
		t.Errorf("what was refused has changed something: %v", got.GetReportIn())
	}
}

func TestReportIn_IdempotencyKeys(t *testing.T) {
	h := start(t).withDistrict()
	id := h.withMembers(1)[0]
	req := &pb.SubmitReportInRequest{MemberId: id}
	first, err := h.SubmitReportIn(keyed(h.member(id), "k"), req)
	must(t, err)
	again, err := h.SubmitReportIn(keyed(h.member(id), "k"), req)
	must(t, err)
	if !proto.Equal(first, again) {
		t.Errorf("%v, then %v", first, again)
	}
	_, err = h.SubmitReportIn(keyed(h.member(id), "k"), &pb.SubmitReportInRequest{MemberId: id, CommunityId: "430101002002"})
	wantReason(t, err, "IDEMPOTENCY_KEY_REUSED")
	if n := len(h.eventsOf("report_in.submitted")); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestSubmitReportIn_WhoAndWhere(t *testing.T) {
	h := start(t).withDistrict()
	members := h.withMembers(6)
	for name, tc := range map[string]struct {
		ctx    context.Context
		req    *pb.SubmitReportInRequest
		reason string
	}{
		"another member of the same unit":   {h.member(members[1]), &pb.SubmitReportInRequest{MemberId: members[0]}, "NOT_FOUND"},
		"another workplace":                 {h.officer(district + "W00006/"), &pb.SubmitReportInRequest{MemberId: members[0]}, "NOT_FOUND"},
		"the community of residence":        {h.staff(communityA), &pb.SubmitReportInRequest{MemberId: members[0]}, "NOT_FOUND"},
		"a resident":                        {h.as("r", grant(typev1.Role_ROLE_RESIDENT, communityA)), &pb.SubmitReportInRequest{MemberId: members[0]}, "ROLE_NOT_ALLOWED"},
		"nobody of that id":                 {h.officer(workplace), &pb.SubmitReportInRequest{MemberId: "mem_0"}, "NOT_FOUND"},
		"no id":                             {h.officer(workplace), &pb.SubmitReportInRequest{}, "INVALID_FIELD"},
		"to an unknown place":               {h.member(members[0]), &pb.SubmitReportInRequest{MemberId: members[0], CommunityId: "C"}, "UNKNOWN_ORGANIZATION"},
		"to a street":                       {h.member(members[0]), &pb.SubmitReportInRequest{MemberId: members[0], CommunityId: "430101002"}, "NOT_A_COMMUNITY"},
		"the member":                        {h.member(members[0]), &pb.SubmitReportInRequest{MemberId: members[0]}, ""},
		"the workplace for the member":      {h.officer(workplace), &pb.SubmitReportInRequest{MemberId: members[2]}, ""},
		"the district for the member":       {h.districtOfficer(), &pb.SubmitReportInRequest{MemberId: members[3]}, ""},
		"to another community":              {h.member(members[4]), &pb.SubmitReportInRequest{MemberId: members[4], CommunityId: "430101002002"}, ""},
		"a member who is an officer of own": {h.as(members[5], grant(typev1.Role_ROLE_WORKPLACE_OFFICER, district+"W00006/")), &pb.SubmitReportInRequest{MemberId: members[5]}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.SubmitReportIn(tc.ctx, tc.req)
			wantReason(t, err, tc.reason)
		})
	}
}

func TestReportIn_OnlyTheCommunityDecides(t *testing.T) {
	h := start(t).withDistrict()
	id := h.withMembers(1)[0]
	r := h.submit(id)
	both := h.as(id, grant(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, workplace))
	for name, tc := range map[string]struct {
		ctx    context.Context
		reason string
	}{
		"another community":                 {h.staff(communityB), "NOT_FOUND"},
		"the workplace":                     {h.officer(workplace), "ROLE_NOT_ALLOWED"},
		"the member":                        {h.member(id), "ROLE_NOT_ALLOWED"},
		"a committee":                       {h.as("c", grant(typev1.Role_ROLE_COMMITTEE_STAFF, communityA)), "ROLE_NOT_ALLOWED"},
		"party staff who only see the home": {h.staff(workplace), "OUTSIDE_SCOPE"},
		"party staff who are the member":    {both, "OUTSIDE_SCOPE"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.AcceptReportIn(tc.ctx, &pb.AcceptReportInRequest{Id: r.GetId()})
			wantReason(t, err, tc.reason)
			_, err = h.ReturnReportIn(tc.ctx, &pb.ReturnReportInRequest{Id: r.GetId(), Reason: "不行"})
			wantReason(t, err, tc.reason)
		})
	}
	_, err := h.ReturnReportIn(h.staff(communityA), &pb.ReturnReportInRequest{Id: r.GetId(), Reason: "补充"})
	must(t, err)
	_, err = h.ResubmitReportIn(h.staff(communityA), &pb.ResubmitReportInRequest{Id: r.GetId()})
	wantReason(t, err, "OUTSIDE_SCOPE")
	_, err = h.ResubmitReportIn(h.officer(district+"W00006/"), &pb.ResubmitReportInRequest{Id: r.GetId()})
	wantReason(t, err, "NOT_FOUND")
	_, err = h.ResubmitReportIn(h.officer(workplace), &pb.ResubmitReportInRequest{Id: r.GetId()})
	must(t, err)
	for name, ctx := range map[string]context.Context{
		"another community": h.staff(communityB), "a committee": h.as("c", grant(typev1.Role_ROLE_COMMITTEE_STAFF, communityA)),
		"a resident": h.as("r", grant(typev1.Role_ROLE_RESIDENT, communityA)), "another member": h.as("mem_0", grant(typev1.Role_ROLE_MEMBER, workplace)),
	} {
		if _, err := h.GetReportIn(ctx, &pb.GetReportInRequest{Id: r.GetId()}); err == nil {
			t.Errorf("%s sees it", name)
		} else {
			wantReason(t, err, "NOT_FOUND")
		}
	}
}

func TestAcceptReportIns(t *testing.T) {
	h := start(t).withDistrict()
	members := h.withMembers(205)
	var reportIns []string
	for _, id := range members {
		reportIns = append(reportIns, h.submit(id).GetId())
	}
	accept := func(ctx context.Context, community string, list ...string) (*pb.AcceptReportInsResponse, error) {
		return h.AcceptReportIns(ctx, &pb.AcceptReportInsRequest{CommunityId: community, Ids: list})
	}
	staff := h.staff(communityA)
	_, err := accept(staff, "430101002001", reportIns[:201]...)
	wantReason(t, err, "INVALID_FIELD")
	_, err = accept(staff, "430101002001", reportIns[0], reportIns[0])
	wantReason(t, err, "INVALID_FIELD")
	_, err = accept(staff, "430101002001")
	wantReason(t, err, "INVALID_FIELD")
	_, err = accept(staff, "430101002002", reportIns[0])
	wantReason(t, err, "UNKNOWN_ORGANIZATION")
	_, err = accept(h.staff(communityB), "430101002002", reportIns[0])
	wantReason(t, err, "NOT_FOUND")
	_, err = accept(h.staff(district+"430101002/"), "430101002002", reportIns[0])
	wantReason(t, err, "NOT_FOUND") // of another community, though inside the grant
	_, err = accept(staff, "430101002001", reportIns[0], "rpt_0")
	wantReason(t, err, "NOT_FOUND")

	reply, err := accept(staff, "430101002001", reportIns[:200]...)
	must(t, err)
	for i, r := range reply.GetReportIns() {
		if r.GetId() != reportIns[i] || r.GetState() != pb.ReportInState_REPORT_IN_STATE_ACCEPTED || r.GetEtag() != "2" {
			t.Fatalf("%d: %v", i, r)
		}
	}
	_, err = accept(staff, "430101002001", reportIns[200], reportIns[5])
	wantReason(t, err, "WRONG_STATE")
	if !strings.Contains(fmt.Sprint(metadataOf(err)), reportIns[5]) {
		t.Errorf("the one that was not submitted is not named: %v", metadataOf(err))
	}
	got, err := h.GetReportIn(staff, &pb.GetReportInRequest{Id: reportIns[200]})
	must(t, err)
	if got.GetReportIn().GetState() != pb.ReportInState_REPORT_IN_STATE_SUBMITTED {
		t.Error("all or none: the first came through")
	}
	if n := len(h.eventsOf("report_in.accepted")); n != 1 {
		t.Errorf("%d events for one bulk step", n)
	}
}

// eventsOf answers the events of one name that wait in the outbox.
func (h *house) eventsOf(name string) (out []*typev1.EventRow) {
	for _, e := range h.events() {
		if e.GetSubject() == "linli.registry."+name {
			out = append(out, e)
		}
	}
	return out
}

func TestListReportIns(t *testing.T) {
	h := start(t).withDistrict()
	members := h.withMembers(7)
	staff := h.staff(communityA)
	var oldest []string
	for i, id := range members {
		community := "430101002001"
		if i == 6 {
			community = "430101002002"
		}
		reply, err := h.SubmitReportIn(h.member(id), &pb.SubmitReportInRequest{MemberId: id, CommunityId: community})
		must(t, err)
		oldest = append(oldest, reply.GetReportIn().GetId())
		h.Civil.Advance(h.Civil.Now().Add(1e9))
	}
	for _, i := range []int{1, 4} {
		_, err := h.AcceptReportIn(staff, &pb.AcceptReportInRequest{Id: oldest[i]})
		must(t, err)
	}
	list := func(ctx context.Context, organization string, state pb.ReportInState) (out []string) {
		req := &pb.ListReportInsRequest{OrganizationId: organization, State: state, PageSize: 2}
		for {
			page, err := h.ListReportIns(ctx, req)
			must(t, err)
			for _, r := range page.GetReportIns() {
				out = append(out, r.GetId())
			}
			if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
				return out
			}
		}
	}
	at := func(places ...int) (out []string) {
		for _, i := range places {
			out = append(out, oldest[i])
		}
		return out
	}
	for name, tc := range map[string]struct{ got, want []string }{
		"all":           {list(staff, "430101002001", 0), at(0, 1, 2, 3, 4, 5)},
		"submitted":     {list(staff, "430101002001", pb.ReportInState_REPORT_IN_STATE_SUBMITTED), at(0, 2, 3, 5)},
		"accepted":      {list(staff, "430101002001", pb.ReportInState_REPORT_IN_STATE_ACCEPTED), at(1, 4)},
		"returned":      {list(staff, "430101002001", pb.ReportInState_REPORT_IN_STATE_RETURNED), nil},
		"the other":     {list(h.staff(communityB), "430101002002", 0), at(6)},
		"of a street":   {list(h.staff(district+"430101002/"), "430101002", 0), at(0, 1, 2, 3, 4, 5, 6)},
		"of a district": {list(h.staff(district), "430101", pb.ReportInState_REPORT_IN_STATE_SUBMITTED), at(0, 2, 3, 5, 6)},
	} {
		if strings.Join(tc.got, " ") != strings.Join(tc.want, " ") {
			t.Errorf("%s: %v, want %v", name, tc.got, tc.want)
		}
	}
	_, err := h.ListReportIns(staff, &pb.ListReportInsRequest{OrganizationId: "430101002002"})
	wantReason(t, err, "UNKNOWN_ORGANIZATION")
	_, err = h.ListReportIns(h.districtOfficer(), &pb.ListReportInsRequest{OrganizationId: "430101"})
	wantReason(t, err, "ROLE_NOT_ALLOWED")
	_, err = h.ListReportIns(h.officer(workplace), &pb.ListReportInsRequest{OrganizationId: "W00005"})
	wantReason(t, err, "ROLE_NOT_ALLOWED")
	page, err := h.ListReportIns(staff, &pb.ListReportInsRequest{OrganizationId: "430101002001", PageSize: 2})
	must(t, err)
	_, err = h.ListReportIns(staff, &pb.ListReportInsRequest{OrganizationId: "430101002001", State: 1, PageToken: page.GetNextPageToken()})
	wantReason(t, err, "BAD_PAGE_TOKEN")
}

// TestReportIn_IsAudited: every step has its line, with the office it was
// taken in.
func TestReportIn_IsAudited(t *testing.T) {
	h := start(t).withDistrict()
	r := h.submit(h.withMembers(1)[0])
	_, err := h.AcceptReportIn(h.staff(communityA), &pb.AcceptReportInRequest{Id: r.GetId()})
	must(t, err)
	var lines []string
	must(t, h.store.View(t.Context(), func(kr kv.Reader) error {
		rows, err := store.AuditRows(kr, 1000)
		for _, a := range rows {
			if len(a.GetRows()) == 1 && a.GetRows()[0] == r.GetId() {
				lines = append(lines, a.GetMethod()[strings.LastIndex(a.GetMethod(), "/")+1:]+" "+a.GetRole()+" "+a.GetOrganizationPath())
			}
		}
		return err
	}))
	want := "SubmitReportIn member " + workplace + ", AcceptReportIn community_party_staff " + communityA
	if got := strings.Join(lines, ", "); got != want {
		t.Errorf("audit %q", got)
	}
}
