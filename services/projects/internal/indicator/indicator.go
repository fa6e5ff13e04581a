// Package indicator is the domain of what a key project is measured by: the
// plan from baseline to target, the light, and the ladder from a reminder to
// the letter of supervision. Values are exact fractions.
package indicator

import (
	"math/big"

	"github.com/linli-project/linli/pkg/rule"
)

// Direction in which an indicator gets better. The numbers are those of the
// API's enum.
type Direction int32

// The directions.
const (
	Up Direction = iota + 1
	Down
)

// DirectionOf answers the said direction, else the one from baseline to
// target; where both are equal, up.
func DirectionOf(said Direction, baseline, target *big.Rat) Direction {
	switch {
	case said != 0:
		return said
	case target.Cmp(baseline) < 0:
		return Down
	}
	return Up
}

// Plan is a straight line from the baseline at the start to the target after
// Days running days of the project's clock.
type Plan struct {
	Baseline, Target *big.Rat
	Direction        Direction
	Days             int
}

// Met says whether a value has reached the target.
func (p Plan) Met(value *big.Rat) bool {
	if p.Direction == Down {
		return value.Cmp(p.Target) <= 0
	}
	return value.Cmp(p.Target) >= 0
}

// At is the planned value after some running days.
func (p Plan) At(days int) *big.Rat {
	if days >= p.Days {
		return new(big.Rat).Set(p.Target)
	}
	way := new(big.Rat).Sub(p.Target, p.Baseline)
	way.Mul(way, big.NewRat(int64(max(0, days)), int64(p.Days)))
	return way.Add(way, p.Baseline)
}

// Behind says whether a value after some running days is behind the plan by
// more than a share of what the plan asks for by then.
func (p Plan) Behind(value *big.Rat, days int, percent *big.Rat) bool {
	planned := new(big.Rat).Sub(p.At(days), p.Baseline)
	missing := new(big.Rat).Sub(p.At(days), value)
	if p.Direction == Down {
		missing.Neg(missing)
	}
	most := new(big.Rat).Mul(planned.Abs(planned), percent)
	most.Quo(most, big.NewRat(100, 1))
	return missing.Cmp(most) > 0
}

// Light of an indicator. The numbers are those of the API's enum.
type Light int32

// The lights.
const (
	Green Light = iota + 1
	Yellow
	Red
)

// Numbers are the policy's.
type Numbers struct {
	// Behind the plan by more percent is yellow.
	Behind *big.Rat
	// So many days before the due day what is not met is yellow.
	Soon int
	// A reading older than this is asked for, and no longer held against the
	// plan of its own day but against today's.
	Fresh int
	// So many days after the due day the letter of supervision is written.
	Letter int
}

// Standing is what a light is judged by on one day.
type Standing struct {
	Value *big.Rat
	// AsOf is the day of the value, Today the day of the judgement, Due the
	// due day as the project's clock has moved it.
	AsOf, Today, Due int
	// RunAsOf and RunToday are the running days until then.
	RunAsOf, RunToday int
}

// stale says whether a new reading is due.
func (s Standing) stale(n Numbers) bool { return s.Today-s.AsOf > n.Fresh }

// Light answers green for on plan or met, yellow for behind plan or due soon
// and not met, red for overdue and not met.
func (p Plan) Light(s Standing, n Numbers) Light {
	run := s.RunAsOf
	if s.stale(n) {
		run = s.RunToday
	}
	switch {
	case p.Met(s.Value):
		return Green
	case s.Today > s.Due:
		return Red
	case s.Due-s.Today <= n.Soon || p.Behind(s.Value, run, n.Behind):
		return Yellow
	}
	return Green
}

// Rung of the ladder. The numbers are those of the API's enum.
type Rung int32

// The rungs; 0 is the ground.
const (
	Reminded Rung = iota + 1
	FellBehind
	Overdue
	Supervised
)

// Rung answers where on the ladder an indicator belongs on a day. Readings
// that linli takes itself are not asked for.
func (p Plan) Rung(s Standing, n Numbers, manual bool) Rung {
	switch light := p.Light(s, n); {
	case light == Red && s.Today-s.Due >= n.Letter:
		return Supervised
	case light == Red:
		return Overdue
	case light == Yellow:
		return FellBehind
	case manual && s.stale(n) && !p.Met(s.Value):
		return Reminded
	}
	return 0
}

// Recovered says whether a move on the ladder is to be told as good news.
func Recovered(from, to Rung) bool { return from >= FellBehind && to < FellBehind }

// ChangeState is where a change of a target stands. The numbers are those of
// the API's enum.
type ChangeState int32

// The states.
const (
	Asked ChangeState = iota + 1
	Approved
	Refused
)

func (s ChangeState) String() string {
	names := [...]string{"unknown", "asked", "approved", "not approved"}
	if s < 0 || int(s) >= len(names) {
		return names[0]
	}
	return names[s]
}

// The commands.
const (
	Approve = "approve"
	Refuse  = "not approve"
)

// ChangeMachine is the table of allowed steps.
func ChangeMachine() rule.Machine[ChangeState] {
	return rule.Machine[ChangeState]{
		Name:  "target change",
		Label: ChangeState.String,
		Steps: []rule.Step[ChangeState]{
			{From: Asked, Command: Approve, To: Approved},
			{From: Asked, Command: Refuse, To: Refused},
		},
	}
}

// CheckTarget answers INVALID_FIELD for a target on the wrong side of the
// baseline, and TARGET_UNCHANGED for the one that holds.
func CheckTarget(d Direction, baseline, old, target *big.Rat) error {
	switch {
	case target.Cmp(old) == 0:
		return rule.New(rule.Precondition, "TARGET_UNCHANGED", "target")
	case d == Up && target.Cmp(baseline) < 0, d == Down && target.Cmp(baseline) > 0:
		return invalid("target", "on the side of the direction")
	}
	return nil
}

func invalid(field, must string) error {
	return rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", must)
}
