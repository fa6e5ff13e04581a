package policy

// inboxKeys are those of the inboxes.
func inboxKeys() []Key {
	return []Key{
		// Days for which a message is kept.
		{Name: "inbox.keep_days", Default: "400", Min: "60", Max: "3660"},
	}
}
