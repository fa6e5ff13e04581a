package registry

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/rpc"
)

// campaignModel knows in words what the campaign knows in rows: where each
// member's report-in stands and counts, what was proposed for whom, and which
// of it holds today.
type campaignModel struct {
	*house
	home, campaign, deadline string
	members                  []*dueModel
}

type dueModel struct {
	id, reportIn string
	state        string // "", waiting, in, back, out
	community    string
	submitted    string // day
	counts       string // day, "" while it does not
	left         int    // communities in the history
	excluded     string // "", asked, yes, no
	reason       pb.ExclusionReason
	until        string
}

// standing is how the model says that a member counts.
func (m *dueModel) standing(deadline, today string) pb.Standing {
	switch {
	case m.state == "in" && m.counts <= deadline:
		return pb.Standing_STANDING_ON_TIME
	case m.state == "in":
		return pb.Standing_STANDING_LATE
	case m.excluded == "yes" && m.reason < pb.ExclusionReason_EXCLUSION_REASON_POSTED_AWAY:
		return pb.Standing_STANDING_NOT_DUE
	case m.excluded == "yes" && today <= m.until:
		return pb.Standing_STANDING_EXEMPT
	}
	return pb.Standing_STANDING_MISSING
}

const longAgo = "rpt_none"

// TestCampaign_FollowsTheModel sends random commands of members, homes,
// communities and the district through the client, lets days pass, and compares
// the list of who is due and the completion with the model.
func TestCampaign_FollowsTheModel(t *testing.T) {
	h := startCampaign(t)
	number := 0
	rapid.Check(t, func(t *rapid.T) {
		m := h.newCampaignModel(number)
		number++
		for range rapid.IntRange(5, 40).Draw(t, "steps") {
			m.step(t)
		}
		m.compare(t)
	})
}

// newCampaignModel has a home, three members and a year of its own.
func (h *house) newCampaignModel(n int) *campaignModel {
	m := &campaignModel{house: h, home: fmt.Sprintf("W%05d", 1+n%300), deadline: h.dayIn(20)}
	var rows []string
	for i := range 3 {
		rows = append(rows, person(3*n+i, "组织关系所在党组织编码", m.home, "工作单位编码", m.home))
	}
	before := h.memberIDs(m.home)
	_, err := h.sendRoster(h.officer(district), "430101", false, rosterOf(rows...))
	must(h.t, err)
	for _, id := range h.memberIDs(m.home) {
		if !slices.Contains(before, id) {
			m.members = append(m.members, &dueModel{id: id, reportIn: longAgo})
		}
	}
	opened, err := h.OpenCampaign(h.districtOfficer(), &pb.OpenCampaignRequest{
		DistrictId: "430101", Year: int32(2000 + n), Title: "x", OpensOn: h.dayIn(-1), DeadlineOn: m.deadline})
	must(h.t, err)
	m.campaign = opened.GetCampaign().GetId()
	return m
}

// dayIn is a Shanghai day some days from now.
func (h *house) dayIn(days int) string { return h.service.day(h.Civil.Now().AddDate(0, 0, days)) }

// follow compares whether a command was let through, and changes the model.
func (m *campaignModel) follow(t *rapid.T, what string, err error, allowed bool, change func()) {
	if allowed != (err == nil) {
		t.Fatalf("%s: allowed %v: %v", what, allowed, err)
	}
	if reason := rpc.Reason(err); err != nil && reason != "WRONG_STATE" && reason != "REPORT_IN_ACTIVE" && reason != "NOT_FOUND" && reason != "INVALID_FIELD" {
		t.Fatalf("%s was refused with %s", what, reason)
	}
	if allowed {
		change()
	}
}

func (m *campaignModel) step(t *rapid.T) {
	who := rapid.SampledFrom(m.members).Draw(t, "who")
	switch rapid.SampledFrom([]string{"submit", "decide", "decide", "move", "end", "ask", "answer", "wait"}).Draw(t, "command") {
	case "submit":
		m.submits(t, who)
	case "decide":
		m.decides(t, who)
	case "move":
		m.moves(t, who)
	case "end":
		_, err := m.EndReportIn(m.officer(district), &pb.EndReportInRequest{Id: who.reportIn, Reason: "搬离"})
		m.follow(t, "end", err, who.state == "in", func() { who.state, who.counts, who.left = "out", "", who.left+1 })
	case "ask":
		m.asks(t, who)
	case "answer":
		approve := rapid.Bool().Draw(t, "approve")
		_, err := m.DecideExclusion(m.districtOfficer(), &pb.DecideExclusionRequest{CampaignId: m.campaign, MemberId: who.id, Approve: approve})
		m.follow(t, "answer", err, who.excluded == "asked", func() { who.excluded = map[bool]string{true: "yes", false: "no"}[approve] })
	default:
		m.Civil.Advance(m.Civil.Now().Add(time.Duration(rapid.IntRange(1, 5).Draw(t, "days")) * 24 * time.Hour))
	}
}

func (m *campaignModel) submits(t *rapid.T, who *dueModel) {
	waits := func() { who.state, who.submitted = "waiting", m.dayIn(0) }
	if who.reportIn == longAgo {
		reply, err := m.SubmitReportIn(m.member(who.id), &pb.SubmitReportInRequest{MemberId: who.id})
		m.follow(t, "submit", err, true, func() { who.reportIn, who.community = reply.GetReportIn().GetId(), "430101002001"; waits() })
		return
	}
	_, err := m.SubmitReportIn(m.member(who.id), &pb.SubmitReportInRequest{MemberId: who.id})
	m.follow(t, "submit twice", err, false, nil)
	to := rapid.SampledFrom([]string{"", "430101002002"}).Draw(t, "to")
	_, err = m.ResubmitReportIn(m.member(who.id), &pb.ResubmitReportInRequest{Id: who.reportIn, CommunityId: to})
	m.follow(t, "resubmit", err, who.state == "back" || who.state == "out", func() {
		waits()
		if to != "" {
			who.community = to
		}
	})
}

func (m *campaignModel) decides(t *rapid.T, who *dueModel) {
	if rapid.IntRange(0, 2).Draw(t, "return") == 0 {
		_, err := m.ReturnReportIn(m.staff(district), &pb.ReturnReportInRequest{Id: who.reportIn, Reason: "补充"})
		m.follow(t, "return", err, who.state == "waiting", func() { who.state = "back" })
		return
	}
	_, err := m.AcceptReportIn(m.staff(district), &pb.AcceptReportInRequest{Id: who.reportIn})
	m.follow(t, "accept", err, who.state == "waiting", func() {
		who.state = "in"
		if who.counts == "" {
			who.counts = who.submitted
		}
	})
}

func (m *campaignModel) moves(t *rapid.T, who *dueModel) {
	to := rapid.SampledFrom([]string{"430101002001", "430101002002", "430101001001"}).Draw(t, "to")
	_, err := m.TransferReportIn(m.officer(district), &pb.TransferReportInRequest{Id: who.reportIn, CommunityId: to})
	m.follow(t, "move", err, who.state == "in" && to != who.community, func() {
		who.state, who.community, who.submitted, who.left = "waiting", to, m.dayIn(0), who.left+1
	})
}

func (m *campaignModel) asks(t *rapid.T, who *dueModel) {
	reason := pb.ExclusionReason(rapid.IntRange(1, 5).Draw(t, "reason"))
	until := ""
	if reason >= pb.ExclusionReason_EXCLUSION_REASON_POSTED_AWAY {
		until = m.dayIn(rapid.IntRange(0, 30).Draw(t, "until"))
	}
	_, err := m.ProposeExclusion(m.officer(district), &pb.ProposeExclusionRequest{CampaignId: m.campaign, MemberId: who.id, Reason: reason, Until: until})
	m.follow(t, "ask", err, who.excluded != "asked", func() { who.excluded, who.reason, who.until = "asked", reason, until })
}

// compare looks at every member, and at the sum.
func (m *campaignModel) compare(t *rapid.T) {
	today, counts := m.dayIn(0), map[pb.Standing]int64{}
	due, err := m.ListDue(m.officer(district), &pb.ListDueRequest{CampaignId: m.campaign, HomeOrganizationId: m.home, PageSize: 200})
	must(m.t, err)
	said := map[string]pb.Standing{}
	for _, d := range due.GetMembers() {
		said[d.GetMemberId()] = d.GetStanding()
	}
	for _, who := range m.members {
		want := who.standing(m.deadline, today)
		counts[want]++
		if said[who.id] != want {
			t.Fatalf("%+v counts as %s, want %s on %s, deadline %s", *who, said[who.id], want, today, m.deadline)
		}
		if who.reportIn == longAgo {
			continue
		}
		r, err := m.GetReportIn(m.member(who.id), &pb.GetReportInRequest{Id: who.reportIn})
		must(m.t, err)
		if got := r.GetReportIn(); got.GetCommunityId() != who.community || got.GetCountedOn() != who.counts || len(got.GetHistory()) != who.left {
			t.Fatalf("%+v is %v", *who, got)
		}
	}
	k := m.campaignOf(m.campaign, m.home).GetKinds()[0]
	got := map[pb.Standing]int64{pb.Standing_STANDING_ON_TIME: k.GetAcceptedOnTime(), pb.Standing_STANDING_LATE: k.GetAcceptedLate(),
		pb.Standing_STANDING_NOT_DUE: k.GetNotDue(), pb.Standing_STANDING_EXEMPT: k.GetExempt(), pb.Standing_STANDING_MISSING: k.GetMissing()}
	for standing, n := range got {
		if n != counts[standing] {
			t.Fatalf("completion %v, the model %v", k, counts)
		}
	}
}
