package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
)

// Who is told of what. Each announcement is turned into notices here, and
// nowhere else: an address, a topic, what it is about, and the facts of the
// text. Names are put in when a message is read.

// notice is one message before it lies in an inbox.
type notice struct {
	address string
	topic   string
	about   string
	// fact tells two facts about the same thing apart, "3" for its revision. The
	// same fact told by two announcements has the same words here.
	fact   string
	params map[string]string
}

const (
	personAddress = "p:"
	officeAddress = "o:"
)

func toPerson(id string) string     { return personAddress + id }
func toOffice(path string) string   { return officeAddress + path }
func leaf(path string) string       { return scope.Path(path).ID() }
func decimal(n int) string          { return strconv.Itoa(n) }
func revision(e uint64) string      { return strconv.FormatUint(e, 10) }
func quarters(n int32) (out string) { return strconv.FormatFloat(float64(n)/4, 'f', -1, 64) }

// personOf answers whose own an address is.
func personOf(address string) (string, bool) { return strings.CutPrefix(address, personAddress) }

// officeOf answers the office of an address.
func officeOf(address string) (scope.Path, bool) {
	path, ok := strings.CutPrefix(address, officeAddress)
	return scope.Path(path), ok
}

// id is the same for the same fact, so that it is told once.
func (n notice) id() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{n.address, n.topic, n.about, n.fact}, "\x00")))
	return "msg_" + hex.EncodeToString(sum[:16])
}

// noticesOf answers who is to be told of an event. What is not named here is
// told to nobody.
func noticesOf(e *typev1.EventRow) ([]notice, error) {
	switch e.GetDataSchema() {
	case string(proto.MessageName(&pb.ReportInsChanged{})):
		return reportInNotices(e)
	case string(proto.MessageName(&requestsv1.RequestChanged{})):
		return requestNotices(e)
	case string(proto.MessageName(&evaluationv1.EntryChanged{})):
		return entryNotices(e)
	case string(proto.MessageName(&pb.CampaignReminded{})), string(proto.MessageName(&pb.MembersReminded{})),
		string(proto.MessageName(&pb.ExclusionChanged{})), string(proto.MessageName(&pb.PlaceChanged{})):
		return campaignNotices(e)
	}
	return nil, nil
}

// reportInNotices: the community of what waits for it and of who left; the
// member of the answer; the home organization of the receipts, once for each
// announcement, and of what ended.
func reportInNotices(e *typev1.EventRow) ([]notice, error) {
	var ev pb.ReportInsChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	var out []notice
	receipts := map[string]int{}
	var homes []string
	for _, r := range ev.GetReportIns() {
		facts := map[string]string{"community": leaf(r.GetCommunityPath()), "day": r.GetDay()}
		switch r.GetState() {
		case pb.ReportInState_REPORT_IN_STATE_SUBMITTED:
			out = append(out, notice{toOffice(r.GetCommunityPath()), "report_in.submitted", r.GetId(), revision(r.GetRevision()), facts})
			if left := r.GetPreviousCommunityPath(); left != "" {
				out = append(out, notice{toOffice(left), "report_in.left", r.GetId(), revision(r.GetRevision()),
					map[string]string{"community": leaf(left), "day": r.GetDay()}})
			}
		case pb.ReportInState_REPORT_IN_STATE_ACCEPTED:
			out = append(out, notice{toPerson(r.GetMemberId()), "report_in.accepted", r.GetId(), revision(r.GetRevision()), facts})
			if receipts[r.GetHomePath()]++; receipts[r.GetHomePath()] == 1 {
				homes = append(homes, r.GetHomePath())
			}
		case pb.ReportInState_REPORT_IN_STATE_RETURNED:
			out = append(out, notice{toPerson(r.GetMemberId()), "report_in.returned", r.GetId(), revision(r.GetRevision()), facts})
		case pb.ReportInState_REPORT_IN_STATE_ENDED:
			out = append(out,
				notice{toPerson(r.GetMemberId()), "report_in.ended", r.GetId(), revision(r.GetRevision()), facts},
				notice{toOffice(r.GetHomePath()), "report_in.ended", r.GetId(), revision(r.GetRevision()), facts})
		default: // nothing anybody waits for
		}
	}
	for _, home := range homes {
		out = append(out, notice{toOffice(home), "report_in.receipts", e.GetEntityId(), revision(e.GetRevision()),
			map[string]string{"count": decimal(receipts[home]), "day": ev.GetReportIns()[0].GetDay()}})
	}
	return out, nil
}

// requestNotices: the office of a new post, the member of an offer, the author
// of every step of the own request.
func requestNotices(e *typev1.EventRow) ([]notice, error) {
	var ev requestsv1.RequestChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	step := strings.TrimPrefix(e.GetSubject(), "linli.requests.request.")
	facts := map[string]string{"community": leaf(ev.GetCommunityPath()), "day": ev.GetDay(), "code": ev.GetId()}
	var out []notice
	tell := func(address, topic string) {
		out = append(out, notice{address, topic, ev.GetId(), revision(ev.GetRevision()), facts})
	}
	switch step {
	case "posted":
		tell(toOffice(ev.GetCommunityPath()), "request.posted")
		return out, nil
	case "dispatched":
		if ev.GetMemberId() != "" {
			tell(toPerson(ev.GetMemberId()), "request.offered")
		}
	}
	if ev.GetAuthor() != "" && knownTopic("request."+step) {
		tell(toPerson(ev.GetAuthor()), "request."+step)
	}
	return out, nil
}

// entryNotices: the keeper of what is to be confirmed, the member of what
// counts.
func entryNotices(e *typev1.EventRow) ([]notice, error) {
	var ev evaluationv1.EntryChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	facts := map[string]string{"community": leaf(ev.GetCommunityPath()), "day": ev.GetDay(), "hours": quarters(ev.GetQuarterHours())}
	switch ev.GetState() {
	case evaluationv1.EntryState_ENTRY_STATE_PROPOSED:
		return []notice{{toOffice(ev.GetCommunityPath()), "entry.proposed", ev.GetId(), revision(ev.GetRevision()), facts}}, nil
	case evaluationv1.EntryState_ENTRY_STATE_CONFIRMED:
		return []notice{{toPerson(ev.GetMemberId()), "entry.confirmed", ev.GetId(), revision(ev.GetRevision()), facts}}, nil
	}
	return nil, nil
}

// inboxConsumers put what the services announce into the inboxes.
func (s *Service) inboxConsumers() []events.Consumer {
	consumer := func(from string, subjects ...string) events.Consumer {
		return events.Consumer{
			Name: "registry-inbox-" + from, From: from, Kind: events.Fact, Subjects: subjects, Apply: s.deliver,
		}
	}
	return []events.Consumer{
		consumer("registry", "linli.registry.report_in.*", "linli.registry.campaign.*", "linli.registry.exclusion.*", "linli.registry.place.*"),
		consumer("requests", "linli.requests.>"),
		consumer("evaluation", "linli.evaluation.>"),
	}
}

// deliver puts an event's notices into the inboxes, and what is to go out by
// mail or webhook among the deliveries.
func (s *Service) deliver(tx *store.Tx, e *typev1.EventRow) error {
	notices, err := noticesOf(e)
	if err != nil {
		return err
	}
	for _, n := range notices {
		row := &pb.MessageRow{
			Id: n.id(), Address: n.address, Topic: n.topic, About: n.about, Fact: n.fact,
			Time: e.GetCivilTime(), Params: n.params,
		}
		_, told, err := s.messages.By(tx, scope.All(), byMessageID, idKey(row.GetId()))
		if err != nil {
			return err
		}
		if told {
			continue
		}
		if _, err := s.messages.Insert(tx, row); err != nil {
			return err
		}
		if err := s.queue(tx, row, e.GetTime()); err != nil {
			return err
		}
	}
	return nil
}
