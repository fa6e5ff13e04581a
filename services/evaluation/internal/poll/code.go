package poll

import "strings"

// alphabet of codes: digits and letters that are not taken for one another.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	codeLetters = 12
	codeGroup   = 4
	bitsALetter = 5
)

// RandomBits is how much randomness a code takes: 60 of 64 bits.
type RandomBits = uint64

// Code writes random bits as people read them: "7KQ2-M0XD-99TZ".
func Code(random RandomBits) string {
	var b strings.Builder
	for i := range codeLetters {
		if i > 0 && i%codeGroup == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(alphabet[random&(1<<bitsALetter-1)])
		random >>= bitsALetter
	}
	return b.String()
}

// Plain reads a code as people write it: small letters, without or with other
// dashes, O for 0, I and L for 1.
func Plain(code string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			r -= 'a' - 'A'
		case r == '-' || r == ' ' || r == '－' || r == '　':
			return -1
		}
		switch r {
		case 'O':
			return '0'
		case 'I', 'L':
			return '1'
		}
		return r
	}, code)
}
