package evaluation_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
)

func (h house) ledger() pb.LedgerServiceClient { return pb.NewLedgerServiceClient(h.Conn()) }

// reopened announces that a request was taken up again.
func (h house) reopened(id, member string) {
	h.Announce("requests", store.Event{Name: "request.reopened", EntityID: id, Revision: 6, Data: &requestsv1.RequestChanged{
		Id: id, Revision: 6, CommunityPath: community, MemberId: member, Day: "2013-09-04"}})
}

func (h house) asMember(id string) context.Context {
	return h.as(typev1.Role_ROLE_MEMBER, id, w1)
}

func (h house) resident(id string) context.Context {
	return h.as(typev1.Role_ROLE_RESIDENT, id, community)
}

func (h house) street() context.Context {
	return h.as(typev1.Role_ROLE_STREET_OFFICER, "street", "/1/11/111/")
}

func paper(n int) *pb.Evidence {
	return &pb.Evidence{Kind: pb.EvidenceKind_EVIDENCE_KIND_DOCUMENT, Sha256: fmt.Sprintf("%064x", n)}
}

func service(day string, n int) *pb.Service {
	return &pb.Service{Kind: pb.ServiceKind_SERVICE_KIND_REPAIR, Day: day, Times: 1, Cases: 2, QuarterHours: 4, Evidence: []*pb.Evidence{paper(n)}}
}

// mine proposes a service of a member by the member.
func (h house) mine(t *testing.T, member string, s *pb.Service) *pb.Entry {
	t.Helper()
	reply, err := h.ledger().ProposeMyEntry(h.asMember(member), &pb.ProposeMyEntryRequest{Service: s})
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetEntry()
}

func (h house) confirm(t *testing.T, id string) *pb.Entry {
	t.Helper()
	reply, err := h.client.ConfirmEntry(h.staff(), &pb.ConfirmEntryRequest{Id: id})
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetEntry()
}

func (h house) verify(t *testing.T, member string) *pb.VerifyLedgerResponse {
	t.Helper()
	reply, err := h.ledger().VerifyLedger(h.staff(), &pb.VerifyLedgerRequest{MemberId: member})
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func (h house) years(t *testing.T, member string) string {
	t.Helper()
	reply, err := h.ledger().GetMemberLedger(h.staff(), &pb.GetMemberLedgerRequest{MemberId: member})
	if err != nil {
		t.Fatal(err)
	}
	return sums(reply.GetYears())
}

func sums(years []*pb.YearSum) string {
	var out []string
	for _, y := range years {
		out = append(out, fmt.Sprintf("%d:%d/%d/%d", y.GetYear(), y.GetTimes(), y.GetCases(), y.GetQuarterHours()))
	}
	return strings.Join(out, " ")
}

// withMembers is a house where m1 and m2 of W1 and m3 of W2 reported in.
func withMembers(t *testing.T) house {
	h := newHouse(t, inMemory(), names{})
	h.member("m1", w1, true)
	h.member("m2", w1, true)
	h.member("m3", w2, true)
	h.Drain()
	return h
}

// rows answers the raw rows of a table.
func (h house) rows(t *testing.T, table uint16) (out []kv.Item) {
	t.Helper()
	err := h.Store("evaluation").DB().View(t.Context(), func(r kv.Reader) (err error) {
		out, err = r.Scan(kv.Range{From: []byte{0, byte(table)}, To: []byte{0, byte(table) + 1}, Limit: 100})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// put writes a raw value, or removes the row for nil.
func (h house) put(t *testing.T, k, value []byte) {
	t.Helper()
	err := h.Store("evaluation").DB().Update(t.Context(), func(tx kv.Tx) error {
		if value == nil {
			tx.Delete(k)
			return nil
		}
		tx.Put(k, value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// changedHead is a stored head with something changed: a revision of one byte,
// then the row.
func changedHead(t *testing.T, stored []byte, change func(*pb.HeadRow)) []byte {
	t.Helper()
	head := &pb.HeadRow{}
	if err := proto.Unmarshal(stored[1:], head); err != nil {
		t.Fatal(err)
	}
	change(head)
	out, err := proto.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{stored[0]}, out...)
}

func TestChain_FindsBytesChangedAndLinesRemoved(t *testing.T) {
	h := withMembers(t)
	for i := range 3 {
		e := h.confirm(t, h.mine(t, "m1", service("2013-08-0"+fmt.Sprint(i+1), i)).GetId())
		if e.GetSequence() != uint64(i+1) || e.GetHash() == "" || (e.GetPreviousHash() == "") != (i == 0) {
			t.Fatalf("line %d: %v", i, e)
		}
	}
	sound := h.verify(t, "m1")
	if !sound.GetSound() || sound.GetLines() != 3 || sums(sound.GetYears()) != "2013:3/6/12" {
		t.Fatalf("sound: %v", sound)
	}
	const first = uint16(store.FirstServiceTable)
	damage := func(what string, k, was, value []byte, want string) {
		h.put(t, k, value)
		got := h.verify(t, "m1")
		if got.GetSound() || !slices.ContainsFunc(got.GetFaults(), func(f *pb.LedgerFault) bool { return f.GetWhat() == want }) {
			t.Errorf("%s: %v", what, got.GetFaults())
		}
		report, err := h.Store("evaluation").Check(t.Context(), h.service.Tables()...)
		if err != nil || !slices.Contains(report.Problems, "ledger chain: "+want) {
			t.Errorf("%s: fsck says %v, %v", what, report.Problems, err)
		}
		h.put(t, k, was)
	}
	for i, l := range h.rows(t, first+20) {
		damage(fmt.Sprint("line removed ", i), l.Key, l.Value, nil, map[bool]string{true: "missing", false: "head"}[i < 2])
		damage(fmt.Sprint("line changed ", i), l.Key, l.Value, bytes.Replace(l.Value, []byte("2013-08"), []byte("2013-07"), 1), "changed")
	}
	for _, r := range h.rows(t, first+21) {
		damage("head removed", r.Key, r.Value, nil, "head")
		damage("head changed", r.Key, r.Value, changedHead(t, r.Value, func(h *pb.HeadRow) { h.Hash[0] ^= 1 }), "head")
		damage("head of another", r.Key, r.Value, changedHead(t, r.Value, func(h *pb.HeadRow) { h.Seal[0] ^= 1 }), "head")
		damage("sums changed", r.Key, r.Value, changedHead(t, r.Value, func(h *pb.HeadRow) { h.Years[0].QuarterHours++ }), "sums")
		damage("sums gone", r.Key, r.Value, changedHead(t, r.Value, func(h *pb.HeadRow) { h.Years = nil }), "sums")
	}
	for i, e := range h.rows(t, first) {
		damage(fmt.Sprint("entry removed ", i), e.Key, e.Value, nil, "entry missing")
		damage(fmt.Sprint("figure changed ", i), e.Key, e.Value, h.withTimes(t, e.Value, 9), "entry changed")
	}
	if got := h.verify(t, "m1"); !got.GetSound() {
		t.Errorf("put back: %v", got)
	}
}

// withTimes changes the times in the bytes of an entry's row.
func (h house) withTimes(t *testing.T, row []byte, times int32) []byte {
	t.Helper()
	var r pb.EntryRow
	if err := proto.Unmarshal(row[1:], &r); err != nil { // one byte of revision before
		t.Fatal(err)
	}
	r.Entry.Times = times
	out, err := proto.MarshalOptions{Deterministic: true}.Marshal(&r)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{row[0]}, out...)
}

func TestReverse_TakesOutOfItsOwnYear(t *testing.T) {
	h := withMembers(t)
	old := h.confirm(t, h.mine(t, "m1", service("2012-05-01", 1)).GetId())
	h.confirm(t, h.mine(t, "m1", service("2013-05-01", 2)).GetId())
	if got := h.years(t, "m1"); got != "2012:1/2/4 2013:1/2/4" {
		t.Fatal(got)
	}
	open := h.mine(t, "m1", service("2013-05-02", 3))
	reverse := func(ctx context.Context, id string) (*pb.ReverseEntryResponse, error) {
		return h.ledger().ReverseEntry(ctx, &pb.ReverseEntryRequest{Id: id, Reason: pb.EntryReason_ENTRY_REASON_TWICE})
	}
	_, err := reverse(h.staff(), open.GetId())
	refused(t, "what does not count", err, codes.FailedPrecondition, "WRONG_STATE")
	_, err = reverse(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "m1", community), old.GetId())
	refused(t, "by the member", err, codes.PermissionDenied, "CONFIRMS_SELF")
	made, err := reverse(h.staff(), old.GetId())
	if err != nil {
		t.Fatal(err)
	}
	if e := made.GetEntry(); e.GetDay() != "2012-05-01" || e.GetTimes() != -1 || e.GetReverses() != old.GetId() || e.GetSequence() != 3 {
		t.Errorf("reversing entry: %v", e)
	}
	if got := h.years(t, "m1"); got != "2013:1/2/4" {
		t.Errorf("after it: %s", got)
	}
	_, err = reverse(h.staff(), old.GetId())
	refused(t, "twice", err, codes.FailedPrecondition, "ALREADY_REVERSED")
	_, err = reverse(h.staff(), made.GetEntry().GetId())
	refused(t, "a reversal", err, codes.FailedPrecondition, "ALREADY_REVERSED")
	if got := h.verify(t, "m1"); !got.GetSound() || sums(got.GetYears()) != "2013:1/2/4" {
		t.Errorf("chain: %v", got)
	}
}

func TestReopened_SuspendsAndResolvedLifts(t *testing.T) {
	h := withMembers(t)
	h.resolved("req_1", "m1", "2013-09-02", 6)
	h.resolved("req_2", "m1", "2013-09-02", 2)
	h.Drain()
	h.confirm(t, "ent_1")
	h.reopened("req_1", "m1")
	h.reopened("req_2", "m1")
	h.Drain()
	if got := h.years(t, "m1"); got != "" {
		t.Errorf("on hold: %s", got)
	}
	if got := h.entries(t, pb.EntryState_ENTRY_STATE_ON_HOLD); len(got) != 2 {
		t.Errorf("on hold: %v", got)
	}
	_, err := h.client.ConfirmEntry(h.staff(), &pb.ConfirmEntryRequest{Id: "ent_2"})
	refused(t, "confirmed on hold", err, codes.FailedPrecondition, "WRONG_STATE")
	h.resolved("req_1", "m1", "2013-09-05", 8)
	h.resolved("req_2", "m3", "2013-09-05", 8) // somebody else did it in the end
	h.Drain()
	if got := h.years(t, "m1"); got != "2013:1/1/6" {
		t.Errorf("lifted: %s", got)
	}
	if got := h.entries(t, pb.EntryState_ENTRY_STATE_PROPOSED); len(got) != 1 || got[0].GetMemberId() != "m3" {
		t.Errorf("proposed: %v", got)
	}
	h.reopened("req_2", "m3")
	h.Drain()
	h.resolved("req_2", "m3", "2013-09-06", 3)
	h.Drain()
	if got := h.entries(t, pb.EntryState_ENTRY_STATE_PROPOSED); len(got) != 1 || got[0].GetQuarterHours() != 3 {
		t.Errorf("an open one takes the new figures: %v", got)
	}
	if got := h.verify(t, "m1"); !got.GetSound() || got.GetLines() != 3 {
		t.Errorf("chain: %v", got)
	}
}

func TestProposeByHand_Refusals(t *testing.T) {
	h := withMembers(t)
	h.member("m4", w1, false)
	h.Drain()
	for name, c := range map[string]struct {
		change func(*pb.Service)
		reason string
	}{
		"no evidence":        {func(s *pb.Service) { s.Evidence = nil }, "EVIDENCE_MISSING"},
		"witness to oneself": {func(s *pb.Service) { s.Evidence = []*pb.Evidence{{Kind: 3, WitnessId: "m1"}} }, "EVIDENCE_MISSING"},
		"file without hash":  {func(s *pb.Service) { s.Evidence = []*pb.Evidence{{Kind: 2}} }, "EVIDENCE_MISSING"},
		"nothing counted":    {func(s *pb.Service) { s.Times, s.Cases, s.QuarterHours = 0, 0, 0 }, "NO_SERVICE_COUNTED"},
		"tomorrow":           {func(s *pb.Service) { s.Day = "2013-09-03" }, "DAY_IN_FUTURE"},
		"no such day":        {func(s *pb.Service) { s.Day = "2013-02-30" }, "INVALID_FIELD"},
		"hours too long":     {func(s *pb.Service) { s.FromMinute, s.ToMinute = 600, 630 }, "BAD_SERVICE_TIME"},
		"activity unnamed":   {func(s *pb.Service) { s.Source = pb.EntrySource_ENTRY_SOURCE_ACTIVITY }, "INVALID_FIELD"},
	} {
		s := service("2013-09-01", 1)
		c.change(s)
		_, err := h.ledger().ProposeMyEntry(h.asMember("m1"), &pb.ProposeMyEntryRequest{Service: s})
		refused(t, name, err, codes.InvalidArgument, c.reason)
	}
	_, err := h.ledger().ProposeMyEntry(h.asMember("m4"), &pb.ProposeMyEntryRequest{Service: service("2013-09-01", 1)})
	refused(t, "not reported in", err, codes.FailedPrecondition, "NOT_OF_THIS_COMMUNITY")
	activity := service("2013-09-01", 1)
	activity.Source, activity.SourceId, activity.Evidence = pb.EntrySource_ENTRY_SOURCE_ACTIVITY, "act_1", nil
	for _, member := range []string{"m1", "m2"} {
		_, err := h.ledger().ProposeEntry(h.staff(), &pb.ProposeEntryRequest{CommunityId: "C1", MemberId: member, Service: activity})
		if err != nil {
			t.Fatalf("two members of one activity: %v", err)
		}
	}
	again, err := h.ledger().ProposeEntry(h.staff(), &pb.ProposeEntryRequest{CommunityId: "C1", MemberId: "m1", Service: activity})
	refused(t, fmt.Sprint("the same activity again ", again), err, codes.AlreadyExists, "ENTRY_EXISTS")
	id := h.entries(t, pb.EntryState_ENTRY_STATE_PROPOSED)[0].GetId()
	_, err = h.client.ConfirmEntry(h.staff(), &pb.ConfirmEntryRequest{Id: id})
	refused(t, "by who wrote it", err, codes.PermissionDenied, "CONFIRMS_OWN_PROPOSAL")
	if _, err := h.client.ConfirmEntry(h.street(), &pb.ConfirmEntryRequest{Id: id}); err != nil {
		t.Errorf("by the street: %v", err)
	}
	_, err = h.client.ConfirmEntry(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "m3", community), &pb.ConfirmEntryRequest{Id: id})
	refused(t, "confirmed twice", err, codes.FailedPrecondition, "WRONG_STATE")
	own := h.mine(t, "m1", service("2013-08-30", 7))
	_, err = h.client.ConfirmEntry(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "m2", community), &pb.ConfirmEntryRequest{Id: own.GetId()})
	refused(t, "by a colleague who works for the community", err, codes.PermissionDenied, "CONFIRMS_OWN_UNIT")
}
