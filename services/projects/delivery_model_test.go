package projects_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
)

// modelProject is what the model knows of a key project: no rows, no machines.
type modelProject struct {
	state           string // running, scoring, remedy, accepted, failed, closed
	looks           int
	self            bool
	scored          []string
	delivered       []string
	received, given int64
	entries         []*modelSpending
	target          float64
	asked           string  // id of the change that waits
	wanted          float64 // and its target
	page            string  // "", published, brand, withdrawn
	everAccepted    bool
	total           int32 // the panel's points of the look, in halves
	budget          map[string]int64
}

type modelSpending struct {
	id, line, by string
	amount       int64
	state        string // recorded, confirmed, turned down, reversed
	reverses     *modelSpending
	reversed     bool // a reversing entry waits or counts
}

func (m *modelProject) ongoing() bool {
	return m.state == "running" || m.state == "scoring" || m.state == "remedy"
}

// used sums what is confirmed, and what is held on a line; all lines when empty.
func (m *modelProject) used(line string) (spent, held int64) {
	for _, e := range m.entries {
		if line != "" && e.line != line {
			continue
		}
		switch {
		case e.state == "confirmed" || e.state == "reversed":
			spent += e.amount
		case e.state == "recorded" && e.amount > 0:
			held += e.amount
		}
	}
	return spent, held
}

func (m *modelProject) waiting() (n int) {
	for _, e := range m.entries {
		if e.state == "recorded" {
			n++
		}
	}
	return n
}

// owed is what goes back before the end.
func (m *modelProject) owed() int64 {
	spent, _ := m.used("")
	if m.state == "failed" {
		spent = 0
	}
	return m.received - m.given - spent
}

// play drives one project and its model.
type play struct {
	*yard
	id     string
	m      *modelProject
	random *rand.Rand
	staff  map[string]context.Context
}

func (p *play) anybody() string { return []string{"a", "b"}[p.random.IntN(2)] }

// TestKeyProject_RandomCommandsAgainstAModel carries out random commands on key
// projects and beside them on a model. What is allowed and all sums agree after
// every one.
func TestKeyProject_RandomCommandsAgainstAModel(t *testing.T) {
	y := newYard(t)
	var origins []string
	for seed := range 24 {
		origins = append(origins, y.selected(community, fmt.Sprintf("2013-%d", 50+seed), manual(10, "2014-12-31")))
	}
	y.on("2013-04-01")
	ends := map[string]int{}
	for seed, origin := range origins {
		begun := must[*pb.BeginProjectResponse](y.house)(y.delivery().BeginProject(y.officer(), plan(origin))).GetKeyProject()
		p := &play{
			yard: y, id: begun.GetId(), random: rand.New(rand.NewPCG(uint64(seed), 7)), staff: map[string]context.Context{},
			m: &modelProject{state: "running", target: 10, budget: map[string]int64{"materials": 60000, "training": 40000}},
		}
		for _, person := range []string{"a", "b"} {
			p.staff[person] = y.As(person, access.Grant{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: y.paths[community]})
		}
		for step := range 200 {
			what, allowed, err := p.step()
			if (err == nil) != allowed {
				t.Fatalf("step %d: %s in %+v: %v", step, what, *p.m, err)
			}
			p.agree(step, what)
		}
		ends[p.m.state]++
	}
	t.Log(ends)
}

func (p *play) agree(step int, what string) {
	p.t.Helper()
	got, m := p.project(p.id), p.m
	spent, held := m.used("")
	state := map[string]pb.KeyProjectState{"running": 1, "scoring": 2, "remedy": 3, "accepted": 4, "failed": 5, "closed": 6}[m.state]
	if got.GetState() != state || got.GetReceivedFen() != m.received || got.GetSpentFen() != spent || got.GetPendingFen() != held ||
		got.GetReturnedFen() != m.given || int(got.GetWaitingEntries()) != m.waiting() || int(got.GetLooks()) != m.looks {
		p.t.Fatalf("step %d, after %s: %v, want %+v (spent %d, held %d)", step, what, got, *m, spent, held)
	}
	for _, l := range got.GetBudget() {
		if l.GetSpentFen() < 0 || l.GetSpentFen()+l.GetPendingFen() > l.GetAmountFen() {
			p.t.Fatalf("step %d, after %s: line %v", step, what, l)
		}
	}
	if target := p.stands(got)[0].GetTarget(); target != m.target {
		p.t.Fatalf("step %d, after %s: target %v, want %v", step, what, target, m.target)
	}
}

// step carries out one command; allowed is what the model says.
func (p *play) step() (what string, allowed bool, err error) {
	if p.random.IntN(3) == 0 {
		return p.money()
	}
	if p.random.IntN(2) == 0 {
		return p.paper()
	}
	return p.judgement()
}

// money delivers, spends, reverses and returns.
func (p *play) money() (what string, allowed bool, err error) {
	m := p.m
	switch p.random.IntN(3) {
	case 0:
		promise := fmt.Sprintf("p%d", 1+p.random.IntN(4))
		allowed = !slices.Contains(m.delivered, promise) && m.state != "failed" && m.state != "closed"
		_, err = p.delivery().DeliverPromise(p.officer(), &pb.DeliverPromiseRequest{Id: p.id, PromiseId: promise, Document: "d"})
		if allowed {
			m.delivered = append(m.delivered, promise)
			if promise == "p2" || promise == "p3" {
				m.received += 50000
			}
		}
		return "deliver " + promise, allowed, err
	case 1:
		line, amount, who := []string{"materials", "training"}[p.random.IntN(2)], int64(1+p.random.IntN(30000)), p.anybody()
		spent, held := m.used("")
		onLine, heldOnLine := m.used(line)
		allowed = m.state != "closed" && spent+held+amount <= m.received-m.given && onLine+heldOnLine+amount <= m.budget[line]
		reply, err := p.spending().RecordSpending(p.staff[who], &pb.RecordSpendingRequest{ProjectId: p.id, Line: line,
			Kind: pb.SpendingKind_SPENDING_KIND_TRAINING, AmountFen: amount, Day: "2013-04-01", Document: "d"})
		if err == nil {
			m.entries = append(m.entries, &modelSpending{id: reply.GetSpending().GetId(), line: line, by: who, amount: amount, state: "recorded"})
		}
		return "record", allowed, err
	default:
		amount := 1 + p.random.Int64N(max(1, m.owed()))
		if p.random.IntN(2) == 0 {
			amount = max(1, m.owed())
		}
		_, held := m.used("")
		allowed = m.state != "closed" && amount <= m.owed()-held
		_, err = p.spending().ReturnLeftover(p.officer(), &pb.ReturnLeftoverRequest{ProjectId: p.id, AmountFen: amount, Document: "d"})
		if allowed {
			m.given += amount
		}
		return "return", allowed, err
	}
}

// paper confirms, turns down and reverses entries, and changes targets.
func (p *play) paper() (what string, allowed bool, err error) {
	m := p.m
	if p.random.IntN(4) == 0 || len(m.entries) == 0 {
		return p.change()
	}
	e, who := m.entries[p.random.IntN(len(m.entries))], p.anybody()
	switch p.random.IntN(3) {
	case 0:
		allowed = m.state != "closed" && e.state == "recorded" && e.by != who
		_, err = p.spending().ConfirmSpending(p.staff[who], &pb.ConfirmSpendingRequest{ProjectId: p.id, Id: e.id})
		if allowed {
			e.state = "confirmed"
			if e.reverses != nil {
				e.reverses.state = "reversed"
			}
		}
		return "confirm", allowed, err
	case 1:
		allowed = m.state != "closed" && e.state == "recorded" && e.by != who
		_, err = p.spending().TurnDownSpending(p.staff[who], &pb.TurnDownSpendingRequest{ProjectId: p.id, Id: e.id, Reason: "不符"})
		if allowed {
			e.state = "turned down"
			if e.reverses != nil {
				e.reverses.reversed = false
			}
		}
		return "turn down", allowed, err
	default:
		allowed = m.state != "closed" && e.state == "confirmed" && e.reverses == nil && !e.reversed
		reply, err := p.spending().ReverseSpending(p.staff[who], &pb.ReverseSpendingRequest{ProjectId: p.id, Id: e.id, Reason: "更正"})
		if err == nil {
			e.reversed = true
			m.entries = append(m.entries, &modelSpending{id: reply.GetSpending().GetId(), line: e.line, by: who, amount: -e.amount, state: "recorded", reverses: e})
		}
		return "reverse", allowed, err
	}
}

func (p *play) change() (what string, allowed bool, err error) {
	m := p.m
	if m.asked == "" || p.random.IntN(3) == 0 {
		target := float64(p.random.IntN(12) - 1)
		allowed = m.ongoing() && m.asked == "" && target != m.target && target >= 0
		reply, err := p.indicators().AskTargetChange(p.staff["a"], &pb.AskTargetChangeRequest{ProjectId: p.id, Target: target, Reason: "调整"})
		if err == nil {
			m.asked, m.wanted = reply.GetTargetChange().GetId(), target
		}
		return "ask for a target", allowed, err
	}
	approve := p.random.IntN(2) == 0
	allowed = m.ongoing()
	_, err = p.indicators().DecideTargetChange(p.officer(), &pb.DecideTargetChangeRequest{ProjectId: p.id, Id: m.asked, Approve: approve, Document: "d"})
	if allowed {
		if m.asked = ""; approve {
			m.target = m.wanted
		}
	}
	return "decide on a target", allowed, err
}

// judgement opens, scores and decides acceptances, closes, and shows models.
func (p *play) judgement() (what string, allowed bool, err error) {
	m := p.m
	switch p.random.IntN(12) {
	case 0:
		allowed = m.state == "running" || m.state == "remedy"
		_, err = p.acceptance().OpenAcceptance(p.officer(), &pb.OpenAcceptanceRequest{ProjectId: p.id, Panel: panel()})
		if allowed {
			m.state, m.self, m.scored, m.total = "scoring", false, nil, int32(60+p.random.IntN(140))
			m.looks++
		}
		return "open acceptance", allowed, err
	case 1, 2:
		allowed = m.state == "scoring"
		_, err = p.acceptance().ScoreSelf(p.staff["a"], &pb.ScoreSelfRequest{ProjectId: p.id, Points: halves(200)})
		m.self = m.self || allowed
		return "score oneself", allowed, err
	case 3, 4, 5:
		who := panel()[p.random.IntN(2)]
		allowed = m.state == "scoring" && !slices.Contains(m.scored, who.GetPerson())
		_, err = p.acceptance().ScorePanel(p.reviewer(who.GetPerson(), who.GetOrganizationId()), &pb.ScorePanelRequest{ProjectId: p.id, Points: halves(m.total)})
		if allowed {
			m.scored = append(m.scored, who.GetPerson())
		}
		return "score", allowed, err
	case 6, 7, 8:
		return p.find()
	case 9:
		allowed = (m.state == "accepted" || m.state == "failed") && m.waiting() == 0 && m.owed() == 0
		_, err = p.delivery().CloseProject(p.officer(), &pb.CloseProjectRequest{Id: p.id})
		if allowed {
			m.state = "closed"
		}
		return "close", allowed, err
	default:
		return p.show()
	}
}

func (p *play) find() (what string, allowed bool, err error) {
	m := p.m
	finding := []pb.AcceptanceState{foundAccepted, foundRemedy, foundFailed}[p.random.IntN(3)]
	complete := m.state == "scoring" && m.self && len(m.scored) == 2
	switch finding {
	case foundAccepted:
		allowed = complete && m.total >= 120
	case foundRemedy:
		allowed = complete && m.looks == 1
	default:
		allowed = complete && m.looks == 2
	}
	_, err = p.decide(p.id, finding, "补台账", "2013-06-01")
	if allowed {
		m.state = map[pb.AcceptanceState]string{foundAccepted: "accepted", foundRemedy: "remedy", foundFailed: "failed"}[finding]
		m.everAccepted = finding == foundAccepted
	}
	return "find " + finding.String(), allowed, err
}

func (p *play) show() (what string, allowed bool, err error) {
	m := p.m
	switch p.random.IntN(3) {
	case 0:
		allowed = m.everAccepted && (m.page == "" || m.page == "withdrawn")
		_, err = p.models().PublishModel(p.officer(), &pb.PublishModelRequest{ProjectId: p.id, Summary: "做法"})
		if allowed {
			m.page = "published"
		}
		return "publish", allowed, err
	case 1:
		allowed = m.page == "published"
		_, err = p.models().NameBrand(p.officer(), &pb.NameBrandRequest{ProjectId: p.id, ApprovalDocument: "d"})
		if allowed {
			m.page = "brand"
		}
		return "name brand", allowed, err
	default:
		allowed = m.page == "published" || m.page == "brand"
		_, err = p.models().WithdrawModel(p.officer(), &pb.WithdrawModelRequest{ProjectId: p.id})
		if allowed {
			m.page = "withdrawn"
		}
		return "withdraw", allowed, err
	}
}
