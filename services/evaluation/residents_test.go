package evaluation_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// served is an entry by hand that served a resident, named or not.
func (h house) served(t *testing.T, n int, resident string) *pb.Entry {
	t.Helper()
	s := service("2013-09-01", n)
	s.ServedResident, s.ResidentId = true, resident
	return h.mine(t, "m1", s)
}

func (h house) code(t *testing.T, id string) string {
	t.Helper()
	reply, err := h.ledger().IssueResidentCode(h.staff(), &pb.IssueResidentCodeRequest{Id: id})
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetCode()
}

func (h house) answer(ctx context.Context, code string, served bool) (pb.ResidentWord, error) {
	reply, err := h.ledger().AnswerByCode(ctx, &pb.AnswerByCodeRequest{Code: code, Served: served})
	return reply.GetWord(), err
}

func TestResident_ByCodeInEitherOrder(t *testing.T) {
	h := withMembers(t)
	first := h.served(t, 1, "")
	if e := h.confirm(t, first.GetId()); e.GetState() != pb.EntryState_ENTRY_STATE_VOUCHED || e.GetSequence() != 0 {
		t.Fatalf("before the resident: %v", e)
	}
	_, err := h.client.ConfirmEntry(h.street(), &pb.ConfirmEntryRequest{Id: first.GetId()})
	refused(t, "confirmed for the resident", err, codes.FailedPrecondition, "WRONG_STATE")
	if got := h.years(t, "m1"); got != "" {
		t.Errorf("counts before the resident: %s", got)
	}
	old := h.code(t, first.GetId())
	code := h.code(t, first.GetId())
	if len(code) < 26 || old == code {
		t.Fatalf("code %q", code)
	}
	for name, c := range map[string]struct{ code, who, reason string }{
		"a guess":            {strings.Repeat("A", 26), "r1", "CODE_UNKNOWN"},
		"the replaced code":  {old, "r1", "CODE_UNKNOWN"},
		"the member":         {code, "m1", "CONFIRMS_SELF"},
		"who is of the unit": {code, "m2", "CONFIRMS_OWN_UNIT"},
		"who vouched":        {code, "staff", "CONFIRMS_OWN_PROPOSAL"},
	} {
		_, err := h.answer(h.resident(c.who), c.code, true)
		want := codes.PermissionDenied
		if c.reason == "CODE_UNKNOWN" {
			want = codes.NotFound
		}
		refused(t, name, err, want, c.reason)
	}
	if word, err := h.answer(h.resident("r1"), code, true); err != nil || word != pb.ResidentWord_RESIDENT_WORD_CODE {
		t.Fatal(word, err)
	}
	_, err = h.answer(h.resident("r2"), code, true)
	refused(t, "the used code", err, codes.NotFound, "CODE_UNKNOWN")
	if got := h.years(t, "m1"); got != "2013:1/2/4" {
		t.Errorf("after the resident: %s", got)
	}
	second := h.served(t, 2, "")
	if _, err := h.answer(h.resident("r1"), h.code(t, second.GetId()), true); err != nil {
		t.Fatal(err)
	}
	if e := h.confirm(t, second.GetId()); e.GetState() != pb.EntryState_ENTRY_STATE_CONFIRMED {
		t.Errorf("after the resident: %v", e)
	}
	third := h.served(t, 3, "")
	late := h.code(t, third.GetId())
	h.Civil.Advance(h.Civil.Now().Add(31 * 24 * time.Hour))
	_, err = h.answer(h.resident("r1"), late, true)
	refused(t, "too late", err, codes.NotFound, "CODE_UNKNOWN")
	if events := string(h.Events("evaluation")); strings.Contains(events, code) || strings.Contains(events, "r1") {
		t.Error("an event tells of the resident")
	}
}

func TestResident_OneTapAndPaper(t *testing.T) {
	h := withMembers(t)
	e := h.served(t, 1, "r1")
	tap := func(who string, served bool) error {
		_, err := h.ledger().AnswerForMyself(h.resident(who), &pb.AnswerForMyselfRequest{Id: e.GetId(), Served: served})
		return err
	}
	refused(t, "by another resident", tap("r2", true), codes.NotFound, "NOT_FOUND")
	list, err := h.ledger().ListReceivedServices(h.resident("r1"), &pb.ListReceivedServicesRequest{})
	if err != nil || len(list.GetServices()) != 1 || list.GetServices()[0].GetWord() != pb.ResidentWord_RESIDENT_WORD_AWAITED {
		t.Fatalf("received: %v, %v", list, err)
	}
	if other, err := h.ledger().ListReceivedServices(h.resident("r2"), &pb.ListReceivedServicesRequest{}); err != nil || len(other.GetServices()) != 0 {
		t.Errorf("another's: %v, %v", other, err)
	}
	_, err = h.client.ConfirmEntry(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "r1", community), &pb.ConfirmEntryRequest{Id: e.GetId()})
	refused(t, "the office part by the resident", err, codes.PermissionDenied, "CONFIRMS_OWN_PROPOSAL")
	if err := tap("r1", true); err != nil {
		t.Fatal(err)
	}
	refused(t, "tapped twice", tap("r1", true), codes.FailedPrecondition, "NO_RESIDENT_AWAITED")
	h.confirm(t, e.GetId())

	slip := h.served(t, 2, "")
	record := func(word pb.ResidentWord, sha, note string) (*pb.RecordResidentWordResponse, error) {
		return h.ledger().RecordResidentWord(h.staff(), &pb.RecordResidentWordRequest{Id: slip.GetId(), Word: word, SlipSha256: sha, Note: note})
	}
	_, err = record(pb.ResidentWord_RESIDENT_WORD_SLIP, "", "")
	refused(t, "a slip without its hash", err, codes.InvalidArgument, "EVIDENCE_MISSING")
	_, err = record(pb.ResidentWord_RESIDENT_WORD_NOT_REACHABLE, "", "")
	refused(t, "not reachable without a reason", err, codes.InvalidArgument, "EVIDENCE_MISSING")
	got, err := record(pb.ResidentWord_RESIDENT_WORD_SLIP, fmt.Sprintf("%064x", 99), "")
	if err != nil || len(got.GetEntry().GetEvidence()) != 2 {
		t.Fatal(got, err)
	}
	h.confirm(t, slip.GetId())
	if got := h.verify(t, "m1"); !got.GetSound() || got.GetLines() != 2 {
		t.Errorf("chain: %v", got)
	}
}

func TestResident_SaysNo(t *testing.T) {
	h := withMembers(t)
	e := h.served(t, 1, "r1")
	h.confirm(t, e.GetId())
	if _, err := h.ledger().AnswerForMyself(h.resident("r1"), &pb.AnswerForMyselfRequest{Id: e.GetId()}); err != nil {
		t.Fatal(err)
	}
	got, err := h.client.GetEntry(h.staff(), &pb.GetEntryRequest{Id: e.GetId()})
	if err != nil || got.GetEntry().GetState() != pb.EntryState_ENTRY_STATE_TURNED_DOWN || got.GetEntry().GetWhy() != "RESIDENT_DENIED" {
		t.Errorf("%v, %v", got, err)
	}
	if alarms := h.alarms(t, false); len(alarms) != 1 || alarms[0].GetKind() != pb.AlarmKind_ALARM_KIND_RESIDENT_DENIED {
		t.Errorf("alarms: %v", alarms)
	}
}

func (h house) alarms(t *testing.T, closed bool) []*pb.LedgerAlarm {
	t.Helper()
	reply, err := h.ledger().ListLedgerAlarms(h.staff(), &pb.ListLedgerAlarmsRequest{CommunityId: "C1", Closed: closed})
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetAlarms()
}

func kinds(alarms []*pb.LedgerAlarm) string {
	var out []string
	for _, a := range alarms {
		out = append(out, fmt.Sprintf("%d×%d", a.GetKind(), len(a.GetEntryIds())))
	}
	return strings.Join(out, " ")
}

func TestAlarms_AreForAPersonAndRefuseNothing(t *testing.T) {
	h := withMembers(t)
	at := func(n int, from, to int32) *pb.Service {
		s := service("2013-08-01", n)
		s.FromMinute, s.ToMinute = from, to
		return s
	}
	h.mine(t, "m1", at(1, 540, 600))
	h.mine(t, "m1", at(2, 600, 660)) // follows it
	h.mine(t, "m2", at(3, 540, 600)) // another member
	if got := h.alarms(t, false); len(got) != 0 {
		t.Fatalf("nothing to look at: %v", got)
	}
	h.mine(t, "m1", at(4, 570, 630)) // overlaps both
	if got := kinds(h.alarms(t, false)); got != "1×3" {
		t.Errorf("overlap: %s", got)
	}
	h.mine(t, "m2", service("2013-07-01", 4)) // the paper of the last one
	if got := kinds(h.alarms(t, false)); got != "1×3 2×2" {
		t.Errorf("the same evidence: %s", got)
	}
	h.Civil.Advance(time.Date(2013, 12, 20, 0, 0, 0, 0, time.UTC))
	for i := range 6 {
		h.confirm(t, h.mine(t, "m3", service(fmt.Sprintf("2013-12-%02d", i+1), 20+i)).GetId())
	}
	h.Drain()
	if got := kinds(h.alarms(t, false)); got != "1×3 2×2 3×6" {
		t.Errorf("December: %s", got)
	}
	open := h.alarms(t, false)
	closeAlarm := func(ctx context.Context, a *pb.LedgerAlarm, note string) error {
		_, err := h.ledger().CloseLedgerAlarm(ctx, &pb.CloseLedgerAlarmRequest{Id: a.GetId(), Etag: a.GetEtag(), Note: note})
		return err
	}
	refused(t, "without a note", closeAlarm(h.staff(), open[0], ""), codes.InvalidArgument, "INVALID_FIELD")
	refused(t, "by the member", closeAlarm(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "m1", community), open[0], "x"),
		codes.PermissionDenied, "CONFIRMS_SELF")
	if err := closeAlarm(h.staff(), open[2], "年底集中开展,已核实"); err != nil {
		t.Fatal(err)
	}
	again := h.alarms(t, true)[0]
	refused(t, "closed twice", closeAlarm(h.staff(), again, "x"), codes.FailedPrecondition, "ALARM_CLOSED")
	h.confirm(t, h.mine(t, "m3", service("2013-12-19", 40)).GetId())
	h.Drain()
	if got := kinds(h.alarms(t, false)); got != "1×3 2×2" {
		t.Errorf("a closed one stays closed: %s", got)
	}
	if got := h.years(t, "m3"); got != "2013:7/14/28" {
		t.Errorf("an alarm refused something: %s", got)
	}
}

func TestStars_ByTheServicesConfirmed(t *testing.T) {
	h := withMembers(t)
	for i := range 5 {
		h.confirm(t, h.mine(t, "m1", service(fmt.Sprintf("2013-08-%02d", i+1), i)).GetId())
	}
	h.mine(t, "m1", service("2013-08-20", 50))
	got, err := h.ledger().GetMemberLedger(h.asMember("m1"), &pb.GetMemberLedgerRequest{MemberId: "m1"})
	if s := got.GetStars(); err != nil || s.GetLevel() != 2 || s.GetCounted() != 5 || s.GetNextAt() != 10 {
		t.Errorf("%v, %v", got, err)
	}
	_, err = h.ledger().GetMemberLedger(h.asMember("m2"), &pb.GetMemberLedgerRequest{MemberId: "m1"})
	refused(t, "another member's", err, codes.NotFound, "NOT_FOUND")
	_, err = h.ledger().GetMemberLedger(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "x", "/1/11/111/C2/"), &pb.GetMemberLedgerRequest{MemberId: "m1"})
	refused(t, "by another community", err, codes.NotFound, "NOT_FOUND")
	_, err = h.ledger().VerifyLedger(h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "x", w1), &pb.VerifyLedgerRequest{MemberId: "m1"})
	refused(t, "by the workplace", err, codes.NotFound, "NOT_FOUND")
}
