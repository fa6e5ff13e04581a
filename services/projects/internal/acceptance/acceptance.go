// Package acceptance is the domain of how a key project ends: the sheet, the
// self-score beside the panel's, what is found, and who is excellent.
package acceptance

import (
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/linli-project/linli/pkg/rule"
)

// State is where an acceptance stands. The numbers are those of the API's enum.
type State int32

// The states.
const (
	Scoring State = iota + 1
	Accepted
	ToBeRemedied
	Failed
)

func (s State) String() string {
	names := [...]string{"unknown", "scoring", "accepted", "to be remedied", "failed"}
	if s < 0 || int(s) >= len(names) {
		return names[0]
	}
	return names[s]
}

// The commands; they are the project's too.
const (
	Accept    = "accept"
	AskRemedy = "ask for remedy"
	Fail      = "fail"
)

// Machine is the table of allowed steps.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "acceptance",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: Scoring, Command: Accept, To: Accepted},
			{From: Scoring, Command: AskRemedy, To: ToBeRemedied},
			{From: Scoring, Command: Fail, To: Failed},
		},
	}
}

// Sheet holds the highest points for effect, innovation and ease of adoption.
type Sheet struct{ Effect, Innovation, Ease int }

// Points are given in halves.
type Points struct{ Effect, Innovation, Ease int }

// Check answers BAD_POINTS for points outside of the sheet.
func (s Sheet) Check(p Points) error {
	for _, c := range []struct {
		name        string
		halves, max int
	}{{"effect", p.Effect, s.Effect}, {"innovation", p.Innovation, s.Innovation}, {"ease", p.Ease, s.Ease}} {
		if c.halves < 0 || c.halves > 2*c.max {
			return rule.New(rule.Invalid, "BAD_POINTS", "points."+c.name, "criterion", c.name, "max", strconv.Itoa(c.max))
		}
	}
	return nil
}

// Score answers points as a part of 100, exactly.
func (s Sheet) Score(p Points) *big.Rat {
	return big.NewRat(100*int64(p.Effect+p.Innovation+p.Ease), 2*int64(s.Effect+s.Innovation+s.Ease))
}

// Panel answers the mean of the members' scores without what the policy takes
// off, never below 0; false without a member.
func (s Sheet) Panel(members []Points, off *big.Rat) (*big.Rat, bool) {
	if len(members) == 0 {
		return new(big.Rat), false
	}
	sum := new(big.Rat)
	for _, m := range members {
		sum.Add(sum, s.Score(m))
	}
	sum.Quo(sum, big.NewRat(int64(len(members)), 1))
	if sum.Sub(sum, off); sum.Sign() < 0 {
		sum.SetInt64(0)
	}
	return sum, true
}

// CheckComplete answers SCORES_MISSING until the applicant and every member of
// the panel have scored.
func CheckComplete(self bool, members, handedIn int) error {
	if self && members == handedIn {
		return nil
	}
	return rule.New(rule.Precondition, "SCORES_MISSING", "", "members", strconv.Itoa(members), "handed_in", strconv.Itoa(handedIn), "self", strconv.FormatBool(self))
}

// CheckScoring answers WRONG_STATE for a look that is decided.
func CheckScoring(s State, command string) error {
	if s == Scoring {
		return nil
	}
	return rule.New(rule.Precondition, "WRONG_STATE", "", "entity", "acceptance", "state", s.String(),
		"command", command, "allowed", strings.Join(Machine().Allowed(s), ", "))
}

// CheckAllDecided answers ACCEPTANCES_OPEN while projects of a call are not.
func CheckAllDecided(open int) error {
	if open > 0 {
		return rule.New(rule.Precondition, "ACCEPTANCES_OPEN", "", "open", strconv.Itoa(open))
	}
	return nil
}

// CheckReason answers INVALID_FIELD for a choice without a reason.
func CheckReason(chosen int, reason string) error {
	if chosen > 0 && strings.TrimSpace(reason) == "" {
		return invalid("reason", "not blank")
	}
	return nil
}

// CheckVerdict checks what the district finds: accepted from the least score
// on only; a remedy at the first look, with what is missing and a day ahead;
// failed at the second.
func CheckVerdict(command string, look int, score, least *big.Rat, items string, until, today int) error {
	switch command {
	case Accept:
		if score.Cmp(least) < 0 {
			return rule.New(rule.Precondition, "BELOW_PASS", "", "least", least.FloatString(2))
		}
	case AskRemedy:
		switch {
		case look > 1:
			return rule.New(rule.Precondition, "SECOND_LOOK", "")
		case strings.TrimSpace(items) == "":
			return invalid("items", "not blank")
		case until <= today:
			return invalid("remedy_until", "after today")
		}
	case Fail:
		if look < 2 {
			return rule.New(rule.Precondition, "REMEDY_FIRST", "")
		}
	}
	return nil
}

// Result is one accepted project of a call.
type Result struct {
	Project string
	Score   *big.Rat
}

// Excellent answers who is excellent: from the least score on, at most half of
// all projects of the call. Equals that reach across the line stay below it and
// are answered as tied, until somebody decides; room is what is left for them.
func Excellent(results []Result, projects int, least *big.Rat) (excellent, tied []string, room int) {
	good := slices.DeleteFunc(slices.Clone(results), func(r Result) bool { return r.Score.Cmp(least) < 0 })
	slices.SortStableFunc(good, func(a, b Result) int { return b.Score.Cmp(a.Score) })
	most := projects / 2
	for i := 0; i < len(good); {
		n := i
		for n < len(good) && good[n].Score.Cmp(good[i].Score) == 0 {
			n++
		}
		if n > most {
			for _, r := range good[i:n] {
				tied = append(tied, r.Project)
			}
			if most == i {
				tied = nil // no room at all: nothing is left to decide
			}
			return excellent, tied, most - i
		}
		for _, r := range good[i:n] {
			excellent = append(excellent, r.Project)
		}
		i = n
	}
	return excellent, nil, most - len(excellent)
}

// CheckChosen answers NOT_TIED for a project that is not in the tie, and
// TOO_MANY_CHOSEN for more than there is room for.
func CheckChosen(chosen, tied []string, room int) error {
	for _, c := range chosen {
		if !slices.Contains(tied, c) {
			return rule.New(rule.Invalid, "NOT_TIED", "chosen", "project", c)
		}
	}
	if len(chosen) > room {
		return rule.New(rule.Precondition, "TOO_MANY_CHOSEN", "chosen", "most", strconv.Itoa(room))
	}
	return nil
}

// CheckBarred answers APPLICANT_BARRED until the day has come, as days count.
func CheckBarred(until, today int, day string) error {
	if today < until {
		return rule.New(rule.Precondition, "APPLICANT_BARRED", "applicant_id", "until", day)
	}
	return nil
}

func invalid(field, must string) error {
	return rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", must)
}
