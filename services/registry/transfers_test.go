package registry

import (
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/scope"
)

func everything() scope.Scope { return scope.All() }

func (h *house) transfer(id, community string) *pb.ReportIn {
	h.t.Helper()
	reply, err := h.TransferReportIn(h.officer(district), &pb.TransferReportInRequest{Id: id, CommunityId: community})
	must(h.t, err)
	return reply.GetReportIn()
}

// TestTransferReportIn: the other community accepts anew, what was stays in the
// history, and who was on time stays so.
func TestTransferReportIn(t *testing.T) {
	h := startCampaign(t)
	c, id := h.openCampaign().GetId(), h.withMembers(1)[0]
	first := h.reportedIn(id)
	h.goTo("2013-11-20")
	moved, err := h.TransferReportIn(h.member(id), &pb.TransferReportInRequest{Id: first.GetId(), Etag: first.GetEtag(), CommunityId: "430101002002"})
	must(t, err)
	now := timestamppb.New(h.Civil.Now())
	want := &pb.ReportIn{Id: first.GetId(), MemberId: id, CommunityId: "430101002002", HomeOrganizationId: "W00005",
		State: pb.ReportInState_REPORT_IN_STATE_SUBMITTED, SubmittedAt: now, CountedOn: campaignMiddle, Etag: "3",
		History: []*pb.PastReportIn{{CommunityId: "430101002001", AcceptedAt: first.GetDecidedAt(), LeftAt: now}}}
	if diff := diffProto(want, moved.GetReportIn()); diff != "" {
		t.Error(diff)
	}
	_, err = h.GetMember(h.staff(communityA), &pb.GetMemberRequest{Id: id})
	wantReason(t, err, "NOT_FOUND") // the community that was left sees the member no more
	if c := h.campaignOf(c, "W00005"); c.GetAccepted() != 0 || c.GetKinds()[0].GetMissing() != 1 || c.GetKinds()[0].GetWaiting() != 1 {
		t.Errorf("between two communities: %v", c)
	}
	_, err = h.AcceptReportIn(h.staff(communityA), &pb.AcceptReportInRequest{Id: first.GetId()})
	wantReason(t, err, "NOT_FOUND")
	_, err = h.AcceptReportIn(h.staff(communityB), &pb.AcceptReportInRequest{Id: first.GetId()})
	must(t, err)
	_, err = h.GetMember(h.staff(communityB), &pb.GetMemberRequest{Id: id})
	must(t, err)
	if c := h.campaignOf(c, "W00005"); c.GetKinds()[0].GetAcceptedOnTime() != 1 || c.GetPercent() != "100.0" {
		t.Errorf("after the move: %v", c)
	}
	left, err := pb.NewInboxServiceClient(h.Conn()).ListOfficeMessages(h.staff(communityA), &pb.ListOfficeMessagesRequest{OrganizationId: "430101002001"})
	must(t, err)
	if m := left.GetMessages(); len(m) == 0 || m[0].GetTopic() != "report_in.left" {
		t.Errorf("the community that was left is told %v", m)
	}
}

func TestTransferReportIn_Refused(t *testing.T) {
	h := startCampaign(t)
	ids := h.withMembers(2)
	submitted, accepted := h.submit(ids[0]), h.reportedIn(ids[1])
	to := func(id, community string) *pb.TransferReportInRequest {
		return &pb.TransferReportInRequest{Id: id, CommunityId: community}
	}
	_, err := h.TransferReportIn(h.officer(workplace), to(submitted.GetId(), "430101002002"))
	wantReason(t, err, "WRONG_STATE")
	_, err = h.TransferReportIn(h.officer(workplace), to(accepted.GetId(), "430101002001"))
	wantReason(t, err, "INVALID_FIELD")
	_, err = h.TransferReportIn(h.officer(workplace), to(accepted.GetId(), "W00006"))
	wantReason(t, err, "NOT_A_COMMUNITY")
	_, err = h.TransferReportIn(h.staff(communityA), to(accepted.GetId(), "430101002002"))
	wantReason(t, err, "OUTSIDE_SCOPE") // the community lets nobody go elsewhere
	_, err = h.TransferReportIn(h.member(ids[0]), to(accepted.GetId(), "430101002002"))
	wantReason(t, err, "NOT_FOUND") // a member acts for nobody else
	_, err = h.EndReportIn(h.member(ids[0]), &pb.EndReportInRequest{Id: accepted.GetId(), Reason: "不是本人"})
	wantReason(t, err, "NOT_FOUND")
	_, err = h.TransferReportIn(h.officer(workplace), &pb.TransferReportInRequest{Id: accepted.GetId(), CommunityId: "430101002002", Etag: "1"})
	wantReason(t, err, "STALE_ETAG")
}

// TestEndReportIn: who ended is due again and counts from the new submission,
// which can go to another community.
func TestEndReportIn(t *testing.T) {
	h := startCampaign(t)
	c, id := h.openCampaign().GetId(), h.withMembers(1)[0]
	r := h.reportedIn(id)
	_, err := h.EndReportIn(h.staff(communityA), &pb.EndReportInRequest{Id: r.GetId(), Reason: " 　"})
	wantReason(t, err, "INVALID_FIELD")
	ended, err := h.EndReportIn(h.staff(communityA), &pb.EndReportInRequest{Id: r.GetId(), Reason: "已搬离本社区"})
	must(t, err)
	if e := ended.GetReportIn(); e.GetState() != pb.ReportInState_REPORT_IN_STATE_ENDED || e.GetEndReason() != "已搬离本社区" || len(e.GetHistory()) != 1 || e.GetCountedOn() != "" {
		t.Errorf("ended %v", e)
	}
	_, err = h.GetMember(h.staff(communityA), &pb.GetMemberRequest{Id: id})
	wantReason(t, err, "NOT_FOUND")
	if got := h.missingOf(c, "W00005"); len(got) != 1 {
		t.Errorf("missing %v", got)
	}
	h.goTo("2013-11-01")
	_, err = h.ResubmitReportIn(h.member(id), &pb.ResubmitReportInRequest{Id: r.GetId(), CommunityId: "W00005"})
	wantReason(t, err, "NOT_A_COMMUNITY")
	again, err := h.ResubmitReportIn(h.member(id), &pb.ResubmitReportInRequest{Id: r.GetId(), CommunityId: "430101002002"})
	must(t, err)
	if again.GetReportIn().GetCommunityId() != "430101002002" || again.GetReportIn().GetEndReason() != "" {
		t.Errorf("again %v", again)
	}
	h.accept(r.GetId())
	if k := h.campaignOf(c, "W00005").GetKinds()[0]; k.GetAcceptedLate() != 1 || k.GetAcceptedOnTime() != 0 {
		t.Errorf("came again late: %v", k)
	}
}

// TestListReceipts: the home organization alone, the accepted alone.
func TestListReceipts(t *testing.T) {
	h := startCampaign(t)
	m := h.withMembers(3)
	first, second := h.reportedIn(m[0]), h.reportedIn(m[2])
	h.submit(m[1])
	var ids []string
	req := &pb.ListReceiptsRequest{HomeOrganizationId: "W00005", PageSize: 2}
	for {
		page, err := h.ListReceipts(h.officer(workplace), req)
		must(t, err)
		for _, r := range page.GetReportIns() {
			ids = append(ids, r.GetId())
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	if len(ids) != 2 || ids[0] != first.GetId() || ids[1] != second.GetId() {
		t.Errorf("receipts %v", ids)
	}
	_, err := h.ListReceipts(h.officer(district+"W00006/"), &pb.ListReceiptsRequest{HomeOrganizationId: "W00005"})
	wantReason(t, err, "UNKNOWN_ORGANIZATION")
	_, err = h.ListReceipts(h.districtOfficer(), &pb.ListReceiptsRequest{HomeOrganizationId: "W00005"})
	wantReason(t, err, "ROLE_NOT_ALLOWED")
}

// TestMove_AnotherHomeInTheMiddle: a new roster takes a member to another home
// in the middle of a campaign. The member counts there, on time as before; an
// exclusion for what the person is goes along, one for what the home is lapses.
func TestMove_AnotherHomeInTheMiddle(t *testing.T) {
	h := startCampaign(t)
	c, m := h.openCampaign().GetId(), h.withMembers(4)
	h.reportedIn(m[0])
	h.excluded(c, m[1], pb.ExclusionReason_EXCLUSION_REASON_ILL, "2013-12-31")
	h.excluded(c, m[2], pb.ExclusionReason_EXCLUSION_REASON_OTHER_LEVEL, "")
	_, err := h.AddPlace(h.officer(workplace), &pb.AddPlaceRequest{HomeOrganizationId: "W00005", MemberId: m[0], CommunityId: "430101002002", Kind: pb.PlaceKind_PLACE_KIND_SECOND_HOME})
	must(t, err)
	h.Drain()
	h.goTo("2013-09-15")
	var rows []string
	for i := range 3 {
		rows = append(rows, person(i, "组织关系所在党组织编码", "W00006", "工作单位编码", "W00006"))
	}
	done, err := h.sendRoster(h.officer(district), "W00005", false, rosterOf(rows...))
	must(t, err)
	if done.GetUpdated() != 3 {
		t.Fatalf("moved %v", done)
	}
	if k := h.campaignOf(c, "W00005").GetKinds(); len(k) != 1 || k[0].GetMembers() != 1 || k[0].GetMissing() != 1 {
		t.Errorf("left behind: %v", k)
	}
	k := h.campaignOf(c, "W00006").GetKinds()[0]
	if k.GetMembers() != 3 || k.GetAcceptedOnTime() != 1 || k.GetExempt() != 1 || k.GetNotDue() != 0 || k.GetMissing() != 1 {
		t.Errorf("in the new home: %v", k)
	}
	if got := h.missingOf(c, "W00006"); len(got) != 1 || got[0] != m[2] {
		t.Errorf("missing there %v", got)
	}
	list, err := h.ListExclusions(h.officer(district+"W00006/"), &pb.ListExclusionsRequest{CampaignId: c, OrganizationId: "W00006"})
	must(t, err)
	states := map[string]pb.ExclusionState{}
	for _, e := range list.GetExclusions() {
		states[e.GetMemberId()] = e.GetState()
	}
	if states[m[1]] != pb.ExclusionState_EXCLUSION_STATE_APPROVED || states[m[2]] != pb.ExclusionState_EXCLUSION_STATE_LAPSED {
		t.Errorf("exclusions %v", states)
	}
	receipts, err := h.ListReceipts(h.officer(district+"W00006/"), &pb.ListReceiptsRequest{HomeOrganizationId: "W00006"})
	must(t, err)
	if len(receipts.GetReportIns()) != 1 {
		t.Errorf("receipts go along: %v", receipts)
	}
	places, err := h.ListPlaces(h.officer(district+"W00006/"), &pb.ListPlacesRequest{OrganizationId: "W00006"})
	must(t, err)
	if p := places.GetPlaces(); len(p) != 1 || p[0].GetHomeOrganizationId() != "W00006" {
		t.Errorf("second places go along: %v", p)
	}
	// Proposed anew in the new home, it is not ended by the move before.
	h.excluded(c, m[2], pb.ExclusionReason_EXCLUSION_REASON_OTHER_LEVEL, "")
	if got := h.missingOf(c, "W00006"); len(got) != 0 {
		t.Errorf("missing %v", got)
	}
}

// TestMove_AnotherCommunityInTheMiddle: where the roster says that a member
// lives elsewhere, the report-in stays where it was accepted until it is moved,
// and an exclusion for where the member lived lapses.
func TestMove_AnotherCommunityInTheMiddle(t *testing.T) {
	h := startCampaign(t)
	c, m := h.openCampaign().GetId(), h.withMembers(3)
	r := h.reportedIn(m[0])
	h.excluded(c, m[1], pb.ExclusionReason_EXCLUSION_REASON_VILLAGE, "")
	h.excluded(c, m[2], pb.ExclusionReason_EXCLUSION_REASON_POSTED_AWAY, "2013-12-31")
	h.Drain()
	var rows []string
	for i := range 3 {
		rows = append(rows, person(i, "居住社区编码", "430101002002"))
	}
	_, err := h.sendRoster(h.officer(workplace), "W00005", false, rosterOf(rows...))
	must(t, err)
	k := h.campaignOf(c, "W00005").GetKinds()[0]
	if k.GetAcceptedOnTime() != 1 || k.GetNotDue() != 0 || k.GetExempt() != 1 || k.GetMissing() != 1 {
		t.Errorf("after the move: %v", k)
	}
	got, err := h.GetReportIn(h.staff(communityA), &pb.GetReportInRequest{Id: r.GetId()})
	must(t, err)
	if got.GetReportIn().GetCommunityId() != "430101002001" {
		t.Errorf("the report-in moved by itself: %v", got)
	}
	h.transfer(r.GetId(), "430101002002")
	h.accept(r.GetId())
	if k := h.campaignOf(c, "W00005").GetKinds()[0]; k.GetAcceptedOnTime() != 1 {
		t.Errorf("after the transfer: %v", k)
	}
	if got := h.completion("430101002002")["UNSPECIFIED"]; got != [4]int64{3, 0, 1, 0} {
		t.Errorf("who lives there: %v", got)
	}
}
