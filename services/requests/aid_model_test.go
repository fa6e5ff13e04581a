package requests_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/rpc"
)

// caseModel is a case as somebody would keep it on paper: written down again
// from the rules, without the code's tables.
type caseModel struct {
	id, request            string
	visited, agreed, erase bool
	asked, decided         bool
	full                   bool
	referred, mutual, over bool
	aids, readings         int
	// records of aid that nobody confirmed.
	unconfirmed int
	help        bool
	// ended before anybody was asked, which erases too.
	unasked bool
}

// running: consented to and not closed.
func (m *caseModel) running() bool { return m.agreed && !m.over }

// wants answers the refusal that a command ought to meet; "" when it is taken.
func (m *caseModel) wants(command string, reason bool) string {
	skip := func(left bool) string {
		if left && !reason {
			return "LADDER_STEP_SKIPPED"
		}
		return ""
	}
	confirmed := func(left bool) string {
		if refused := skip(left); refused != "" || m.unconfirmed == 0 {
			return refused
		}
		return "AIDS_UNCONFIRMED"
	}
	wrong := "WRONG_STATE"
	switch command {
	case "confirm":
		return ""
	case "visit":
		if !m.visited && !m.over {
			return ""
		}
	case "consent", "refuse":
		if m.visited && !m.agreed && !m.erase && !m.over {
			return ""
		}
	case "ask":
		if m.running() && !m.asked && !m.referred && !m.mutual {
			return ""
		}
	case "decide":
		switch {
		case m.running() && (m.referred || m.mutual) && (!m.asked || m.decided):
			return "RELIEF_NOT_PENDING"
		case m.running() && m.asked && !m.decided:
			return ""
		}
	case "refer":
		if m.running() && !m.referred && !m.mutual {
			return skip(!m.decided)
		}
	case "mutual":
		if m.running() && !m.mutual {
			return skip(!m.referred)
		}
	case "close":
		switch {
		case m.over:
		case m.erase || m.mutual:
			return confirmed(false)
		case !m.agreed:
			return skip(true)
		case m.referred:
			return confirmed(m.aids == 0)
		default:
			return confirmed(!m.decided || !m.full && m.aids == 0)
		}
	case "aid":
		if m.over || !m.referred && !m.mutual {
			return "AID_RUNG_NOT_REACHED"
		}
		return ""
	case "reveal":
		switch {
		case m.erase:
			return "FACTS_ERASED"
		case !m.visited:
			return "NOTHING_SEALED"
		}
		return ""
	case "help":
		if m.running() {
			return ""
		}
	}
	return wrong
}

// does is what an accepted command changes.
func (m *caseModel) does(command string, full bool) {
	switch command {
	case "visit":
		m.visited = true
	case "consent":
		m.agreed = true
	case "refuse":
		m.erase = true
	case "ask":
		m.asked = true
	case "decide":
		m.decided, m.full = true, full
	case "refer":
		m.referred = true
	case "mutual":
		m.mutual = true
	case "close":
		m.over, m.help = true, false
		m.unasked = !m.agreed && !m.erase
		m.erase = m.erase || m.unasked
	case "aid":
		m.aids++
		m.unconfirmed++
	case "confirm":
		m.unconfirmed = 0
	case "reveal":
		m.readings++
	case "help":
		m.help = true
	}
}

// do calls the service.
func (h aidHouse) do(command, id, reason string, full bool) error {
	decision := pb.ReliefDecision_RELIEF_DECISION_REFUSED
	if full {
		decision = pb.ReliefDecision_RELIEF_DECISION_GRANTED
	}
	var err error
	switch command {
	case "visit":
		_, err = h.aid.VisitHardshipCase(h.staff(), &pb.VisitHardshipCaseRequest{Id: id, Facts: facts()})
	case "consent", "refuse":
		_, err = h.aid.RecordHardshipConsent(h.staff(), &pb.RecordHardshipConsentRequest{Id: id, Given: command == "consent", By: 1, Name: "金丝雀"})
	case "ask":
		_, err = h.aid.AskRelief(h.staff(), &pb.AskReliefRequest{Id: id})
	case "decide":
		_, err = h.aid.DecideRelief(h.street(), &pb.DecideReliefRequest{Id: id, Decision: decision, Document: "街救1"})
	case "refer":
		_, err = h.aid.ReferHardshipCase(h.staff(), &pb.ReferHardshipCaseRequest{Id: id, Referral: charity(), SkipReason: reason})
	case "mutual":
		_, err = h.aid.OpenMutualAid(h.staff(), &pb.OpenMutualAidRequest{Id: id, SkipReason: reason})
	case "close":
		_, err = h.aid.CloseHardshipCase(h.staff(), &pb.CloseHardshipCaseRequest{Id: id, SkipReason: reason})
	case "confirm":
		err = h.confirmAids(id)
	case "aid":
		in := thousand(id)
		in.Day = "2013-09-01"
		_, err = h.aid.RecordAid(h.staff(), in)
	case "reveal":
		_, err = h.aid.RevealHardshipFacts(h.staff(), &pb.RevealHardshipFactsRequest{Id: id, Reason: "核对"})
	case "help":
		_, err = h.aid.SetHelpWanted(h.staff(), &pb.SetHelpWantedRequest{Id: id, Goods: []*pb.HelpGoods{{Name: "大米", Count: 1}}})
	}
	return err
}

// confirmAids has somebody else confirm what was recorded for a case.
func (h aidHouse) confirmAids(id string) error {
	aids, err := h.aid.ListAids(h.staff(), &pb.ListAidsRequest{CaseId: id, PageSize: 100})
	for _, a := range aids.GetAids() {
		if err == nil && a.GetConfirmedAt() == nil {
			_, err = h.aid.ConfirmAid(h.second(), &pb.ConfirmAidRequest{Id: a.GetId()})
		}
	}
	return err
}

// Commands in any order, some without their reason: the service takes and
// refuses what the model does, and in the end shows what the model holds.
func TestHardship_RandomCommandsAgainstAModel(t *testing.T) {
	h := newAidHouse(t)
	commands := []string{"visit", "visit", "consent", "consent", "refuse", "ask", "decide", "refer", "mutual", "close", "aid", "confirm", "reveal", "help"}
	readings, total := 0, pb.HardshipFigures{}
	rapid.Check(t, func(rt *rapid.T) {
		request := h.post(h.resident("r1"), t, hardshipPost()).GetId()
		m := caseModel{id: h.open(h.staff(), t, request).GetId(), request: request}
		total.Opened++
		for range 12 {
			command := rapid.SampledFrom(commands).Draw(rt, "command")
			reasoned, full := rapid.Bool().Draw(rt, "reasoned"), rapid.Bool().Draw(rt, "full")
			reason := ""
			if reasoned {
				reason = "情况紧急先行办理"
			}
			err := h.do(command, m.id, reason, full)
			want := m.wants(command, reasoned)
			if got := rpc.Reason(err); got != want || (err == nil) != (want == "") {
				rt.Fatalf("%s (reason %v) on %+v: %v, want %q", command, reasoned, m, err, want)
			}
			if err == nil {
				m.does(command, full)
			}
		}
		h.compare(rt, &m)
		readings += m.readings
		count(&total, &m)
	})
	figures, err := h.aid.GetHardshipFigures(h.staff(), &pb.GetHardshipFiguresRequest{OrganizationId: "C1", Year: 2013})
	if f := figures.GetFigures(); err != nil || f.GetOpened() != total.GetOpened() || f.GetConsented() != total.GetConsented() ||
		f.GetRefused() != total.GetRefused() || f.GetClosed() != total.GetClosed() || f.GetAids() != total.GetAids() {
		t.Errorf("%v, %v, want %v", f, err, &total)
	}
	seen, token := 0, ""
	for {
		page, err := h.aid.ListHardshipReadings(h.staff(), &pb.ListHardshipReadingsRequest{CommunityId: "C1", PageSize: 200, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		seen += len(page.GetReadings())
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if seen != readings {
		t.Errorf("%d readings are listed of %d", seen, readings)
	}
}

func count(total *pb.HardshipFigures, m *caseModel) {
	for n, yes := range map[*int64]bool{&total.Consented: m.agreed, &total.Refused: m.erase && !m.unasked, &total.Closed: m.over} {
		if yes {
			*n++
		}
	}
	total.Aids += int64(m.aids)
}

func (h aidHouse) compare(t *rapid.T, m *caseModel) {
	got, err := h.aid.GetHardshipCase(h.staff(), &pb.GetHardshipCaseRequest{Id: m.id})
	c := got.GetHardshipCase()
	if err != nil || c.GetFactsErased() != m.erase || c.GetFactsSealed() != (m.visited && !m.erase) || int(c.GetAids()) != m.aids ||
		(c.GetReferral() != nil) != m.referred || (c.GetClosedAt() != nil) != m.over || (c.GetReliefDecidedAt() != nil) != m.decided {
		t.Fatalf("%v, %v, want %+v", c, err, m)
	}
}

// offerModel is who is engaged when, in quarter hours of one evening.
type offerModel struct {
	open    map[string]int // offer id → first quarter
	engaged map[string]int
	no      int64
}

const quartersOfOffer = 4

func (m *offerModel) busy(at int) bool {
	for _, from := range m.engaged {
		if at < from+quartersOfOffer && from < at+quartersOfOffer {
			return true
		}
	}
	return false
}

// Offers, yeses, noes and withdrawals in any order: a member is never in two
// places, and the sums are right.
func TestOffers_RandomCommandsAgainstAModel(t *testing.T) {
	h := newMatchingHouse(t)
	h.says(t, "m1", &pb.Availability{Consent: true})
	day, noes := 0, int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		day++
		begin := shanghai("2013-09-03 18:00").AddDate(0, 0, day)
		m := offerModel{open: map[string]int{}, engaged: map[string]int{}}
		for range 12 {
			switch rapid.SampledFrom([]string{"offer", "offer", "accept", "decline", "withdraw"}).Draw(rt, "command") {
			case "offer":
				at := rapid.IntRange(0, 8).Draw(rt, "at")
				request := h.post(h.resident("r1"), t, problem()).GetId()
				r, err := h.match.MakeOffer(h.staff(), &pb.MakeOfferRequest{RequestId: request, MemberId: "m1", QuarterHours: quartersOfOffer,
					StartsAt: timestamppb.New(begin.Add(time.Duration(at) * 15 * time.Minute))})
				if (rpc.Reason(err) == "ENGAGEMENT_OVERLAPS") != m.busy(at) || err != nil && !m.busy(at) {
					rt.Fatalf("offered at %d: %v, engaged %v", at, err, m.engaged)
				}
				if err == nil {
					m.open[r.GetOffer().GetId()] = at
				}
			case "accept":
				if id, at, ok := one(m.open); ok {
					err := h.accept("m1", id)
					if (status.Code(err) == codes.OK) == m.busy(at) {
						rt.Fatalf("accepted at %d: %v, engaged %v", at, err, m.engaged)
					}
					if err == nil {
						delete(m.open, id)
						m.engaged[id] = at
					}
				}
			case "decline":
				if id, _, ok := one(m.open); ok {
					if _, err := h.match.DeclineOffer(h.member("m1"), &pb.DeclineOfferRequest{Id: id}); err != nil {
						rt.Fatal(err)
					}
					delete(m.open, id)
					m.no++
				}
			case "withdraw":
				if id, _, ok := one(m.engaged); ok {
					if _, err := h.match.WithdrawOffer(h.staff(), &pb.WithdrawOfferRequest{Id: id}); err != nil {
						rt.Fatal(err)
					}
					delete(m.engaged, id)
				}
			}
		}
		noes += m.no
	})
	f, err := h.match.GetOfferFigures(h.staff(), &pb.GetOfferFiguresRequest{OrganizationId: "C1", Year: 2013})
	if err != nil || f.GetFigures().GetDeclined() != noes {
		t.Errorf("%v, %v, want %d", f, err, noes)
	}
}

// one answers the earliest entry, so that a run can be repeated.
func one(from map[string]int) (id string, at int, ok bool) {
	if len(from) == 0 {
		return "", 0, false
	}
	ids := make([]string, 0, len(from))
	for id := range from {
		ids = append(ids, fmt.Sprintf("%02d %s", from[id], id))
	}
	least := ids[0]
	for _, s := range ids {
		least = min(least, s)
	}
	_, id, _ = strings.Cut(least, " ")
	return id, from[id], true
}
