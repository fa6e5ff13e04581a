package cover

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// Reading a text with some twenty expressions cost more than all the rest of
// posting it. Nearly all of them look for words that a text does not hold, and
// that is found out by a look at its letters.

// pattern is an expression that is tried only where a match can be.
type pattern struct {
	*regexp.Regexp
	need need
}

// compile panics for an expression that is wrong, since it is a constant.
func compile(expression string) pattern {
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		panic("cover: " + err.Error())
	}
	return pattern{regexp.MustCompile(expression), needOf(parsed)}
}

// in says whether the expression matches somewhere in a text.
func (p pattern) in(l *letters) bool { return p.need.met(l) && p.MatchString(l.text) }

// letters is a text with the set of its letters: each is a bit by the last two
// bytes of its code. A letter beyond these has the bit of another, so that a
// bit that is not set is certain and one that is set is not.
type letters struct {
	text string
	set  [1 << 16 / 64]uint64
}

func lettersOf(text string) *letters {
	l := &letters{text: text}
	for _, r := range text {
		l.set[uint16(r)/64] |= 1 << (uint16(r) % 64)
	}
	return l
}

func (l *letters) has(r rune) bool { return l.set[uint16(r)/64]&(1<<(uint16(r)%64)) != 0 }

// need is what every match of an expression holds. The zero need is met by any
// text. Of the fields one is set.
type need struct {
	word   string // this word
	anyOf  []rune // one of these letters
	each   []need // all of these
	either []need // one of these
}

// mostAnyOf is how many letters are worth looking for one by one.
const mostAnyOf = 64

// needOf reads the need from an expression.
func needOf(e *syntax.Regexp) need {
	switch e.Op {
	case syntax.OpLiteral:
		if e.Flags&syntax.FoldCase == 0 {
			return need{word: string(e.Rune)}
		}
	case syntax.OpCharClass:
		return need{anyOf: lettersIn(e.Rune)}
	case syntax.OpCapture, syntax.OpPlus:
		return needOf(e.Sub[0])
	case syntax.OpRepeat:
		if e.Min > 0 {
			return needOf(e.Sub[0])
		}
	case syntax.OpConcat:
		var each []need
		for _, part := range e.Sub {
			if n := needOf(part); !n.none() {
				each = append(each, n)
			}
		}
		return need{each: each}
	case syntax.OpAlternate:
		var either []need
		for _, part := range e.Sub {
			n := needOf(part)
			if n.none() {
				return need{}
			}
			either = append(either, n)
		}
		return need{either: either}
	}
	return need{}
}

// lettersIn answers the letters of ranges, or nil when they are many.
func lettersIn(ranges []rune) (out []rune) {
	for i := 0; i+1 < len(ranges); i += 2 {
		if len(out)+int(ranges[i+1]-ranges[i]) >= mostAnyOf {
			return nil
		}
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			out = append(out, r)
		}
	}
	return out
}

func (n need) none() bool {
	return n.word == "" && len(n.anyOf) == 0 && len(n.each) == 0 && len(n.either) == 0
}

// met says whether a text can hold a match.
func (n need) met(l *letters) bool {
	switch {
	case n.word != "":
		for _, r := range n.word {
			if !l.has(r) {
				return false
			}
		}
		return strings.Contains(l.text, n.word)
	case len(n.anyOf) > 0:
		for _, r := range n.anyOf {
			if l.has(r) {
				return true
			}
		}
		return false
	case len(n.either) > 0:
		for _, part := range n.either {
			if part.met(l) {
				return true
			}
		}
		return false
	}
	for _, part := range n.each {
		if !part.met(l) {
			return false
		}
	}
	return true
}
