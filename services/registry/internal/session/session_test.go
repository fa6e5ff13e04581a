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
