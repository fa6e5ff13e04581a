package seal

import "strings"

const (
	shownHead = 3
	shownTail = 4
	// leastHidden: a shorter middle would leave so little to guess that
	// everything is hidden instead.
	leastHidden = 4
)

// MaskIDNumber shows the area and the end of an ID number: "430***********123X".
func MaskIDNumber(s string) string { return mask(s) }

// MaskPhone shows the head and the end of a phone number: "138****1234".
func MaskPhone(s string) string { return mask(s) }

// mask counts characters, not bytes: what is shown must stay text.
func mask(s string) string {
	r := []rune(s)
	hidden := len(r) - shownHead - shownTail
	if hidden < leastHidden {
		return strings.Repeat("*", len(r))
	}
	return string(r[:shownHead]) + strings.Repeat("*", hidden) + string(r[len(r)-shownTail:])
}
