package cycle_test

import (
	"testing"

	"github.com/linli-project/linli/services/evaluation/internal/cycle"
)

func TestMachine_OneWay(t *testing.T) {
	m := cycle.Machine()
	way := []string{cycle.Begin, cycle.Freeze, cycle.Compute, cycle.Finish, cycle.Close, cycle.Issue}
	at := cycle.New
	for i, command := range way {
		for j, other := range way {
			if _, err := m.Next(at, other); (err == nil) != (i == j) {
				t.Errorf("%s from %s: %v", other, at, err)
			}
		}
		next, err := m.Next(at, command)
		if err != nil {
			t.Fatal(err)
		}
		at = next
	}
	if at != cycle.Closed || len(m.Allowed(at)) != 0 {
		t.Errorf("ends in %s, which allows %v", at, m.Allowed(at))
	}
}
