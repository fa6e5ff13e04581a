package matching

import (
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

// Hours are when people work and when they sleep, in full hours of the day,
// from the policy. The night goes over midnight.
type Hours struct{ WorkFrom, WorkTo, NightFrom, NightTo int }

// Calendar says whether a day is a working day; it may refuse a year that it
// does not know.
type Calendar func(day time.Time) (bool, error)

// mostHours is how long one piece of work is at most.
const mostHours = 8

// CheckSlot refuses a slot that is not in the future, longer than eight hours,
// over midnight, or in the night. The error names the field.
func CheckSlot(slot Span, now time.Time, h Hours) error {
	switch {
	case !slot.From.After(now):
		return rule.New(rule.Precondition, "OFFER_IN_THE_PAST", "starts_at")
	case !slot.From.Before(slot.To) || slot.To.Sub(slot.From) > mostHours*time.Hour:
		return rule.New(rule.Invalid, "INVALID_FIELD", "quarter_hours", "field", "quarter_hours", "rule", "1–32")
	case h.night(slot):
		return rule.New(rule.Precondition, "OFFER_AT_NIGHT", "starts_at")
	}
	return nil
}

// at is an hour of the day of t.
func at(t time.Time, hour int) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), hour, 0, 0, 0, t.Location())
}

func (h Hours) night(slot Span) bool {
	return slot.From.Before(at(slot.From, h.NightTo)) || slot.To.After(at(slot.From, h.NightFrom))
}

// Working says whether a slot meets the working hours of a working day.
func (h Hours) Working(slot Span, c Calendar) (bool, error) {
	works, err := c(slot.From)
	if err != nil || !works {
		return false, err
	}
	return slot.Overlaps(Span{at(slot.From, h.WorkFrom), at(slot.From, h.WorkTo)}), nil
}

// CheckInvited refuses to ask somebody for working hours who did not invite it.
func CheckInvited(inWorkingHours, invited bool) error {
	if inWorkingHours && !invited {
		return rule.New(rule.Precondition, "OFFER_IN_WORKING_HOURS", "starts_at")
	}
	return nil
}

// Reaches answers when an offer made at a moment may reach the member: at
// once, else when the night, or the working day, is over.
func (h Hours) Reaches(now time.Time, invited bool, c Calendar) (time.Time, error) {
	t := now
	if !t.Before(at(t, h.NightFrom)) {
		t = at(t, h.NightTo).AddDate(0, 0, 1)
	}
	if t.Before(at(t, h.NightTo)) {
		t = at(t, h.NightTo)
	}
	working, err := h.Working(Span{t, t.Add(time.Nanosecond)}, c)
	if err != nil || !working || invited {
		return t, err
	}
	return at(t, h.WorkTo), nil
}
