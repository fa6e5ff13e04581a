// Package keyproject is the domain of a key project's life, from the support
// promised to its closing, and of its page as a model.
package keyproject

import (
	"slices"
	"strings"

	"github.com/linli-project/linli/pkg/rule"
)

// State is where a key project stands. The numbers are those of the API's enum.
type State int32

// The states.
const (
	Running State = iota + 1
	InAcceptance
	InRemedy
	Accepted
	Failed
	Closed
)

func (s State) String() string {
	names := [...]string{"unknown", "running", "in acceptance", "in remedy", "accepted", "failed", "closed"}
	if s < 0 || int(s) >= len(names) {
		return names[0]
	}
	return names[s]
}

// The commands.
const (
	OpenAcceptance = "open acceptance"
	Accept         = "accept"
	AskRemedy      = "ask for remedy"
	LookAgain      = "look again"
	Fail           = "fail"
	Close          = "close"
)

// Machine is the table of allowed steps.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "key project",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: Running, Command: OpenAcceptance, To: InAcceptance},
			{From: InAcceptance, Command: Accept, To: Accepted},
			{From: InAcceptance, Command: AskRemedy, To: InRemedy},
			{From: InAcceptance, Command: Fail, To: Failed},
			{From: InRemedy, Command: LookAgain, To: InAcceptance},
			{From: Accepted, Command: Close, To: Closed},
			{From: Failed, Command: Close, To: Closed},
		},
	}
}

// Opening is the command that opens an acceptance: the first, or the second
// after a remedy.
func Opening(s State) string {
	if s == InRemedy {
		return LookAgain
	}
	return OpenAcceptance
}

// Measured says whether lights and the ladder still run.
func Measured(s State) bool { return s == Running || s == InRemedy }

// Decided says whether the acceptance has come to its end.
func Decided(s State) bool { return s == Accepted || s == Failed || s == Closed }

// CheckOngoing answers WRONG_STATE for work on a project whose acceptance has
// ended.
func CheckOngoing(s State, command string) error {
	return check(s, command, !Decided(s) && s != 0)
}

// CheckUnsettled answers WRONG_STATE for money of a closed project.
func CheckUnsettled(s State, command string) error { return check(s, command, s != Closed && s != 0) }

// CheckSupported answers WRONG_STATE for support of a project that failed or is
// closed.
func CheckSupported(s State, command string) error {
	return check(s, command, s != Failed && s != Closed && s != 0)
}

// CheckBegins answers WRONG_STATE for an application that is no key project.
func CheckBegins(is bool, state string) error {
	if is {
		return nil
	}
	return rule.New(rule.Precondition, "WRONG_STATE", "", "entity", "application", "state", state, "command", "begin", "allowed", "")
}

func check(s State, command string, ok bool) error {
	if ok {
		return nil
	}
	return rule.New(rule.Precondition, "WRONG_STATE", "", "entity", "key project", "state", s.String(),
		"command", command, "allowed", strings.Join(Machine().Allowed(s), ", "))
}

// ModelState is where a model page stands. The numbers are those of the API's
// enum.
type ModelState int32

// The states.
const (
	NoModel ModelState = iota
	Published
	Brand
	Withdrawn
)

func (s ModelState) String() string {
	names := [...]string{"not published", "published", "brand", "taken down"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// The commands.
const (
	Publish   = "publish"
	NameBrand = "name brand"
	Withdraw  = "take down"
)

// ModelMachine is the table of allowed steps.
func ModelMachine() rule.Machine[ModelState] {
	return rule.Machine[ModelState]{
		Name:  "model",
		Label: ModelState.String,
		Steps: []rule.Step[ModelState]{
			{From: NoModel, Command: Publish, To: Published},
			{From: Published, Command: NameBrand, To: Brand},
			{From: Published, Command: Withdraw, To: Withdrawn},
			{From: Brand, Command: Withdraw, To: Withdrawn},
			{From: Withdrawn, Command: Publish, To: Published},
		},
	}
}

// Shown says whether everybody may read a page.
func Shown(s ModelState) bool { return s == Published || s == Brand }

// CheckModel answers NOT_ACCEPTED for a project that was not accepted, closed
// or not.
func CheckModel(accepted bool) error {
	if accepted {
		return nil
	}
	return rule.New(rule.Precondition, "NOT_ACCEPTED", "")
}

// CheckBrand answers INVALID_FIELD without the number of an approval document.
func CheckBrand(document string) error {
	if strings.TrimSpace(document) == "" {
		return rule.New(rule.Invalid, "INVALID_FIELD", "approval_document", "field", "approval_document", "rule", "not blank")
	}
	return nil
}

// Anniversaries are how many years on a model shows its indicators again.
func Anniversaries() []int { return []int{1, 2} }

// NextAnniversary answers the first one after those that were asked for; 0 for
// none.
func NextAnniversary(asked int) int {
	later := slices.DeleteFunc(Anniversaries(), func(n int) bool { return n <= asked })
	if len(later) == 0 {
		return 0
	}
	return later[0]
}
