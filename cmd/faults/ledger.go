package main

import (
	"fmt"
	"sync"
	"time"
)

// chain is one request's way from post to rating, as far as it was
// acknowledged.
type chain struct {
	no           int
	id           string
	text         string
	member       string // who solved it
	quarterHours int
	state        string // the last that was acknowledged: "REQUEST_STATE_RATED"
}

// sent is a write with its first answer.
type sent struct {
	write  write
	answer string
}

// ledger is what linli acknowledged.
type ledger struct {
	mu       sync.Mutex
	acks     int
	chains   []*chain
	solved   int
	accepted int // report-ins
	recent   []sent
	waiters  []waiter
	watched  int           // acks at watch
	last     time.Time     // the newest answer
	gap      time.Duration // the longest wait for one since watch
}

type waiter struct {
	at  int
	met chan struct{}
}

// keptAnswers is how many writes are kept to be sent once more.
const keptAnswers = 64

// acknowledge notes an answer, and with what else was said by it.
func (l *ledger) acknowledge(w write, answer string, and func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acks++
	now := wall().Now()
	l.gap, l.last = max(l.gap, now.Sub(l.last)), now
	if and != nil {
		and()
	}
	if len(l.recent) == keptAnswers {
		l.recent = l.recent[1:]
	}
	l.recent = append(l.recent, sent{w, answer})
	kept := l.waiters[:0]
	for _, each := range l.waiters {
		if l.acks >= each.at {
			close(each.met)
			continue
		}
		kept = append(kept, each)
	}
	l.waiters = kept
}

// watch begins to measure the longest time without an answer, and answers what
// it was so far.
func (l *ledger) watch() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	gap := l.gap
	l.gap, l.last, l.watched = 0, wall().Now(), l.acks
	return gap
}

// ahead says whether enough was written since watch: a fault that takes long
// is not to fill the folder.
func (l *ledger) ahead() bool {
	const enough = 400
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acks-l.watched > enough
}

// after answers a channel that is closed when so many more writes are
// acknowledged.
func (l *ledger) after(more int) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	met := make(chan struct{})
	l.waiters = append(l.waiters, waiter{l.acks + more, met})
	return met
}

func (l *ledger) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acks
}

// since answers copies of the chains from a number on.
func (l *ledger) since(first int) []chain {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []chain
	for _, c := range l.chains[min(first, len(l.chains)):] {
		out = append(out, *c)
	}
	return out
}

// repeatable answers the writes that can be sent once more.
func (l *ledger) repeatable() []sent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]sent(nil), l.recent...)
}

// observed is what linli holds, read through its interface.
type observed struct {
	requests map[string][]request // by the text, which is one chain's own
	entries  map[string][]entry   // by the request
	posted   int                  // as the figures of the circle count them
	resolved int
	accepted int // as the figures of the campaign count them
}

type request struct{ id, state string }

type entry struct {
	id, member   string
	quarterHours int
}

// compare says in how far what linli holds is not what it acknowledged, and
// what followed from it.
func (l *ledger) compare(got observed) (problems []string) {
	problems = l.compareRows(got)
	l.mu.Lock()
	defer l.mu.Unlock()
	say := func(text string, facts ...any) { problems = append(problems, fmt.Sprintf(text, facts...)) }
	for _, c := range l.chains {
		problems = append(problems, c.compareEffects(got)...)
	}
	for _, figure := range []struct {
		what      string
		got, want int
	}{{"posted", got.posted, len(l.chains)}, {"resolved", got.resolved, l.solved}, {"report-ins accepted", got.accepted, l.accepted}} {
		kind := saysEffectsLost
		if figure.got > figure.want {
			kind = saysEffectsTwice
		}
		if figure.got != figure.want {
			say("%sthe figures count %d %s, acknowledged are %d", kind, figure.got, figure.what, figure.want)
		}
	}
	return problems
}

// compareRows is compare without what follows from the writes.
func (l *ledger) compareRows(got observed) (problems []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := map[string]bool{}
	for _, c := range l.chains {
		known[c.text] = true
		problems = append(problems, c.compare(got)...)
	}
	for text, there := range got.requests {
		if !known[text] {
			problems = append(problems, fmt.Sprintf(saysUnknown+"request %s %q was never acknowledged", there[0].id, text))
		}
	}
	return problems
}

// sayer writes problems of a chain.
func (c *chain) sayer(problems *[]string) func(string, ...any) {
	return func(text string, facts ...any) {
		*problems = append(*problems, fmt.Sprintf("%s (chain %d)", fmt.Sprintf(text, facts...), c.no))
	}
}

func (c *chain) compare(got observed) (problems []string) {
	say := c.sayer(&problems)
	switch there := got.requests[c.text]; {
	case len(there) == 0:
		say(saysLost+"request %s", c.id)
	case len(there) > 1:
		say(saysDoubled+"%d requests of one post", len(there))
	case there[0].id != c.id:
		say(saysWrong+"request %s, acknowledged as %s", there[0].id, c.id)
	case there[0].state != c.state:
		say(saysLost+"request %s is %s, acknowledged %s", c.id, there[0].state, c.state)
	}
	return problems
}

func (c *chain) compareEffects(got observed) (problems []string) {
	say := c.sayer(&problems)
	entries := got.entries[c.id]
	if c.quarterHours == 0 {
		if len(entries) > 0 {
			say(saysUnknown + "an entry of a request that nobody solved")
		}
		return problems
	}
	switch {
	case len(entries) == 0:
		say(saysEffectsLost+"no entry of request %s", c.id)
	case len(entries) > 1:
		say(saysEffectsTwice+"%d entries of request %s", len(entries), c.id)
	case entries[0].quarterHours != c.quarterHours || entries[0].member != c.member:
		say(saysWrong+"the entry of request %s", c.id)
	}
	return problems
}
