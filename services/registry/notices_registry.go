package registry

import (
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
)

// registryAnnouncements are the registry's own.
func registryAnnouncements() []announcement {
	return []announcement{
		{subject: "registry.report_in.submitted", read: reportInFacts, tells: []tell{{to: theCommunity, topic: "report_in.submitted"}}},
		{subject: "registry.report_in.transferred", read: reportInFacts, tells: []tell{
			{to: theCommunity, topic: "report_in.submitted"}, {to: theLeft, topic: "report_in.left"},
		}},
		{subject: "registry.report_in.accepted", read: acceptedFacts, tells: []tell{
			{to: theMember, topic: "report_in.accepted"}, {to: theHome, topic: "report_in.receipts"},
		}},
		{subject: "registry.report_in.returned", read: reportInFacts, tells: []tell{{to: theMember, topic: "report_in.returned"}}},
		{subject: "registry.report_in.ended", read: reportInFacts, tells: []tell{
			{to: theMember, topic: "report_in.ended"}, {to: theHome, topic: "report_in.ended"},
		}},
		{subject: "registry.webhook.given_up", read: webhookFacts, tells: []tell{{to: theOffice, topic: "webhook.given_up"}}},
		{subject: "registry.work.handed_over", read: handOverFacts, tells: []tell{
			{to: theColleague, topic: "work.handed_over", only: handOverForGood}, {to: theColleague, topic: "work.stands_in", only: handOverForAWhile},
		}},
		{subject: "registry.account.changed", nobody: "the account's next answer is other; whose it is learns it there"},
		{subject: "registry.session.ended", nobody: "who ended it knows, and the list of sessions shows it"},
		{subject: "registry.organization.registered", nobody: "the tree is the district's own; who is in it is told when something waits"},
		{subject: "registry.organization.changed", nobody: "names are put in when a message is read"},
		{subject: "registry.member.imported", nobody: "the workplace has the answer to its own import"},
		{subject: "registry.policy.published", nobody: "the values stand beside every result that used them"},
	}
}

func registryTopics() []topic {
	place := []string{"community", "day"}
	return []topic{
		{"report_in.submitted", place}, {"report_in.accepted", place}, {"report_in.returned", place},
		{"report_in.receipts", []string{"count", "day"}},
		{"report_in.left", []string{"left", "day"}}, {"report_in.ended", place},
		{"webhook.given_up", []string{"day"}},
		{"work.handed_over", []string{"organization", "day"}}, {"work.stands_in", []string{"organization", "until", "day"}},
	}
}

// reportInFacts: each report-in of the event, to its community and its member,
// to the community that a transfer has left, and to the home organization.
func reportInFacts(e *typev1.EventRow, at places) ([]facts, error) {
	var ev pb.ReportInsChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	var out []facts
	for _, r := range ev.GetReportIns() {
		home, err := homeOffice(r.GetHomePath(), at)
		if err != nil {
			return nil, err
		}
		out = append(out, facts{
			about: r.GetId(), fact: revision(r.GetRevision()), place: r.GetCommunityPath(),
			whom: map[who][]string{
				theCommunity: officesAt(r.GetCommunityPath()), theMember: persons(r.GetMemberId()),
				theLeft: officesAt(r.GetPreviousCommunityPath()), theHome: home,
			},
			params: map[string]string{
				"community": leaf(r.GetCommunityPath()), "left": leaf(r.GetPreviousCommunityPath()), "day": dayOf(e, r.GetDay()),
			},
		})
	}
	return out, nil
}

// acceptedFacts adds the receipts: to each home organization one message for all
// of its members.
func acceptedFacts(e *typev1.EventRow, at places) ([]facts, error) {
	out, err := reportInFacts(e, at)
	if err != nil {
		return nil, err
	}
	for i := range out {
		delete(out[i].whom, theHome) // it has the receipts instead
	}
	var ev pb.ReportInsChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	receipts := map[string]int{}
	var homes []string
	for _, r := range ev.GetReportIns() {
		if receipts[r.GetHomePath()]++; receipts[r.GetHomePath()] == 1 {
			homes = append(homes, r.GetHomePath())
		}
	}
	for _, home := range homes {
		office, err := homeOffice(home, at)
		if err != nil {
			return nil, err
		}
		out = append(out, facts{
			about: e.GetEntityId(), fact: revision(e.GetRevision()), place: home,
			whom:   map[who][]string{theHome: office},
			params: map[string]string{"count": decimal(receipts[home]), "day": dayOf(e, ev.GetReportIns()[0].GetDay())},
		})
	}
	return out, nil
}

func webhookFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev pb.WebhookGivenUp
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: ev.GetPath(),
		whom:   map[who][]string{theOffice: officesAt(ev.GetPath())},
		params: map[string]string{"day": dayOf(e, "")},
	}), nil
}
