package requests_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
)

// A request is extended once, and for as many working days as its limit has,
// unless the district decides otherwise.
func TestExtendRequest_HasACeiling(t *testing.T) {
	h := newClockHouse(t)
	extend := func(id, until string) error {
		_, err := h.handling().ExtendRequest(h.staff(), &pb.ExtendRequestRequest{Id: id, Until: until, Reason: "等材料"})
		return err
	}
	id := h.admitted(t, problem()).GetId() // limit: 16 September
	err := extend(id, "2099-12-31")
	refused(t, "until 2099", err, codes.FailedPrecondition, "EXTENSION_TOO_LONG")
	if err == nil || !strings.Contains(err.Error(), "2013-09-30") { // ten working days without mid-autumn; 22 and 29 are worked
		t.Errorf("does not say what would be right: %v", err)
	}
	refused(t, "a day too long", extend(id, "2013-10-01"), codes.FailedPrecondition, "EXTENSION_TOO_LONG")
	refused(t, "no later", extend(id, "2013-09-16"), codes.InvalidArgument, "INVALID_FIELD")
	if err := extend(id, "2013-09-30"); err != nil {
		t.Fatal(err)
	}
	refused(t, "a second time", extend(id, "2013-10-08"), codes.FailedPrecondition, "EXTENSIONS_USED_UP")

	other := newClockHouse(t)
	other.decided(t, "requests.extension_days", "2")
	id = other.admitted(t, problem()).GetId()
	_, err = other.handling().ExtendRequest(other.staff(), &pb.ExtendRequestRequest{Id: id, Until: "2013-09-22", Reason: "等材料"})
	refused(t, "beyond the policy", err, codes.FailedPrecondition, "EXTENSION_TOO_LONG")
}

// What stands still goes on by itself after the most days, and then does not
// stand still again.
func TestPauseRequest_HasACeiling(t *testing.T) {
	h := newClockHouse(t)
	h.decided(t, "requests.pause_days", "20")
	id := h.admitted(t, problem()).GetId()
	pause := func() error {
		_, err := h.handling().PauseRequest(h.staff(), &pb.PauseRequestRequest{Id: id, Reason: "等鉴定"})
		return err
	}
	get := func() *pb.Request {
		return ok[*pb.GetRequestResponse](t)(h.client.GetRequest(h.staff(), &pb.GetRequestRequest{Id: id})).GetRequest()
	}
	for range 2 { // paused and resumed on one day, it counts as one
		if err := pause(); err != nil {
			t.Fatal(err)
		}
		ok[*pb.ResumeRequestResponse](t)(h.handling().ResumeRequest(h.staff(), &pb.ResumeRequestRequest{Id: id}))
	}
	if err := pause(); err != nil {
		t.Fatal(err)
	}
	h.at(t, "2013-09-20 08:59")
	if r := get(); r.GetDaysLeft() != 10 || r.GetDueAt() != nil {
		t.Errorf("on the eighteenth day: %v", r)
	}
	h.at(t, "2013-09-20 09:01")
	if r := get(); r.GetDaysLeft() != 0 || r.GetDueAt() == nil || r.GetClockReason() != "" {
		t.Errorf("after the eighteenth day: %v", r)
	}
	refused(t, "once more", pause(), codes.FailedPrecondition, "PAUSES_USED_UP")
	events := h.announced(t, "linli.requests.request.resumed")
	if len(events) != 3 {
		t.Errorf("%d times announced", len(events))
	}
}

// Where no clock runs it is said so: without an official calendar, and after the
// end.
func TestClockSteps_WithoutAClock(t *testing.T) {
	h := newClockHouse(t)
	ended := h.admitted(t, problem()).GetId()
	ok[*pb.ResolveRequestResponse](t)(h.client.ResolveRequest(h.staff(), &pb.ResolveRequestRequest{Id: ended, Answer: "好了"}))
	h.Civil.Advance(shanghai("2031-03-03 09:00"))
	fresh := h.admitted(t, problem()).GetId()
	for _, id := range []string{ended, fresh} {
		_, err := h.handling().PauseRequest(h.staff(), &pb.PauseRequestRequest{Id: id, Reason: "等候"})
		refused(t, "pause", err, codes.FailedPrecondition, "NO_CLOCK")
		_, err = h.handling().ResumeRequest(h.staff(), &pb.ResumeRequestRequest{Id: id})
		refused(t, "resume", err, codes.FailedPrecondition, "NO_CLOCK")
		_, err = h.handling().ExtendRequest(h.staff(), &pb.ExtendRequestRequest{Id: id, Until: "2031-04-01", Reason: "等候"})
		refused(t, "extend", err, codes.FailedPrecondition, "NO_CLOCK")
	}
}
