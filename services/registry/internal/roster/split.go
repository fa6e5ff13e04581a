package roster

import "strings"

// shape says how a text stands as one CSV record.
type shape int

const (
	whole  shape = iota // a record
	open                // a quoted field has not ended
	broken              // a quote stands where none may
)

// split parts a record into its fields (RFC 4180). text has no line end.
func split(text string) ([]string, shape) {
	var fields []string
	for {
		field, rest, more, s := takeField(text)
		if s != whole {
			return nil, s
		}
		fields = append(fields, field)
		if !more {
			return fields, whole
		}
		text = rest
	}
}

// takeField takes the first field off a record; more says that a comma follows.
func takeField(text string) (field, rest string, more bool, s shape) {
	if !strings.HasPrefix(text, `"`) {
		field, rest, more = strings.Cut(text, ",")
		if strings.Contains(field, `"`) {
			return "", "", false, broken
		}
		return field, rest, more, whole
	}
	var b strings.Builder
	text = text[1:]
	for {
		part, after, closed := strings.Cut(text, `"`)
		if !closed {
			return "", "", false, open
		}
		b.WriteString(part)
		if !strings.HasPrefix(after, `"`) {
			if after != "" && after[0] != ',' {
				return "", "", false, broken
			}
			return b.String(), strings.TrimPrefix(after, ","), after != "", whole
		}
		b.WriteByte('"')
		text = after[1:]
	}
}
