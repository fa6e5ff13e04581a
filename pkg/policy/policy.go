// Package policy is the document in which a district says, year by year, with
// which numbers linli works: limits in days, weights, thresholds. Each value
// cites the registered document it comes from. What is not said has a default,
// and what linli never does has no value at all.
package policy

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/linli-project/linli/pkg/rule"
)

// Kind of a value.
type Kind int

// The kinds. A decimal is exact; a list is separated by commas.
const (
	Integer Kind = iota
	Decimal
	Switch
	List
)

// Key describes one value of the document: what it is called, in which unit
// and between which bounds it is, and what holds when nothing is said.
type Key struct {
	Name    string
	Kind    Kind
	Default string
	// Min and Max bound integers and decimals, both included; empty = unbounded.
	// The elements of a list with bounds are integers.
	Min, Max string
	// OneOf, when not empty, are the only values of a list's elements.
	OneOf []string
}

// Source is the registered document a value comes from. The zero source is
// linli's own default.
type Source struct{ Title, Number, Article string }

// Value as a district says it.
type Value struct {
	Key, Text string
	Source    Source
}

// Policy is the document of one district and year in one version. The zero
// Policy holds the defaults.
type Policy struct {
	// Version is 0 for the defaults.
	Version  int32
	values   map[string]Value
	calendar map[int]Year
}

// Keys are all values that a document may hold, by name.
func Keys() []Key {
	all := slices.Concat(registryKeys(), requestsKeys(), projectsKeys(), deliveryKeys(), evaluationKeys(), ledgerKeys(), pollKeys(), branchKeys(), inboxKeys(), privacyKeys())
	slices.SortFunc(all, func(a, b Key) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// byName is built once; the keys are constant.
var byName = func() map[string]Key {
	m := map[string]Key{}
	for _, k := range Keys() {
		if _, twice := m[k.Name]; twice {
			panic("policy: key " + k.Name + " twice")
		}
		if err := k.check(k.Default); err != nil {
			panic("policy: default of " + k.Name + ": " + err.Error())
		}
		m[k.Name] = k
	}
	return m
}()

// New makes a document. POLICY_UNKNOWN_KEY, POLICY_BAD_VALUE,
// POLICY_SOURCE_MISSING and POLICY_NEVER name the value in their field.
func New(version int32, values []Value, calendars []Year) (Policy, error) {
	p := Policy{Version: version, values: map[string]Value{}, calendar: map[int]Year{}}
	for _, v := range values {
		if err := Check(v); err != nil {
			return Policy{}, err
		}
		p.values[v.Key] = v
	}
	for _, y := range calendars {
		if err := y.Check(); err != nil {
			return Policy{}, err
		}
		p.calendar[y.Year] = y
	}
	if err := p.together(); err != nil {
		return Policy{}, err
	}
	return p, nil
}

// Check refuses a value that the document cannot hold.
func Check(v Value) error {
	if why, never := forbidden(v.Key); never {
		return rule.New(rule.Invalid, "POLICY_NEVER", "values."+v.Key, "key", v.Key, "rule", why)
	}
	k, ok := byName[v.Key]
	if !ok {
		return rule.New(rule.Invalid, "POLICY_UNKNOWN_KEY", "values."+v.Key, "key", v.Key)
	}
	if err := k.check(v.Text); err != nil {
		return badValue(v.Key, err.Error())
	}
	if v.Source.Title == "" || v.Source.Number == "" {
		return rule.New(rule.Invalid, "POLICY_SOURCE_MISSING", "values."+v.Key, "key", v.Key)
	}
	return nil
}

// check answers what would be right.
func (k Key) check(text string) error {
	switch k.Kind {
	case Integer:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || !k.within(new(big.Rat).SetInt64(n)) {
			return fmt.Errorf("%s–%s", k.Min, k.Max)
		}
	case Decimal:
		r, ok := new(big.Rat).SetString(text)
		if !ok || strings.ContainsAny(text, "eE/xXpP_") || len(text) > 24 || !k.within(r) {
			return fmt.Errorf("%s–%s", k.Min, k.Max)
		}
	case Switch:
		if text != "true" && text != "false" {
			return fmt.Errorf("true, false")
		}
	case List:
		for _, e := range split(text) {
			if len(k.OneOf) > 0 && !slices.Contains(k.OneOf, e) {
				return fmt.Errorf("%s", strings.Join(k.OneOf, ", "))
			}
			n, err := strconv.ParseInt(e, 10, 64)
			if k.Min+k.Max != "" && (err != nil || !k.within(new(big.Rat).SetInt64(n))) {
				return fmt.Errorf("%s–%s", k.Min, k.Max)
			}
		}
	}
	return nil
}

func (k Key) within(r *big.Rat) bool {
	for _, b := range []struct {
		text string
		sign int
	}{{k.Min, -1}, {k.Max, 1}} {
		if b.text == "" {
			continue
		}
		bound, ok := new(big.Rat).SetString(b.text)
		if !ok || r.Cmp(bound) == b.sign {
			return false
		}
	}
	return true
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// text panics for a name that is no key: that is a mistake in the code.
func (p Policy) text(name string, kind Kind) string {
	k, ok := byName[name]
	if !ok || k.Kind != kind {
		panic("policy: no such value: " + name)
	}
	if v, said := p.values[name]; said {
		return v.Text
	}
	return k.Default
}

// Int answers an integer value.
func (p Policy) Int(name string) int {
	n, err := strconv.Atoi(p.text(name, Integer))
	if err != nil {
		panic("policy: " + name + " was not checked") // New checks every value
	}
	return n
}

// Rat answers a decimal value, exactly. The caller owns it.
func (p Policy) Rat(name string) *big.Rat {
	r, ok := new(big.Rat).SetString(p.text(name, Decimal))
	if !ok {
		panic("policy: " + name + " was not checked")
	}
	return r
}

// On answers a switch.
func (p Policy) On(name string) bool { return p.text(name, Switch) == "true" }

// List answers the elements of a list.
func (p Policy) List(name string) []string { return split(p.text(name, List)) }

// Text answers a value of any kind as it is written.
func (p Policy) Text(name string) string { return p.text(name, byName[name].Kind) }

// SourceOf answers where a value comes from; false for a default.
func (p Policy) SourceOf(name string) (Source, bool) {
	v, said := p.values[name]
	return v.Source, said
}

// Values are what the document says, by key.
func (p Policy) Values() []Value {
	return slices.SortedFunc(maps.Values(p.values), func(a, b Value) int { return strings.Compare(a.Key, b.Key) })
}
