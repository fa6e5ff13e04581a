package admit

import (
	"fmt"
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/clock"
)

func newTestCallers(t *testing.T, l CallerLimits) (*Callers, func(time.Duration)) {
	t.Helper()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	c, err := NewCallers(l, clock.Func(func() time.Time { return now }))
	if err != nil {
		t.Fatal(err)
	}
	return c, func(d time.Duration) { now = now.Add(d) }
}

func TestCallers_ABurstThenTheRate(t *testing.T) {
	c, forward := newTestCallers(t, CallerLimits{Person: Rate{10, 5}, Costly: Rate{1, 2}, Address: Rate{10, 5}, SignIn: Rate{1, 3}, Guess: Rate{0.1, 2}})
	count := func(try func() time.Duration) (taken int) {
		for range 100 {
			if try() == 0 {
				taken++
			}
		}
		return taken
	}
	person := func() time.Duration { return c.Person("p", "203.0.113.1", false) }
	if n := count(person); n != 5 {
		t.Errorf("%d at once", n)
	}
	if wait := person(); wait != 100*time.Millisecond {
		t.Errorf("to wait %v", wait)
	}
	forward(time.Second / 5)
	if n := count(person); n != 2 { // those that were refused were not charged
		t.Errorf("%d after a fifth of a second", n)
	}
	if n := count(func() time.Duration { return c.Person("q", "203.0.113.1", true) }); n != 2 {
		t.Errorf("%d costly ones of another person", n)
	}
	if n := count(func() time.Duration { return c.Address("203.0.113.1") }); n != 5 {
		t.Errorf("%d from an address", n)
	}
	if n := count(func() time.Duration { return c.SignIn("203.0.113.1") }); n != 3 {
		t.Errorf("%d sign-ins", n)
	}
}

func TestCallers_OnlyWrongGuessesCount(t *testing.T) {
	c, forward := newTestCallers(t, CallerLimits{Person: Rate{1, 1}, Costly: Rate{1, 1}, Address: Rate{1, 1}, SignIn: Rate{1, 1}, Guess: Rate{0.1, 2}})
	for range 1000 {
		if c.MayGuess("203.0.113.1") > 0 {
			t.Fatal("who is right is refused")
		}
	}
	c.Guessed("203.0.113.1")
	c.Guessed("203.0.113.1")
	if wait := c.MayGuess("203.0.113.1"); wait != 10*time.Second {
		t.Errorf("after two that were wrong: %v", wait)
	}
	if c.MayGuess("203.0.113.2") > 0 {
		t.Error("another address waits too")
	}
	if forward(10 * time.Second); c.MayGuess("203.0.113.1") > 0 {
		t.Error("it waits for ever")
	}
}

func TestCallers_NetworksAndThisMachine(t *testing.T) {
	c, _ := newTestCallers(t, CallerLimits{Person: Rate{1, 1}, Costly: Rate{1, 1}, Address: Rate{1, 1}, SignIn: Rate{1, 1}, Guess: Rate{1, 1}})
	for _, a := range []struct {
		address string
		free    bool
	}{
		{"2001:db8::1", true}, {"2001:db8::2", false}, {"2001:db8:0:0:ffff::1", false}, {"2001:db8:0:1::1", true},
		{"203.0.113.1", true}, {"::ffff:203.0.113.1", false}, {"not an address", true}, {"not an address", false},
		{"127.0.0.1", true}, {"127.0.0.1", true}, {"::1", true}, {"::1", true},
	} {
		if got := c.Address(a.address) == 0; got != a.free {
			t.Errorf("%s: taken %v", a.address, got)
		}
	}
	strict, _ := newTestCallers(t, CallerLimits{Loopback: true})
	taken := 0
	for range 3000 {
		if strict.Address("127.0.0.1") == 0 {
			taken++
		}
	}
	if taken != DefaultCallerLimits().Address.Burst {
		t.Errorf("%d from this machine where it is limited too", taken)
	}
	var none *Callers
	if none.Address("203.0.113.1")+none.Person("p", "", true)+none.SignIn("x")+none.MayGuess("x") != 0 {
		t.Error("no limits refuse")
	}
	none.Guessed("x")
}

func TestCallers_RemembersABoundedNumber(t *testing.T) {
	c, _ := newTestCallers(t, CallerLimits{})
	for i := range mostCallers + 1000 {
		c.Address(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
	}
	if n := c.address.all.Len(); n != mostCallers {
		t.Errorf("%d addresses are remembered", n)
	}
}

func TestCallerLimits_Parse(t *testing.T) {
	got, err := DefaultCallerLimits().Parse("person=5/10, guess=0.5/3,loopback=yes")
	want := DefaultCallerLimits()
	want.Person, want.Guess, want.Loopback = Rate{5, 10}, Rate{0.5, 3}, true
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"person", "person=5", "person=0/5", "person=5/0", "x=1/1", "loopback=maybe", "person=NaN/1"} {
		if _, err := DefaultCallerLimits().Parse(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
