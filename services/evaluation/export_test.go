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
