// Package reportin is the domain of a report-in: a member registers with the
// community of residence, which accepts it or sends it back.
package reportin

import (
	"strings"

	"github.com/linli-project/linli/pkg/rule"
)

// State is where a report-in stands.
type State string

// The states. None is that of a report-in that does not exist yet.
const (
	None      State = ""
	Submitted State = "submitted"
	Accepted  State = "accepted"
	Returned  State = "returned"
	Ended     State = "ended"
)

// The commands.
const (
	Submit   = "submit"
	Resubmit = "resubmit"
	Accept   = "accept"
	Return   = "return"
	Transfer = "transfer"
	End      = "end"
)

// Machine is the table of allowed steps.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "report_in",
		Label: label,
		Steps: []rule.Step[State]{
			{From: None, Command: Submit, To: Submitted},
			{From: Submitted, Command: Accept, To: Accepted},
			{From: Submitted, Command: Return, To: Returned},
			{From: Returned, Command: Resubmit, To: Submitted},
			{From: Accepted, Command: Transfer, To: Submitted},
			{From: Accepted, Command: End, To: Ended},
			{From: Ended, Command: Resubmit, To: Submitted},
		},
	}
}

func label(s State) string {
	if s == None {
		return "new"
	}
	return string(s)
}

// CountedOn answers the day that counts after a command: of the submission that
// was first accepted. Who moves to another community stays on time; who ended
// and comes again counts from the new submission.
func CountedOn(command, before, submitted string) string {
	switch {
	case command == End:
		return ""
	case command == Accept && before == "":
		return submitted
	}
	return before
}

// CheckTransfer refuses a move to where the report-in is.
func CheckTransfer(from, to string) error {
	if from == to {
		return rule.New(rule.Invalid, "INVALID_FIELD", "community_id", "field", "community_id", "rule", "another community")
	}
	return nil
}

// CheckReturnReason refuses an empty reason: the member must be able to act on
// it. It answers the reason without blanks around it.
func CheckReturnReason(reason string) (string, error) {
	reason = strings.TrimSpace(reason)
	if reason == "" {
		return "", rule.New(rule.Invalid, "RETURN_REASON_MISSING", "reason")
	}
	return reason, nil
}

// CheckEndReason refuses an empty reason, and answers it without blanks around
// it.
func CheckEndReason(reason string) (string, error) {
	reason = strings.TrimSpace(reason)
	if reason == "" {
		return "", rule.New(rule.Invalid, "INVALID_FIELD", "reason", "field", "reason", "rule", "required")
	}
	return reason, nil
}

// Active says whether a state stands in the way of another report-in of the
// same member.
func Active(s State) bool { return s == Submitted || s == Accepted }
