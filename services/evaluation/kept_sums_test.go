package evaluation_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/store"
)

const tableHeads = store.FirstServiceTable + 21

// heads answers the heads of chains as they are stored.
func (h house) heads(t *testing.T) map[string]*pb.HeadRow {
	t.Helper()
	out := map[string]*pb.HeadRow{}
	for _, row := range h.rows(t, tableHeads) {
		head := &pb.HeadRow{}
		if err := proto.Unmarshal(row.Value[1:], head); err != nil { // a revision of one byte, then the row
			t.Fatal(err)
		}
		out[head.GetMemberId()] = head
	}
	return out
}

// TestKeptSums_AreThoseOfTheEntries confirms, puts on hold, lifts and takes out
// services of two years at random: after each step the head keeps what the
// entries add up to. Now and then a head is made one of before sums were kept.
func TestKeptSums_AreThoseOfTheEntries(t *testing.T) {
	h := withMembers(t)
	random := rand.New(rand.NewPCG(3, 5))
	var counted []string // ids of entries of requests that count, with the request's number
	for step := range 60 {
		member := fmt.Sprintf("m%d", 1+random.IntN(2))
		switch n := random.IntN(5); {
		case n < 2:
			day := []string{"2012-11-03", "2013-03-04"}[random.IntN(2)]
			h.resolved(fmt.Sprintf("req_%d", step), member, day, int32(random.IntN(9)))
			h.confirmAll(t)
			counted = append(counted, fmt.Sprintf("%d", step))
		case n == 2 && len(counted) > 0:
			i := random.IntN(len(counted))
			_, err := h.ledger().ReverseEntry(h.staff(), &pb.ReverseEntryRequest{
				Id: "ent_" + counted[i], Reason: pb.EntryReason_ENTRY_REASON_TWICE})
			if err != nil {
				t.Fatal(err)
			}
			counted = append(counted[:i], counted[i+1:]...)
		case n == 3 && len(counted) > 0:
			h.holdAndLift(t, counted[random.IntN(len(counted))], random.IntN(2) == 0)
			counted = nil // some are on hold now
		default:
			h.forgetSums(t, member)
		}
		h.Drain()
		for member, head := range h.heads(t) {
			proof := h.verify(t, member)
			if !proof.GetSound() {
				t.Fatalf("step %d: %s: %v", step, member, proof.GetFaults())
			}
			if head.GetSummedLines() == head.GetLines() && sums(head.GetYears()) != sums(proof.GetYears()) {
				t.Fatalf("step %d: %s keeps %s, its lines say %s", step, member, sums(head.GetYears()), sums(proof.GetYears()))
			}
		}
	}
}

// holdAndLift puts the entry of a request on hold, and lifts it again or not.
func (h house) holdAndLift(t *testing.T, request string, lift bool) {
	t.Helper()
	entry, err := h.client.GetEntry(h.staff(), &pb.GetEntryRequest{Id: "ent_" + request})
	if err != nil {
		t.Fatal(err)
	}
	member := entry.GetEntry().GetMemberId()
	h.reopened("req_"+request, member)
	h.Drain()
	if lift {
		h.resolved("req_"+request, member, entry.GetEntry().GetDay(), entry.GetEntry().GetQuarterHours())
		h.Drain()
	}
}

// forgetSums makes the head of a member one of before sums were kept.
func (h house) forgetSums(t *testing.T, member string) {
	t.Helper()
	for _, row := range h.rows(t, tableHeads) {
		var of string
		old := changedHead(t, row.Value, func(h *pb.HeadRow) { of, h.SummedLines, h.Years = h.GetMemberId(), 0, nil })
		if of == member {
			h.put(t, row.Key, old)
		}
	}
}

// TestKeptSums_AHeadOfBeforeIsSummedAndMended: the year of a member whose head
// keeps no sums is that of the entries, and the next line makes them kept.
func TestKeptSums_AHeadOfBeforeIsSummedAndMended(t *testing.T) {
	h := withMembers(t)
	for i := range 3 {
		h.resolved(fmt.Sprintf("req_%d", i), "m1", "2013-03-04", 2)
	}
	h.resolved("req_old", "m1", "2012-03-04", 7)
	h.confirmAll(t)
	h.forgetSums(t, "m1")
	if c := h.cycle(t); c.GetTimes() != 3 || c.GetQuarterHours() != 6 {
		t.Errorf("summed from entries: %v", c)
	}
	h.resolved("req_new", "m1", "2013-04-04", 1)
	h.confirmAll(t)
	if head := h.heads(t)["m1"]; head.GetSummedLines() != head.GetLines() || sums(head.GetYears()) != "2012:1/1/7 2013:4/4/7" {
		t.Errorf("mended: %v", head)
	}
}

// TestSumCycle_PagesAndPartsComeOutAsOne sums a roster of several batches, with
// many home organizations of one member: every letter has its members once, and
// every sheet its figures.
func TestSumCycle_PagesAndPartsComeOutAsOne(t *testing.T) {
	h := newHouse(t, kv.New(memkv.New(), kv.Options{}), names{})
	h.big("a", w1, 1250)
	const alone = 420
	for i := range alone {
		h.member(fmt.Sprintf("b%05d", i), fmt.Sprintf("/1/11/Z%03d/", i), true)
	}
	for _, i := range []int{0, 99, 100, 101, 999, 1000, 1249} {
		h.resolved(fmt.Sprintf("req_a%d", i), fmt.Sprintf("a%05d", i), "2013-11-05", int32(i%8)+1)
	}
	h.resolved("req_b", "b00419", "2013-11-05", 4)
	h.confirmAll(t)
	c := h.cycle(t)
	id := c.GetId()
	if c.GetMembers() != 1250+alone || c.GetTimes() != 8 || c.GetMembersWithService() != 8 || c.GetLetters() != 1+alone {
		t.Errorf("cycle: %v", c)
	}
	if l := h.letters(t, id)["W1"]; l.GetMembers() != 1250 || l.GetTimes() != 7 {
		t.Errorf("letter: %v", l)
	}
	for member, want := range map[string]int32{"b00000": 0, "b00299": 0, "b00300": 0, "b00418": 0, "b00419": 4} {
		got, err := pb.NewSheetServiceClient(h.Conn()).GetSheet(h.staff(), &pb.GetSheetRequest{CycleId: id, MemberId: member})
		if err != nil {
			t.Fatal(err)
		}
		if s := got.GetSheet(); s.GetQuarterHours() != want || s.GetComposite() == nil || s.GetComposite().GetValue() == "" {
			t.Errorf("%s: %v", member, s)
		}
	}
	signatures, err := pb.NewSheetServiceClient(h.Conn()).ListSignatures(h.officer(), &pb.ListSignaturesRequest{CycleId: id})
	if err != nil || len(signatures.GetSignatures()) != 1 || signatures.GetSignatures()[0].GetMembers() != alone {
		t.Errorf("signatures: %v, %v", signatures, err)
	}
}

// TestSumCycle_BrokenOffCountsEveryCommunityOnce: a run that goes on behind the
// cursor counts who signs as an undisturbed one does.
func TestSumCycle_BrokenOffCountsEveryCommunityOnce(t *testing.T) {
	engine := &shaky{Engine: memkv.New(), random: rand.New(rand.NewPCG(8, 13)), turn: make(chan struct{}, 1)}
	h := newHouse(t, kv.New(engine, kv.Options{}), names{})
	h.big("a", w1, 2100)
	const reported = 60
	for i := range reported {
		h.member(fmt.Sprintf("b%05d", i), []string{"/1/11/A0/", w2}[i%2], true) // before and behind the many
	}
	h.resolved("req_1", "b00000", "2013-11-05", 3)
	h.resolved("req_2", "b00059", "2013-11-05", 4)
	h.confirmAll(t)
	opened, err := h.client.OpenCycle(h.officer(), &pb.OpenCycleRequest{DistrictId: "11", Year: 2013})
	if err != nil {
		t.Fatal(err)
	}
	id := opened.GetCycle().GetId()
	h.await(t, id, pb.CycleState_CYCLE_STATE_OPEN)
	if _, err := h.client.ComputeCycle(h.officer(), &pb.ComputeCycleRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	engine.on.Store(true)
	c := h.await(t, id, pb.CycleState_CYCLE_STATE_COMPUTED)
	engine.on.Store(false)
	if c.GetMembers() != 2100+reported || c.GetTimes() != 2 || c.GetQuarterHours() != 7 || c.GetLetters() != 3 {
		t.Errorf("cycle: %v", c)
	}
	signatures, err := pb.NewSheetServiceClient(h.Conn()).ListSignatures(h.officer(), &pb.ListSignaturesRequest{CycleId: id})
	if err != nil || len(signatures.GetSignatures()) != 1 || signatures.GetSignatures()[0].GetMembers() != reported {
		t.Errorf("signatures: %v, %v", signatures, err)
	}
}
