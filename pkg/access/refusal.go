package access

// Refusal is a call that was refused, as the audit keeps it.
type Refusal struct {
	Call Call
	// Reason of the refusal: "ROLE_NOT_ALLOWED".
	Reason string
	// Row that was asked for, by its id; empty when none was, or when what was
	// asked for is not the form of an id.
	Row string
}

// Recorded is a refusal of which a commit holds the line: the door writes none.
type Recorded struct{ Err error }

func (r Recorded) Error() string { return r.Err.Error() }

// Unwrap answers the refusal.
func (r Recorded) Unwrap() error { return r.Err }
