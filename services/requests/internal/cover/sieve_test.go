package cover

import (
	"testing"

	"pgregory.net/rapid"
)

// all are the expressions of the package, by name.
func all() map[string]pattern {
	out := map[string]pattern{
		"misdeeds": misdeeds, "accusing": accusing, "deeds": deeds, "frauds": frauds, "bribery": bribery,
		"households": households, "suffering": suffering,
	}
	for _, s := range shapes {
		out[s.expr.String()] = s.expr
	}
	return out
}

// A need is met by every text in which its expression matches: nothing passes
// the sieve that would have been found.
func TestSieve_LetsEveryMatchThrough(t *testing.T) {
	for name, p := range all() {
		matching := rapid.StringMatching(`(?s:.{0,3})` + p.String() + `(?s:.{0,3})`)
		around := rapid.StringMatching(`[\p{Han}A-Z0-9。,\n]{0,20}`)
		rapid.Check(t, func(t *rapid.T) {
			text := around.Draw(t, "before") + matching.Draw(t, "match") + around.Draw(t, "after")
			if l := lettersOf(text); p.in(l) != p.MatchString(text) {
				t.Fatalf("%s: %q", name, text)
			}
		})
	}
}

// FuzzSieve: with and without the sieve an expression says the same of a text.
func FuzzSieve(f *testing.F) {
	for _, s := range append(append([]string{"三单元五楼502", "湘A·D12345", "\xff一户", "\U00021234住户"}, accusations...), harmless...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := lettersOf(text)
		for name, p := range all() {
			if p.in(l) != p.MatchString(text) {
				t.Errorf("%s: %q", name, text)
			}
		}
	})
}

// Every expression looks for something: an empty need would be tried on every
// text.
func TestSieve_EveryExpressionHasANeed(t *testing.T) {
	for name, p := range all() {
		if p.need.none() || p.need.met(lettersOf("石板松了请来看看")) {
			t.Errorf("%s is tried on any text", name)
		}
	}
}

// Nothing is found in a text of words only, so that it need not be read.
func FuzzWordsOnly(f *testing.F) {
	for _, s := range []string{"甲单元", "十楼", "三楼", "湘", "单元一门", "石板松了，请来", "二三四"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		folded := fold(text)
		if found := append(numbers(folded), named(folded)...); wordsOnly(text) && len(found) > 0 {
			t.Errorf("%q: %v", text, found)
		}
	})
}

func TestWordsOnly_HoldsNothing(t *testing.T) {
	letters := rapid.StringMatching(`[甲乙丙丁十百拾佰一二三四五零两单元栋幢座号楼层门房室户第的负地下湘京电话是为石板松了 ,.，。\n]{0,12}`)
	rapid.Check(t, func(t *rapid.T) {
		text := letters.Draw(t, "text")
		folded := fold(text)
		if found := append(numbers(folded), named(folded)...); wordsOnly(text) && len(found) > 0 {
			t.Fatalf("%q: %v", text, found)
		}
	})
}

// BenchmarkPosting reads a text of 520 characters as posting does.
func BenchmarkPosting(b *testing.B) {
	text := ""
	for len(text) < 3*520 {
		text += "社区居民反映小广场路灯夜间不亮老人行走困难请尽快安排修理。"
	}
	b.ReportAllocs()
	for b.Loop() {
		if Household(text) || Allegation(text) || Text(text) != text {
			b.Fatal("there is something in it")
		}
	}
}
