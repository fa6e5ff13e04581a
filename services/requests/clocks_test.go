package requests_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/requests"
)

// clockHouse looks at the clocks when the test says so, beside the job.
type clockHouse struct {
	house
	clocks *requests.Service
}

func newClockHouse(t *testing.T) clockHouse {
	t.Helper()
	h := newHouse(t, inMemory())
	s, err := requests.New(requests.Deps{Store: h.Store("requests"), IDs: ids.New, Log: h.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	return clockHouse{h, s}
}

// at moves the civil clock and looks at every clock that is due.
func (h clockHouse) at(t *testing.T, when string) {
	t.Helper()
	h.Civil.Advance(shanghai(when))
	if err := requests.LookAtClocks(t.Context(), h.clocks); err != nil {
		t.Fatal(err)
	}
}

// found answers what the clocks announced of a request: "limit_near/ADMIT/0".
func (h clockHouse) found(t *testing.T, id string) string {
	t.Helper()
	var out []string
	for _, e := range h.announced(t, "linli.requests.request.") {
		step := strings.TrimPrefix(e.GetSubject(), "linli.requests.request.")
		var ev pb.RequestChanged
		if e.GetEntityId() != id || step != "limit_near" && step != "answer_late" && step != "overdue" {
			continue
		}
		if err := proto.Unmarshal(e.GetData(), &ev); err != nil {
			t.Fatal(err)
		}
		out = append(out, step+"/"+strings.TrimPrefix(ev.GetLimit().String(), "REQUEST_LIMIT_")+"/"+strconv.Itoa(int(ev.GetLevel()))+"/"+ev.GetDueDay())
	}
	return strings.Join(out, " ")
}

// announced answers the events of the requests service whose subject begins so,
// oldest first.
func (h clockHouse) announced(t *testing.T, subject string) (out []*typev1.EventRow) {
	t.Helper()
	err := h.Store("requests").View(t.Context(), func(r kv.Reader) error {
		return store.EachEvent(r, func(data []byte) {
			var e typev1.EventRow
			if proto.Unmarshal(data, &e) == nil && strings.HasPrefix(e.GetSubject(), subject) {
				out = append(out, &e)
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	// Sent events stand behind those that wait; ids are in the order of commits.
	sortEvents(out)
	return out
}

func sortEvents(all []*typev1.EventRow) {
	for i := range all {
		for j := i; j > 0 && all[j].GetId() < all[j-1].GetId(); j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
}

// The house begins on Monday 2 September 2013, nine o'clock.
func TestClocks_NearThenPassedThenUpTheLadder(t *testing.T) {
	h := newClockHouse(t)
	id := h.post(h.resident("a"), t, problem()).GetId()
	for _, c := range []struct{ at, found string }{
		{"2013-09-02 23:59", ""},
		{"2013-09-03 00:00", "limit_near/ADMIT/0/2013-09-03"},
		{"2013-09-03 23:59", "limit_near/ADMIT/0/2013-09-03"},
		{"2013-09-04 00:00", "limit_near/ADMIT/0/2013-09-03 overdue/ADMIT/1/2013-09-03"},
		{"2013-09-09 23:59", "limit_near/ADMIT/0/2013-09-03 overdue/ADMIT/1/2013-09-03"},
		{"2013-09-10 00:00", "limit_near/ADMIT/0/2013-09-03 overdue/ADMIT/1/2013-09-03 overdue/ADMIT/2/2013-09-03"},
		{"2013-09-30 00:00", "limit_near/ADMIT/0/2013-09-03 overdue/ADMIT/1/2013-09-03 overdue/ADMIT/2/2013-09-03 overdue/ADMIT/3/2013-09-03"},
		{"2013-12-30 00:00", "limit_near/ADMIT/0/2013-09-03 overdue/ADMIT/1/2013-09-03 overdue/ADMIT/2/2013-09-03 overdue/ADMIT/3/2013-09-03"},
	} {
		h.at(t, c.at)
		if got := h.found(t, id); got != c.found {
			t.Fatalf("%s: %s", c.at, got)
		}
	}
	h.Drain()
}

func TestClocks_EachStepHasItsOwnLimit(t *testing.T) {
	h := newClockHouse(t)
	id := h.post(h.resident("a"), t, problem()).GetId()
	if _, err := h.client.AdmitRequest(h.staff(), &pb.AdmitRequestRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	hardship := h.post(h.resident("a"), t, hardshipPost()).GetId()
	if _, err := h.client.AdmitRequest(h.staff(), &pb.AdmitRequestRequest{Id: hardship}); err != nil {
		t.Fatal(err)
	}
	h.at(t, "2013-09-03 08:00")
	if got := h.found(t, id) + h.found(t, hardship); got != "limit_near/VISIT/0/2013-09-03" {
		t.Errorf("a day after admission: %s", got)
	}
	h.at(t, "2013-09-16 08:00") // ten working days
	if got := h.found(t, id); got != "limit_near/SOLVE/0/2013-09-16" {
		t.Errorf("on the tenth working day: %s", got)
	}
	if _, err := h.handling().CloseUnsolved(h.staff(), &pb.CloseUnsolvedRequest{Id: id, Answer: "没有办法"}); err != nil {
		t.Fatal(err)
	}
	h.at(t, "2013-09-30 08:00")
	if got := h.found(t, id); got != "limit_near/SOLVE/0/2013-09-16" {
		t.Errorf("after its end: %s", got)
	}
}

func TestClocks_ExtensionMovesAndPauseStops(t *testing.T) {
	h := newClockHouse(t)
	h.decided(t, "requests.extension_days", "5")
	id := h.post(h.resident("a"), t, problem()).GetId()
	if _, err := h.handling().ExtendRequest(h.staff(), &pb.ExtendRequestRequest{Id: id, Until: "2013-09-05", Reason: "等物业答复"}); err != nil {
		t.Fatal(err)
	}
	h.at(t, "2013-09-04 12:00")
	if got := h.found(t, id); got != "" {
		t.Errorf("the old limit: %s", got)
	}
	h.at(t, "2013-09-05 00:00")
	if got := h.found(t, id); got != "limit_near/ADMIT/0/2013-09-05" {
		t.Errorf("the new one: %s", got)
	}
	if _, err := h.handling().PauseRequest(h.staff(), &pb.PauseRequestRequest{Id: id, Reason: "等鉴定"}); err != nil {
		t.Fatal(err)
	}
	h.at(t, "2013-09-18 12:00")
	if got := h.found(t, id); got != "limit_near/ADMIT/0/2013-09-05" {
		t.Errorf("a clock that stands: %s", got)
	}
	if _, err := h.handling().ResumeRequest(h.staff(), &pb.ResumeRequestRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	h.at(t, "2013-09-18 13:00") // 19 to 21 are the holiday of mid-autumn, 22 is worked
	if got := h.found(t, id); got != "limit_near/ADMIT/0/2013-09-05" {
		t.Errorf("just resumed: %s", got)
	}
	h.at(t, "2013-09-22 09:00")
	if got := h.found(t, id); got != "limit_near/ADMIT/0/2013-09-05 limit_near/ADMIT/0/2013-09-22" {
		t.Errorf("its last day: %s", got)
	}
}

// Where the policy gives more days to admit than to answer, the first answer
// has a limit of its own.
func TestClocks_FirstAnswerHasItsOwnLimit(t *testing.T) {
	h := newClockHouse(t)
	h.decided(t, "requests.admit_days", "4")
	late, answered := h.post(h.resident("a"), t, problem()).GetId(), h.post(h.resident("b"), t, problem()).GetId()
	if _, err := h.handling().AddMessage(h.staff(), &pb.AddMessageRequest{Id: answered, Text: "收到"}); err != nil {
		t.Fatal(err)
	}
	h.at(t, "2013-09-04 00:00")
	if a, b := h.found(t, late), h.found(t, answered); a != "answer_late/FIRST_ANSWER/0/2013-09-03" || b != "" {
		t.Errorf("late: %s; answered: %s", a, b)
	}
	if _, err := h.client.AdmitRequest(h.staff(), &pb.AdmitRequestRequest{Id: late}); err != nil {
		t.Fatal(err)
	}
	h.Drain()
	rates, err := h.circle().GetRates(h.staff(), &pb.GetRatesRequest{OrganizationId: "C1", Year: 2013})
	if response := rates.GetRates().GetResponse(); err != nil || response.GetNumerator() != 1 || response.GetDenominator() != 2 {
		t.Error(rates, err)
	}
}

// decided publishes a policy value of the district.
func (h clockHouse) decided(t *testing.T, key, value string) {
	t.Helper()
	h.Announce("registry", store.Event{Name: "policy.published", EntityID: "p1", Revision: 1, Data: &registryv1.PolicyPublished{
		DistrictPath: "/1/11/", Revision: 1, Policy: &registryv1.Policy{Year: 2013, Version: 1, Values: []*registryv1.PolicyValue{{
			Key: key, Value: value, Source: &registryv1.PolicySource{Title: "区委文件", Number: "区发〔2013〕1号"}}}}}})
	h.Drain()
}

// An escalated request is told of from where it lies, and no higher than the
// department.
func TestClocks_EscalatedBeginsAtTheStreet(t *testing.T) {
	h := newClockHouse(t)
	id := h.post(h.resident("a"), t, problem()).GetId()
	if _, err := h.client.AdmitRequest(h.staff(), &pb.AdmitRequestRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.handling().EscalateRequest(h.staff(), &pb.EscalateRequestRequest{Id: id, Reason: "不归社区管"}); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"2013-09-17 00:00", "2013-09-30 00:00", "2013-12-30 00:00"} {
		h.at(t, at)
	}
	if got := h.found(t, id); got != "overdue/SOLVE/2/2013-09-16 overdue/SOLVE/3/2013-09-16" {
		t.Errorf("found %s", got)
	}
}

func TestConversation_TheOfficeIsToldThatTheAuthorWrote(t *testing.T) {
	h := newClockHouse(t)
	id := h.post(h.resident("a"), t, problem()).GetId()
	for range 2 {
		if _, err := h.handling().AddMessage(h.resident("a"), &pb.AddMessageRequest{Id: id, Text: "还没有人来看"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.handling().AddMessage(h.staff(), &pb.AddMessageRequest{Id: id, Text: "明天来"}); err != nil {
		t.Fatal(err)
	}
	var revisions []uint64
	for _, e := range h.announced(t, "linli.requests.conversation.") {
		revisions = append(revisions, e.GetRevision())
	}
	if len(revisions) != 2 || revisions[0] != 1 || revisions[1] != 2 {
		t.Errorf("announced at revisions %v", revisions)
	}
	if strings.Contains(string(h.Events("requests")), "还没有人来看") {
		t.Error("the text is in an event")
	}
}

// However people extend, pause, resume, admit and wait, a limit is told near at
// most once and passed at most once a level, never while the clock stands, and
// never before its time.
func TestClocks_RandomDaysTellEachLimitOnce(t *testing.T) {
	h := newClockHouse(t)
	now := shanghai("2013-09-02 09:00")
	rapid.Check(t, func(rt *rapid.T) {
		id := h.post(h.resident("a"), t, problem()).GetId()
		for range rapid.IntRange(3, 12).Draw(rt, "days") {
			if now = now.Add(time.Duration(rapid.IntRange(1, 60).Draw(rt, "hours")) * time.Hour); now.After(shanghai("2014-11-01 00:00")) {
				return
			}
			h.at(t, now.Format("2006-01-02 15:04"))
			// What is refused changes nothing.
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				_, _ = h.client.AdmitRequest(h.staff(), &pb.AdmitRequestRequest{Id: id})
			case 1:
				_, _ = h.handling().PauseRequest(h.staff(), &pb.PauseRequestRequest{Id: id, Reason: "等候"})
			case 2:
				_, _ = h.handling().ResumeRequest(h.staff(), &pb.ResumeRequestRequest{Id: id})
			case 3:
				until := now.AddDate(0, 0, rapid.IntRange(0, 9).Draw(rt, "until")).Format(time.DateOnly)
				_, _ = h.handling().ExtendRequest(h.staff(), &pb.ExtendRequestRequest{Id: id, Until: until, Reason: "等候"})
			}
		}
		seen := map[string]bool{}
		for _, f := range strings.Fields(h.found(t, id)) {
			if seen[f] {
				rt.Fatalf("%s was told twice: %s", f, h.found(t, id))
			}
			seen[f] = true
		}
	})
}
