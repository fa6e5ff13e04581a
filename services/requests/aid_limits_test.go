package requests_test

import "testing"

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
