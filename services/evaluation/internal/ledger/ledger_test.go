package ledger_test

import (
	"errors"
	"testing"

	"github.com/linli-project/linli/pkg/rule"

	"github.com/linli-project/linli/services/evaluation/internal/ledger"
)

func TestMachine_ConfirmsOnce(t *testing.T) {
	m := ledger.Machine()
	at, err := m.Next(ledger.New, ledger.Propose)
	if err != nil || at != ledger.Proposed {
		t.Fatal(at, err)
	}
	if at, err = m.Next(at, ledger.Confirm); err != nil || at != ledger.Confirmed {
		t.Fatal(at, err)
	}
	for _, c := range []string{ledger.Propose, ledger.Confirm} {
		if _, err := m.Next(at, c); err == nil {
			t.Errorf("%s of a confirmed entry", c)
		}
	}
	if _, err := m.Next(ledger.New, ledger.Confirm); err == nil {
		t.Error("confirmed what was not proposed")
	}
}

func TestMayConfirm(t *testing.T) {
	const home = "/1/2/W00001/"
	for _, c := range []struct {
		name, person string
		grants       []string
		want         string
	}{
		{"the community's staff", "s", []string{"/1/2/3/4/"}, ""},
		{"the district above the unit", "s", []string{"/1/2/"}, ""},
		{"the member", "m", []string{"/1/2/3/4/"}, "CONFIRMS_SELF"},
		{"an officer of the unit", "s", []string{"/1/2/3/4/", home}, "CONFIRMS_OWN_UNIT"},
		{"of a branch of the unit", "s", []string{home + "B1/"}, "CONFIRMS_OWN_UNIT"},
		{"of a unit whose id begins alike", "s", []string{"/1/2/W000011/"}, ""},
	} {
		err := ledger.MayConfirm(c.person, c.grants, "m", home)
		var r *rule.Error
		got := ""
		if errors.As(err, &r) {
			got = r.Reason
		}
		if got != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
