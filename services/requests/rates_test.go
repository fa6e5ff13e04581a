package requests_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/testkit"
)

func (h house) rates(t *testing.T) *pb.Rates {
	t.Helper()
	h.Drain()
	return ok[*pb.GetRatesResponse](t)(h.circle().GetRates(h.resident("r1"), &pb.GetRatesRequest{OrganizationId: "11", Year: 2013})).GetRates()
}

func share(r *pb.Rate) string {
	return fmt.Sprintf("%d/%d %s", r.GetNumerator(), r.GetDenominator(), r.GetPercent())
}

// The three rates show numerator and denominator, no rate under five cases, and
// what they leave out, each case with reason and approver.
func TestRates_WithWhatTheyLeaveOut(t *testing.T) {
	h := newHouse(t, inMemory())
	var ids []string
	for i := range 8 {
		ids = append(ids, h.post(h.resident("r1"), t, problem()).GetId())
		if i < 6 {
			ok[*pb.AdmitRequestResponse](t)(h.client.AdmitRequest(h.staff(), &pb.AdmitRequestRequest{Id: ids[i]}))
		}
	}
	resolve := func(i int, rating int32, solved bool) {
		ok[*pb.ResolveRequestResponse](t)(h.client.ResolveRequest(h.staff(), &pb.ResolveRequestRequest{Id: ids[i], Answer: "修好了"}))
		ok[*pb.RateRequestResponse](t)(h.client.RateRequest(h.resident("r1"), &pb.RateRequestRequest{Id: ids[i], Rating: rating, Solved: solved}))
	}
	for i, rating := range []int32{5, 4, 3} {
		resolve(i, rating, true)
	}
	resolve(3, 5, false)
	ok[*pb.DeclineRequestResponse](t)(h.handling().DeclineRequest(h.staff(), &pb.DeclineRequestRequest{Id: ids[6], Reason: "不属于受理范围"}))
	ok[*pb.MergeRequestResponse](t)(h.handling().MergeRequest(h.staff(), &pb.MergeRequestRequest{Id: ids[7], IntoId: ids[5]}))
	r := h.rates(t)
	if got := []string{share(r.GetResponse()), share(r.GetResolution()), share(r.GetSatisfaction())}; !slices.Equal(got, []string{"8/8 100.0", "4/6 66.7", "2/4 "}) ||
		r.GetExcluded() != 0 || r.GetNotToSolve() != 2 || r.GetSatisfaction().GetLeastCases() != 5 {
		t.Errorf("rates %v", r)
	}
	ok[*pb.ExcludeRequestResponse](t)(h.handling().ExcludeRequest(h.streetOffice(), &pb.ExcludeRequestRequest{Id: ids[4], Reason: "等待法院判决"}))
	_, err := h.handling().ExcludeRequest(h.staff(), &pb.ExcludeRequestRequest{Id: ids[5], Reason: "不好办"})
	refused(t, "excluded by the office that is measured", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	r = h.rates(t)
	if got := []string{share(r.GetResponse()), share(r.GetResolution())}; !slices.Equal(got, []string{"7/7 100.0", "4/5 80.0"}) || r.GetExcluded() != 1 || r.GetNotToSolve() != 2 {
		t.Errorf("after the exclusion: %v", r)
	}
	list := ok[*pb.ListExclusionsResponse](t)(h.circle().ListExclusions(h.staff(), &pb.ListExclusionsRequest{CommunityId: "C1", Year: 2013})).GetExclusions()
	var all []string
	for _, e := range list {
		all = append(all, fmt.Sprintf("%d %s %s %v %d", slices.Index(ids, e.GetRequestId()), e.GetReason(), e.GetApprover(), e.GetNotToSolve(), slices.Index(ids, e.GetMergedInto())))
	}
	slices.Sort(all)
	if !slices.Equal(all, []string{"4 等待法院判决 street false -1", "6 不属于受理范围 staff true -1", "7  staff true 5"}) {
		t.Errorf("left out: %v", all)
	}
	ok[*pb.ReopenRequestResponse](t)(h.handling().ReopenRequest(h.resident("r1"), &pb.ReopenRequestRequest{Id: ids[0], Reason: "又松了"}))
	if r := h.rates(t); share(r.GetResolution()) != "3/5 60.0" || share(r.GetSatisfaction()) != "1/3 " {
		t.Errorf("after it is reopened: %v", r)
	}
}

// The author reopens within the days of the policy, nobody else; what is
// reopened is the community's again.
func TestReopen_FifteenDays(t *testing.T) {
	h := newHouse(t, inMemory())
	ended := func() string {
		id := h.admitted(t, problem()).GetId()
		ok[*pb.ResolveRequestResponse](t)(h.client.ResolveRequest(h.staff(), &pb.ResolveRequestRequest{Id: id, Answer: "修好了"}))
		return id
	}
	first, second, third := ended(), ended(), h.admitted(t, problem()).GetId()
	ok[*pb.CloseUnsolvedResponse](t)(h.handling().CloseUnsolved(h.staff(), &pb.CloseUnsolvedRequest{Id: third, Answer: "产权单位不同意"}))
	if r := ok[*pb.GetRequestResponse](t)(h.client.GetRequest(h.resident("r1"), &pb.GetRequestRequest{Id: third})).GetRequest(); r.GetState() != pb.RequestState_REQUEST_STATE_UNSOLVED || r.GetAnswer() == "" {
		t.Errorf("closed unsolved: %v", r)
	}
	reopen := func(ctx context.Context, id string) (*pb.Request, error) {
		r, err := h.handling().ReopenRequest(ctx, &pb.ReopenRequestRequest{Id: id, Reason: "又松了,请打13812345678"})
		return r.GetRequest(), err
	}
	_, err := reopen(h.staff(), first)
	refused(t, "the office", err, codes.PermissionDenied, "NOT_THE_AUTHOR")
	h.Civil.Advance(testkit.Begin().AddDate(0, 0, 15).Add(-time.Minute))
	for _, id := range []string{first, third} {
		r, err := reopen(h.resident("r1"), id)
		if err != nil || r.GetState() != pb.RequestState_REQUEST_STATE_ADMITTED || r.GetDueAt() == nil || strings.Contains(r.GetReason(), "138") {
			t.Errorf("reopened: %v, %v", r, err)
		}
	}
	h.Civil.Advance(testkit.Begin().AddDate(0, 0, 15))
	_, err = reopen(h.resident("r1"), second)
	refused(t, "on the sixteenth day", err, codes.FailedPrecondition, "REOPEN_OVER")
}

func nuisance(building string) *pb.PostRequestRequest {
	return &pb.PostRequestRequest{
		CommunityId: "C1", Kind: pb.RequestKind_REQUEST_KIND_NUISANCE, Category: "乱扔垃圾", Building: building,
		Visibility: pb.Visibility_VISIBILITY_PUBLIC, Text: "楼下垃圾没人清",
	}
}

// At most two open ones an author, a pause after two unfounded, and those that
// are reopened count.
func TestNuisance_LimitsOfAnAuthor(t *testing.T) {
	h := newHouse(t, inMemory())
	post := func() (string, error) {
		r, err := h.client.PostRequest(h.resident("r1"), nuisance("15栋"))
		return r.GetRequest().GetId(), err
	}
	decline := func(id string) {
		ok[*pb.DeclineRequestResponse](t)(h.handling().DeclineRequest(h.staff(), &pb.DeclineRequestRequest{Id: id, Reason: "现场没有", Unfounded: true}))
	}
	first, err := post()
	if err != nil {
		t.Fatal(err)
	}
	second, err := post()
	if err != nil {
		t.Fatal(err)
	}
	_, err = post()
	refused(t, "a third open one", err, codes.FailedPrecondition, "TOO_MANY_OPEN")
	if _, err := h.client.PostRequest(h.resident("r2"), nuisance("15栋")); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	ok[*pb.AdmitRequestResponse](t)(h.client.AdmitRequest(h.staff(), &pb.AdmitRequestRequest{Id: first}))
	ok[*pb.ResolveRequestResponse](t)(h.client.ResolveRequest(h.staff(), &pb.ResolveRequestRequest{Id: first, Answer: "清走了"}))
	third, err := post()
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.handling().ReopenRequest(h.resident("r1"), &pb.ReopenRequestRequest{Id: first, Reason: "又堆起来了"})
	refused(t, "reopened beside two open ones", err, codes.FailedPrecondition, "TOO_MANY_OPEN")
	decline(second)
	ok[*pb.ReopenRequestResponse](t)(h.handling().ReopenRequest(h.resident("r1"), &pb.ReopenRequestRequest{Id: first, Reason: "又堆起来了"}))
	decline(third)
	_, err = post()
	refused(t, "after two unfounded", err, codes.FailedPrecondition, "NUISANCE_PAUSED")
	h.Civil.Advance(testkit.Begin().AddDate(0, 3, 0))
	if _, err := post(); err != nil {
		t.Errorf("after the pause: %v", err)
	}
}

// The reporter of a nuisance is named to nobody: not to staff, to the offices
// above, to a helper, in public, or in the conversation.
func TestNuisance_TheReporterIsNeverNamed(t *testing.T) {
	h := newHouse(t, inMemory())
	const reporter = "reporter-0417"
	r := h.post(h.resident(reporter), t, nuisance("15栋"))
	id := r.GetId()
	ok[*pb.AddMessageResponse](t)(h.handling().AddMessage(h.resident(reporter), &pb.AddMessageRequest{Id: id, Text: "昨天又有"}))
	var seen []string
	add := func(text string) { seen = append(seen, text) }
	add(protojson.Format(ok[*pb.AdmitRequestResponse](t)(h.client.AdmitRequest(h.staff(), &pb.AdmitRequestRequest{Id: id}))))
	add(protojson.Format(ok[*pb.ReadMessagesResponse](t)(h.handling().ReadMessages(h.staff(), &pb.ReadMessagesRequest{Id: id}))))
	add(protojson.Format(ok[*pb.HandRequestResponse](t)(h.handling().HandRequest(h.staff(), &pb.HandRequestRequest{Id: id, Person: "property", OrganizationId: "C1"}))))
	for _, ctx := range []context.Context{h.staff(), h.streetOffice(), h.districtOffice(), h.as(4, "property", c1)} {
		add(protojson.Format(ok[*pb.GetRequestResponse](t)(h.client.GetRequest(ctx, &pb.GetRequestRequest{Id: id}))))
	}
	add(protojson.Format(ok[*pb.ListRequestsResponse](t)(h.client.ListRequests(h.staff(), &pb.ListRequestsRequest{CommunityId: "C1"}))))
	add(protojson.Format(ok[*pb.BrowseRequestsResponse](t)(h.circle().BrowseRequests(h.resident("r2"), &pb.BrowseRequestsRequest{CommunityId: "C1"}))))
	for i, text := range seen {
		if strings.Contains(text, reporter) {
			t.Errorf("answer %d names the reporter: %s", i, text)
		}
	}
	ok[*pb.ReadMessagesResponse](t)(h.handling().ReadMessages(h.resident(reporter), &pb.ReadMessagesRequest{Id: id}))
	for _, a := range h.audit(t) {
		if a.GetPerson() == reporter && len(a.GetRows()) > 0 {
			t.Errorf("the audit leads from the reporter to the post: %v", a)
		}
	}
	if mine := ok[*pb.GetRequestResponse](t)(h.client.GetRequest(h.resident(reporter), &pb.GetRequestRequest{Id: id})); mine.GetRequest().GetAuthor() != reporter {
		t.Error("the reporter does not see the own post")
	}
}

// Nuisance posts are counted by building, before and after; a cell under five is
// not shown, and what was declined is not counted.
func TestNuisancePlaces_CellsOfFiveAndMore(t *testing.T) {
	h := newHouse(t, inMemory())
	n := 0
	post := func(building string, times int) (last string) {
		for range times {
			n++
			last = h.post(h.resident(fmt.Sprintf("r%d", n)), t, nuisance(building)).GetId()
		}
		return last
	}
	post("15栋", 6)
	post("3栋", 4)
	declined := post("9栋", 5)
	ok[*pb.DeclineRequestResponse](t)(h.handling().DeclineRequest(h.staff(), &pb.DeclineRequestRequest{Id: declined, Reason: "现场没有"}))
	h.Civil.Advance(shanghai("2013-11-05 09:00"))
	post("15栋", 2)
	post("3栋", 5)
	h.Drain()
	ask := &pb.GetNuisancePlacesRequest{CommunityId: "C1", BeforeFrom: "2013-08", BeforeTo: "2013-10", AfterFrom: "2013-11", AfterTo: "2013-12"}
	got := ok[*pb.GetNuisancePlacesResponse](t)(h.circle().GetNuisancePlaces(h.resident("r1"), ask))
	var cells []string
	for _, p := range got.GetPlaces() {
		cells = append(cells, strings.Join(strings.Fields(fmt.Sprint(p)), " "))
	}
	if !slices.Equal(cells, []string{`building:"15栋" before:6`, `building:"3栋" after:5`}) || got.GetLeastCell() != 5 {
		t.Errorf("cells %v", cells)
	}
	_, err := h.circle().GetNuisancePlaces(h.otherStaff(), ask)
	refused(t, "another community's", err, codes.NotFound, "UNKNOWN_ORGANIZATION")
	ask.AfterTo = "2016-12"
	_, err = h.circle().GetNuisancePlaces(h.resident("r1"), ask)
	refused(t, "too long", err, codes.InvalidArgument, "INVALID_FIELD")
}

// The conversation is the author's and the office's, sealed, with a trace of
// the office's reading; a helper does not read along.
func TestConversation_AuthorAndOfficeAlone(t *testing.T) {
	h, everything := dumpHouse(t)
	in := problem()
	in.Visibility = pb.Visibility_VISIBILITY_STAFF_ONLY
	id := h.admitted(t, in).GetId()
	const word = "请晚上七点来我家"
	for range 2 { // repeated with its key it is said once
		m := ok[*pb.AddMessageResponse](t)(h.handling().AddMessage(testkit.Keyed(h.resident("r1"), "m"), &pb.AddMessageRequest{Id: id, Text: word})).GetMessage()
		if m.GetSequence() != 1 || m.GetFromOffice() || m.GetText() != "" {
			t.Errorf("said %v", m)
		}
	}
	ok[*pb.DispatchRequestResponse](t)(h.client.DispatchRequest(h.staff(), &pb.DispatchRequestRequest{Id: id, MemberId: "m1"}))
	_, err := h.handling().ReadMessages(h.member("m1"), &pb.ReadMessagesRequest{Id: id, Reason: "看看"})
	refused(t, "the helper", err, codes.NotFound, "NOT_FOUND")
	_, err = h.handling().ReadMessages(h.otherStaff(), &pb.ReadMessagesRequest{Id: id, Reason: "看看"})
	refused(t, "another community's staff", err, codes.NotFound, "NOT_FOUND")
	_, err = h.handling().ReadMessages(h.staff(), &pb.ReadMessagesRequest{Id: id})
	refused(t, "without a reason", err, codes.InvalidArgument, "INVALID_FIELD")
	read := ok[*pb.ReadMessagesResponse](t)(h.handling().ReadMessages(testkit.Keyed(h.staff(), "read"), &pb.ReadMessagesRequest{Id: id, Reason: "约时间"})).GetMessages()
	if len(read) != 1 || read[0].GetText() != word || read[0].GetPerson() != "r1" {
		t.Errorf("read %v", read)
	}
	audit := h.audit(t)
	if last := audit[len(audit)-1]; last.GetOutcome() != "revealed" || last.GetReason() != "约时间" || last.GetPerson() != "staff" {
		t.Errorf("the trace: %v", last)
	}
	notIn(t, everything(), word, "晚上七点")
}

// What was said and posted about somebody who refuses is gone, also for who
// asks again with the same key.
func TestConsentRefused_NothingIsHadByAskingAgain(t *testing.T) {
	h := newAidHouse(t)
	id := h.post(h.resident("r1"), t, hardshipPost()).GetId()
	reveal := func() (*pb.RevealRequestTextResponse, error) {
		return h.client.RevealRequestText(testkit.Keyed(h.staff(), "reveal"), &pb.RevealRequestTextRequest{Id: id, Reason: "上门前了解"})
	}
	read := func() (*pb.ReadMessagesResponse, error) {
		return h.handling().ReadMessages(testkit.Keyed(h.staff(), "read"), &pb.ReadMessagesRequest{Id: id, Reason: "上门前了解"})
	}
	ok[*pb.AddMessageResponse](t)(h.handling().AddMessage(testkit.Keyed(h.resident("r1"), "say"), &pb.AddMessageRequest{Id: id, Text: "她家急需用药"}))
	if r := ok[*pb.RevealRequestTextResponse](t)(reveal()); r.GetText() == "" {
		t.Error("nothing revealed")
	}
	if r := ok[*pb.ReadMessagesResponse](t)(read()); len(r.GetMessages()) != 1 {
		t.Error("nothing read")
	}
	c := h.open(h.staff(), t, id)
	ok[*pb.VisitHardshipCaseResponse](t)(h.aid.VisitHardshipCase(h.staff(), &pb.VisitHardshipCaseRequest{Id: c.GetId(), Facts: facts()}))
	ok[*pb.RecordHardshipConsentResponse](t)(h.aid.RecordHardshipConsent(h.staff(), &pb.RecordHardshipConsentRequest{Id: c.GetId(), By: 1}))
	_, err := reveal()
	refused(t, "the text", err, codes.FailedPrecondition, "NOTHING_SEALED")
	if r := ok[*pb.ReadMessagesResponse](t)(read()); len(r.GetMessages()) != 0 {
		t.Errorf("the conversation: %v", r)
	}
	f := ok[*pb.GetHardshipFiguresResponse](t)(h.aid.GetHardshipFigures(h.staff(), &pb.GetHardshipFiguresRequest{OrganizationId: "C1", Year: 2013})).GetFigures()
	if f.GetRefused() != 1 {
		t.Errorf("one count stays: %v", f)
	}
}
