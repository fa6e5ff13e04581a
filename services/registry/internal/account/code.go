package account

import (
	"encoding/base32"
	"strings"
)

// codeSigns are the signs of a code by which a member enters: no I, L, O or U,
// which are taken for others when a card is read.
const codeSigns = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// CodeBytes of randomness lie in a code: 80 bits, 16 signs.
const CodeBytes = 10

// Code writes random bytes as the code that stands on a card.
func Code(random [CodeBytes]byte) string {
	return base32.NewEncoding(codeSigns).WithPadding(base32.NoPadding).EncodeToString(random[:])
}

// ReadCode answers a code as Code writes it, however it was typed: in small
// letters, in groups, an O for a nought. False for what cannot be one.
func ReadCode(typed string) (string, bool) {
	alike := strings.NewReplacer("O", "0", "I", "1", "L", "1", "-", "", " ", "", "\u3000", "")
	code := alike.Replace(strings.ToUpper(typed))
	whole := len(code) == len(Code([CodeBytes]byte{}))
	return code, whole && strings.Trim(code, codeSigns) == ""
}
