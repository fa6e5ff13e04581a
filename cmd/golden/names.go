package golden

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// names gives what differs from run to run (ids, page tokens, codes, hashes,
// call ids) a name by the order in which it was first seen.
type names struct {
	of    map[string]string // what was seen → its name
	value map[string]string // name → what was seen
	whole map[string]string // what was the whole text of a field → its name
	count map[string]int    // by kind
}

func newNames() *names {
	return &names{of: map[string]string{}, value: map[string]string{}, whole: map[string]string{}, count: map[string]int{}}
}

var (
	idPattern   = regexp.MustCompile(`\b([a-z]{3})_([0-9a-f]{32})\b`)
	hashPattern = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
	usePattern  = regexp.MustCompile(`\{([a-zA-Z]+#[0-9]+)\}`)
	// Fields whose whole text is made anew in each run.
	madeAnew = map[string]bool{
		"nextPageToken": true, "code": true, "lookUpCode": true, "seed": true,
		"secret": true, "codes": true, "ballotCode": true, "verificationCode": true,
	}
)

// named answers the name of a value of a kind.
func (n *names) named(kind, value string) string {
	if name, ok := n.of[kind+" "+value]; ok {
		return name
	}
	n.count[kind]++
	name := fmt.Sprintf("%s#%d", kind, n.count[kind])
	n.of[kind+" "+value], n.value[name] = name, value
	return name
}

// fill puts what was seen in the place of its name in braces.
func (n *names) fill(text string) (string, error) {
	var err error
	out := usePattern.ReplaceAllStringFunc(text, func(m string) string {
		v, ok := n.value[m[1:len(m)-1]]
		if !ok {
			err = fmt.Errorf("nothing was called %s so far", m)
		}
		return v
	})
	return out, err
}

// replace names the ids, hashes and codes in a text. Messages come in the order
// in which events arrived, so they are not numbered.
func (n *names) replace(text string) string {
	for value, name := range n.whole {
		text = strings.ReplaceAll(text, value, name)
	}
	text = idPattern.ReplaceAllStringFunc(text, func(id string) string {
		kind, _, _ := strings.Cut(id, "_")
		if kind == "msg" {
			return "msg#"
		}
		return n.named(kind, id)
	})
	return hashPattern.ReplaceAllStringFunc(text, func(h string) string { return n.named("hash", h) })
}

// name walks a decoded body. Keys of objects are visited in order, so that
// names are given in one order.
func (n *names) name(value any, field string) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		if _, ok := v["instance"]; ok {
			v["instance"] = "urn:linli:call:…" // each call has its own
		}
		for _, key := range sortedKeys(v) {
			out[n.replace(key)] = n.name(v[key], key)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = n.name(v[i], field)
		}
		if field == "messages" {
			slices.SortFunc(out, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
		return out
	case string:
		if madeAnew[field] && v != "" {
			n.whole[v] = n.named(field, v)
			return n.whole[v]
		}
		return n.replace(v)
	default:
		return value
	}
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
