package evaluation_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
)

// modelEntry is what the model knows of an entry.
type modelEntry struct {
	day      string
	state    string // proposed, vouched, confirmed, on hold, turned down
	was      string // before it was put on hold
	awaited  bool
	reversed bool
	reversal bool
	request  string
}

type model map[string]*modelEntry

func (m model) years() string {
	times := map[string]int{}
	for _, e := range m {
		if e.state != "confirmed" {
			continue
		}
		n := 1
		if e.reversal {
			n = -1
		}
		times[e.day[:4]] += n
	}
	var out []string
	for _, y := range []string{"2011", "2012", "2013"} {
		if n := times[y]; n != 0 {
			out = append(out, fmt.Sprintf("%s:%d/%d/%d", y, n, 2*n, 4*n))
		}
	}
	return strings.Join(out, " ")
}

func (e *modelEntry) confirm() bool {
	if e.state != "proposed" {
		return false
	}
	e.state = "confirmed"
	if e.awaited {
		e.state = "vouched"
	}
	return true
}

func (e *modelEntry) tap() bool {
	if !e.awaited || e.state != "proposed" && e.state != "vouched" {
		return false
	}
	e.awaited = false
	if e.state == "vouched" {
		e.state = "confirmed"
	}
	return true
}

func (e *modelEntry) turnDown() bool {
	if e.state != "proposed" && e.state != "vouched" {
		return false
	}
	e.state = "turned down"
	return true
}

// TestLedger_RandomCommandsAgainstAModel carries out random commands on a
// member's ledger and beside it on a model that knows no chain. What is
// allowed, the sums of each year, and the sums by replaying the chain agree
// after every one.
func TestLedger_RandomCommandsAgainstAModel(t *testing.T) {
	h := withMembers(t)
	for seed := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, 9))
		member, m, ids := []string{"m1", "m3"}[seed], model{}, []string{}
		ctx := map[string]string{"m1": w1, "m3": w2}[member]
		for step := range 150 {
			if len(ids) == 0 || random.IntN(4) == 0 {
				s := service(fmt.Sprintf("%d-%02d-01", 2011+random.IntN(3), 1+random.IntN(8)), int(seed)*1000+step)
				e := &modelEntry{day: s.GetDay(), state: "proposed", awaited: random.IntN(2) == 0}
				if e.awaited {
					s.ResidentId = "r1"
				}
				reply, err := h.ledger().ProposeMyEntry(h.as(9, member, ctx), &pb.ProposeMyEntryRequest{Service: s})
				if err != nil {
					t.Fatal(err)
				}
				m[reply.GetEntry().GetId()], ids = e, append(ids, reply.GetEntry().GetId())
			} else {
				id := ids[random.IntN(len(ids))]
				what, allowed, made, err := h.step(m[id], id, random.IntN(4))
				if (err == nil) != allowed {
					t.Fatalf("step %d: %s of %+v: %v", step, what, *m[id], err)
				}
				if made != "" {
					m[made] = &modelEntry{day: m[id].day, state: "confirmed", reversal: true}
					ids = append(ids, made)
				}
			}
			if got, want := h.years(t, member), m.years(); got != want {
				t.Fatalf("step %d: years %q, want %q", step, got, want)
			}
			if proof := h.verify(t, member); !proof.GetSound() || sums(proof.GetYears()) != m.years() {
				t.Fatalf("step %d: by replay %v, want %q", step, proof, m.years())
			}
		}
	}
}

// step carries out one command in the house and in the model.
func (h house) step(e *modelEntry, id string, n int) (what string, allowed bool, made string, err error) {
	switch n {
	case 0:
		_, err = h.client.ConfirmEntry(h.staff(), &pb.ConfirmEntryRequest{Id: id})
		return "confirm", e.confirm(), "", err
	case 1:
		_, err = h.ledger().AnswerForMyself(h.resident("r1"), &pb.AnswerForMyselfRequest{Id: id, Served: true})
		return "tap", e.tap(), "", err
	case 2:
		_, err = h.ledger().TurnDownEntry(h.staff(), &pb.TurnDownEntryRequest{Id: id, Reason: pb.EntryReason_ENTRY_REASON_TWICE})
		return "turn down", e.turnDown(), "", err
	default:
		reply, err := h.ledger().ReverseEntry(h.staff(), &pb.ReverseEntryRequest{Id: id, Reason: pb.EntryReason_ENTRY_REASON_TWICE})
		allowed = e.state == "confirmed" && !e.reversed && !e.reversal
		e.reversed = e.reversed || allowed
		return "reverse", allowed, reply.GetEntry().GetId(), err
	}
}

// TestRequests_RandomlyResolvedReopenedConfirmed does the same with requests
// that are resolved and reopened in any order.
func TestRequests_RandomlyResolvedReopenedConfirmed(t *testing.T) {
	h := withMembers(t)
	random := rand.New(rand.NewPCG(7, 7))
	m := model{}
	for step := range 60 {
		n := random.IntN(4)
		id, request := fmt.Sprint("ent_", n), fmt.Sprint("req_", n)
		e := m[id]
		switch random.IntN(3) {
		case 0:
			h.resolved(request, "m1", "2013-09-01", 4)
			switch {
			case e == nil:
				m[id] = &modelEntry{day: "2013-09-01", state: "proposed", request: request}
			case e.state == "on hold":
				e.state = e.was
			}
		case 1:
			h.reopened(request, "m1")
			if e != nil && slices.Contains([]string{"proposed", "confirmed"}, e.state) {
				e.was, e.state = e.state, "on hold"
			}
		default:
			_, err := h.client.ConfirmEntry(h.staff(), &pb.ConfirmEntryRequest{Id: id})
			if allowed := e != nil && e.confirm(); allowed != (err == nil) {
				t.Fatalf("step %d: confirm %+v: %v", step, e, err)
			}
		}
		h.Drain()
		want := 0
		for _, e := range m {
			if e.state == "confirmed" {
				want++
			}
		}
		got := h.verify(t, "m1")
		if !got.GetSound() || sums(got.GetYears()) != h.years(t, "m1") || (want > 0 && got.GetYears()[0].GetTimes() != int32(want)) || (want == 0 && len(got.GetYears()) != 0) {
			t.Fatalf("step %d: %v, want %d", step, got, want)
		}
	}
}
