package session

import "time"

// Kind of what failures are counted for.
type Kind string

// The kinds.
const (
	// Account: a login, a code, a phone. Whether there is one makes no difference.
	Account Kind = "account"
	// Address: a network address, behind which a whole office may sit.
	Address Kind = "address"
)

const (
	// freeAccount and freeAddress failures cost no time.
	freeAccount = 4
	freeAddress = 19
	// firstDelay is that after the first failure that costs time; each further one
	// doubles it, up to longestDelay.
	firstDelay   = 15 * time.Second
	longestDelay = 15 * time.Minute
	// Forgiven is how long after the last one the failures of an account are
	// forgotten.
	Forgiven = time.Hour
	// addressForgets one failure in so long: those of a whole office, or of all who
	// share a provider's address, add up, and no success of one wipes them out.
	addressForgets = time.Minute
)

// Count answers how many failures of before still count, and since when the next
// is forgotten. since is what Count said when the last one came.
func Count(k Kind, failures int, since, now time.Time) (left int, from time.Time) {
	if k == Account {
		if now.Sub(since) >= Forgiven {
			return 0, now
		}
		return failures, now
	}
	forgotten := max(0, int(now.Sub(since)/addressForgets))
	if forgotten >= failures {
		return 0, now
	}
	return failures - forgotten, since.Add(time.Duration(forgotten) * addressForgets)
}

// Delay answers how long to wait after so many failures in a row.
func Delay(k Kind, failures int) time.Duration {
	free := freeAccount
	if k == Address {
		free = freeAddress
	}
	if failures <= free {
		return 0
	}
	delay := firstDelay
	for range failures - free - 1 {
		if delay *= 2; delay >= longestDelay {
			return longestDelay
		}
	}
	return delay
}
