// Package rule holds the two shapes that every domain package speaks in: an
// error that names what rule was broken, and a state machine that is a table.
// It imports the standard library only, so that the domain may import it.
package rule

import (
	"fmt"
	"slices"
	"strings"
)

// Kind says what sort of refusal an error is; the edge turns it into a status.
type Kind int

// The kinds of refusal.
const (
	Invalid      Kind = iota + 1 // a field is wrong whatever the state
	NotFound                     // what is named is not there, or not for this caller
	Exists                       // what is to be made is there already
	Precondition                 // right request, wrong state of things
	Denied                       // this caller may not
	Stale                        // the caller's etag is not the current one
	Exhausted                    // over a limit
)

// Error is a broken rule. Reason is a name of linli.type.v1.Reason without its
// prefix; Field is the request field in question, or empty; Params are the
// facts that the text for people needs, as key, value, key, value. Params
// never hold personal data.
type Error struct {
	Kind   Kind
	Reason string
	Field  string
	Params []string
}

// New makes an error from its parts. There is no format: texts for people are
// looked up by reason.
func New(kind Kind, reason, field string, params ...string) *Error {
	return &Error{Kind: kind, Reason: reason, Field: field, Params: params}
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Reason)
	if e.Field != "" {
		fmt.Fprintf(&b, " (%s)", e.Field)
	}
	for i := 0; i+1 < len(e.Params); i += 2 {
		fmt.Fprintf(&b, " %s=%s", e.Params[i], e.Params[i+1])
	}
	return b.String()
}

// Step is one allowed move of a state machine.
type Step[S comparable] struct {
	From    S
	Command string
	To      S
}

// Machine is a table of allowed steps: what is not in it is refused. Name is
// the entity's name as the glossary has it.
type Machine[S comparable] struct {
	Name  string
	Label func(S) string // the state's name for errors and documents
	Steps []Step[S]
}

// Next answers where a command leads from a state, or a Precondition error
// with reason WRONG_STATE that names the state and what it allows.
func (m Machine[S]) Next(from S, command string) (S, error) {
	for _, s := range m.Steps {
		if s.From == from && s.Command == command {
			return s.To, nil
		}
	}
	var none S
	return none, New(Precondition, "WRONG_STATE", "",
		"entity", m.Name, "state", m.Label(from), "command", command,
		"allowed", strings.Join(m.Allowed(from), ", "))
}

// Allowed answers the commands that a state takes, in table order.
func (m Machine[S]) Allowed(from S) []string {
	var out []string
	for _, s := range m.Steps {
		if s.From == from && !slices.Contains(out, s.Command) {
			out = append(out, s.Command)
		}
	}
	return out
}

// Absent is the answer for a row that is not there or not for this caller; the
// two look alike.
func Absent(entity, id string) *Error {
	return New(NotFound, "NOT_FOUND", "", "entity", entity, "id", id)
}

// Chart is a machine without its type: the table as documents draw it.
type Chart struct {
	Name  string
	Steps []ChartStep
}

// ChartStep is one step by the names of its states.
type ChartStep struct{ From, Command, To string }

// Chart answers the machine's table by names.
func (m Machine[S]) Chart() Chart {
	c := Chart{Name: m.Name}
	for _, s := range m.Steps {
		c.Steps = append(c.Steps, ChartStep{m.Label(s.From), s.Command, m.Label(s.To)})
	}
	return c
}
