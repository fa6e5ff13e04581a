// Package organization is the domain of the organization tree: what kinds
// there are, which may stand below which, and what a code looks like.
package organization

import (
	"slices"

	"github.com/linli-project/linli/pkg/rule"
)

// Kind is what an organization is, in the word that files and tokens use.
type Kind string

// The kinds.
const (
	City            Kind = "city"
	District        Kind = "district"
	Street          Kind = "street"
	Community       Kind = "community"
	Building        Kind = "building"
	Workplace       Kind = "workplace"
	Branch          Kind = "branch"
	FunctionalGroup Kind = "functional_group"
	HeartHome       Kind = "heart_home"
	External        Kind = "external"
)

const longestCode = 16

// trait is what holds for all organizations of a kind.
type trait struct {
	kind Kind
	// below is what it may stand below; none for the root of a tree.
	below []Kind
	// holds says that memberships can be held there.
	holds bool
	// byHome says that its completion counts its own members, wherever they
	// live, and not the members who live in it.
	byHome bool
}

func traits() []trait {
	return []trait{
		{kind: City},
		{kind: District, below: []Kind{City}},
		{kind: Street, below: []Kind{District}},
		{kind: Community, below: []Kind{Street, District}, holds: true},
		{kind: Building, below: []Kind{Community}},
		{kind: Workplace, below: []Kind{City, District, Street}, holds: true, byHome: true},
		{kind: Branch, below: []Kind{Workplace, Community}, holds: true, byHome: true},
		{kind: FunctionalGroup, below: []Kind{Street, Community}},
		{kind: HeartHome, below: []Kind{Street, Community}},
		{kind: External, holds: true, byHome: true},
	}
}

func (k Kind) trait() (trait, bool) {
	all := traits()
	i := slices.IndexFunc(all, func(t trait) bool { return t.kind == k })
	if i < 0 {
		return trait{}, false
	}
	return all[i], true
}

// Kinds answers every kind.
func Kinds() []Kind {
	var out []Kind
	for _, t := range traits() {
		out = append(out, t.kind)
	}
	return out
}

// Known says whether it is one of the kinds.
func (k Kind) Known() bool {
	_, ok := k.trait()
	return ok
}

// IsRoot says whether it stands below nothing.
func (k Kind) IsRoot() bool {
	t, ok := k.trait()
	return ok && t.below == nil
}

// HoldsMembers says whether it can be a home organization.
func (k Kind) HoldsMembers() bool {
	t, _ := k.trait()
	return t.holds
}

// CountsByHome says whether its completion counts its own members; otherwise
// it counts the members who live in it.
func (k Kind) CountsByHome() bool {
	t, _ := k.trait()
	return t.byHome
}

// Employs says whether members can work there.
func (k Kind) Employs() bool { return k == Workplace || k == Branch }

// CheckParent answers BAD_PARENT for a parent that may not hold the kind, else
// nil. An empty parent kind means none.
func CheckParent(kind, parent Kind) *rule.Error {
	t, _ := kind.trait()
	if parent == "" && t.below == nil || slices.Contains(t.below, parent) {
		return nil
	}
	return rule.New(rule.Invalid, "BAD_PARENT", ColumnParent, "kind", string(kind), "parent", string(parent))
}

// WellFormed says whether a code can be an organization's id: 1 to 16 capital
// letters and digits. It stands in paths, tokens and routes.
func WellFormed(code string) bool {
	if code == "" || len(code) > longestCode {
		return false
	}
	for i := range len(code) {
		if c := code[i]; (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
