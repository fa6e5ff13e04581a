package card

import (
	"errors"
	"testing"

	"github.com/linli-project/linli/pkg/rule"
)

func reason(err error) string {
	var broken *rule.Error
	if errors.As(err, &broken) {
		return broken.Reason
	}
	return ""
}

func TestCard(t *testing.T) {
	if got := Number("430101002001", 2013, 7); got != "430101002001-2013-00007" {
		t.Error(got)
	}
	for name, c := range map[string]struct {
		year int32
		want string
	}{
		"the present year": {2014, ""}, "twice": {2013, "INSPECTED_ALREADY"}, "the year of issue": {2012, ""},
		"before the issue": {2011, "INSPECTION_YEAR"}, "ahead": {2015, "INSPECTION_YEAR"},
	} {
		if got := reason(CheckInspection([]int32{2013}, c.year, 2012, 2014)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if reason(CheckHand("m1", "m1")) != "CARD_OF_ONESELF" || CheckHand("staff", "m1") != nil {
		t.Error("nobody handles the own card")
	}
	m := Machine()
	at, err := m.Next(New, Issue)
	if err != nil || at != Active {
		t.Fatal(at, err)
	}
	if at, err = m.Next(at, Inspect); err != nil || at != Active {
		t.Error(at, err)
	}
	if at, err = m.Next(at, End); err != nil || len(m.Allowed(at)) != 0 {
		t.Error(at, err)
	}
}
