package requests_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
)

// A case does not end while a record of aid is confirmed by nobody else; the
// refusal says how many are left.
func TestHardship_EndsWithConfirmedAidsOnly(t *testing.T) {
	h := newAidHouse(t)
	id := h.open(h.staff(), t, h.post(h.resident("r1"), t, hardshipPost()).GetId()).GetId()
	for _, command := range []string{"visit", "consent", "ask", "decide", "refer", "aid", "aid"} {
		if err := h.do(command, id, "情况紧急先行办理", false); err != nil {
			t.Fatal(command, err)
		}
	}
	_, err := h.aid.CloseHardshipCase(h.staff(), &pb.CloseHardshipCaseRequest{Id: id})
	refused(t, "two are open", err, codes.FailedPrecondition, "AIDS_UNCONFIRMED")
	if err == nil || !strings.Contains(err.Error(), "2") {
		t.Errorf("does not say how many: %v", err)
	}
	if err := h.confirmAids(id); err != nil {
		t.Fatal(err)
	}
	ok[*pb.CloseHardshipCaseResponse](t)(h.aid.CloseHardshipCase(h.staff(), &pb.CloseHardshipCaseRequest{Id: id}))
}

// Without an official calendar a case opens and goes its way; that there is no
// limit for the visit is said.
func TestHardship_WithoutACalendar(t *testing.T) {
	h := newAidHouse(t)
	if c := h.open(h.staff(), t, h.post(h.resident("r1"), t, hardshipPost()).GetId()); c.GetVisitDueAt() == nil || c.GetVisitLimitMissing() {
		t.Errorf("with a calendar: %v", c)
	}
	h.Civil.Advance(shanghai("2031-03-03 09:00"))
	c := h.open(h.staff(), t, h.post(h.resident("r1"), t, hardshipPost()).GetId())
	if c.GetVisitDueAt() != nil || !c.GetVisitLimitMissing() {
		t.Errorf("without: %v", c)
	}
	for _, command := range []string{"visit", "consent", "ask", "decide"} {
		if err := h.do(command, c.GetId(), "", true); err != nil {
			t.Fatal(command, err)
		}
	}
}
