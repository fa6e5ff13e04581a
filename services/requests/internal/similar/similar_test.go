package similar

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestScore(t *testing.T) {
	if got := Score("night", "nacht"); got != 0.25 { // the textbook example
		t.Errorf("night, nacht: %v", got)
	}
	same, other := Score("15栋楼下的石板松了", "15栋楼下石板松动了"), Score("15栋楼下的石板松了", "广场舞太吵")
	if same < 0.5 || other > 0.1 {
		t.Errorf("same %v, other %v", same, other)
	}
}

func TestScore_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("石板松了灯坏ab1,。 ")))
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		s := Score(a, b)
		if s != Score(b, a) || s < 0 || s > 1 || math.IsNaN(s) || len(pairs(a)) > 0 && Score(a, a) != 1 {
			t.Fatalf("%q, %q: %v", a, b, s)
		}
	})
}
