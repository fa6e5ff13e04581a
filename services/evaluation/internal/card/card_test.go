package card

import "testing"

func TestCard(t *testing.T) {
	if got := Number("430101002001", 2013, 7); got != "430101002001-2013-00007" {
		t.Error(got)
	}
	if CheckInspection([]int32{2012, 2013}, 2013) == nil || CheckInspection([]int32{2012}, 2013) != nil {
		t.Error("one inspection a year")
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
