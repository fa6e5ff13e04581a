package admit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/linli-project/linli/pkg/clock"
)

// CallerLimits are how often one caller may call. The gates look at what the
// machine carries, these at who asks for it.
type CallerLimits struct {
	// Person is what one person may call, Costly the same of exports, imports and
	// files.
	Person, Costly Rate
	// Address is what may come from one network, before it is known who calls.
	Address Rate
	// SignIn is how often a network may begin sessions or ask for codes. Each
	// costs a slow hash or a message. Going on with a session is not counted.
	SignIn Rate
	// Guess is how often what a network says where no account is asked for may be
	// wrong. Who is right is not charged: a hall full of people behind one address
	// votes with codes that are right.
	Guess Rate
	// Loopback limits programs on this machine too. They are the operator's own,
	// unless a proxy is among them: then it is named, see gateway.Config.Proxies.
	Loopback bool
}

// DefaultCallerLimits suit people at pages, and an office of a thousand people
// behind one address.
func DefaultCallerLimits() CallerLimits {
	return CallerLimits{
		Person: Rate{50, 500}, Costly: Rate{0.2, 20}, Address: Rate{200, 2000},
		SignIn: Rate{5, 300}, Guess: Rate{0.2, 100},
	}
}

// rates are the limits by the names that Parse takes.
func (l *CallerLimits) rates() map[string]*Rate {
	return map[string]*Rate{"person": &l.Person, "costly": &l.Costly, "address": &l.Address, "sign-in": &l.SignIn, "guess": &l.Guess}
}

// Parse reads "person=50/500,guess=0.1/50,loopback=yes" over the given limits:
// so many a second, and at once.
func (l CallerLimits) Parse(text string) (CallerLimits, error) {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if name == "loopback" && (value == "yes" || value == "no") {
			l.Loopback = value == "yes"
			continue
		}
		r, known := l.rates()[name]
		second, burst, both := strings.Cut(value, "/")
		perSecond, err1 := strconv.ParseFloat(second, 64)
		atOnce, err2 := strconv.Atoi(burst)
		if !known || !both || err1 != nil || err2 != nil || !(perSecond > 0) || atOnce < 1 {
			return l, fmt.Errorf("%q: person, costly, address, sign-in or guess = so many a second / so many at once, or loopback=yes", part)
		}
		*r = Rate{perSecond, atOnce}
	}
	return l, nil
}

// mostCallers is how many people, and how many networks, are told apart.
const mostCallers = 100_000

// Callers counts what each caller does. It is safe for concurrent use; nil
// limits nobody.
type Callers struct {
	limits                                 CallerLimits
	person, costly, address, signIn, guess *buckets
	refused                                *prometheus.CounterVec
}

// NewCallers makes the limits; the zero CallerLimits are the defaults.
func NewCallers(l CallerLimits, wall clock.Clock) (*Callers, error) {
	loopback := l.Loopback
	if l.Loopback = false; l == (CallerLimits{}) {
		l = DefaultCallerLimits()
	}
	l.Loopback = loopback
	c := &Callers{limits: l, refused: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "linli_callers_refused_total", Help: "Calls refused because their caller calls too often, by limit.",
	}, []string{"limit"})}
	var problems []error
	for _, b := range []struct {
		into **buckets
		rate Rate
	}{{&c.person, l.Person}, {&c.costly, l.Costly}, {&c.address, l.Address}, {&c.signIn, l.SignIn}, {&c.guess, l.Guess}} {
		var err error
		*b.into, err = newBuckets(b.rate, mostCallers, wall)
		problems = append(problems, err)
	}
	return c, errors.Join(problems...)
}

// Collector counts what was refused.
func (c *Callers) Collector() prometheus.Collector { return c.refused }

// Person charges a call of a person from an address, and answers 0 or how long
// to wait.
func (c *Callers) Person(person, address string, costly bool) time.Duration {
	if c == nil || person == "" || c.own(address) {
		return 0
	}
	if costly {
		if wait := c.told("costly", c.costly.take(person)); wait > 0 {
			return wait
		}
	}
	return c.told("person", c.person.take(person))
}

// Address charges a call from an address.
func (c *Callers) Address(address string) time.Duration {
	if c == nil || c.own(address) {
		return 0
	}
	key, _ := network(address)
	return c.told("address", c.address.take(key))
}

// SignIn charges a call that begins a session, or would.
func (c *Callers) SignIn(address string) time.Duration {
	if c == nil || c.own(address) {
		return 0
	}
	key, _ := network(address)
	return c.told("sign-in", c.signIn.take(key))
}

// MayGuess answers whether an address that was wrong before may try again, and
// charges nothing.
func (c *Callers) MayGuess(address string) time.Duration {
	if c == nil || c.own(address) {
		return 0
	}
	key, _ := network(address)
	return c.told("guess", c.guess.left(key))
}

// Guessed charges an address that was wrong.
func (c *Callers) Guessed(address string) {
	if c == nil || c.own(address) {
		return
	}
	key, _ := network(address)
	c.guess.take(key)
}

// own says whether a call is the operator's own.
func (c *Callers) own(address string) bool {
	_, loopback := network(address)
	return loopback && !c.limits.Loopback
}

func (c *Callers) told(limit string, wait time.Duration) time.Duration {
	if wait > 0 {
		c.refused.WithLabelValues(limit).Inc()
	}
	return wait
}
