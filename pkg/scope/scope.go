// Package scope says which part of the organization tree somebody may see.
package scope

import "strings"

// Path is the place of an organization in the tree: the ids of its ancestors
// and its own, each followed by a slash, the whole led by one
// ("/430100/430101/W00001/"). The closing slash makes "is inside" a plain
// prefix test, in memory and in key ranges alike. Root is "/".
type Path string

// Root holds every organization.
const Root Path = "/"

// Child answers the path of an organization below p.
func (p Path) Child(id string) Path { return p + Path(id) + "/" }

// Parent answers the path of the organization above; "" above the top.
func (p Path) Parent() Path {
	i := strings.LastIndexByte(strings.TrimSuffix(string(p), "/"), '/')
	if i <= 0 {
		return ""
	}
	return p[:i+1]
}

// Contains says whether q is p or inside it. An empty path contains nothing.
func (p Path) Contains(q Path) bool { return p != "" && strings.HasPrefix(string(q), string(p)) }

// Related says whether one of the two is an ancestor of the other, or both are
// the same: the test for a conflict of interest.
func (p Path) Related(q Path) bool { return p.Contains(q) || q.Contains(p) }

// ID answers the id of the organization itself; empty for Root.
func (p Path) ID() string {
	s := strings.TrimSuffix(string(p), "/")
	return s[strings.LastIndexByte(s, '/')+1:]
}

// Valid says whether p is well formed: it begins and ends with a slash and has
// no empty segment.
func (p Path) Valid() bool {
	s := string(p)
	return p == Root || (strings.HasPrefix(s, "/") && strings.HasSuffix(s, "/") && !strings.Contains(s, "//"))
}

// Scope is what one call may see: rows whose path is inside one of Paths, and
// rows that belong to Person. The zero value sees nothing.
type Scope struct {
	Paths  []Path
	Person string
}

// All sees every row: for the house's own work (reactions, checks), never for
// a caller.
func All() Scope { return Scope{Paths: []Path{Root}} }

// Covers says whether p is inside the scope.
func (s Scope) Covers(p Path) bool {
	for _, q := range s.Paths {
		if q.Contains(p) {
			return true
		}
	}
	return false
}

// Owns says whether a row of this person is the scope's own.
func (s Scope) Owns(person string) bool { return s.Person != "" && s.Person == person }
