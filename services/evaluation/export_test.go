package evaluation

import "testing"

// RemindDue reminds of every letter whose reply is due, as the job does.
func (s *Service) RemindDue(t *testing.T) {
	t.Helper()
	for {
		n, err := (replies{Service: s}).remindDue(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// EraseAnswers erases what households said in surveys that have ended, as the
// job does.
func (s *Service) EraseAnswers(t *testing.T) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = (surveys{Service: s}).eraseSlice(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
