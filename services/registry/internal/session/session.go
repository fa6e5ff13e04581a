// Package session says how long a session goes on and what ends it, and how
// long who failed to sign in has to wait.
package session

import (
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

// The limits of sessions.
const (
	// Idle ends a session that was not refreshed for so long.
	Idle = 30 * time.Minute
	// Longest a session lasts, used or not.
	Longest = 12 * time.Hour
	// Most sessions of one account; one more ends the oldest.
	Most = 10
	// Kept is how long a session's row stays after its longest end: who asks why it
	// ended finds it.
	Kept = 24 * time.Hour
)

// State of a session.
type State int

// The states.
const (
	Open State = iota + 1
	Ended
)

// String is the state as errors and documents name it.
func (s State) String() string {
	switch s {
	case Open:
		return "open"
	case Ended:
		return "ended"
	}
	return "new"
}

// What happens to a session. Why it ended is kept by these names.
const (
	Begin = "sign in"
	// Refresh changes the refresh token, and keeps it from being idle.
	Refresh = "refresh"
	// SignOut and End are its owner's wish, in it and from another session.
	SignOut = "sign out"
	End     = "end session"
	// Reuse: a refresh token came twice, so that somebody has a copy.
	Reuse = "reuse"
	// Displace: the account has too many.
	Displace = "displace"
	// ChangePassword and ChangeFactor end the other sessions, Close all of them:
	// the account was locked, or its password reset.
	ChangePassword = "change password"
	ChangeFactor   = "change second factor"
	Close          = "close"
	// Lapse: idle, or too old.
	Lapse = "lapse"
)

// Machine is what a session takes.
func Machine() rule.Machine[State] {
	m := rule.Machine[State]{Name: "session", Label: State.String, Steps: []rule.Step[State]{
		{From: 0, Command: Begin, To: Open},
		{From: Open, Command: Refresh, To: Open},
	}}
	for _, command := range []string{SignOut, End, Reuse, Displace, ChangePassword, ChangeFactor, Close, Lapse} {
		m.Steps = append(m.Steps, rule.Step[State]{From: Open, Command: command, To: Ended})
	}
	return m
}

// Life is what is known of a session.
type Life struct {
	// Used is when it began or was refreshed last; Ends when it ends at the latest.
	Used, Ends time.Time
	// Ended is when something ended it; zero = nothing did.
	Ended time.Time
}

// IdleUntil answers when the session lapses unless it is used.
func (l Life) IdleUntil() time.Time {
	if idle := l.Used.Add(Idle); idle.Before(l.Ends) {
		return idle
	}
	return l.Ends
}

// At answers the state at a moment: at IdleUntil itself it has lapsed.
func (l Life) At(now time.Time) State {
	if !l.Ended.IsZero() || !now.Before(l.IdleUntil()) {
		return Ended
	}
	return Open
}
