package main

import (
	"slices"
	"time"

	"github.com/linli-project/linli/pkg/clock"
)

// kind of a call.
type kind byte

// What is called: a page of fifty requests, one of them, a new one.
const (
	list kind = iota
	get
	create
)

// mix is what is called in turn. It is a clerk's: a page is looked at, one or two
// of its requests are opened, and now and then something is written.
func mix() []kind { return []kind{list, get, create, get, list, get, get, list, create, get} }

const mixWords = "of ten calls three lists of 50, five gets, two creates"

// load is what is offered, to whom. It is one program's and not safe for
// concurrent use.
type load struct {
	address      string
	gets         [][]byte
	list, create []byte
	mix          []kind
	wall         clock.Clock
	calls        uint64 // so far
}

func newLoad(address string) *load {
	return &load{address: address, list: listRequest(), create: createRequest(), mix: mix(), wall: clock.Wall()}
}

// next answers the next call of the mix.
func (l *load) next() (message []byte, what kind) {
	l.calls++
	switch what = l.mix[l.calls%uint64(len(l.mix))]; what {
	case list:
		return l.list, what
	case create:
		return l.create, what
	}
	const far = 2654435761 // the requests in no order
	return l.gets[l.calls*far%uint64(len(l.gets))], what
}

// tally is what became of the calls of a load.
type tally struct {
	offered, unsent, broken, odd int
	// withoutRetry are refusals that do not say when to come again.
	withoutRetry int
	// admitted and refused are microseconds from when a call was due to the whole
	// answer; late is the part of them until it was sent.
	admitted, refused, late []uint32
	created                 []string
	took                    time.Duration
	firstOdd                string
}

// count notes an answer, which came so many microseconds after it was due.
func (t *tally) count(r reply, took uint32, what kind) {
	switch r.status {
	case 200:
		t.admitted = append(t.admitted, took)
		if what == create {
			t.created = append(t.created, idOf(r.body))
		}
	case 429, 503:
		t.refused = append(t.refused, took)
		if !r.retryAfter {
			t.withoutRetry++
		}
	default:
		t.odd++
		t.say(r.String())
	}
}

// say keeps the first of what went wrong.
func (t *tally) say(what string) {
	if t.firstOdd == "" {
		t.firstOdd = what
	}
}

// rate is admitted calls a second.
func (t *tally) rate() float64 { return float64(len(t.admitted)) / t.took.Seconds() }

// at answers a quantile in milliseconds.
func at(micros []uint32, q float64) float64 {
	if len(micros) == 0 {
		return 0
	}
	slices.Sort(micros)
	return float64(micros[min(len(micros)-1, int(q*float64(len(micros))))]) / 1000
}
