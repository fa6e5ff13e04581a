package survey

import "strings"

// alphabet of codes: digits and letters that are not taken for one another.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	// CodeBytes is how much randomness a code takes. Five bits of each byte
	// count: 130 bits, which nobody guesses however often.
	CodeBytes = 26
	codeGroup = 5
)

// Code writes random bytes as people read them: "7KQ2M-0XD99-…".
func Code(random [CodeBytes]byte) string {
	var b strings.Builder
	for i, r := range random {
		if i > 0 && i%codeGroup == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(alphabet[int(r)%len(alphabet)])
	}
	return b.String()
}

// Plain reads a code as people write it: small letters, without or with other
// dashes, O for 0, I and L for 1.
func Plain(code string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		switch r {
		case '-', ' ', '－', '　':
			return -1
		case 'O':
			return '0'
		case 'I', 'L':
			return '1'
		}
		return r
	}, code)
}
