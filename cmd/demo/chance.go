package demo

import (
	"fmt"
	"hash/fnv"
)

// chance is the generator of all that the demo needs and the records do not
// have: handlers, ratings, hours, outcomes, marks, answers. It answers a number
// from 0 up that depends on nothing but its seed: the thing's own number in the
// records (0 where it has none) and what is asked of it. So every run on every
// machine has the same figures, in whatever order it asks and wherever it was
// broken off.
func chance(no int, what string) int {
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%d %s", no, what) // a hash never fails
	return int(h.Sum32() >> 1)
}
