package registry

import (
	"slices"
	"strings"
	"time"

	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
)

// toldToAuthor is a step that the author of a request is told of, under the
// step's own name.
func toldToAuthor(step string, more ...tell) announcement {
	return announcement{
		subject: "requests.request." + step, read: requestFacts,
		tells: append([]tell{{to: theAuthor, topic: "request." + step}}, more...),
	}
}

// told is a step that others are told of.
func told(step string, tells ...tell) announcement {
	return announcement{subject: "requests.request." + step, read: requestFacts, tells: tells}
}

// requestAnnouncements: the office of what waits for it, whom a request was
// given to, the author of each step, and the offices above of what is late.
func requestAnnouncements() []announcement {
	return []announcement{
		told("posted", tell{to: theCommunity, topic: "request.posted"}),
		toldToAuthor("admitted"),
		toldToAuthor("verified"),
		toldToAuthor("dispatched", tell{to: theHelper, topic: "request.offered"}),
		toldToAuthor("begun"),
		toldToAuthor("taken_on", tell{to: theCommunity, topic: "request.helper_found"}),
		told("offer_declined", tell{to: theCommunity, topic: "request.offer_declined"}),
		told("returned", tell{to: theCommunity, topic: "request.returned"}),
		told("recalled", tell{to: theHelper, topic: "request.recalled"}),
		toldToAuthor("escalated", tell{to: theSeer, topic: "request.escalated_here"}),
		toldToAuthor("handed_back", tell{to: theCommunity, topic: "request.handed_back_here"}),
		toldToAuthor("extended"), toldToAuthor("paused"), toldToAuthor("resumed"),
		toldToAuthor("answered"),
		toldToAuthor("resolved", tell{to: theCommunity, topic: "request.finished", only: "helped"}),
		told("rated", tell{to: theCommunity, topic: "request.rated"}, tell{to: theHelper, topic: "request.rated"}),
		toldToAuthor("closed"), toldToAuthor("declined"), toldToAuthor("merged"), toldToAuthor("unsolved"),
		told("reopened", tell{to: theCommunity, topic: "request.reopened"}, tell{to: theHelper, topic: "request.reopened"}),
		told("limit_near",
			tell{to: theSeer, topic: "request.admit_near", only: "admit"},
			tell{to: theSeer, topic: "request.solve_near", only: "solve"},
			tell{to: theSeer, topic: "request.visit_near", only: "visit"}),
		told("answer_late", tell{to: theSeer, topic: "request.answer_late"}),
		told("overdue",
			tell{to: theLevel, topic: "request.admit_overdue", only: "admit"},
			tell{to: theLevel, topic: "request.solve_overdue", only: "solve"},
			tell{to: theLevel, topic: "request.visit_overdue", only: "visit"},
			tell{to: theCommunity, topic: "request.overdue_passed_on", only: "passed on"}),
		{subject: "requests.request.handed_over", nobody: "the colleague is told of the hand-over"},
		{subject: "requests.work.passed_on", nobody: "it says where a hand-over goes on"},
		{subject: "requests.request.joined", nobody: "that somebody joined is a count beside the request"},
		{subject: "requests.request.seeded", nobody: "nobody waits for what fills a development folder"},
		{subject: "requests.request.excluded", nobody: "who approved it stands in the list of exclusions"},
		{subject: "requests.conversation.written", read: writtenFacts, tells: []tell{{to: theCommunity, topic: "request.message"}}},
		{subject: "requests.picture.added", nobody: "it stands with its request, which the office sees to"},
		{subject: "requests.picture.removed", nobody: "it stands no longer with its request"},
		{subject: "requests.provider.proposed", read: providerFacts, tells: []tell{{to: theCommunity, topic: "provider.proposed"}}},
		{subject: "requests.provider.approved", nobody: "it stands in the register of the community that approved it"},
		{subject: "requests.provider.withdrawn", nobody: "it leaves the register of the community that withdrew it"},
		{subject: "requests.offer.made", read: madeFacts, tells: []tell{{to: theMember, topic: "offer.made"}}},
		{subject: "requests.offer.accepted", read: offerFacts, tells: []tell{{to: theCommunity, topic: "offer.accepted"}}},
		{subject: "requests.offer.withdrawn", read: withdrawnFacts, tells: []tell{
			{to: theMember, topic: "offer.withdrawn", only: "reached"},
			{to: theMember, topic: "offer.made", only: "unreached", takesBack: true},
		}},
	}
}

func requestTopics() []topic {
	step := []string{"community", "day", "code"}
	limit := []string{"community", "day", "code", "until"}
	out := []topic{{"provider.proposed", []string{"community", "day"}}, {"offer.made", []string{"community", "day", "code", "hours"}}, {"offer.accepted", step}, {"offer.withdrawn", step}}
	for _, name := range strings.Fields(`posted admitted verified dispatched offered taken_on begun helper_found offer_declined
		returned recalled escalated escalated_here handed_back handed_back_here extended paused resumed answered message
		resolved finished rated closed declined merged unsolved reopened`) {
		facts := step
		if "request."+name == admitTopic {
			facts = append(slices.Clone(step), "days")
		}
		out = append(out, topic{"request." + name, facts})
	}
	for _, name := range strings.Fields(`admit_near solve_near visit_near answer_late admit_overdue solve_overdue
		visit_overdue overdue_passed_on`) {
		out = append(out, topic{"request." + name, limit})
	}
	return out
}

// requestFacts: a request's office is that of the level that sees to it; a late
// one is told to the level that is named.
func requestFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev requestsv1.RequestChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	path, level := ev.GetCommunityPath(), int(ev.GetLevel())
	f := facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: path,
		whom: map[who][]string{
			theCommunity: officesAt(path), theAuthor: persons(ev.GetAuthor()), theHelper: persons(ev.GetHelper()),
			theSeer: officesAt(above(path, level)), theLevel: officesAt(above(path, level-1)),
		},
		params: map[string]string{
			"community": leaf(path), "day": dayOf(e, ev.GetDay()), "code": ev.GetId(), "until": ev.GetDueDay(),
		},
	}
	if kind, limited := limitKinds[ev.GetLimit()]; limited {
		f.kinds = append(f.kinds, kind)
	}
	if level > 1 {
		f.kinds = append(f.kinds, "passed on")
	}
	if ev.GetHelper() != "" {
		f.kinds = append(f.kinds, "helped")
	}
	return one(f), nil
}

// limitKinds are the words of the lists for limits.
var limitKinds = map[requestsv1.RequestLimit]string{
	requestsv1.RequestLimit_REQUEST_LIMIT_ADMIT: "admit",
	requestsv1.RequestLimit_REQUEST_LIMIT_SOLVE: "solve",
	requestsv1.RequestLimit_REQUEST_LIMIT_VISIT: "visit",
}

// writtenFacts: that the author wrote, not what.
func writtenFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev requestsv1.ConversationWritten
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetRequestId(), fact: "message " + revision(ev.GetRevision()), place: ev.GetCommunityPath(),
		whom: map[who][]string{theCommunity: officesAt(ev.GetCommunityPath())},
		params: map[string]string{
			"community": leaf(ev.GetCommunityPath()), "day": dayOf(e, ev.GetDay()), "code": ev.GetRequestId(),
		},
	}), nil
}

// providerFacts: another person of the office is to approve it.
func providerFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev requestsv1.ProviderChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: ev.GetCommunityPath(),
		whom:   map[who][]string{theCommunity: officesAt(ev.GetCommunityPath())},
		params: map[string]string{"community": leaf(ev.GetCommunityPath()), "day": dayOf(e, "")},
	}), nil
}

func offerFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	f, _, err := readOffer(e)
	return one(f), err
}

// madeFacts: an offer may be known from when it reaches the member.
func madeFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	f, reaches, err := readOffer(e)
	f.from = reaches
	return one(f), err
}

// withdrawnFacts: who was never reached hears neither of the offer nor of its
// end.
func withdrawnFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	f, reaches, err := readOffer(e)
	f.kinds = []string{"reached"}
	if reaches.After(e.GetCivilTime().AsTime()) {
		f.kinds, f.from = []string{"unreached"}, reaches
	}
	return one(f), err
}

// readOffer answers the facts of an offer, and when it reaches the member.
func readOffer(e *typev1.EventRow) (f facts, reaches time.Time, err error) {
	var ev requestsv1.OfferChanged
	if err := events.Decode(e, &ev); err != nil {
		return f, reaches, err
	}
	return facts{
		about: ev.GetId(), fact: "offer", place: ev.GetCommunityPath(),
		whom: map[who][]string{theCommunity: officesAt(ev.GetCommunityPath()), theMember: persons(ev.GetAsked())},
		params: map[string]string{
			"community": leaf(ev.GetCommunityPath()), "code": ev.GetRequestId(),
			"day": clock.Day(ev.GetStartsAt().AsTime()), "hours": quarters(ev.GetQuarterHours()),
		},
	}, ev.GetReachesAt().AsTime(), nil
}
