package requests_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/testkit"
	"github.com/linli-project/linli/services/requests"
)

// aidHouse is a house with the hardship side.
type aidHouse struct {
	house
	aid    pb.AidServiceClient
	engine *memkv.Engine
}

func newAidHouse(t *testing.T) aidHouse {
	t.Helper()
	engine := memkv.New()
	h := newHouse(t, kvtest.Rerun(kv.New(engine, kv.Options{})))
	return aidHouse{h, pb.NewAidServiceClient(h.Conn()), engine}
}

func (h aidHouse) street() context.Context {
	return h.as(typev1.Role_ROLE_STREET_OFFICER, "street", "/1/11/111/")
}

func (h aidHouse) second() context.Context {
	return h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "second", c1)
}

// shanghai is an instant of Shanghai's clock.
func shanghai(text string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", text, clock.Shanghai())
	if err != nil {
		panic(err)
	}
	return t
}

func hardshipPost() *pb.PostRequestRequest {
	in := problem()
	in.Kind, in.OnBehalfOf = pb.RequestKind_REQUEST_KIND_HARDSHIP, true
	in.Visibility, in.Text = pb.Visibility_VISIBILITY_STAFF_ONLY, "邻居金丝雀下岗,患糖尿病,丈夫患癌"
	return in
}

// canaries are what a family would not want to read anywhere.
func canaries() []string {
	return []string{
		"金丝雀", "糖尿病", "13874809991", "430103197207150032", "6222021999988887777", "三万六千", "百灵鸟", "1000.25",
		"邻居金丝雀下岗", "先行转介", "收据第0077号", "合望达第9号",
	}
}

func facts() *pb.HardshipFacts {
	return &pb.HardshipFacts{
		People: []*pb.HouseholdPerson{
			{Name: "金丝雀", IdNumber: "430103197207150032", Phone: "13874809991", Relation: "本人"},
			{Name: "百灵鸟", Relation: "丈夫"},
		},
		Household: "两人,均无工作", Illness: "糖尿病", Amounts: "报销后每年自付三万六千", Accounts: []string{"6222021999988887777"},
	}
}

func (h aidHouse) open(ctx context.Context, t *testing.T, requestID string) *pb.HardshipCase {
	t.Helper()
	r, err := h.aid.OpenHardshipCase(ctx, &pb.OpenHardshipCaseRequest{RequestId: requestID})
	if err != nil {
		t.Fatal(err)
	}
	return r.GetHardshipCase()
}

// consented takes a new case to consent and answers it.
func (h aidHouse) consented(t *testing.T) *pb.HardshipCase {
	t.Helper()
	c := h.open(h.staff(), t, h.post(h.resident("r1"), t, hardshipPost()).GetId())
	if _, err := h.aid.VisitHardshipCase(h.staff(), &pb.VisitHardshipCaseRequest{Id: c.GetId(), Facts: facts()}); err != nil {
		t.Fatal(err)
	}
	r, err := h.aid.RecordHardshipConsent(h.staff(), &pb.RecordHardshipConsentRequest{
		Id: c.GetId(), Given: true, By: pb.ConsentBy_CONSENT_BY_PERSON, Name: "金丝雀"})
	if err != nil {
		t.Fatal(err)
	}
	return r.GetHardshipCase()
}

func charity() *pb.Referral {
	return &pb.Referral{Kind: pb.GiverKind_GIVER_KIND_CHARITY, Name: "合望达", Registration: "湘民社证字第4301号", Paper: "转介函2013-01"}
}

func thousand(caseID string) *pb.RecordAidRequest {
	return &pb.RecordAidRequest{
		CaseId: caseID, Giver: &pb.AidGiver{Kind: pb.GiverKind_GIVER_KIND_CHARITY, Name: "合望达", Registration: "湘民社证字第4301号"},
		Paper: "收据第0077号", Day: "2013-12-30", AmountYuan: "1000.25", Cause: pb.AidCause_AID_CAUSE_ILLNESS,
	}
}

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

func TestReadings_AreListedWithTheirReason(t *testing.T) {
	h := newAidHouse(t)
	c := h.consented(t)
	reveal := func(ctx context.Context, reason string) error {
		r, err := h.aid.RevealHardshipFacts(ctx, &pb.RevealHardshipFactsRequest{Id: c.GetId(), Reason: reason})
		if err == nil && (!proto.Equal(r.GetFacts(), facts()) || r.GetConsent().GetName() != "金丝雀") {
			t.Errorf("revealed %v", r)
		}
		return err
	}
	refused(t, "without a reason", reveal(h.staff(), ""), codes.InvalidArgument, "INVALID_FIELD")
	refused(t, "a reason that names her", reveal(h.staff(), "看看金丝雀家"), codes.InvalidArgument, "INVALID_FIELD")
	refused(t, "the street, not asked", reveal(h.street(), "审批救助"), codes.PermissionDenied, "RELIEF_NOT_ASKED")
	_, err := h.aid.GetHardshipCase(h.street(), &pb.GetHardshipCaseRequest{Id: c.GetId()})
	refused(t, "the case for the street, not asked", err, codes.NotFound, "NOT_FOUND")
	if l, err := h.aid.ListHardshipCases(h.street(), &pb.ListHardshipCasesRequest{CommunityId: "C1"}); err != nil || len(l.GetCases()) != 0 {
		t.Errorf("the street, not asked, lists %v, %v", l, err)
	}
	refused(t, "the author", reveal(h.resident("r1"), "好奇"), codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	if err := reveal(h.staff(), "准备转介材料"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.aid.AskRelief(h.staff(), &pb.AskReliefRequest{Id: c.GetId()}); err != nil {
		t.Fatal(err)
	}
	h.Civil.Advance(testkit.Begin().Add(time.Hour))
	if err := reveal(h.street(), "审批救助"); err != nil {
		t.Fatal(err)
	}
	party := h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "head", c1)
	list, err := h.aid.ListHardshipReadings(party, &pb.ListHardshipReadingsRequest{CommunityId: "C1"})
	if err != nil || len(list.GetReadings()) != 2 {
		t.Fatal(list, err)
	}
	first, last := list.GetReadings()[0], list.GetReadings()[1]
	if first.GetPerson() != "street" || first.GetRole() != "street_officer" || first.GetReason() != "审批救助" || first.GetCaseId() != c.GetId() ||
		last.GetPerson() != "staff" || last.GetReason() != "准备转介材料" || last.GetWhat() != "facts" {
		t.Error(list)
	}
	audit := h.audit(t)
	if a := audit[len(audit)-1]; a.GetOutcome() != "revealed" || a.GetReason() != "审批救助" || a.GetPerson() != "street" {
		t.Errorf("the trace: %v", a)
	}
	_, err = h.aid.ListHardshipReadings(h.street(), &pb.ListHardshipReadingsRequest{CommunityId: "C1"})
	refused(t, "the list for the street", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
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

func TestHelpWanted_OnlyHoursAndGoods(t *testing.T) {
	h := newAidHouse(t)
	c := h.consented(t)
	set := func(change func(*pb.SetHelpWantedRequest)) (*pb.HelpWanted, error) {
		in := &pb.SetHelpWantedRequest{Id: c.GetId(), QuarterHours: 8, Work: "陪同复诊", Goods: []*pb.HelpGoods{{Name: "大米", Count: 2}, {Name: "棉被", Count: 1}}}
		change(in)
		r, err := h.aid.SetHelpWanted(h.staff(), in)
		return r.GetHelpWanted(), err
	}
	for text, field := range map[string]string{
		"陪金丝雀看病": "work", "电13874809991": "work", "差三万元": "work", "扫码转账": "work", "6222021999988887777": "work",
	} {
		_, err := set(func(r *pb.SetHelpWantedRequest) { r.Work = text })
		refused(t, text, err, codes.InvalidArgument, "INVALID_FIELD")
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v does not name %s", text, err, field)
		}
	}
	_, err := set(func(r *pb.SetHelpWantedRequest) { r.Goods[1].Name = "百灵鸟的药" })
	refused(t, "a name in the goods", err, codes.InvalidArgument, "INVALID_FIELD")
	if err == nil || !strings.Contains(err.Error(), "goods[1].name") {
		t.Errorf("%v does not name the field", err)
	}
	first, err := set(func(*pb.SetHelpWantedRequest) {})
	if err != nil {
		t.Fatal(err)
	}
	second, err := set(func(r *pb.SetHelpWantedRequest) { r.QuarterHours, r.Work = 0, "" })
	if err != nil || second.GetId() == first.GetId() {
		t.Fatal(second, err)
	}
	list := func() []*pb.HelpWanted {
		r, err := h.aid.ListHelpWanted(h.resident("r7"), &pb.ListHelpWantedRequest{CommunityId: "C1"})
		if err != nil {
			t.Fatal(err)
		}
		return r.GetHelpWanted()
	}
	if l := list(); len(l) != 1 || l[0].GetId() != second.GetId() || l[0].GetQuarterHours() != 0 || len(l[0].GetGoods()) != 2 {
		t.Errorf("in public: %v", l)
	}
	if _, err := h.aid.CloseHardshipCase(h.staff(), &pb.CloseHardshipCaseRequest{Id: c.GetId(), SkipReason: "家中已有人照料"}); err != nil {
		t.Fatal(err)
	}
	if l := list(); len(l) != 0 {
		t.Errorf("after the end: %v", l)
	}
	_, err = set(func(*pb.SetHelpWantedRequest) {})
	refused(t, "after the end", err, codes.FailedPrecondition, "WRONG_STATE")
}

// Nothing of the family is in an answer, an event, the log or a stored byte.
func TestHardship_NothingOfTheFamilyLeavesTheSeal(t *testing.T) {
	h := newAidHouse(t)
	h.Civil.Advance(shanghai("2013-12-30 09:00"))
	answers := h.everyAnswer(t)
	h.Drain()
	var dump bytes.Buffer
	if err := h.engine.Backup(t.Context(), &dump); err != nil {
		t.Fatal(err)
	}
	for place, hay := range map[string]string{
		"an answer": answers, "the store": dump.String(), "the log": h.Log.String(), "an event": string(h.Events("requests")),
	} {
		for _, secret := range canaries() {
			if strings.Contains(hay, secret) || strings.Contains(hay, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s holds %q", place, secret)
			}
		}
	}
}

// everyAnswer calls every method that reveals nothing and answers what they said.
func (h aidHouse) everyAnswer(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	say := func(m proto.Message, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(protojson.Format(m) + "\n")
	}
	keyed := func(n string) context.Context { return testkit.Keyed(h.staff(), n) }
	id := h.post(h.resident("r1"), t, hardshipPost()).GetId()
	opened, err := h.aid.OpenHardshipCase(keyed("1"), &pb.OpenHardshipCaseRequest{RequestId: id})
	say(opened, err)
	c := opened.GetHardshipCase().GetId()
	visited, err := h.aid.VisitHardshipCase(keyed("2"), &pb.VisitHardshipCaseRequest{Id: c, Facts: facts()})
	say(visited, err)
	agreed, err := h.aid.RecordHardshipConsent(keyed("3"), &pb.RecordHardshipConsentRequest{Id: c, Given: true, By: 1, Name: "百灵鸟"})
	say(agreed, err)
	help, err := h.aid.SetHelpWanted(keyed("4"), &pb.SetHelpWantedRequest{Id: c, Goods: []*pb.HelpGoods{{Name: "大米", Count: 2}}})
	say(help, err)
	asked, err := h.aid.AskRelief(keyed("5"), &pb.AskReliefRequest{Id: c})
	say(asked, err)
	referred, err := h.aid.ReferHardshipCase(keyed("6"), &pb.ReferHardshipCaseRequest{Id: c, Referral: charity(), SkipReason: "病情紧急,先行转介"})
	say(referred, err)
	given, err := h.aid.RecordAid(keyed("7"), thousand(c))
	say(given, err)
	again, err := h.aid.RecordAid(keyed("7"), thousand(c))
	say(again, err)
	if again.GetAid().GetId() != given.GetAid().GetId() {
		t.Error("repeated with its key it is recorded twice")
	}
	confirmed, err := h.aid.ConfirmAid(h.second(), &pb.ConfirmAidRequest{Id: given.GetAid().GetId()})
	say(confirmed, err)
	mutual, err := h.aid.OpenMutualAid(keyed("8"), &pb.OpenMutualAidRequest{Id: c})
	say(mutual, err)
	_, err = h.aid.RevealHardshipFacts(keyed("9"), &pb.RevealHardshipFactsRequest{Id: c, Reason: "准备材料"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.aid.RevealAid(keyed("10"), &pb.RevealAidRequest{Id: given.GetAid().GetId(), Reason: "核对"})
	if err != nil {
		t.Fatal(err)
	}
	decided, err := h.aid.DecideRelief(h.street(), &pb.DecideReliefRequest{Id: c, Decision: 3, Document: "街救2013-9"})
	say(decided, err)
	one, err := h.aid.GetHardshipCase(h.street(), &pb.GetHardshipCaseRequest{Id: c})
	say(one, err)
	cases, err := h.aid.ListHardshipCases(h.street(), &pb.ListHardshipCasesRequest{CommunityId: "C1"})
	say(cases, err)
	steps, err := h.aid.GetHardshipSteps(h.resident("r1"), &pb.GetHardshipStepsRequest{RequestId: id})
	say(steps, err)
	aids, err := h.aid.ListAids(h.staff(), &pb.ListAidsRequest{CaseId: c})
	say(aids, err)
	readings, err := h.aid.ListHardshipReadings(h.staff(), &pb.ListHardshipReadingsRequest{CommunityId: "C1"})
	say(readings, err)
	public, err := h.aid.ListHelpWanted(h.resident("r9"), &pb.ListHelpWantedRequest{CommunityId: "C1"})
	say(public, err)
	for _, lead := range []string{c, id, "15栋"} {
		if strings.Contains(protojson.Format(public), lead) {
			t.Errorf("what is public leads to the case by %q", lead)
		}
	}
	figures, err := h.aid.GetHardshipFigures(h.staff(), &pb.GetHardshipFiguresRequest{OrganizationId: "C1", Year: 2013})
	say(figures, err)
	closed, err := h.aid.CloseHardshipCase(keyed("11"), &pb.CloseHardshipCaseRequest{Id: c})
	say(closed, err)
	request, err := h.client.GetRequest(h.staff(), &pb.GetRequestRequest{Id: id})
	say(request, err)
	requests, err := h.client.ListRequests(h.staff(), &pb.ListRequestsRequest{CommunityId: "C1"})
	say(requests, err)
	return all.String()
}

// The limit of the street passes by itself and is announced once.
func TestRelief_OverdueIsAnnouncedOnce(t *testing.T) {
	h := newAidHouse(t)
	c := h.consented(t)
	if _, err := h.aid.AskRelief(h.staff(), &pb.AskReliefRequest{Id: c.GetId()}); err != nil {
		t.Fatal(err)
	}
	const name = "linli.requests.hardship_case.relief_overdue.v1"
	h.Civil.Advance(shanghai("2013-09-16 23:59"))
	h.Drain()
	if got, err := h.aid.GetHardshipCase(h.staff(), &pb.GetHardshipCaseRequest{Id: c.GetId()}); err != nil || got.GetHardshipCase().GetReliefLate() {
		t.Fatal(got, err)
	}
	if bytes.Contains(h.Events("requests"), []byte(name)) {
		t.Error("announced on the last day")
	}
	h.Civil.Advance(shanghai("2013-09-17 00:00"))
	if got, err := h.aid.GetHardshipCase(h.staff(), &pb.GetHardshipCaseRequest{Id: c.GetId()}); err != nil || !got.GetHardshipCase().GetReliefLate() {
		t.Fatal(got, err)
	}
	s, err := requests.New(requests.Deps{Store: h.Store("requests"), IDs: ids.New, Log: h.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := requests.CheckReliefLimits(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if n := bytes.Count(h.Events("requests"), []byte(name)); n != 1 {
		t.Errorf("announced %d times", n)
	}
	h.Civil.Advance(shanghai("2013-09-18 09:00"))
	late, err := h.aid.DecideRelief(h.street(), &pb.DecideReliefRequest{Id: c.GetId(), Decision: 1, Document: "街救2013-7"})
	if err != nil || !late.GetHardshipCase().GetReliefLate() || late.GetHardshipCase().GetState() != pb.HardshipState_HARDSHIP_STATE_RELIEF_DECIDED {
		t.Error(late, err)
	}
}
