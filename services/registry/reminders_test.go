package registry

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
)

// remindNow lets the job do what the day asks for, beside the one that runs.
func (h *house) remindNow() {
	h.t.Helper()
	must(h.t, campaigns{Service: h.service}.remind(h.t.Context()))
	h.Drain()
}

// remindersOf sums what was announced of a rung: missing by home, and how often
// each member was reminded.
func (h *house) remindersOf(rung int32) (homes map[string]int64, members map[string]int) {
	h.t.Helper()
	homes, members = map[string]int64{}, map[string]int{}
	for _, e := range h.eventsOf("campaign.reminded") {
		var ev pb.CampaignReminded
		must(h.t, proto.Unmarshal(e.GetData(), &ev))
		if ev.GetDaysBefore() != rung {
			continue
		}
		if _, twice := homes[ev.GetHomePath()]; twice {
			h.t.Errorf("%s was reminded twice of %d days", ev.GetHomePath(), rung)
		}
		homes[ev.GetHomePath()] = ev.GetMissing()
	}
	for _, e := range h.eventsOf("campaign.members_reminded") {
		var ev pb.MembersReminded
		must(h.t, proto.Unmarshal(e.GetData(), &ev))
		if ev.GetDaysBefore() == rung {
			for _, id := range ev.GetMemberIds() {
				members[id]++
			}
		}
	}
	return homes, members
}

// threeHomes imports members of three homes: 230, 1 and 40.
func (h *house) threeHomes() {
	h.t.Helper()
	n := 0
	for i, size := range []int{230, 1, 40} {
		home := fmt.Sprintf("W%05d", 5+i)
		var rows []string
		for range size {
			rows = append(rows, person(n, "组织关系所在党组织编码", home, "工作单位编码", home, "报到日期", ""))
			n++
		}
		_, err := h.sendRoster(h.officer(district), "430101", false, rosterOf(rows...))
		must(h.t, err)
	}
}

// TestReminders_OnceARungAndHome: on each day of the ladder every home that
// misses somebody hears how many, once, and each of them hears of the deadline,
// once; whoever waits for the community is not pressed.
func TestReminders_OnceARungAndHome(t *testing.T) {
	h := startCampaign(t)
	h.threeHomes()
	c := h.openCampaign().GetId()
	large, small := h.memberIDs("W00005"), h.memberIDs("W00006")
	h.remindNow()
	if homes, _ := h.remindersOf(30); len(homes) != 0 {
		t.Fatalf("59 days before: %v", homes)
	}
	h.reportedIn(small[0])
	h.reportedIn(large[0])
	h.submit(large[1])
	h.excluded(c, large[2], pb.ExclusionReason_EXCLUSION_REASON_VILLAGE, "")
	h.excluded(c, large[3], pb.ExclusionReason_EXCLUSION_REASON_ILL, "2013-10-10")
	h.goTo("2013-10-01")
	h.remindNow()
	h.remindNow()
	homes, members := h.remindersOf(30)
	if len(homes) != 2 || homes[workplace] != 227 || homes[district+"W00007/"] != 40 {
		t.Errorf("homes %v", homes)
	}
	if len(members) != 226+40 || members[large[4]] != 1 || members[large[1]]+members[large[0]]+members[large[2]]+members[large[3]]+members[small[0]] != 0 {
		t.Errorf("%d members, of them %d", len(members), members[large[4]])
	}
	h.goTo("2013-10-20") // past 14 days: said late rather than never
	h.remindNow()
	if homes, members = h.remindersOf(14); homes[workplace] != 228 || members[large[3]] != 1 {
		t.Errorf("the exemption is over: %v, %d", homes, members[large[3]])
	}
	for rung, n := range map[int32]int{7: 0, 1: 0} {
		if homes, _ := h.remindersOf(rung); len(homes) != n {
			t.Errorf("%d days: %v", rung, homes)
		}
	}
	h.goTo("2013-11-01")
	h.remindNow()
	got, err := h.GetCampaign(h.officer(workplace), &pb.GetCampaignRequest{Id: c})
	must(t, err)
	if !slices.Equal(got.GetCampaign().GetReminded(), []int32{30, 14}) {
		t.Errorf("reminded of %v", got.GetCampaign().GetReminded())
	}
	must(t, h.store.View(t.Context(), func(r kv.Reader) error {
		row, _, err := h.service.campaigns.Get(r, scope.All(), idKey(c))
		if !row.Value.GetDone() {
			t.Error("after the deadline the campaign is still watched")
		}
		return err
	}))
	h.toldOf(large[4], workplace)
}

// TestReminders_NotOfBeforeItWasOpened: opened 22 days before its deadline, a
// campaign does not remind of 30 days, whatever day it says it opens on.
func TestReminders_NotOfBeforeItWasOpened(t *testing.T) {
	h := startCampaign(t)
	h.withMembers(1)
	h.goTo("2013-10-09")
	h.openCampaign()
	h.remindNow()
	if homes, _ := h.remindersOf(30); len(homes) != 0 {
		t.Errorf("22 days before: reminded of 30 days: %v", homes)
	}
	h.goTo("2013-10-17")
	h.remindNow()
	if homes, _ := h.remindersOf(14); len(homes) != 1 {
		t.Errorf("14 days before: %v", homes)
	}
}

// toldOf checks the inboxes after two rungs.
func (h *house) toldOf(member, home string) {
	h.t.Helper()
	h.goRounds()
	box := pb.NewInboxServiceClient(h.Conn())
	own, err := box.ListMyMessages(h.member(member), &pb.ListMyMessagesRequest{})
	must(h.t, err)
	if m := own.GetMessages(); len(m) != 2 || m[0].GetTopic() != "campaign.reminded" || !strings.Contains(m[0].GetBody(), campaignDeadline) {
		h.t.Errorf("the member is told %v", m)
	}
	office, err := box.ListOfficeMessages(h.officer(home), &pb.ListOfficeMessagesRequest{OrganizationId: scope.Path(home).ID()})
	must(h.t, err)
	missing := slices.DeleteFunc(office.GetMessages(), func(m *pb.Message) bool { return m.GetTopic() != "campaign.missing" })
	if len(missing) != 2 || !strings.Contains(missing[0].GetBody(), "228") {
		h.t.Errorf("the home is told %v", missing)
	}
}

// TestReminders_GoOnAfterAKill: each commit holds where the next begins; a
// slice that is done by somebody else meanwhile is not done again.
func TestReminders_GoOnAfterAKill(t *testing.T) {
	h := startCampaign(t)
	h.threeHomes()
	c := h.openCampaign().GetId()
	h.goTo("2013-10-01")
	one, other := campaigns{Service: h.service}, campaigns{Service: h.service}
	for range 2 { // the rung and its first slice, by whoever comes first
		_, err := one.remindSome(t.Context(), c)
		must(t, err)
	}
	together(func() error { return one.remind(t.Context()) }, func() error { return other.remind(t.Context()) })
	h.remindNow()
	homes, members := h.remindersOf(30)
	if len(homes) != 3 || homes[workplace] != 230 || homes[district+"W00006/"] != 1 || homes[district+"W00007/"] != 40 {
		t.Errorf("homes %v", homes)
	}
	for id, n := range members {
		if n != 1 {
			t.Errorf("%s was reminded %d times", id, n)
		}
	}
	if len(members) != 271 {
		t.Errorf("%d members", len(members))
	}
}

// TestReminders_LadderOfThePolicy: the district says on which days.
func TestReminders_LadderOfThePolicy(t *testing.T) {
	h := startCampaign(t)
	h.withMembers(1)
	policies := pb.NewPolicyServiceClient(h.Conn())
	publish := func(text string) error {
		_, err := policies.PublishPolicy(h.districtOfficer(), &pb.PublishPolicyRequest{DistrictId: "430101", Year: 2013, Values: []*pb.PolicyValue{
			{Key: "report_in.remind_days_before", Value: text, Source: &pb.PolicySource{Title: "报到工作方案", Number: "天组发〔2013〕8号"}}}})
		return err
	}
	wantReason(t, publish("30,soon"), "POLICY_BAD_VALUE")
	wantReason(t, publish("30,-1"), "POLICY_BAD_VALUE")
	must(t, publish("50,0"))
	h.openCampaign()
	h.goTo("2013-09-11")
	h.remindNow()
	h.goTo("2013-10-31")
	h.remindNow()
	for _, rung := range []int32{50, 0} {
		if homes, _ := h.remindersOf(rung); len(homes) != 1 {
			t.Errorf("%d days: %v", rung, homes)
		}
	}
}
