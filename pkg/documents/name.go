package documents

import (
	"path"
	"strings"
	"unicode"
)

// longestName is how many characters of a name are kept, without its ending.
const longestName = 80

// CleanName answers what a file may be called when it is handed out: the last
// part of the name that came, without what a path, a header or a screen would
// read in another way, and with the ending of what the file is. fallback is
// used where nothing is left.
func CleanName(name, fallback, ending string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.TrimSuffix(name, path.Ext(name))
	var out []rune
	for _, r := range name {
		switch {
		case len(out) == longestName:
		case r == unicode.ReplacementChar, unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp):
		case strings.ContainsRune(`/\:*?"<>|;%`+"`", r):
			out = append(out, '_')
		default:
			out = append(out, r)
		}
	}
	clean := strings.Trim(string(out), " ._")
	if clean == "" {
		clean = fallback
	}
	return clean + ending
}
