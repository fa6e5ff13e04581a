package evaluation_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// modelYear is what the model knows of a computed cycle with one community.
type modelYear struct {
	over      bool // the days for objections are
	signature pb.SignatureState
	open      []string // objections without an answer
	answered  []string
	opinions  map[string]pb.Opinion
	closed    bool
	issue     int32 // of the letter to m1's home
}

// editable: sheets change while the community has not signed.
func (m *modelYear) editable() bool {
	return m.signature == pb.SignatureState_SIGNATURE_STATE_OPEN || m.signature == pb.SignatureState_SIGNATURE_STATE_SENT_BACK
}

// yearHouse drives one cycle.
type yearHouse struct {
	house
	t      *testing.T
	cycle  string
	random *rand.Rand
}

func (h yearHouse) object(m *modelYear) (bool, error) {
	who := []string{"m1", "m3"}[h.random.IntN(2)]
	ctx := h.as(typev1.Role_ROLE_MEMBER, who, map[string]string{"m1": w1, "m3": w2}[who])
	reply, err := h.sheets().ObjectToSheet(ctx, &pb.ObjectToSheetRequest{Year: 2013, Line: pb.SheetLine_SHEET_LINE_LEDGER, Text: "有一次没有算"})
	if !m.over {
		m.open = append(m.open, reply.GetObjection().GetId())
	}
	return !m.over, err
}

// answer answers an open objection, or again one that was answered.
func (h yearHouse) answer(m *modelYear) (bool, error) {
	if len(m.open)+len(m.answered) == 0 {
		return true, nil
	}
	all := slices.Concat(m.open, m.answered)
	id := all[h.random.IntN(len(all))]
	_, err := h.sheets().AnswerObjection(h.staff(), &pb.AnswerObjectionRequest{Id: id, Answer: "已核对台账", Upheld: h.random.IntN(2) == 0})
	at := slices.Index(m.open, id)
	if at >= 0 {
		m.open, m.answered = slices.Delete(m.open, at, at+1), append(m.answered, id)
	}
	return at >= 0, err
}

func (h yearHouse) opinion(m *modelYear) (bool, error) {
	who := []string{"m1", "m3"}[h.random.IntN(2)]
	opinion := pb.Opinion(1 + h.random.Int32N(4))
	_, err := h.sheets().SetOpinion(h.staff(), &pb.SetOpinionRequest{CycleId: h.cycle, MemberId: who, Opinion: opinion, Text: "按实际情况"})
	if m.editable() {
		m.opinions[who] = opinion
	}
	return m.editable(), err
}

func (h yearHouse) sign(m *modelYear) (bool, error) {
	_, err := h.sheets().SignSheets(h.staff(), &pb.SignSheetsRequest{CycleId: h.cycle, CommunityId: "C1"})
	allowed := m.editable() && m.over && len(m.open) == 0
	if allowed {
		m.signature = pb.SignatureState_SIGNATURE_STATE_SIGNED
	}
	return allowed, err
}

// consent is the street's yes, its no, or its no without a reason.
func (h yearHouse) consent(m *modelYear) (bool, error) {
	req := &pb.ConsentToSheetsRequest{CycleId: h.cycle, CommunityId: "C1", Consents: h.random.IntN(3) == 0}
	if !req.Consents && h.random.IntN(2) == 0 {
		req.Reason = "请补充说明"
	}
	_, err := h.sheets().ConsentToSheets(h.street(), req)
	allowed := m.signature == pb.SignatureState_SIGNATURE_STATE_SIGNED && (req.Consents || req.Reason != "")
	switch {
	case allowed && req.Consents:
		m.signature = pb.SignatureState_SIGNATURE_STATE_CONSENTED
	case allowed:
		m.signature = pb.SignatureState_SIGNATURE_STATE_SENT_BACK
	}
	return allowed, err
}

func (h yearHouse) close(m *modelYear) (bool, error) {
	_, err := h.sheets().CloseCycle(h.officer(), &pb.CloseCycleRequest{Id: h.cycle})
	allowed := !m.closed && m.signature == pb.SignatureState_SIGNATURE_STATE_CONSENTED
	if allowed {
		m.closed, m.issue = true, 1
		h.await(h.t, h.cycle, pb.CycleState_CYCLE_STATE_CLOSED)
	}
	return allowed, err
}

func (h yearHouse) correct(m *modelYear) (bool, error) {
	_, err := h.sheets().CorrectResult(h.officer(), &pb.CorrectResultRequest{CycleId: h.cycle, MemberId: "m1", Reason: "核对后更正"})
	if m.closed {
		m.issue++
	}
	return m.closed, err
}

// wait lets days pass; after the eighth nobody can object any more.
func (h yearHouse) wait(m *modelYear) (bool, error) {
	if h.random.IntN(3) == 0 {
		h.Civil.Advance(h.Civil.Now().Add(9 * 24 * time.Hour))
		m.over = true
	}
	return true, nil
}

// TestSheets_RandomCommandsAgainstAModel carries out random commands on a
// computed year and beside it on a model: what is allowed, the signature, the
// opinions, and the issue of the letter agree after every one.
func TestSheets_RandomCommandsAgainstAModel(t *testing.T) {
	closed := 0
	for seed := range uint64(6) {
		h := yearHouse{house: newHouse(t, inMemory(), names{}), t: t, random: rand.New(rand.NewPCG(seed, 13))}
		h.cycle = h.year(t).GetId()
		m := &modelYear{signature: pb.SignatureState_SIGNATURE_STATE_OPEN, opinions: map[string]pb.Opinion{}}
		steps := map[string]func(*modelYear) (bool, error){
			"object": h.object, "answer": h.answer, "opinion": h.opinion, "sign": h.sign,
			"consent": h.consent, "close": h.close, "correct": h.correct, "wait": h.wait,
		}
		order := []string{"object", "answer", "answer", "opinion", "sign", "sign", "consent", "close", "correct", "wait"}
		for step := range 60 {
			name := order[h.random.IntN(len(order))]
			allowed, err := steps[name](m)
			if (err == nil) != allowed {
				t.Fatalf("seed %d, step %d: %s of %+v: %v", seed, step, name, *m, err)
			}
			h.agrees(h.officer(), m)
		}
		if m.closed {
			closed++
		}
	}
	if closed == 0 {
		t.Error("no cycle came to its end")
	}
}

// agrees compares what the house answers with the model.
func (h yearHouse) agrees(officer context.Context, m *modelYear) {
	h.t.Helper()
	list, err := h.sheets().ListSignatures(officer, &pb.ListSignaturesRequest{CycleId: h.cycle})
	if err != nil || len(list.GetSignatures()) != 1 {
		h.t.Fatal(list, err)
	}
	s := list.GetSignatures()[0]
	if s.GetState() != m.signature || s.GetOpenObjections() != int32(len(m.open)) {
		h.t.Fatalf("signature %v; want %+v", s, *m)
	}
	sheets, err := h.sheets().ListSheets(h.staff(), &pb.ListSheetsRequest{CycleId: h.cycle, CommunityId: "C1"})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, sheet := range sheets.GetSheets() {
		if want, written := m.opinions[sheet.GetMemberId()]; written && (sheet.GetOpinion() != want || sheet.GetOpinionProposed()) {
			h.t.Fatalf("sheet %v; want opinion %v", sheet, want)
		}
	}
	if issue := h.letters(h.t, h.cycle)["W1"].GetIssue(); issue != m.issue {
		h.t.Fatalf("letter of issue %d; want %d", issue, m.issue)
	}
}

// TestCards_RandomCommandsAgainstAModel issues, inspects and ends cards of two
// members in any order.
func TestCards_RandomCommandsAgainstAModel(t *testing.T) {
	h := withMembers(t)
	random := rand.New(rand.NewPCG(3, 17))
	type modelCard struct {
		member    string
		issued    int32
		ended     bool
		inspected map[int32]bool
	}
	cards, active := map[string]*modelCard{}, map[string]string{}
	var numbers []string
	for step := range 200 {
		var allowed bool
		var err error
		if step%50 == 49 {
			h.Civil.Advance(h.Civil.Now().AddDate(1, 0, 0))
		}
		present := int32(h.Civil.Now().Year())
		switch random.IntN(4) {
		case 0:
			member := []string{"m1", "m3"}[random.IntN(2)]
			var reply *pb.IssueCardResponse
			reply, err = h.cards().IssueCard(h.staff(), &pb.IssueCardRequest{CommunityId: "C1", MemberId: member})
			if allowed = active[member] == ""; allowed {
				number := reply.GetCard().GetNumber()
				if cards[number] != nil {
					t.Fatalf("step %d: the number %q a second time", step, number)
				}
				cards[number], active[member] = &modelCard{member: member, issued: present, inspected: map[int32]bool{}}, number
				numbers = append(numbers, number)
			}
		case 1, 2:
			if len(numbers) == 0 {
				continue
			}
			number, year := numbers[random.IntN(len(numbers))], 2012+random.Int32N(6)
			_, err = h.cards().InspectCard(h.staff(), &pb.InspectCardRequest{Number: number, Year: year, Passed: true})
			allowed = !cards[number].ended && !cards[number].inspected[year] && cards[number].issued <= year && year <= present
			cards[number].inspected[year] = cards[number].inspected[year] || allowed
		default:
			if len(numbers) == 0 || random.IntN(3) > 0 {
				continue
			}
			number := numbers[random.IntN(len(numbers))]
			_, err = h.cards().EndCard(h.staff(), &pb.EndCardRequest{Number: number, Reason: "遗失"})
			if allowed = !cards[number].ended; allowed {
				cards[number].ended = true
				delete(active, cards[number].member)
			}
		}
		if (err == nil) != allowed {
			t.Fatalf("step %d: allowed %t, %v", step, allowed, err)
		}
	}
	list, err := h.cards().ListCards(h.staff(), &pb.ListCardsRequest{CommunityId: "C1", PageSize: 200})
	if err != nil || len(list.GetCards()) != len(cards) {
		t.Fatalf("%d cards, %v; want %d", len(list.GetCards()), err, len(cards))
	}
	for _, c := range list.GetCards() {
		m := cards[c.GetNumber()]
		if c.GetMemberId() != m.member || (c.GetState() == pb.CardState_CARD_STATE_ENDED) != m.ended {
			t.Errorf("card %v; want %+v", c, *m)
		}
	}
}
