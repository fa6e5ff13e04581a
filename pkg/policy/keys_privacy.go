package policy

// privacyKeys are those of claims about the own data and of how long things are
// kept.
func privacyKeys() []Key {
	return []Key{
		// Days between the acceptance of an erasure and its beginning, in which the
		// person can withdraw it.
		{Name: "privacy.erasure_wait_days", Default: "7", Min: "0", Max: "15"},
	}
}
