package access

import "sync"

// Verified answers from memory for tokens that were verified before: verifying
// one costs more than reading a row. It keeps at most so many, and none that was
// refused. It fits tokens that hold for as long as the server runs.
func Verified(a Authenticator, most int) Authenticator {
	return &verified{authenticator: a, most: most, callers: map[string]Caller{}}
}

type verified struct {
	authenticator Authenticator
	most          int

	mu      sync.RWMutex
	callers map[string]Caller
}

func (v *verified) Authenticate(token string) (Caller, error) {
	v.mu.RLock()
	c, known := v.callers[token]
	v.mu.RUnlock()
	if known {
		return c, nil
	}
	c, err := v.authenticator.Authenticate(token)
	if err != nil {
		return c, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.callers) >= v.most {
		clear(v.callers) // all at once: who comes again is verified again
	}
	v.callers[token] = c
	return c, nil
}
