// Package sheet holds what happens to a member's sheet between the summing and
// the letter: the proposed opinion, objections, signatures.
package sheet

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

// Opinion on a member's year. The numbers are those of the API's enum.
type Opinion int32

// The opinions.
const (
	None Opinion = iota
	Good
	FairlyGood
	Fair
	NotTakenPart
)

func (o Opinion) String() string {
	return [...]string{"", "好", "较好", "一般", "未参加"}[o]
}

// Lines are the least figures of the two upper opinions, 0 to 100.
type Lines struct{ Good, FairlyGood *big.Rat }

// Year is what an opinion is proposed from. Composite is nil in a year without
// any input.
type Year struct {
	HasCommunity, Served, Exempt bool
	Composite                    *big.Rat
}

// Propose answers what the figures propose: nothing for a member of no
// community and for an exempt one of whom nothing is known, 未参加 for one without
// a service who is not exempt, else by the composite. A named person signs.
func Propose(y Year, l Lines) Opinion {
	composite := y.Composite
	switch {
	case !y.HasCommunity || y.Exempt && composite == nil:
		return None
	case !y.Served && !y.Exempt:
		return NotTakenPart
	case composite == nil:
		return Fair
	case composite.Cmp(l.Good) >= 0:
		return Good
	case composite.Cmp(l.FairlyGood) >= 0:
		return FairlyGood
	}
	return Fair
}

// SignatureState is where a community's sheets stand. The numbers are those of
// the API's enum.
type SignatureState int32

// The states.
const (
	Open SignatureState = iota + 1
	Signed
	Consented
	SentBack
)

func (s SignatureState) String() string {
	names := [...]string{"unknown", "open", "signed", "consented", "sent back"}
	if s < 0 || int(s) >= len(names) {
		return names[0]
	}
	return names[s]
}

// The commands of a signature.
const (
	Sign     = "sign"
	Consent  = "consent"
	SendBack = "send back"
)

// Signatures is the way of a community's sheets.
func Signatures() rule.Machine[SignatureState] {
	return rule.Machine[SignatureState]{
		Name:  "sheets",
		Label: SignatureState.String,
		Steps: []rule.Step[SignatureState]{
			{From: Open, Command: Sign, To: Signed},
			{From: Signed, Command: Consent, To: Consented},
			{From: Signed, Command: SendBack, To: SentBack},
			{From: SentBack, Command: Sign, To: Signed},
		},
	}
}

// MayExempt refuses to exempt oneself or members of the own unit: home is the
// member's home organization, own the caller's, grants those that the caller
// acts for, each with a closing slash.
func MayExempt(person, member, home string, grants []string, own string) error {
	if person == member {
		return rule.New(rule.Denied, "EXEMPTS_OWN", "")
	}
	for _, g := range append(slices.Clone(grants), own) {
		if home != "" && strings.HasPrefix(g, home) {
			return rule.New(rule.Denied, "EXEMPTS_OWN", "")
		}
	}
	return nil
}

// CheckEditable answers WRONG_STATE for sheets that are signed.
func CheckEditable(s SignatureState, command string) error {
	if s == Open || s == SentBack {
		return nil
	}
	return rule.New(rule.Precondition, "WRONG_STATE", "", "entity", "sheets", "state", s.String(),
		"command", command, "allowed", strings.Join(Signatures().Allowed(s), ", "))
}

// CheckSign answers OBJECTION_WINDOW_OPEN while members can object, and
// OBJECTIONS_OPEN while one waits for its answer.
func CheckSign(until, now time.Time, open int) error {
	switch {
	case now.Before(until):
		return rule.New(rule.Precondition, "OBJECTION_WINDOW_OPEN", "", "until", lastDay(until))
	case open > 0:
		return rule.New(rule.Precondition, "OBJECTIONS_OPEN", "", "open", strconv.Itoa(open))
	}
	return nil
}

// CheckObject answers OBJECTION_WINDOW_OVER after the days for it.
func CheckObject(until, now time.Time) error {
	if now.Before(until) {
		return nil
	}
	return rule.New(rule.Precondition, "OBJECTION_WINDOW_OVER", "", "until", lastDay(until))
}

// CheckConsent wants a reason with a no, and answers the command.
func CheckConsent(consents bool, reason string) (string, error) {
	switch {
	case consents:
		return Consent, nil
	case strings.TrimSpace(reason) == "":
		return "", rule.New(rule.Invalid, "INVALID_FIELD", "reason", "field", "reason", "rule", "not blank")
	}
	return SendBack, nil
}

// CheckClose answers NOT_ALL_CONSENTED while communities are not consented to.
func CheckClose(waiting int) error {
	if waiting == 0 {
		return nil
	}
	return rule.New(rule.Precondition, "NOT_ALL_CONSENTED", "", "waiting", strconv.Itoa(waiting))
}

// CheckReply refuses a reply to an issue of a letter that another has taken the
// place of; 0 answers the present one.
func CheckReply(read, present int32) error {
	if read == 0 || read == present {
		return nil
	}
	return rule.New(rule.Stale, "LETTER_ISSUED_AGAIN", "issue", "issue", strconv.Itoa(int(present)))
}

// CheckAnswer refuses a second reply to an issue, and a no without a why.
func CheckAnswer(used bool, why string, issue int32, answered bool) error {
	if answered {
		return rule.New(rule.Exists, "REPLIED_ALREADY", "issue", "issue", strconv.Itoa(int(issue)))
	}
	if !used && strings.TrimSpace(why) == "" {
		return rule.New(rule.Invalid, "WHY_NOT_USED", "why")
	}
	return nil
}

// lastDay is the day that ends at a midnight.
func lastDay(end time.Time) string { return end.Add(-time.Nanosecond).Format(time.DateOnly) }

// ObjectionState is where an objection stands. The numbers are those of the
// API's enum.
type ObjectionState int32

// The states.
const (
	Raised ObjectionState = iota + 1
	Upheld
	Dismissed
)

func (s ObjectionState) String() string {
	names := [...]string{"unknown", "open", "upheld", "dismissed"}
	if s < 0 || int(s) >= len(names) {
		return names[0]
	}
	return names[s]
}

// The commands of an objection.
const (
	Uphold  = "uphold"
	Dismiss = "dismiss"
)

// Objections is the way of an objection.
func Objections() rule.Machine[ObjectionState] {
	return rule.Machine[ObjectionState]{
		Name:  "objection",
		Label: ObjectionState.String,
		Steps: []rule.Step[ObjectionState]{
			{From: Raised, Command: Uphold, To: Upheld},
			{From: Raised, Command: Dismiss, To: Dismissed},
		},
	}
}

// Verdict is the command that answers an objection.
func Verdict(upheld bool) string {
	if upheld {
		return Uphold
	}
	return Dismiss
}
