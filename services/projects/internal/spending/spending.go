// Package spending is the domain of a key project's money: lines of the
// budget, entries against them, and what is left. Amounts are whole fen.
package spending

import (
	"slices"
	"strconv"

	"github.com/linli-project/linli/pkg/rule"
)

// State is where an entry stands. The numbers are those of the API's enum.
type State int32

// The states.
const (
	Recorded State = iota + 1
	Confirmed
	TurnedDown
	Reversed
)

func (s State) String() string {
	names := [...]string{"unknown", "recorded", "confirmed", "turned down", "reversed"}
	if s < 0 || int(s) >= len(names) {
		return names[0]
	}
	return names[s]
}

// The commands.
const (
	Confirm  = "confirm"
	TurnDown = "turn down"
	Reverse  = "reverse"
)

// Machine is the table of allowed steps.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "spending entry",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: Recorded, Command: Confirm, To: Confirmed},
			{From: Recorded, Command: TurnDown, To: TurnedDown},
			{From: Confirmed, Command: Reverse, To: Reversed},
		},
	}
}

// CheckOther answers CONFIRMED_BY_RECORDER for whoever recorded the entry.
func CheckOther(recorder, confirmer string) error {
	if recorder == confirmer {
		return rule.New(rule.Denied, "CONFIRMED_BY_RECORDER", "")
	}
	return nil
}

// CheckKind answers SPENDING_NOT_ALLOWED for a kind on the list, with the
// document that the list comes from.
func CheckKind(kind string, notAllowed []string, title, number, article string) error {
	if slices.Contains(notAllowed, kind) {
		return rule.New(rule.Precondition, "SPENDING_NOT_ALLOWED", "kind", "spending", kind, "title", title, "number", number, "article", article)
	}
	return nil
}

// Line of the budget. Pending is recorded and not yet confirmed; it is held
// back like what is spent.
type Line struct {
	Key                    string
	Amount, Spent, Pending int64
}

// Purse is what a project may spend: lines, what came in and went back, and how
// many entries wait, reversing ones among them.
type Purse struct {
	Lines              []Line
	Received, Returned int64
	Waiting            int
}

// CheckLines answers INVALID_FIELD for a line without amount or there twice,
// and BUDGET_OVER_SUPPORT for lines that say more than was promised.
func CheckLines(lines []Line, promised int64) error {
	var sum int64
	seen := map[string]bool{}
	for i, l := range lines {
		field := "budget[" + strconv.Itoa(i) + "]"
		switch {
		case l.Key == "" || seen[l.Key]:
			return invalid(field+".key", "each line once")
		case l.Amount < 1:
			return invalid(field+".amount_fen", "1 or more")
		}
		seen[l.Key] = true
		sum += l.Amount
	}
	if sum > promised {
		return rule.New(rule.Precondition, "BUDGET_OVER_SUPPORT", "budget", "sum_fen", fen(sum), "promised_fen", fen(promised))
	}
	return nil
}

// Spent is what was spent and confirmed.
func (p Purse) Spent() (sum int64) {
	for _, l := range p.Lines {
		sum += l.Spent
	}
	return sum
}

// Pending is what waits for confirmation.
func (p Purse) Pending() (sum int64) {
	for _, l := range p.Lines {
		sum += l.Pending
	}
	return sum
}

// Left is what was received and neither spent nor given back.
func (p Purse) Left() int64 { return p.Received - p.Returned - p.Spent() }

// Record answers the purse with an amount held back on a line.
// UNKNOWN_BUDGET_LINE; SPENDING_OVER_LINE and SPENDING_OVER_RECEIVED when it
// does not fit.
func (p Purse) Record(line string, amount int64) (Purse, error) {
	i := slices.IndexFunc(p.Lines, func(l Line) bool { return l.Key == line })
	if i < 0 {
		return p, rule.New(rule.NotFound, "UNKNOWN_BUDGET_LINE", "line", "line", line)
	}
	if l := p.Lines[i]; amount > l.Amount-l.Spent-l.Pending {
		return p, rule.New(rule.Precondition, "SPENDING_OVER_LINE", "amount_fen", "line", line, "left_fen", fen(l.Amount-l.Spent-l.Pending))
	}
	if left := p.Left() - p.Pending(); amount > left {
		return p, rule.New(rule.Precondition, "SPENDING_OVER_RECEIVED", "amount_fen", "left_fen", fen(left))
	}
	p.Waiting++
	return p.change(i, 0, amount), nil
}

// Reverse answers the purse with a reversing entry that waits: it frees nothing
// before it is confirmed.
func (p Purse) Reverse() Purse {
	p.Waiting++
	return p
}

// Confirm answers the purse with a held amount spent; a negative one, of a
// reversing entry, comes back to its line.
func (p Purse) Confirm(line string, amount int64) Purse {
	p.Waiting--
	return p.change(p.at(line), amount, -max(0, amount))
}

// Release answers the purse with a held amount free again.
func (p Purse) Release(line string, amount int64) Purse {
	p.Waiting--
	return p.change(p.at(line), 0, -max(0, amount))
}

func (p Purse) at(line string) int {
	return slices.IndexFunc(p.Lines, func(l Line) bool { return l.Key == line })
}

func (p Purse) change(i int, spent, pending int64) Purse {
	if i < 0 {
		return p
	}
	p.Lines = slices.Clone(p.Lines)
	p.Lines[i].Spent += spent
	p.Lines[i].Pending += pending
	return p
}

// GiveBack answers the purse with an amount returned to the district.
// RETURN_OVER_LEFT when it is more than what is owed; whole says that all that
// was received goes back, whatever was spent of it.
func (p Purse) GiveBack(amount int64, whole bool) (Purse, error) {
	if left := p.Owed(whole) - p.Pending(); amount > left {
		return p, rule.New(rule.Precondition, "RETURN_OVER_LEFT", "amount_fen", "left_fen", fen(left))
	}
	p.Returned += amount
	return p, nil
}

// mostReturns is how many returns one project keeps.
const mostReturns = 100

// CheckReturns answers OVERLOADED for a project with as many returns as it keeps.
func CheckReturns(kept int) error {
	if kept >= mostReturns {
		return rule.New(rule.Exhausted, "OVERLOADED", "", "entity", "key project", "most", strconv.Itoa(mostReturns))
	}
	return nil
}

// Owed is what has to go back before the project is closed.
func (p Purse) Owed(whole bool) int64 {
	if whole {
		return p.Received - p.Returned
	}
	return p.Left()
}

// CheckSettled answers NOT_SETTLED while something waits or is owed.
func (p Purse) CheckSettled(whole bool) error {
	if p.Waiting != 0 || p.Owed(whole) != 0 {
		return rule.New(rule.Precondition, "NOT_SETTLED", "", "left_fen", fen(p.Owed(whole)), "waiting", strconv.Itoa(p.Waiting))
	}
	return nil
}

func fen(n int64) string { return strconv.FormatInt(n, 10) }

func invalid(field, must string) error {
	return rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", must)
}
