package session

import "time"

// The limits of one-time codes sent to phones: a phone that somebody else asks
// codes for is not rung all day, and of the million codes at most fifty can be
// guessed at in a day.
const (
	// PhoneCodeHolds is how long a code is taken.
	PhoneCodeHolds = 5 * time.Minute
	// PhoneCodeDigits of a code.
	PhoneCodeDigits = 6
	// phoneCodeTries of a code, right or wrong.
	phoneCodeTries = 5
	// phoneCodeEvery is the least time between two codes, of which there are
	// phoneCodesADay in any PhoneDay.
	phoneCodeEvery = time.Minute
	phoneCodesADay = 10
	PhoneDay       = 24 * time.Hour
	// movesEvery is how long a resident stays in a community at least.
	movesEvery = 30 * 24 * time.Hour
)

// PhoneCodes are what is known of the codes of one phone.
type PhoneCodes struct {
	// Sent is when, the oldest first; the last phoneCodesADay at least.
	Sent []time.Time
	// Tries are the wrong codes since the last was sent; Used: the right one came.
	Tries int
	Used  bool
}

// AgainAt answers when another code may be asked for.
func (p PhoneCodes) AgainAt() time.Time {
	n := len(p.Sent)
	if n == 0 {
		return time.Time{}
	}
	again := p.Sent[n-1].Add(phoneCodeEvery)
	if n >= phoneCodesADay {
		if day := p.Sent[n-phoneCodesADay].Add(PhoneDay); day.After(again) {
			return day
		}
	}
	return again
}

// Send answers what is known once another code was sent.
func (p PhoneCodes) Send(now time.Time) PhoneCodes {
	sent := append(p.Sent[max(0, len(p.Sent)-phoneCodesADay+1):len(p.Sent):len(p.Sent)], now)
	return PhoneCodes{Sent: sent}
}

// Holds says whether the last code is still taken.
func (p PhoneCodes) Holds(now time.Time) bool {
	n := len(p.Sent)
	return n > 0 && !p.Used && p.Tries < phoneCodeTries && now.Before(p.Sent[n-1].Add(PhoneCodeHolds))
}

// MayMove answers 0 where a resident who came to a community then may move to
// another now, else the days to wait.
func MayMove(came, now time.Time) (days int) {
	const day = 24 * time.Hour
	if left := came.Add(movesEvery).Sub(now); left > 0 {
		return int((left + day - 1) / day)
	}
	return 0
}
