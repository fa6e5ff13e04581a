package session_test

import (
	"testing"
	"time"

	"github.com/linli-project/linli/services/registry/internal/session"
)

func TestMachine_EndedTakesNothing(t *testing.T) {
	m := session.Machine()
	if got := m.Allowed(session.Ended); len(got) != 0 {
		t.Errorf("an ended session takes %v", got)
	}
	for _, command := range m.Allowed(session.Open) {
		want := session.Ended
		if command == session.Refresh {
			want = session.Open
		}
		if got, err := m.Next(session.Open, command); err != nil || got != want {
			t.Errorf("%s: %v, %v", command, got, err)
		}
		if _, err := m.Next(session.Ended, command); err == nil {
			t.Errorf("an ended session takes %s", command)
		}
	}
	if got, err := m.Next(0, session.Begin); err != nil || got != session.Open {
		t.Errorf("begin: %v, %v", got, err)
	}
}

func TestLife_EndsAtTheSecond(t *testing.T) {
	began := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	ends := began.Add(session.Longest)
	for name, c := range map[string]struct {
		life session.Life
		at   time.Time
		want session.State
	}{
		"new":                        {session.Life{Used: began, Ends: ends}, began, session.Open},
		"a second before idle":       {session.Life{Used: began, Ends: ends}, began.Add(30*time.Minute - time.Second), session.Open},
		"idle":                       {session.Life{Used: began, Ends: ends}, began.Add(30 * time.Minute), session.Ended},
		"a second before the end":    {session.Life{Used: ends.Add(-time.Minute), Ends: ends}, ends.Add(-time.Second), session.Open},
		"the end, though it is used": {session.Life{Used: ends.Add(-time.Minute), Ends: ends}, ends, session.Ended},
		"ended":                      {session.Life{Used: began, Ends: ends, Ended: began}, began, session.Ended},
	} {
		if got := c.life.At(c.at); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if got := (session.Life{Used: ends.Add(-time.Minute), Ends: ends}).IdleUntil(); !got.Equal(ends) {
		t.Errorf("idle until %v, after the end", got)
	}
}

func TestDelay_DoublesUpToAQuarterOfAnHour(t *testing.T) {
	for failures, want := range map[int]time.Duration{
		0: 0, 4: 0, 5: 15 * time.Second, 6: 30 * time.Second, 7: time.Minute, 8: 2 * time.Minute,
		9: 4 * time.Minute, 10: 8 * time.Minute, 11: 15 * time.Minute, 12: 15 * time.Minute, 1 << 30: 15 * time.Minute,
	} {
		if got := session.Delay(session.Account, failures); got != want {
			t.Errorf("%d failures of an account: %v, want %v", failures, got, want)
		}
	}
	for failures, want := range map[int]time.Duration{0: 0, 19: 0, 20: 15 * time.Second, 21: 30 * time.Second, 1000: 15 * time.Minute} {
		if got := session.Delay(session.Address, failures); got != want {
			t.Errorf("%d failures of an address: %v, want %v", failures, got, want)
		}
	}
}

func TestCount_AccountsAfterAnHourAddressesByTheMinute(t *testing.T) {
	at := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		kind  session.Kind
		had   int
		after time.Duration
		left  int
		from  time.Duration
	}{
		"an account, at once":                 {session.Account, 7, 0, 7, 0},
		"an account, a second before an hour": {session.Account, 7, time.Hour - time.Second, 7, time.Hour - time.Second},
		"an account, after an hour":           {session.Account, 7, time.Hour, 0, time.Hour},
		"an address, within a minute":         {session.Address, 7, 59 * time.Second, 7, 0},
		"an address, after a minute and more": {session.Address, 7, 90 * time.Second, 6, time.Minute},
		"an address, after seven minutes":     {session.Address, 7, 7 * time.Minute, 0, 7 * time.Minute},
		"an address whose clock went back":    {session.Address, 7, -time.Hour, 7, 0},
		"nobody":                              {session.Address, 0, 0, 0, 0},
	} {
		left, from := session.Count(c.kind, c.had, at, at.Add(c.after))
		if left != c.left || !from.Equal(at.Add(c.from)) {
			t.Errorf("%s: %d from %v, want %d from %v", name, left, from.Sub(at), c.left, c.from)
		}
	}
}

// An office where somebody mistypes every seventy seconds the whole day is never
// made to wait.
func TestCount_OfABusyOffice(t *testing.T) {
	now := time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)
	failures, since := 0, now
	var longest time.Duration
	for range 8 * 60 {
		var left int
		left, since = session.Count(session.Address, failures, since, now)
		failures = left + 1
		longest = max(longest, session.Delay(session.Address, failures))
		now = now.Add(70 * time.Second)
	}
	if longest > 0 {
		t.Errorf("waited for %v", longest)
	}
}
