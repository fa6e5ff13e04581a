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

// ReadingState is where a recorded value stands. The numbers are those of the
// API's enum.
type ReadingState int32

// The states.
const (
	Recorded ReadingState = iota + 1
	Confirmed
	TurnedDown
)

func (s ReadingState) String() string {
	names := [...]string{"unknown", "recorded", "confirmed", "turned down"}
	if s < 0 || int(s) >= len(names) {
		return names[0]
	}
	return names[s]
}

// The commands.
const (
	Confirm  = "confirm"
	TurnDown = "turn down"
)

// ReadingMachine is the table of allowed steps.
func ReadingMachine() rule.Machine[ReadingState] {
	return rule.Machine[ReadingState]{
		Name:  "reading",
		Label: ReadingState.String,
		Steps: []rule.Step[ReadingState]{
			{From: Recorded, Command: Confirm, To: Confirmed},
			{From: Recorded, Command: TurnDown, To: TurnedDown},
		},
	}
}
