package indicator

import "github.com/linli-project/linli/pkg/rule"

// LetterState is where a letter of supervision stands. The numbers are those
// of the API's enum.
type LetterState int32

// The states.
const (
	Issued LetterState = iota + 1
	Answered
	Closed
)

func (s LetterState) String() string {
	names := [...]string{"unknown", "issued", "answered", "closed"}
	if s < 0 || int(s) >= len(names) {
		return names[0]
	}
	return names[s]
}

// The commands.
const (
	Answer = "reply"
	Close  = "close"
)

// LetterMachine is the table of allowed steps.
func LetterMachine() rule.Machine[LetterState] {
	return rule.Machine[LetterState]{
		Name:  "supervision letter",
		Label: LetterState.String,
		Steps: []rule.Step[LetterState]{
			{From: Issued, Command: Answer, To: Answered},
			{From: Issued, Command: Close, To: Closed},
			{From: Answered, Command: Close, To: Closed},
		},
	}
}
