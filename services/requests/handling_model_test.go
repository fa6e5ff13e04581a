package requests_test

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/rpc"
)

// requestModel is a request as an officer would keep it on paper: written down
// again from the rules, without the code's tables.
type requestModel struct {
	id, target string
	state      string
	with       int32  // 0 the community, 1 the street, 2 the department
	helper     string // "m1" or "shop"
	returns    int32
	elsewhere  bool // by the register it is a department's
	clock      string
	extended   bool
	answered   bool
	admitted   bool
	excluded   bool
	rating     int32
	joined     map[string]bool
	verified   bool
}

const (
	runs   = "runs"
	stands = "stands"
)

// everybody is who may send which command at all, by role.
var everybody = map[string][]string{
	"admit": {"staff", "other"}, "admit beyond duty": {"staff", "other"}, "pass on": {"staff", "other"}, "decline": {"staff", "other"},
	"merge": {"staff", "other"}, "verify": {"staff", "other"}, "dispatch": {"staff", "other"}, "hand": {"staff", "other"},
	"begin": {"m1", "shop", "staff", "other", "street", "district"},
	"yes":   {"m1", "shop", "staff", "other", "street", "district"},
	"no":    {"m1", "shop", "staff", "other", "street", "district"}, "recall": {"staff", "other"},
	"escalate": {"staff", "other", "street"}, "hand back": {"street", "district"},
	"resolve":        {"staff", "other", "m1", "shop", "street", "district"},
	"close unsolved": {"staff", "other", "street", "district"},
	"rate":           {"author", "neighbour", "m1", "staff", "other"}, "reopen": {"author", "neighbour", "m1", "staff", "other"},
	"close": {"staff", "other"}, "join": {"author", "neighbour", "m1"}, "message": {"author", "neighbour", "m1", "staff", "other"},
	"extend": {"staff", "other", "street", "district"}, "pause": {"staff", "other", "street", "district"},
	"resume":  {"staff", "other", "street", "district"},
	"exclude": {"street", "district"},
}

// sees: the offices of the place, the author, the helper; what is public is
// everybody's to stand with.
func (m *requestModel) sees(who, command string) bool {
	switch command {
	case "yes", "no", "begin":
		return who == m.helper
	case "message":
		return who == "staff" || who == "author"
	case "join":
		return m.state != "declined"
	}
	return who == "staff" || who == "street" || who == "district" || who == "author" || who == m.helper
}

func (m *requestModel) in(states ...string) bool { return slices.Contains(states, m.state) }

// open: somebody still has to see to it.
func (m *requestModel) open() bool {
	return m.in("posted", "admitted", "dispatched", "taken on", "in progress", "escalated")
}

// from answers the states in which a command is taken; nil for any.
func from(command string) []string {
	return map[string][]string{
		"admit": {"posted"}, "admit beyond duty": {"posted"}, "pass on": {"posted"}, "decline": {"posted", "admitted"},
		"merge": {"posted", "admitted"}, "verify": {"admitted"}, "dispatch": {"admitted"}, "hand": {"admitted"},
		"yes": {"dispatched"}, "no": {"dispatched"}, "recall": {"dispatched"}, "begin": {"taken on"},
		"escalate":  {"admitted", "taken on", "in progress", "escalated"},
		"hand back": {"escalated"}, "resolve": {"admitted", "taken on", "in progress", "escalated"},
		"close unsolved": {"admitted", "taken on", "in progress", "escalated"},
		"rate":           {"resolved"}, "close": {"resolved", "rated"}, "reopen": {"resolved", "rated", "closed", "unsolved"},
	}[command]
}

// above says whether somebody is of the office above that it is with.
func (m *requestModel) above(who string) bool {
	return m.with == 1 && who == "street" || m.with == 2 && who == "district"
}

// wants answers the refusal that a command ought to meet; "" when it is taken.
func (m *requestModel) wants(who, command string) string {
	if !slices.Contains(everybody[command], who) {
		return "ROLE_NOT_ALLOWED"
	}
	if who == "other" || !m.sees(who, command) {
		return "NOT_FOUND"
	}
	if states := from(command); states != nil && !m.in(states...) {
		return "WRONG_STATE"
	}
	refuse := func(when bool, reason string) string {
		if when {
			return reason
		}
		return ""
	}
	switch command {
	case "admit":
		return refuse(m.elsewhere, "NOT_COMMUNITY_DUTY")
	case "pass on":
		return refuse(!m.elsewhere, "NO_OTHER_OWNER")
	case "escalate":
		if m.with == 2 {
			return "WRONG_STATE"
		}
		return refuse(m.with == 0 && who != "staff" || m.with == 1 && who != "street", "NOT_WITH_THIS_OFFICE")
	case "hand back":
		if !m.above(who) {
			return "NOT_WITH_THIS_OFFICE"
		}
		return refuse(m.elsewhere, "NOT_COMMUNITY_DUTY")
	case "resolve":
		return refuse(who != "staff" && who != m.helper && !m.above(who), "NOT_THE_DISPATCHED_MEMBER")
	case "close unsolved":
		return refuse(who != "staff" && !m.above(who), "NOT_WITH_THIS_OFFICE")
	case "rate", "reopen":
		return refuse(who != "author", "NOT_THE_AUTHOR")
	case "join":
		if who == "author" {
			return "JOINS_OWN_REQUEST"
		}
		return refuse(!m.open(), "NOT_OPEN_TO_ALL")
	case "extend", "pause", "resume":
		return m.wantsOfClock(who, command)
	}
	return ""
}

// wantsOfClock: the clock is moved by the office it runs on.
func (m *requestModel) wantsOfClock(who, command string) string {
	if m.with == 0 && who != "staff" || m.with > 0 && !m.above(who) {
		return "NOT_WITH_THIS_OFFICE"
	}
	switch {
	case m.clock == "":
		return "NO_CLOCK"
	case command == "resume" && m.clock != stands:
		return "CLOCK_RUNS"
	case command != "resume" && m.clock != runs:
		return "CLOCK_STANDS"
	case command == "extend" && m.extended:
		return "EXTENSIONS_USED_UP"
	}
	return ""
}

// does is what an accepted command changes.
func (m *requestModel) does(who, command string) {
	again := func(state string) { m.state, m.clock = state, runs }
	end := func(state string) { m.state, m.clock = state, "" }
	switch command {
	case "admit", "admit beyond duty":
		m.answered, m.admitted = true, true
		again("admitted")
	case "pass on":
		m.answered, m.with = true, 2
		again("escalated")
	case "decline":
		m.answered = true
		end("declined")
	case "merge":
		m.answered = true
		end("merged")
	case "verify":
		m.verified = true
	case "dispatch":
		m.state, m.helper = "dispatched", "m1"
	case "hand":
		m.state, m.helper = "dispatched", "shop"
	case "yes":
		m.state = "taken on"
	case "begin":
		m.state = "in progress"
	case "no":
		m.no()
	case "recall":
		m.state, m.helper = "admitted", ""
	case "escalate":
		m.with, m.helper = m.with+1, ""
		again("escalated")
	case "hand back":
		m.with, m.returns, m.admitted = 0, 0, true
		again("admitted")
	case "resolve":
		end("resolved")
	case "close unsolved":
		end("unsolved")
	case "rate":
		m.state, m.rating = "rated", 4
	case "close":
		m.state = "closed"
	case "reopen":
		m.with, m.returns, m.rating, m.helper, m.admitted = 0, 0, 0, "", true
		again("admitted")
	case "join":
		m.joined[who] = true
	case "message":
		m.answered = m.answered || who == "staff"
	case "extend":
		m.extended = true
	case "pause":
		m.clock = stands
	case "resume":
		m.clock = runs
	case "exclude":
		m.excluded = true
	}
}

// no: a member's is not counted; a unit has one, with the second the street
// decides.
func (m *requestModel) no() {
	unit := m.helper == "shop"
	m.state, m.helper = "admitted", ""
	if !unit {
		return
	}
	if m.returns++; m.returns == 2 {
		m.state, m.with, m.clock = "escalated", 1, runs
	}
}

// Commands of everybody in any order: the service takes and refuses what the
// model does, shows what the model holds after each, and in the end its rates
// and figures are the model's sums.
func TestRequest_RandomCommandsAgainstAModel(t *testing.T) {
	h := newHouse(t, inMemory())
	h.duty(t, "停车秩序", pb.Owner_OWNER_DEPARTMENT, "区交警大队", 5)
	party := h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "head", c1)
	p, err := h.proposed(t, func(*pb.ProposeProviderRequest) {})
	if err != nil {
		t.Fatal(err)
	}
	ok[*pb.ApproveProviderResponse](t)(h.providers().ApproveProvider(party, &pb.ApproveProviderRequest{Id: p.GetId()}))
	people := map[string]context.Context{
		"author": h.resident("author"), "neighbour": h.resident("neighbour"), "staff": h.staff(), "other": h.otherStaff(),
		"street": h.streetOffice(), "district": h.districtOffice(), "m1": h.member("m1"), "shop": h.as(typev1.Role_ROLE_PROVIDER, "shop", c1),
	}
	commands := make([]string, 0, len(everybody))
	for c := range everybody {
		commands = append(commands, c)
	}
	slices.Sort(commands)
	var sums modelSums
	rapid.Check(t, func(rt *rapid.T) {
		in := problem()
		m := requestModel{state: "posted", clock: runs, joined: map[string]bool{}, elsewhere: rapid.Bool().Draw(rt, "elsewhere")}
		if m.elsewhere {
			in.Category = "停车秩序"
		}
		m.id, m.target = h.post(people["author"], t, in).GetId(), h.post(people["neighbour"], t, problem()).GetId()
		for range 25 {
			command := rapid.SampledFrom(m.sensible(rt, commands)).Draw(rt, "command")
			who := rapid.SampledFrom(m.likely(rt, command)).Draw(rt, "who")
			err := h.send(people[who], command, &m, p.GetId())
			want := m.wants(who, command)
			if got := rpc.Reason(err); got != want || (err == nil) != (want == "") {
				rt.Fatalf("%s by %s on %+v: %v, want %q", command, who, m, err, want)
			}
			if err == nil {
				m.does(who, command)
			}
			h.compareRequest(rt, &m)
		}
		sums.add(&m)
	})
	h.compareSums(t, &sums)
}

// sensible answers mostly the commands that move the request on, else all.
func (m *requestModel) sensible(t *rapid.T, commands []string) []string {
	if rapid.IntRange(0, 2).Draw(t, "any") == 0 {
		return commands
	}
	var out []string
	for _, c := range commands {
		if slices.ContainsFunc(everybody[c], func(who string) bool { return m.wants(who, c) == "" }) && from(c) != nil {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return commands
	}
	return out
}

// likely answers mostly those who may, else everybody.
func (m *requestModel) likely(t *rapid.T, command string) []string {
	all := []string{"author", "neighbour", "staff", "other", "street", "district", "m1", "shop"}
	if rapid.IntRange(0, 9).Draw(t, "anybody") == 0 {
		return all
	}
	out := slices.DeleteFunc(slices.Clone(everybody[command]), func(who string) bool { return m.wants(who, command) != "" })
	if len(out) == 0 {
		return everybody[command]
	}
	return out
}

// compareRequest holds what the office sees against the model.
func (h house) compareRequest(t *rapid.T, m *requestModel) {
	got, err := h.client.GetRequest(h.staff(), &pb.GetRequestRequest{Id: m.id})
	if err != nil {
		t.Fatal(err)
	}
	r := got.GetRequest()
	states := map[pb.RequestState]string{1: "posted", 2: "admitted", 3: "dispatched", 4: "taken on", 5: "resolved", 6: "rated", 7: "closed",
		8: "declined", 9: "merged", 10: "escalated", 11: "unsolved", 12: "in progress"}
	helper := r.GetMemberId() + r.GetHandedTo()
	if states[r.GetState()] != m.state || r.GetEscalation() != m.with || helper != m.helper || r.GetReturns() != m.returns ||
		int(r.GetJoined()) != len(m.joined) || r.GetExcluded() != m.excluded || r.GetRating() != m.rating || (r.GetVerifiedAt() != nil) != m.verified ||
		(r.GetAdmittedAt() != nil) != m.admitted || (r.GetAnsweredAt() != nil) != m.answered {
		t.Fatalf("shows %v, want %+v", r, m)
	}
	if (r.GetDueAt() != nil) != (m.clock == runs) || (r.GetDaysLeft() > 0) != (m.clock == stands) || r.GetDaysLeft() < 0 ||
		r.GetDueAt() != nil && !r.GetDueAt().AsTime().After(h.Civil.Now()) {
		t.Fatalf("the clock of %v, want %+v", r, m)
	}
	// One return of a unit; with another the street has it.
	if r.GetReturns() > 1 && r.GetEscalation() == 0 {
		t.Fatalf("returned %d times with the community: %v", r.GetReturns(), r)
	}
	target, err := h.client.GetRequest(h.staff(), &pb.GetRequestRequest{Id: m.target})
	merged := m.state == "merged"
	if err != nil || slices.Contains(target.GetRequest().GetMerged(), m.id) != merged || (r.GetMergedInto() == m.target) != merged ||
		(target.GetRequest().GetJoined() == 1) != merged {
		t.Fatalf("merged %v: %v and %v, %v", merged, r, target, err)
	}
	if _, err := h.client.GetRequest(h.otherStaff(), &pb.GetRequestRequest{Id: m.id}); status.Code(err) != codes.NotFound {
		t.Fatalf("another community's staff: %v", err)
	}
}

// modelSums are what all requests of the model add up to.
type modelSums struct {
	posted, answered, admitted, solved, rated, excluded, notToSolve, resolved, closed, unsolved int64
}

func (s *modelSums) add(m *requestModel) {
	count := func(n *int64, when bool) {
		if when {
			*n++
		}
	}
	s.posted += 2
	solved := m.in("resolved", "rated", "closed")
	count(&s.resolved, solved)
	count(&s.closed, m.in("closed"))
	count(&s.unsolved, m.in("unsolved"))
	count(&s.excluded, m.excluded)
	if m.excluded {
		return
	}
	over := m.in("declined", "merged")
	count(&s.answered, m.answered)
	count(&s.notToSolve, over)
	count(&s.admitted, m.admitted && !over)
	count(&s.solved, m.admitted && solved)
	count(&s.rated, m.rating > 0)
}

func (h house) compareSums(t *testing.T, s *modelSums) {
	t.Helper()
	r := h.rates(t)
	if r.GetResponse().GetDenominator() != s.answered || r.GetResponse().GetNumerator() != s.answered ||
		r.GetResolution().GetDenominator() != s.admitted || r.GetResolution().GetNumerator() != s.solved ||
		r.GetSatisfaction().GetDenominator() != s.rated || r.GetSatisfaction().GetNumerator() != s.rated ||
		int64(r.GetExcluded()) != s.excluded || int64(r.GetNotToSolve()) != s.notToSolve {
		t.Errorf("rates %v, want %+v", r, s)
	}
	circle := ok[*pb.GetCircleResponse](t)(h.client.GetCircle(h.staff(), &pb.GetCircleRequest{OrganizationId: "C1"})).GetCircle()
	if k := circle.GetKinds()[0]; k.GetPosted() != s.posted || k.GetResolved() != s.resolved || k.GetClosed() != s.closed || k.GetUnsolved() != s.unsolved {
		t.Errorf("figures %v, want %+v", circle, s)
	}
}
