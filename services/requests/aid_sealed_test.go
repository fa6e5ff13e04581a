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

	"github.com/linli-project/linli/pkg/testkit"
)

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

// said collects answers.
type said struct {
	strings.Builder
	t *testing.T
}

func (s *said) say(m proto.Message, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	s.WriteString(protojson.Format(m) + "\n")
}

// everyAnswer calls every method that reveals nothing and answers what they said.
func (h aidHouse) everyAnswer(t *testing.T) string {
	t.Helper()
	all := &said{t: t}
	say := all.say
	keyed := func(n string) context.Context { return testkit.Keyed(h.staff(), n) }
	id := h.post(h.resident("r1"), t, hardshipPost()).GetId()
	h.everyWord(t, all, id)
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
	h.everyList(t, all, id, c)
	closed, err := h.aid.CloseHardshipCase(keyed("11"), &pb.CloseHardshipCaseRequest{Id: c})
	say(closed, err)
	return all.String()
}

// everyWord has author and office talk about the family, reads it, and sees the
// request go on beside its case.
func (h aidHouse) everyWord(t *testing.T, all *said, id string) {
	t.Helper()
	for i, text := range []string{"金丝雀的电话13874809991", "百灵鸟患糖尿病,每年三万六千"} {
		who := []context.Context{h.resident("r1"), h.staff()}[i]
		m, err := h.handling().AddMessage(testkit.Keyed(who, "word"), &pb.AddMessageRequest{Id: id, Text: text})
		all.say(m, err)
	}
	for _, who := range []context.Context{h.resident("r1"), h.staff()} {
		if r, err := h.handling().ReadMessages(testkit.Keyed(who, "read"), &pb.ReadMessagesRequest{Id: id, Reason: "约时间"}); err != nil || len(r.GetMessages()) != 2 {
			t.Fatal(r, err)
		}
	}
	if r, err := h.client.RevealRequestText(testkit.Keyed(h.staff(), "text"), &pb.RevealRequestTextRequest{Id: id, Reason: "上门前了解"}); err != nil || r.GetText() == "" {
		t.Fatal(r, err)
	}
	admitted, err := h.client.AdmitRequest(h.staff(), &pb.AdmitRequestRequest{Id: id})
	all.say(admitted, err)
	looked, err := h.circle().LookUpRequest(t.Context(), &pb.LookUpRequestRequest{Code: h.code(t, id)})
	all.say(looked, err)
	browsed, err := h.circle().BrowseRequests(h.resident("r9"), &pb.BrowseRequestsRequest{CommunityId: "C1"})
	all.say(browsed, err)
	if len(browsed.GetRequests()) != 0 {
		t.Errorf("in public: %v", browsed)
	}
	mine, err := h.client.ListMyRequests(h.resident("r1"), &pb.ListMyRequestsRequest{})
	all.say(mine, err)
	similar, err := h.circle().PreviewRequest(h.resident("r9"), preview("邻居下岗有困难要帮忙"))
	all.say(similar, err)
}

// everyList reads a case and what belongs to it in every way.
func (h aidHouse) everyList(t *testing.T, all *said, id, c string) {
	t.Helper()
	say := all.say
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
	request, err := h.client.GetRequest(h.staff(), &pb.GetRequestRequest{Id: id})
	say(request, err)
	requests, err := h.client.ListRequests(h.staff(), &pb.ListRequestsRequest{CommunityId: "C1"})
	say(requests, err)
}
