package registry

import (
	"bytes"
	"errors"
	"testing"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/store"
)

const (
	campaignOpens    = "2013-08-01"
	campaignMiddle   = "2013-09-02"
	campaignDeadline = "2013-10-31"
)

// startCampaign runs the house in the middle of the campaign.
func startCampaign(t testing.TB) *house {
	t.Helper()
	return startAt(t, kvtest.Rerun(kv.New(memkv.New(), kv.Options{})), onDay(t, campaignMiddle)).withDistrict()
}

// onDay is nine in the morning of a Shanghai day.
func onDay(t testing.TB, day string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, day+"T09:00:00+08:00")
	must(t, err)
	return at
}

func (h *house) goTo(day string) {
	h.t.Helper()
	if !h.Civil.Advance(onDay(h.t, day)) {
		h.t.Fatalf("%s is over", day)
	}
}

func (h *house) openCampaign(kinds ...pb.MemberKind) *pb.Campaign {
	h.t.Helper()
	reply, err := h.OpenCampaign(h.districtOfficer(), &pb.OpenCampaignRequest{
		DistrictId: "430101", Year: 2013, Title: "在职党员进社区报到", OpensOn: campaignOpens, DeadlineOn: campaignDeadline, Kinds: kinds,
	})
	must(h.t, err)
	return reply.GetCampaign()
}

func (h *house) accept(id string) *pb.ReportIn {
	h.t.Helper()
	reply, err := h.AcceptReportIn(h.staff(district), &pb.AcceptReportInRequest{Id: id})
	must(h.t, err)
	return reply.GetReportIn()
}

// reportedIn has a member submit, and the community accept.
func (h *house) reportedIn(member string) *pb.ReportIn {
	h.t.Helper()
	return h.accept(h.submit(member).GetId())
}

func (h *house) exclude(campaign, member string, reason pb.ExclusionReason, until string) *pb.Exclusion {
	h.t.Helper()
	reply, err := h.ProposeExclusion(h.officer(district), &pb.ProposeExclusionRequest{CampaignId: campaign, MemberId: member, Reason: reason, Until: until})
	must(h.t, err)
	return reply.GetExclusion()
}

func (h *house) decide(campaign, member string, approve bool) *pb.Exclusion {
	h.t.Helper()
	reply, err := h.DecideExclusion(h.districtOfficer(), &pb.DecideExclusionRequest{CampaignId: campaign, MemberId: member, Approve: approve})
	must(h.t, err)
	return reply.GetExclusion()
}

func (h *house) excluded(campaign, member string, reason pb.ExclusionReason, until string) {
	h.t.Helper()
	h.exclude(campaign, member, reason, until)
	h.decide(campaign, member, true)
}

// campaignOf answers the completion of a home organization, after everything
// has arrived.
func (h *house) campaignOf(campaign, organization string) *pb.CampaignCompletion {
	h.t.Helper()
	h.Drain()
	reply, err := h.GetCampaignCompletion(h.districtOfficer(), &pb.GetCampaignCompletionRequest{CampaignId: campaign, OrganizationId: organization})
	must(h.t, err)
	return reply.GetCompletion()
}

// missingOf answers who is missing, as the home organization reads it.
func (h *house) missingOf(campaign, home string) (ids []string) {
	h.t.Helper()
	req := &pb.ListMissingRequest{CampaignId: campaign, HomeOrganizationId: home, PageSize: 3}
	for {
		page, err := h.ListMissing(h.officer(district+home+"/"), req)
		must(h.t, err)
		for _, m := range page.GetMembers() {
			ids = append(ids, m.GetMemberId())
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			return ids
		}
	}
}

func TestOpenCampaign_OneAYear(t *testing.T) {
	h := startCampaign(t)
	c := h.openCampaign()
	want := &pb.Campaign{Id: c.GetId(), DistrictId: "430101", Year: 2013, Title: "在职党员进社区报到", OpensOn: campaignOpens,
		DeadlineOn: campaignDeadline, Kinds: []pb.MemberKind{pb.MemberKind_MEMBER_KIND_IN_SERVICE}, Etag: "1"}
	if diff := diffProto(want, c); diff != "" {
		t.Error(diff)
	}
	open := func(year int32, opens, deadline string, kinds ...pb.MemberKind) error {
		_, err := h.OpenCampaign(h.districtOfficer(), &pb.OpenCampaignRequest{
			DistrictId: "430101", Year: year, Title: "x", OpensOn: opens, DeadlineOn: deadline, Kinds: kinds})
		return err
	}
	wantReason(t, open(2013, campaignOpens, campaignDeadline), "CAMPAIGN_EXISTS")
	wantReason(t, open(2014, "2014-08-01", "2014-08-01"), "INVALID_FIELD")
	wantReason(t, open(2014, "2014-08-01", "2014-08-32"), "INVALID_FIELD")
	wantReason(t, open(2014, "2014-08-01", "2014-10-31", 0), "INVALID_FIELD")
	must(t, open(2014, "2014-08-01", "2014-10-31", pb.MemberKind_MEMBER_KIND_RETIRED, pb.MemberKind_MEMBER_KIND_IN_SERVICE))
	_, err := h.OpenCampaign(h.officer(workplace), &pb.OpenCampaignRequest{DistrictId: "430101", Year: 2015, Title: "x", OpensOn: campaignOpens, DeadlineOn: campaignDeadline})
	wantReason(t, err, "ROLE_NOT_ALLOWED")

	list, err := h.ListCampaigns(h.officer(workplace), &pb.ListCampaignsRequest{DistrictId: "430101"})
	must(t, err)
	if all := list.GetCampaigns(); len(all) != 2 || all[0].GetYear() != 2014 || all[1].GetId() != c.GetId() {
		t.Errorf("campaigns %v", all)
	}
	got, err := h.GetCampaign(h.staff(communityA), &pb.GetCampaignRequest{Id: c.GetId()})
	must(t, err)
	if diff := diffProto(want, got.GetCampaign()); diff != "" {
		t.Error(diff)
	}
	elsewhere := h.officer("/430100/430199/W99999/")
	_, err = h.GetCampaign(elsewhere, &pb.GetCampaignRequest{Id: c.GetId()})
	wantReason(t, err, "NOT_FOUND")
	_, err = h.ListCampaigns(elsewhere, &pb.ListCampaignsRequest{DistrictId: "430101"})
	wantReason(t, err, "UNKNOWN_ORGANIZATION")
}

// TestExclusion_AnotherApproves: who proposes does not approve, nor the member.
func TestExclusion_AnotherApproves(t *testing.T) {
	h := startCampaign(t)
	c, m := h.openCampaign().GetId(), h.withMembers(2)
	both := h.as("both", grant(typev1.Role_ROLE_WORKPLACE_OFFICER, workplace), grant(typev1.Role_ROLE_DISTRICT_OFFICER, district))
	proposed, err := h.ProposeExclusion(both, &pb.ProposeExclusionRequest{CampaignId: c, MemberId: m[0], Reason: pb.ExclusionReason_EXCLUSION_REASON_VILLAGE})
	must(t, err)
	if e := proposed.GetExclusion(); e.GetState() != pb.ExclusionState_EXCLUSION_STATE_PROPOSED || e.GetProposedBy() != "both" {
		t.Errorf("proposed %v", e)
	}
	decide := &pb.DecideExclusionRequest{CampaignId: c, MemberId: m[0], Approve: true}
	_, err = h.DecideExclusion(both, decide)
	wantReason(t, err, "APPROVES_OWN")
	_, err = h.DecideExclusion(h.as(m[0], grant(typev1.Role_ROLE_DISTRICT_OFFICER, district)), decide)
	wantReason(t, err, "APPROVES_OWN")
	_, err = h.DecideExclusion(h.officer(workplace), decide)
	wantReason(t, err, "ROLE_NOT_ALLOWED")
	_, err = h.DecideExclusion(h.as("home", grant(typev1.Role_ROLE_DISTRICT_OFFICER, workplace)), decide)
	wantReason(t, err, "OUTSIDE_SCOPE")
	if c := h.campaignOf(c, "W00005"); c.GetDue() != 2 {
		t.Errorf("a proposal counts before it is approved: %v", c)
	}
	_, err = h.DecideExclusion(h.districtOfficer(), &pb.DecideExclusionRequest{CampaignId: c, MemberId: m[0], Approve: true, Etag: "9"})
	wantReason(t, err, "STALE_ETAG")
	if e := h.decide(c, m[0], true); e.GetState() != pb.ExclusionState_EXCLUSION_STATE_APPROVED || e.GetDecidedBy() != "district" {
		t.Errorf("approved %v", e)
	}
	_, err = h.DecideExclusion(h.districtOfficer(), decide)
	wantReason(t, err, "WRONG_STATE")
	_, err = h.DecideExclusion(h.districtOfficer(), &pb.DecideExclusionRequest{CampaignId: c, MemberId: m[1], Approve: true})
	wantReason(t, err, "NOT_FOUND")
	if c := h.campaignOf(c, "W00005"); c.GetDue() != 1 || c.GetKinds()[0].GetNotDue() != 1 {
		t.Errorf("completion %v", c)
	}
}

// TestExclusion_WhoProposesAndForWhom: the home organization, for members whom
// the campaign is about.
func TestExclusion_WhoProposesAndForWhom(t *testing.T) {
	h := startCampaign(t)
	c := h.openCampaign().GetId()
	_, err := h.sendRoster(h.officer(workplace), "W00005", false, rosterOf(person(1), person(2, "党员类别", "退休")))
	must(t, err)
	ids := map[pb.MemberKind]string{}
	for _, id := range h.memberIDs("W00005") {
		m, err := h.GetMember(h.districtOfficer(), &pb.GetMemberRequest{Id: id})
		must(t, err)
		ids[m.GetMember().GetKind()] = id
	}
	inService := ids[pb.MemberKind_MEMBER_KIND_IN_SERVICE]
	village := func(id string) *pb.ProposeExclusionRequest {
		return &pb.ProposeExclusionRequest{CampaignId: c, MemberId: id, Reason: pb.ExclusionReason_EXCLUSION_REASON_VILLAGE}
	}
	_, err = h.ProposeExclusion(h.officer(workplace), village(ids[pb.MemberKind_MEMBER_KIND_RETIRED]))
	wantReason(t, err, "OUTSIDE_CAMPAIGN")
	_, err = h.ProposeExclusion(h.officer(district+"W00006/"), village(inService))
	wantReason(t, err, "NOT_FOUND")
	h.reportedIn(inService)
	_, err = h.ProposeExclusion(h.staff(communityA), village(inService)) // sees the member, whose home is another
	wantReason(t, err, "NOT_FOUND")
	_, err = h.ProposeExclusion(h.as(inService, grant(typev1.Role_ROLE_WORKPLACE_OFFICER, district+"W00006/")), village(inService))
	wantReason(t, err, "NOT_FOUND") // nobody excuses oneself
	for _, bad := range []*pb.ProposeExclusionRequest{
		{CampaignId: c, MemberId: inService},
		{CampaignId: c, MemberId: inService, Reason: pb.ExclusionReason_EXCLUSION_REASON_ILL},
		{CampaignId: c, MemberId: inService, Reason: pb.ExclusionReason_EXCLUSION_REASON_ILL, Until: "2013-07-31"},
		{CampaignId: c, MemberId: inService, Reason: pb.ExclusionReason_EXCLUSION_REASON_VILLAGE, Until: "2013-12-31"},
	} {
		_, err = h.ProposeExclusion(h.officer(workplace), bad)
		wantReason(t, err, "INVALID_FIELD")
	}
	_, err = h.ProposeExclusion(h.officer(workplace), village(inService))
	must(t, err)
	_, err = h.ProposeExclusion(h.officer(workplace), village(inService))
	wantReason(t, err, "WRONG_STATE")
	list, err := h.ListExclusions(h.officer(workplace), &pb.ListExclusionsRequest{CampaignId: c, OrganizationId: "W00005"})
	must(t, err)
	if len(list.GetExclusions()) != 1 {
		t.Errorf("exclusions %v", list)
	}
	_, err = h.ListExclusions(h.officer(district+"W00006/"), &pb.ListExclusionsRequest{CampaignId: c, OrganizationId: "W00005"})
	wantReason(t, err, "UNKNOWN_ORGANIZATION")
}

// TestExclusion_TheNoteIsSealed: it stands in no list, event or message, and
// every reading is kept with its reason.
func TestExclusion_TheNoteIsSealed(t *testing.T) {
	const secret = "肝癌晚期住院"
	h := startCampaign(t)
	c, m := h.openCampaign().GetId(), h.withMembers(1)
	_, err := h.ProposeExclusion(h.officer(workplace), &pb.ProposeExclusionRequest{
		CampaignId: c, MemberId: m[0], Reason: pb.ExclusionReason_EXCLUSION_REASON_ILL, Until: "2013-12-31", Note: secret})
	must(t, err)
	list, err := h.ListExclusions(h.districtOfficer(), &pb.ListExclusionsRequest{CampaignId: c, OrganizationId: "430101"})
	must(t, err)
	if e := list.GetExclusions(); len(e) != 1 || !e[0].GetHasNote() {
		t.Errorf("exclusions %v", list)
	}
	_, err = h.RevealExclusionNote(h.districtOfficer(), &pb.RevealExclusionNoteRequest{CampaignId: c, MemberId: m[0], Reason: "   "})
	wantReason(t, err, "INVALID_FIELD") // what is sealed does not open for a blank reason
	reveal := &pb.RevealExclusionNoteRequest{CampaignId: c, MemberId: m[0], Reason: "审批"}
	for range 2 {
		note, err := h.RevealExclusionNote(h.districtOfficer(), reveal)
		must(t, err)
		if note.GetNote() != secret {
			t.Errorf("note %q", note.GetNote())
		}
	}
	_, err = h.RevealExclusionNote(h.officer(district+"W00006/"), reveal)
	wantReason(t, err, "NOT_FOUND")
	h.Drain()
	if bytes.Contains(h.Events("registry"), []byte(secret)) || bytes.Contains([]byte(h.Log.String()), []byte(secret)) {
		t.Error("the note left the store")
	}
	readings := 0
	must(t, h.store.View(t.Context(), func(r kv.Reader) error {
		rows, err := store.AuditRows(r, 1000)
		err = errors.Join(err, h.store.OpenReasons(r, rows))
		for _, a := range rows {
			if a.GetOutcome() == "revealed" && a.GetReason() == "审批" && a.GetPerson() == "district" {
				readings++
			}
		}
		row, _, rowErr := h.service.exclusions.Get(r, everything(), exclusionKey(c, m[0]))
		if bytes.Contains(row.Value.GetSealedNote(), []byte(secret)) {
			t.Error("the note lies open")
		}
		return errors.Join(err, rowErr)
	}))
	if readings != 2 {
		t.Errorf("%d readings are kept", readings)
	}
}

// TestCampaignCompletion: accepted on time and late over due less exempt;
// exclusions by reason; other kinds apart; an exemption ends with its last day.
func TestCampaignCompletion(t *testing.T) {
	h := startCampaign(t)
	var rows []string
	for i := range 8 {
		rows = append(rows, person(i))
	}
	_, err := h.sendRoster(h.officer(workplace), "W00005", false, rosterOf(append(rows, person(8, "党员类别", "退休"))...))
	must(t, err)
	c := h.openCampaign().GetId()
	var m []string
	for _, id := range h.memberIDs("W00005") {
		got, err := h.GetMember(h.districtOfficer(), &pb.GetMemberRequest{Id: id})
		must(t, err)
		if got.GetMember().GetKind() == pb.MemberKind_MEMBER_KIND_IN_SERVICE {
			m = append(m, id)
		}
	}
	h.reportedIn(m[0])
	onTime := h.submit(m[1]) // submitted on time, accepted late
	h.excluded(c, m[2], pb.ExclusionReason_EXCLUSION_REASON_VILLAGE, "")
	h.excluded(c, m[3], pb.ExclusionReason_EXCLUSION_REASON_ILL, "2013-11-30")
	h.excluded(c, m[4], pb.ExclusionReason_EXCLUSION_REASON_VILLAGE, "")
	h.exclude(c, m[5], pb.ExclusionReason_EXCLUSION_REASON_OTHER_CITY, "")
	h.decide(c, m[5], false)
	h.goTo("2013-11-10")
	h.accept(onTime.GetId())
	h.reportedIn(m[6])
	h.reportedIn(m[4]) // excluded, and came all the same

	inService := &pb.CampaignOfKind{Kind: pb.MemberKind_MEMBER_KIND_IN_SERVICE, InScope: true, Members: 8, NotDue: 1, Exempt: 1,
		AcceptedOnTime: 2, AcceptedLate: 2, Missing: 2, Reasons: []*pb.ExclusionCount{
			{Reason: pb.ExclusionReason_EXCLUSION_REASON_VILLAGE, Members: 1}, {Reason: pb.ExclusionReason_EXCLUSION_REASON_ILL, Members: 1}}}
	want := &pb.CampaignCompletion{CampaignId: c, OrganizationId: "W00005", Accepted: 4, Due: 6, Percent: "66.7",
		Kinds: []*pb.CampaignOfKind{inService, {Kind: pb.MemberKind_MEMBER_KIND_RETIRED, Members: 1}}}
	if diff := diffProto(want, h.campaignOf(c, "W00005")); diff != "" {
		t.Error(diff)
	}
	want.OrganizationId = "430101"
	if diff := diffProto(want, h.campaignOf(c, "430101")); diff != "" {
		t.Error(diff)
	}
	h.goTo("2013-12-01") // the exemption is over
	inService.Exempt, inService.Missing, inService.Reasons = 0, 3, inService.Reasons[:1]
	want.Due, want.Percent = 7, "57.1"
	if diff := diffProto(want, h.campaignOf(c, "430101")); diff != "" {
		t.Error(diff)
	}
	if got := h.missingOf(c, "W00005"); len(got) != 3 || got[0] != m[3] || got[1] != m[5] || got[2] != m[7] {
		t.Errorf("missing %v of %v", got, m)
	}
}

// TestCampaignCompletion_OfACommunity: it has those who are at home there. With
// none it says whom to ask for, and does not answer nothing.
func TestCampaignCompletion_OfACommunity(t *testing.T) {
	h := startCampaign(t)
	c := h.openCampaign().GetId()
	h.withMembers(2)
	h.Drain()
	for _, organization := range []string{"430101002001", "430101002"} {
		_, err := h.GetCampaignCompletion(h.districtOfficer(), &pb.GetCampaignCompletionRequest{CampaignId: c, OrganizationId: organization})
		wantReason(t, err, "NO_MEMBERSHIPS")
	}
	if got := h.campaignOf(c, "W00006"); got.GetKinds() != nil {
		t.Errorf("a workplace without members: %v", got)
	}
	_, err := h.sendRoster(h.districtOfficer(), "430101", false,
		rosterOf(person(9, "党员类别", "退休", "组织关系所在党组织编码", "430101002001", "工作单位编码", "")))
	must(t, err)
	want := []*pb.CampaignOfKind{{Kind: pb.MemberKind_MEMBER_KIND_RETIRED, Members: 1}}
	for _, organization := range []string{"430101002001", "430101002"} {
		if diff := diffProto(&pb.CampaignCompletion{CampaignId: c, OrganizationId: organization, Kinds: want}, h.campaignOf(c, organization)); diff != "" {
			t.Error(diff)
		}
	}
}

// TestListMissing_OwnWorkplaceOnly: nobody else learns who is missing.
func TestListMissing_OwnWorkplaceOnly(t *testing.T) {
	h := startCampaign(t)
	c, m := h.openCampaign().GetId(), h.withMembers(4)
	h.reportedIn(m[0])
	h.submit(m[1])
	h.excluded(c, m[2], pb.ExclusionReason_EXCLUSION_REASON_POSTED_AWAY, "2013-09-30")
	req := &pb.ListDueRequest{CampaignId: c, HomeOrganizationId: "W00005"}
	due, err := h.ListDue(h.officer(workplace), req)
	must(t, err)
	in := pb.MemberKind_MEMBER_KIND_IN_SERVICE
	want := &pb.ListDueResponse{Members: []*pb.DueMember{
		{MemberId: m[0], Kind: in, Standing: pb.Standing_STANDING_ON_TIME, ReportInState: pb.ReportInState_REPORT_IN_STATE_ACCEPTED},
		{MemberId: m[1], Kind: in, Standing: pb.Standing_STANDING_MISSING, ReportInState: pb.ReportInState_REPORT_IN_STATE_SUBMITTED},
		{MemberId: m[2], Kind: in, Standing: pb.Standing_STANDING_EXEMPT, Reason: pb.ExclusionReason_EXCLUSION_REASON_POSTED_AWAY, Until: "2013-09-30"},
		{MemberId: m[3], Kind: in, Standing: pb.Standing_STANDING_MISSING},
	}}
	if diff := diffProto(want, due); diff != "" {
		t.Error(diff)
	}
	missing := &pb.ListMissingRequest{CampaignId: c, HomeOrganizationId: "W00005"}
	_, err = h.ListMissing(h.districtOfficer(), missing)
	wantReason(t, err, "ROLE_NOT_ALLOWED")
	_, err = h.ListMissing(h.as("street", grant(typev1.Role_ROLE_STREET_OFFICER, district)), missing)
	wantReason(t, err, "ROLE_NOT_ALLOWED")
	_, err = h.ListMissing(h.officer(district+"W00006/"), missing)
	wantReason(t, err, "UNKNOWN_ORGANIZATION")
	_, err = h.ListMissing(h.staff(communityA), missing) // where they live
	wantReason(t, err, "UNKNOWN_ORGANIZATION")
	_, err = h.ListMissing(h.member(m[0]), missing)
	wantReason(t, err, "ROLE_NOT_ALLOWED")
	_, err = h.ListDue(h.districtOfficer(), req)
	wantReason(t, err, "ROLE_NOT_ALLOWED")
	_, err = h.ListMissing(h.officer(workplace), &pb.ListMissingRequest{CampaignId: "cpn_0", HomeOrganizationId: "W00005"})
	wantReason(t, err, "NOT_FOUND")
}
