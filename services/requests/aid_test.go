package requests_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/testkit"
)

// Posted on Sunday evening, visited, referred and helped on Monday; he who
// posted sees the steps.
func TestHardshipCase_AsInDecember2013(t *testing.T) {
	h := newAidHouse(t)
	h.Civil.Advance(shanghai("2013-12-29 20:30"))
	id := h.post(h.resident("r1"), t, hardshipPost()).GetId()
	h.Civil.Advance(shanghai("2013-12-30 08:30"))
	c := h.open(h.staff(), t, id)
	if got := c.GetVisitDueAt().AsTime(); !got.Equal(shanghai("2013-12-31 00:00")) {
		t.Errorf("to be visited by %s", got)
	}
	h.Civil.Advance(shanghai("2013-12-30 10:00"))
	if _, err := h.aid.VisitHardshipCase(h.staff(), &pb.VisitHardshipCaseRequest{Id: c.GetId(), Facts: facts(), Etag: c.GetEtag()}); err != nil {
		t.Fatal(err)
	}
	agreed, err := h.aid.RecordHardshipConsent(h.staff(), &pb.RecordHardshipConsentRequest{
		Id: c.GetId(), Given: true, By: pb.ConsentBy_CONSENT_BY_PERSON, Name: "金丝雀"})
	if err != nil || agreed.GetHardshipCase().GetConsentRecordedBy() != "staff" {
		t.Fatal(agreed, err)
	}
	asked, err := h.aid.AskRelief(h.staff(), &pb.AskReliefRequest{Id: c.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	if got := asked.GetHardshipCase().GetReliefDueAt().AsTime(); !got.Equal(shanghai("2014-01-15 00:00")) {
		t.Errorf("relief is due by %s", got) // ten working days, the first of January is none
	}
	refer := &pb.ReferHardshipCaseRequest{Id: c.GetId(), Referral: charity()}
	_, err = h.aid.ReferHardshipCase(h.staff(), refer)
	refused(t, "referred before the street decided", err, codes.FailedPrecondition, "LADDER_STEP_SKIPPED")
	refer.SkipReason = "病情紧急,先行转介"
	if _, err = h.aid.ReferHardshipCase(h.staff(), refer); err != nil {
		t.Fatal(err)
	}
	given, err := h.aid.RecordAid(h.staff(), thousand(c.GetId()))
	if err != nil || len(given.GetWarnings()) != 0 {
		t.Fatal(given, err)
	}
	_, err = h.aid.ConfirmAid(h.staff(), &pb.ConfirmAidRequest{Id: given.GetAid().GetId()})
	refused(t, "confirmed by who recorded it", err, codes.PermissionDenied, "AID_CONFIRMED_BY_RECORDER")
	confirmed, err := h.aid.ConfirmAid(h.second(), &pb.ConfirmAidRequest{Id: given.GetAid().GetId(), Etag: "1"})
	if err != nil || confirmed.GetAid().GetConfirmedBy() != "second" {
		t.Fatal(confirmed, err)
	}
	seen, err := h.aid.RevealAid(h.staff(), &pb.RevealAidRequest{Id: given.GetAid().GetId(), Reason: "核对台账"})
	if err != nil || seen.GetFacts().GetAmountYuan() != "1000.25" || seen.GetFacts().GetDay() != "2013-12-30" {
		t.Error(seen, err)
	}
	h.Civil.Advance(shanghai("2014-01-08 15:00"))
	late, err := h.aid.DecideRelief(h.street(), &pb.DecideReliefRequest{Id: c.GetId(), Decision: pb.ReliefDecision_RELIEF_DECISION_PARTLY, Document: "街救2014-3"})
	if err != nil || late.GetHardshipCase().GetState() != pb.HardshipState_HARDSHIP_STATE_REFERRED || late.GetHardshipCase().GetReliefLate() {
		t.Fatal(late, err)
	}
	_, err = h.aid.DecideRelief(h.street(), &pb.DecideReliefRequest{Id: c.GetId(), Decision: pb.ReliefDecision_RELIEF_DECISION_GRANTED, Document: "街救2014-4"})
	refused(t, "decided twice", err, codes.FailedPrecondition, "RELIEF_NOT_PENDING")
	if _, err := h.aid.CloseHardshipCase(h.staff(), &pb.CloseHardshipCaseRequest{Id: c.GetId()}); err != nil {
		t.Fatal(err)
	}
	h.stepsOf(t, id, "OPENED 2013-12-30, VISITED 2013-12-30, CONSENTED 2013-12-30, RELIEF 2013-12-30, REFERRED 2013-12-30, "+
		"RELIEF_DECIDED 2014-01-08, CLOSED 2014-01-08")
	f, err := h.aid.GetHardshipFigures(h.staff(), &pb.GetHardshipFiguresRequest{OrganizationId: "C1", Year: 2013})
	if k := f.GetFigures(); err != nil || k.GetOpened() != 1 || k.GetConsented() != 1 || k.GetReferred() != 1 || k.GetAids() != 1 || k.GetRelieved() != 0 {
		t.Error(f, err)
	}
}

// stepsOf reads the steps as the author of the request.
func (h aidHouse) stepsOf(t *testing.T, requestID, want string) {
	t.Helper()
	r, err := h.aid.GetHardshipSteps(h.resident("r1"), &pb.GetHardshipStepsRequest{RequestId: requestID})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range r.GetSteps() {
		got = append(got, strings.TrimPrefix(s.GetState().String(), "HARDSHIP_STATE_")+" "+s.GetDay())
	}
	if strings.Join(got, ", ") != want {
		t.Errorf("steps: %s, want %s", strings.Join(got, ", "), want)
	}
}

func TestHardshipCase_Refusals(t *testing.T) {
	h := newAidHouse(t)
	plain := h.post(h.resident("r1"), t, problem()).GetId()
	open := func(ctx context.Context, id string) error {
		_, err := h.aid.OpenHardshipCase(ctx, &pb.OpenHardshipCaseRequest{RequestId: id})
		return err
	}
	refused(t, "a problem", open(h.staff(), plain), codes.FailedPrecondition, "NOT_A_HARDSHIP_REQUEST")
	id := h.post(h.resident("r1"), t, hardshipPost()).GetId()
	refused(t, "by the author", open(h.resident("r1"), id), codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	other := h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "staff2", c2)
	refused(t, "by another community", open(other, id), codes.NotFound, "NOT_FOUND")
	c := h.open(h.staff(), t, id)
	refused(t, "twice", open(h.staff(), id), codes.AlreadyExists, "ALREADY_EXISTS")
	_, err := h.aid.AskRelief(h.staff(), &pb.AskReliefRequest{Id: c.GetId()})
	refused(t, "relief before the visit", err, codes.FailedPrecondition, "WRONG_STATE")
	_, err = h.aid.RecordHardshipConsent(h.staff(), &pb.RecordHardshipConsentRequest{Id: c.GetId(), Given: true, By: 1, Name: "甲乙"})
	refused(t, "consent before the visit", err, codes.FailedPrecondition, "WRONG_STATE")
	_, err = h.aid.VisitHardshipCase(h.staff(), &pb.VisitHardshipCaseRequest{Id: c.GetId(), Facts: facts(), Etag: "9"})
	refused(t, "a stale etag", err, codes.Aborted, "STALE_ETAG")
	_, err = h.aid.VisitHardshipCase(other, &pb.VisitHardshipCaseRequest{Id: c.GetId(), Facts: facts()})
	refused(t, "visited by another community", err, codes.NotFound, "NOT_FOUND")
	_, err = h.aid.VisitHardshipCase(h.staff(), &pb.VisitHardshipCaseRequest{Id: c.GetId(), Facts: &pb.HardshipFacts{}})
	refused(t, "nobody lives there", err, codes.InvalidArgument, "INVALID_FIELD")
	_, err = h.aid.GetHardshipSteps(h.resident("r2"), &pb.GetHardshipStepsRequest{RequestId: id})
	refused(t, "the steps for a neighbour", err, codes.NotFound, "NOT_FOUND")
	_, err = h.aid.GetHardshipCase(h.resident("r1"), &pb.GetHardshipCaseRequest{Id: c.GetId()})
	refused(t, "the case for the author", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	_, err = h.aid.CloseHardshipCase(h.staff(), &pb.CloseHardshipCaseRequest{Id: c.GetId()})
	refused(t, "closed without a visit", err, codes.FailedPrecondition, "LADDER_STEP_SKIPPED")
	_, err = h.aid.ListHardshipCases(other, &pb.ListHardshipCasesRequest{CommunityId: "C1"})
	refused(t, "the list for another community", err, codes.NotFound, "UNKNOWN_ORGANIZATION")
}

// A request that somebody took on is the helper's to see, its case is not.
func TestHardshipSteps_NotForTheHelper(t *testing.T) {
	h := newAidHouse(t)
	id := h.post(h.resident("r1"), t, hardshipPost()).GetId()
	h.open(h.staff(), t, id)
	if _, err := h.client.AdmitRequest(h.staff(), &pb.AdmitRequestRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.client.DispatchRequest(h.staff(), &pb.DispatchRequestRequest{Id: id, MemberId: "m1"}); err != nil {
		t.Fatal(err)
	}
	_, err := h.aid.GetHardshipSteps(h.member("m1"), &pb.GetHardshipStepsRequest{RequestId: id})
	refused(t, "the helper", err, codes.NotFound, "NOT_FOUND")
}

func TestConsentRefused_TheFactsAreGone(t *testing.T) {
	h := newAidHouse(t)
	id := h.post(h.resident("r1"), t, hardshipPost()).GetId()
	c := h.open(h.staff(), t, id)
	if _, err := h.aid.VisitHardshipCase(h.staff(), &pb.VisitHardshipCaseRequest{Id: c.GetId(), Facts: facts()}); err != nil {
		t.Fatal(err)
	}
	again := testkit.Keyed(h.staff(), "read")
	if _, err := h.aid.RevealHardshipFacts(again, &pb.RevealHardshipFactsRequest{Id: c.GetId(), Reason: "复核"}); err != nil {
		t.Fatal(err)
	}
	got, err := h.aid.RecordHardshipConsent(h.staff(), &pb.RecordHardshipConsentRequest{Id: c.GetId(), By: pb.ConsentBy_CONSENT_BY_GUARDIAN, Name: "百灵鸟"})
	if err != nil || !got.GetHardshipCase().GetFactsErased() || got.GetHardshipCase().GetFactsSealed() {
		t.Fatal(got, err)
	}
	_, err = h.aid.RevealHardshipFacts(h.staff(), &pb.RevealHardshipFactsRequest{Id: c.GetId(), Reason: "复核"})
	refused(t, "the facts", err, codes.FailedPrecondition, "FACTS_ERASED")
	_, err = h.aid.RevealHardshipFacts(again, &pb.RevealHardshipFactsRequest{Id: c.GetId(), Reason: "复核"})
	refused(t, "the facts, by asking as before", err, codes.FailedPrecondition, "FACTS_ERASED")
	_, err = h.client.RevealRequestText(h.staff(), &pb.RevealRequestTextRequest{Id: id, Reason: "复核"})
	refused(t, "the request's text", err, codes.FailedPrecondition, "NOTHING_SEALED")
	r, err := h.client.GetRequest(h.staff(), &pb.GetRequestRequest{Id: id})
	if err != nil || r.GetRequest().GetBuilding() != "" || r.GetRequest().GetCategory() != "" {
		t.Error(r, err)
	}
	f, err := h.aid.GetHardshipFigures(h.staff(), &pb.GetHardshipFiguresRequest{OrganizationId: "C1", Year: 2013})
	if err != nil || f.GetFigures().GetRefused() != 1 || f.GetFigures().GetConsented() != 0 {
		t.Error(f, err)
	}
	_, err = h.aid.AskRelief(h.staff(), &pb.AskReliefRequest{Id: c.GetId()})
	refused(t, "relief against the own will", err, codes.FailedPrecondition, "WRONG_STATE")
	h.stepsOf(t, id, "OPENED 2013-09-02, VISITED 2013-09-02, REFUSED 2013-09-02")
	if _, err := h.aid.CloseHardshipCase(h.staff(), &pb.CloseHardshipCaseRequest{Id: c.GetId()}); err != nil {
		t.Error(err)
	}
}

func TestRecordAid_Refusals(t *testing.T) {
	h := newAidHouse(t)
	c := h.consented(t)
	record := func(change func(*pb.RecordAidRequest)) error {
		in := thousand(c.GetId())
		in.Day = "2013-09-02"
		change(in)
		_, err := h.aid.RecordAid(h.staff(), in)
		return err
	}
	refused(t, "before the referral", record(func(*pb.RecordAidRequest) {}), codes.FailedPrecondition, "AID_RUNG_NOT_REACHED")
	if _, err := h.aid.ReferHardshipCase(h.staff(), &pb.ReferHardshipCaseRequest{Id: c.GetId(), Referral: charity(), SkipReason: "不符合救助条件"}); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*pb.RecordAidRequest){
		"tomorrow":        func(r *pb.RecordAidRequest) { r.Day = "2013-09-03" },
		"no day":          func(r *pb.RecordAidRequest) { r.Day = "2013-02-30" },
		"no paper":        func(r *pb.RecordAidRequest) { r.Paper = "" },
		"nothing":         func(r *pb.RecordAidRequest) { r.AmountYuan = "" },
		"a negative sum":  func(r *pb.RecordAidRequest) { r.AmountYuan = "-1" },
		"three decimals":  func(r *pb.RecordAidRequest) { r.AmountYuan = "1.005" },
		"no registration": func(r *pb.RecordAidRequest) { r.Giver.Registration = "" },
		"no cause":        func(r *pb.RecordAidRequest) { r.Cause = 0 },
	} {
		refused(t, name, record(change), codes.InvalidArgument, "INVALID_FIELD")
	}
	neighbours := func(r *pb.RecordAidRequest) {
		r.Giver = &pb.AidGiver{Kind: pb.GiverKind_GIVER_KIND_NEIGHBOURS, Name: "三栋邻居"}
	}
	refused(t, "neighbours before they were asked", record(neighbours), codes.FailedPrecondition, "AID_RUNG_NOT_REACHED")
	if _, err := h.aid.OpenMutualAid(h.staff(), &pb.OpenMutualAidRequest{Id: c.GetId()}); err != nil {
		t.Fatal(err)
	}
	if err := record(neighbours); err != nil {
		t.Error(err)
	}
}

// The same person for the same cause in the same year is a warning, also when
// the first record is another community's; it is not a refusal.
func TestRecordAid_SameCauseInTheSameYearIsWarned(t *testing.T) {
	h := newAidHouse(t)
	give := func(ctx context.Context, community string, cause pb.AidCause, day string) *pb.RecordAidResponse {
		t.Helper()
		in := hardshipPost()
		in.CommunityId = community
		id := h.open(ctx, t, h.post(h.resident("r1"), t, in).GetId()).GetId()
		_, err := h.aid.VisitHardshipCase(ctx, &pb.VisitHardshipCaseRequest{Id: id, Facts: facts()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = h.aid.RecordHardshipConsent(ctx, &pb.RecordHardshipConsentRequest{Id: id, Given: true, By: 1, Name: "金丝雀"}); err != nil {
			t.Fatal(err)
		}
		if _, err = h.aid.ReferHardshipCase(ctx, &pb.ReferHardshipCaseRequest{Id: id, Referral: charity(), SkipReason: "不符合救助条件"}); err != nil {
			t.Fatal(err)
		}
		in2 := thousand(id)
		in2.Cause, in2.Day = cause, day
		r, err := h.aid.RecordAid(ctx, in2)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	other := h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "staff2", c2)
	for i, c := range []struct {
		ctx       context.Context
		community string
		cause     pb.AidCause
		day       string
		before    int32
	}{
		{h.staff(), "C1", pb.AidCause_AID_CAUSE_ILLNESS, "2013-03-01", 0},
		{h.staff(), "C1", pb.AidCause_AID_CAUSE_EDUCATION, "2013-03-02", 0},
		{other, "C2", pb.AidCause_AID_CAUSE_ILLNESS, "2013-09-01", 1},
		{h.staff(), "C1", pb.AidCause_AID_CAUSE_ILLNESS, "2012-12-31", 0},
		{h.staff(), "C1", pb.AidCause_AID_CAUSE_ILLNESS, "2013-09-02", 2},
	} {
		r := give(c.ctx, c.community, c.cause, c.day)
		if r.GetSameCauseSameYear() != c.before || (len(r.GetWarnings()) == 1) != (c.before > 0) {
			t.Errorf("record %d: %v, want %d before", i, r, c.before)
		}
	}
}
