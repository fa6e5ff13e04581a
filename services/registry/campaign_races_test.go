package registry

import (
	"fmt"
	"sync"
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/rpc"
)

// together runs two calls at the same time and answers the reason of each, ""
// for one that came through.
func together(a, b func() error) (reasons [2]string) {
	var both sync.WaitGroup
	for i, call := range []func() error{a, b} {
		both.Go(func() {
			if err := call(); err != nil {
				reasons[i] = rpc.Reason(err)
			}
		})
	}
	both.Wait()
	return reasons
}

// oneOnly: one of two comes through, and the other is told that it was late.
func oneOnly(t *testing.T, reasons [2]string, late string) {
	t.Helper()
	if reasons != [2]string{"", late} && reasons != [2]string{late, ""} {
		t.Errorf("two at once: %q", reasons)
	}
}

// TestTwoOfficersAtOnce_ReportIn: one accepts and one returns the same
// report-in; whoever comes second is refused, by state or by etag.
func TestTwoOfficersAtOnce_ReportIn(t *testing.T) {
	h := startCampaign(t)
	for i, id := range h.withMembers(20) {
		r := h.submit(id)
		etag, late := "", "WRONG_STATE"
		if i%2 == 0 {
			etag, late = r.GetEtag(), "STALE_ETAG"
		}
		oneOnly(t, together(func() error {
			_, err := h.AcceptReportIn(h.staff(communityA), &pb.AcceptReportInRequest{Id: r.GetId(), Etag: etag})
			return err
		}, func() error {
			_, err := h.ReturnReportIn(h.staff(communityA), &pb.ReturnReportInRequest{Id: r.GetId(), Etag: etag, Reason: "请补填楼栋"})
			return err
		}), late)
		got, err := h.GetReportIn(h.staff(communityA), &pb.GetReportInRequest{Id: r.GetId()})
		must(t, err)
		if got.GetReportIn().GetEtag() != "2" {
			t.Errorf("both have changed it: %v", got)
		}
	}
}

// TestTwoOfficersAtOnce_MoveAndEnd: a member moves the report-in while the
// community ends it.
func TestTwoOfficersAtOnce_MoveAndEnd(t *testing.T) {
	h := startCampaign(t)
	for _, id := range h.withMembers(10) {
		r := h.reportedIn(id)
		reasons := together(func() error {
			_, err := h.TransferReportIn(h.member(id), &pb.TransferReportInRequest{Id: r.GetId(), Etag: r.GetEtag(), CommunityId: "430101002002"})
			return err
		}, func() error {
			_, err := h.EndReportIn(h.staff(communityA), &pb.EndReportInRequest{Id: r.GetId(), Etag: r.GetEtag(), Reason: "已搬离"})
			return err
		})
		if reasons[1] == "NOT_FOUND" {
			reasons[1] = "STALE_ETAG" // the member has left, and the community sees it no more
		}
		oneOnly(t, reasons, "STALE_ETAG")
	}
}

// TestTwoOfficersAtOnce_Exclusion: one approves and one rejects the same
// exclusion.
func TestTwoOfficersAtOnce_Exclusion(t *testing.T) {
	h := startCampaign(t)
	c := h.openCampaign().GetId()
	for i, id := range h.withMembers(20) {
		e := h.exclude(c, id, pb.ExclusionReason_EXCLUSION_REASON_VILLAGE, "")
		etag, late := "", "WRONG_STATE"
		if i%2 == 0 {
			etag, late = e.GetEtag(), "STALE_ETAG"
		}
		decide := func(approve bool) func() error {
			return func() error {
				_, err := h.DecideExclusion(h.districtOfficer(), &pb.DecideExclusionRequest{CampaignId: c, MemberId: id, Approve: approve, Etag: etag})
				return err
			}
		}
		oneOnly(t, together(decide(true), decide(false)), late)
	}
}

// TestTwoOfficersAtOnce_Campaign: a district and year has one campaign.
func TestTwoOfficersAtOnce_Campaign(t *testing.T) {
	h := startCampaign(t)
	for year := range int32(10) {
		open := func() error {
			_, err := h.OpenCampaign(h.districtOfficer(), &pb.OpenCampaignRequest{DistrictId: "430101", Year: 2020 + year, Title: "x",
				OpensOn: fmt.Sprintf("%d-08-01", 2020+year), DeadlineOn: fmt.Sprintf("%d-10-31", 2020+year)})
			return err
		}
		oneOnly(t, together(open, open), "CAMPAIGN_EXISTS")
	}
}
