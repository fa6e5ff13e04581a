// Package matching holds the rules by which members are suggested for a piece
// of work, and when they may be asked. Nobody is ordered: a suggestion is for
// a person to look at, with its reasons, and an offer can be declined.
package matching

import (
	"cmp"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

// Specialty is something a member can do. Days are Shanghai days; an empty one
// says that there is no paper.
type Specialty struct {
	Name           string
	QualifiedUntil string
	InsuredUntil   string
}

// FreeTime is a stretch of one weekday, in minutes of the day. Weekday 1 is
// Monday, 7 is Sunday.
type FreeTime struct{ Weekday, From, To int }

// Span is a stretch of time; its end does not belong to it.
type Span struct{ From, To time.Time }

// Overlaps says whether two stretches have a moment in common.
func (s Span) Overlaps(o Span) bool { return s.From.Before(o.To) && o.From.Before(s.To) }

// Distance between a member and the work.
type Distance int

// The distances, the nearest first.
const (
	TooFar Distance = iota
	SameBuilding
	SameCommunity
	SameStreet
)

// Member is who could be asked.
type Member struct {
	ID          string
	Specialties []Specialty
	Free        []FreeTime
	Distance    Distance
	Engagements []Span
	// LoadQuarters is what the member does anyway, in quarter hours.
	LoadQuarters int
	// InvitesWorkingHours: the member wants to be asked for working hours too.
	InvitesWorkingHours bool
}

// Work is what is to be done. Slot is in the zone of its place.
type Work struct {
	// Specialty it needs; empty = anybody can do it.
	Specialty          string
	NeedsQualification bool
	NeedsInsurance     bool
	Slot               Span
}

// Weights are factors in percent, from the policy.
type Weights struct {
	Building, Community, Street int
	// Unstated is the factor of who stated no free time at all.
	Unstated int
	// HalfLoadHours of engagements halve the factor.
	HalfLoadHours int
}

// ReasonKind says what a reason is about. The numbers are the API's.
type ReasonKind int32

// The reasons.
const (
	ReasonSpecialty ReasonKind = iota + 1
	ReasonQualified
	ReasonInsured
	ReasonSameBuilding
	ReasonSameCommunity
	ReasonSameStreet
	ReasonFree
	ReasonFreeInPart
	ReasonFreeUnstated
	ReasonLoad
)

// Reason is one factor of a suggestion, to be shown.
type Reason struct {
	Kind ReasonKind
	// Percent is the factor, rounded to whole percent.
	Percent int
	// Detail is a specialty, a day, or hours.
	Detail string
}

// Suggestion is a member with the score and its reasons.
type Suggestion struct {
	Member  string
	Score   *big.Rat
	Reasons []Reason
}

// LeftOut says why a member is not suggested. The numbers are the API's.
type LeftOut int32

// Why members are left out.
const (
	Fits LeftOut = iota
	NoSpecialty
	NotQualified
	NotInsured
	Far
	NotFree
	Engaged
	NotInvited
)

// Suggest answers the score of a member for a piece of work: the product of
// distance, free time and load, each between 0 and 1, for who has what the
// work needs. inWorkingHours says that the slot lies in working hours.
func Suggest(w Work, m Member, weights Weights, inWorkingHours bool) (Suggestion, LeftOut) {
	s := Suggestion{Member: m.ID, Score: big.NewRat(1, 1)}
	reasons, out := specialty(w, m)
	if out != Fits {
		return s, out
	}
	s.Reasons = reasons
	if Busy(w.Slot, m.Engagements) {
		return s, Engaged
	}
	if inWorkingHours && !m.InvitesWorkingHours {
		return s, NotInvited
	}
	for _, factor := range []func() (ReasonKind, *big.Rat, string){
		func() (ReasonKind, *big.Rat, string) { return distance(m.Distance, weights) },
		func() (ReasonKind, *big.Rat, string) { return freeTime(w.Slot, m.Free, weights) },
		func() (ReasonKind, *big.Rat, string) { return load(m.LoadQuarters, weights) },
	} {
		kind, f, detail := factor()
		if f.Sign() == 0 {
			if kind == ReasonFreeInPart {
				return s, NotFree
			}
			return s, Far
		}
		s.Score.Mul(s.Score, f)
		s.Reasons = append(s.Reasons, Reason{Kind: kind, Percent: percent(f), Detail: detail})
	}
	return s, Fits
}

// Busy says whether a slot meets an engagement.
func Busy(slot Span, engagements []Span) bool { return slices.ContainsFunc(engagements, slot.Overlaps) }

// specialty finds what the work needs among what the member can do. Papers
// have to hold on the day of the work.
func specialty(w Work, m Member) ([]Reason, LeftOut) {
	if w.Specialty == "" {
		return nil, Fits
	}
	out, day := NoSpecialty, w.Slot.From.Format(time.DateOnly)
	for _, s := range m.Specialties {
		if !strings.EqualFold(strings.TrimSpace(s.Name), strings.TrimSpace(w.Specialty)) {
			continue
		}
		reasons := []Reason{{Kind: ReasonSpecialty, Percent: 100, Detail: s.Name}}
		if w.NeedsQualification {
			if s.QualifiedUntil < day {
				out = NotQualified
				continue
			}
			reasons = append(reasons, Reason{Kind: ReasonQualified, Percent: 100, Detail: s.QualifiedUntil})
		}
		if w.NeedsInsurance {
			if s.InsuredUntil < day {
				out = NotInsured
				continue
			}
			reasons = append(reasons, Reason{Kind: ReasonInsured, Percent: 100, Detail: s.InsuredUntil})
		}
		return reasons, Fits
	}
	return nil, out
}

func distance(d Distance, w Weights) (ReasonKind, *big.Rat, string) {
	switch d {
	case SameBuilding:
		return ReasonSameBuilding, big.NewRat(int64(w.Building), 100), ""
	case SameCommunity:
		return ReasonSameCommunity, big.NewRat(int64(w.Community), 100), ""
	case SameStreet:
		return ReasonSameStreet, big.NewRat(int64(w.Street), 100), ""
	}
	return ReasonSameStreet, new(big.Rat), ""
}

// freeTime is the part of the slot that lies in stated free time.
func freeTime(slot Span, free []FreeTime, w Weights) (ReasonKind, *big.Rat, string) {
	if len(free) == 0 {
		return ReasonFreeUnstated, big.NewRat(int64(w.Unstated), 100), ""
	}
	covered, whole := covered(slot, free), int64(slot.To.Sub(slot.From)/time.Minute)
	if covered == whole {
		return ReasonFree, big.NewRat(1, 1), ""
	}
	return ReasonFreeInPart, big.NewRat(covered, whole), ""
}

// covered counts the minutes of a slot of one day that lie in free time;
// stretches that overlap count once.
func covered(slot Span, free []FreeTime) (minutes int64) {
	day := int(slot.From.Weekday()+6)%7 + 1
	from := slot.From.Hour()*60 + slot.From.Minute()
	to := from + int(slot.To.Sub(slot.From)/time.Minute)
	today := slices.DeleteFunc(slices.Clone(free), func(f FreeTime) bool { return f.Weekday != day })
	slices.SortFunc(today, func(a, b FreeTime) int { return cmp.Compare(a.From, b.From) })
	for _, f := range today {
		if begin, end := max(from, f.From), min(to, f.To); begin < end {
			minutes += int64(end - begin)
			from = end
		}
	}
	return minutes
}

// load is H ÷ (H + h): H hours halve the factor, and nobody comes to nothing.
func load(quarters int, w Weights) (ReasonKind, *big.Rat, string) {
	half := int64(4 * w.HalfLoadHours)
	return ReasonLoad, big.NewRat(half, half+int64(quarters)), quarterText(quarters)
}

// quarterText writes quarter hours as hours: 6 is "1.5".
func quarterText(q int) string {
	return strings.TrimSuffix(strings.TrimRight(big.NewRat(int64(q), 4).FloatString(2), "0"), ".")
}

// percent rounds half up.
func percent(r *big.Rat) int {
	return int(Rounded(r, 100))
}

// Rounded answers r times scale, rounded half up.
func Rounded(r *big.Rat, scale int64) int64 {
	x := new(big.Rat).Mul(r, big.NewRat(2*scale, 1))
	n := new(big.Int).Add(new(big.Int).Div(x.Num(), x.Denom()), big.NewInt(1))
	return n.Div(n, big.NewInt(2)).Int64()
}

// Sort puts the best first; the lesser id goes first among equals, so that the
// same question has the same answer.
func Sort(all []Suggestion) {
	slices.SortFunc(all, func(a, b Suggestion) int {
		return cmp.Or(b.Score.Cmp(a.Score), cmp.Compare(a.Member, b.Member))
	})
}

// CheckFreeTime refuses a stretch that is none.
func CheckFreeTime(f FreeTime, field string) error {
	if f.Weekday < 1 || f.Weekday > 7 || f.From < 0 || f.To > 24*60 || f.From >= f.To {
		return rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", "1–7, 0 ≤ from < to ≤ 1440")
	}
	return nil
}
