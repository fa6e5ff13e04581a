package gateway

import (
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/clock"
)

func TestWaiting_WhatMovesGivesPatienceBack(t *testing.T) {
	now := time.Date(2013, 9, 2, 1, 0, 0, 0, time.UTC)
	w := waiting{wall: clock.Func(func() time.Time { return now })}
	for _, step := range []struct {
		what  string
		takes time.Duration
		moves int
		left  time.Duration
	}{
		{"nothing comes", 4 * time.Second, 0, 6 * time.Second},
		{"as much as must", 2 * time.Second, 2 * slowest, 6 * time.Second},
		{"less than must", 2 * time.Second, slowest, 5 * time.Second},
		{"a good deal", time.Second, 3 * slowest, 7 * time.Second},
		{"no more is given back than there was", 0, 1000 * slowest, patience},
		{"all is used up", patience, 0, 0},
	} {
		began := now
		now = now.Add(step.takes)
		w.passed(began, step.moves)
		if got := w.until(now).Sub(now); got != step.left {
			t.Errorf("%s: %s left, want %s", step.what, got, step.left)
		}
		now = now.Add(time.Hour) // the house's own time does not count
	}
}
