// Package ids mints identifiers: a type prefix and a UUIDv7, so that an id
// says what it is and sorts by when it was made.
package ids

import (
	"strings"

	"github.com/google/uuid"
)

// Source mints one id with a type prefix ("rpt" → "rpt_0198…"). It is passed
// in, so that tests can make ids predictable.
type Source func(prefix string) string

// New is the Source of a running house. It panics when the system has no
// randomness, as nothing safe can be done then.
func New(prefix string) string {
	return prefix + "_" + strings.ReplaceAll(uuid.Must(uuid.NewV7()).String(), "-", "")
}
