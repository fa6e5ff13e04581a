package access_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/linli-project/linli/pkg/access"
)

// counting takes tokens that begin with "good" and counts how often it is asked.
type counting struct{ asked map[string]int }

func (c counting) Authenticate(token string) (access.Caller, error) {
	c.asked[token]++
	if token[:4] != "good" {
		return access.Caller{}, errors.New("refused")
	}
	return access.Caller{Person: token}, nil
}

func TestVerified_AsksOnceAndKeepsNoRefusal(t *testing.T) {
	c := counting{map[string]int{}}
	v := access.Verified(c, 3)
	for range 3 {
		if who, err := v.Authenticate("good1"); err != nil || who.Person != "good1" {
			t.Errorf("%v, %v", who, err)
		}
		if _, err := v.Authenticate("bad."); err == nil {
			t.Error("a refused token was taken")
		}
	}
	if c.asked["good1"] != 1 || c.asked["bad."] != 3 {
		t.Errorf("asked %v", c.asked)
	}
	for i := range 100 { // more than it keeps: each is still who it is
		token := fmt.Sprint("good", i)
		if who, err := v.Authenticate(token); err != nil || who.Person != token {
			t.Errorf("%v, %v", who, err)
		}
	}
}
