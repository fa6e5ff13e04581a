package main

import (
	"context"
	"errors"
	"net/http"
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
	saysSignedOut    = "signed out: "
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

// says is the beginning of what an answer shows: one that signs somebody out
// without cause shows that, and nothing of what was asked for.
func says(otherwise string, err error) string {
	if signedOut(err) {
		return saysSignedOut
	}
	return otherwise
}

// signedOut says that linli took a token no more, or let somebody in no more.
func signedOut(err error) bool {
	var no *problem
	return errors.As(err, &no) && (no.signIn || no.status == http.StatusUnauthorized)
}

// answered says that linli gave this error as its answer: it did not stay away,
// was not late, and nobody gave up waiting.
func answered(err error) bool {
	var no *problem
	return errors.As(err, &no) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}
