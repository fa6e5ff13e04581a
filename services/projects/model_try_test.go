package projects_test

import (
	"strings"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/rpc"
)

// try carries out a command on a place, or on each of them.
func (m *model) try(rt *rapid.T, command string) {
	command, each := strings.CutPrefix(command, "each ")
	if !each {
		m.tryAt(rt, command, rapid.IntRange(0, len(modelPlaces())-1).Draw(rt, "place"), rapid.Bool().Draw(rt, "yes"))
		return
	}
	for i := range m.applications {
		m.tryAt(rt, command, i, true)
		if command == "sheet" || command == "dismiss" {
			m.tryAt(rt, command, i, false)
		}
		if command == "sheet" { // of the reviewer who was added
			m.tryAt(rt, command, i, true)
		}
	}
}

func (m *model) tryAt(rt *rapid.T, command string, i int, yes bool) {
	var err error
	var want string
	switch command {
	case "close":
		m.passes(m.closes)
	case "day", "week":
		m.passes(m.now().AddDate(0, 0, map[string]int{"day": 1, "week": 8}[command]))
	case "draft", "submit", "withdraw", "update", "resubmit":
		want, err = m.drafts(command, i)
	case "return", "judge", "sheet":
		want, err = m.judges(command, i, yes)
	case "object", "uphold", "dismiss":
		want, err = m.objects(command, i, yes)
	default:
		want, err = m.calls(command)
	}
	if rpc.Reason(err) != want || (err == nil) != (want == "") {
		rt.Fatalf("%s on place %d (%v) of a call that is %s: %v, want %q", command, i, yes, m.state, err, want)
	}
	m.passes(m.now())
	if d := m.differs(); d != "" {
		rt.Fatalf("after %s: %s", command, d)
	}
}
