package main

import "testing"

func TestRest_GivesBackWhatWasKept(t *testing.T) {
	r := rest{last: 100}
	total := uint64(100)
	for i, step := range []struct {
		grown uint64
		want  bool
	}{
		{0, false}, {1000, false}, // nothing was asked for yet
		{10 * workBytes, false}, {workBytes, false}, // at work
		{1000, true}, {1000, false}, // at rest
		{restBytes / 2, false}, {restBytes / 2, true}, // little by little
		{0, false}, {0, false}, {0, false}, {0, false}, {0, false}, {0, true}, // long ago
		{0, false},
	} {
		total += step.grown
		if got := r.gives(total); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	if allocated() == 0 {
		t.Error("the runtime does not say what was asked for")
	}
}
