package projects

import "testing"

// WorkOff ends the notices that are over and writes the letters that are owed,
// as the job does.
func (s *Service) WorkOff(t testing.TB) {
	t.Helper()
	if err := (notices{Service: s}).workOff(t.Context()); err != nil {
		t.Fatal(err)
	}
}
