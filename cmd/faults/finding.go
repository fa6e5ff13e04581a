package main

import (
	"context"
	"errors"
	"strings"
)

// findings counts problems by what they say.
type findings struct{ lost, twice, other int }

// Beginnings of problems.
const (
	saysLost         = "lost: "
	saysEffectsLost  = "effects lost: "
	saysPower        = "power: "
	saysDoubled      = "doubled: "
	saysEffectsTwice = "effects twice: "
	saysWrong        = "wrong: "
	saysUnknown      = "unknown: "
	saysTorn         = "torn: "
	saysRefused      = "refused: "
)

func (f *findings) count(problems []string) {
	for _, p := range problems {
		switch {
		case begins(p, saysLost, saysEffectsLost, saysPower):
			f.lost++
		case begins(p, saysDoubled, saysEffectsTwice):
			f.twice++
		default:
			f.other++
		}
	}
}

func begins(text string, with ...string) bool {
	for _, each := range with {
		if strings.HasPrefix(text, each) {
			return true
		}
	}
	return false
}

// answered says that linli gave this error as its answer: it did not stay away,
// was not late, and nobody gave up waiting.
func answered(err error) bool {
	var no *problem
	return errors.As(err, &no) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}
