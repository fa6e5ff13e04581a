// Package account is the domain of accounts: which role fits which organization,
// which roles stand together, who may change what of whom, and that there is
// always somebody who can.
package account

import (
	"slices"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
)

// State is where an account stands.
type State string

// The states.
const (
	Active State = "active"
	Locked State = "locked"
	// Erased is a locked account that nobody comes back to: everything personal was
	// taken out of it.
	Erased State = "erased"
)

// The commands that change the state.
const (
	Lock   = "lock"
	Unlock = "unlock"
)

// Machine is what administrators do with an account. Erased is led to by no
// command, see Account.Erased.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "account",
		Label: func(s State) string { return string(s) },
		Steps: []rule.Step[State]{{From: Active, Command: Lock, To: Locked}, {From: Locked, Command: Unlock, To: Active}},
	}
}

// Grant is a role at a place. ID names it inside its account.
type Grant struct {
	ID   string
	Role Role
	Path scope.Path
}

// mostGrants of one account.
const mostGrants = 16

// Account is what the rules look at.
type Account struct {
	ID, Person string
	State      State
	// Office says that the account is an officer's, staff's or an administrator's:
	// it has a login. A member's and a resident's have none, and their role
	// follows from elsewhere.
	Office bool
	Grants []Grant
}

// Actor is the security administrator who acts, and the part of the tree that
// the role is for.
type Actor struct {
	Account, Person string
	Part            scope.Scope
}

// Seen says whether an actor may know of an account: it stands somewhere in the
// actor's part.
func (a Account) Seen(by Actor) bool {
	return slices.ContainsFunc(a.Grants, func(g Grant) bool { return by.Part.Covers(g.Path) })
}

// MayKeep lets an actor do what concerns the whole account, a lock or a new
// password: NOT_ONESELF for the own, STANDS_ELSEWHERE while the account has a
// role outside the actor's part.
func (a Account) MayKeep(by Actor) error {
	if err := a.notOneself(by); err != nil {
		return err
	}
	for _, g := range a.Grants {
		if !by.Part.Covers(g.Path) {
			return rule.New(rule.Denied, "STANDS_ELSEWHERE", "")
		}
	}
	return nil
}

func (a Account) notOneself(by Actor) error {
	if a.ID == by.Account || a.Person != "" && a.Person == by.Person {
		return rule.New(rule.Denied, "NOT_ONESELF", "")
	}
	return nil
}

// Lasts refuses what changes an account that was erased, which nobody comes back
// to and whose roles say what somebody could do when: ACCOUNT_ERASED.
func (a Account) Lasts() error {
	if a.State == Erased {
		return rule.New(rule.Precondition, "ACCOUNT_ERASED", "")
	}
	return nil
}

// Erased answers the account without its person, if nobody waits for it: it is an
// office's, locked, and its work was handed over or there is none to hand over. ok
// is false for any other, and for members' and residents', who are erased on their
// claim.
func (a Account) Erased(handedOver bool) (after Account, ok bool) {
	works := slices.ContainsFunc(a.Grants, func(g Grant) bool { return g.Role.worksInOffice() })
	if !a.Office || a.State != Locked || works && !handedOver {
		return a, false
	}
	a.State = Erased
	return a, true
}

// Give answers the account with one grant more, at an organization of a kind; ""
// is everywhere. The caller has seen that the place lies in the actor's part.
func (a Account) Give(by Actor, g Grant, kind Kind) (Account, error) {
	if err := a.notOneself(by); err != nil {
		return a, err
	}
	if err := a.Lasts(); err != nil {
		return a, err
	}
	if !a.Office {
		return a, rule.New(rule.Precondition, "NO_LOGIN", "")
	}
	if slices.ContainsFunc(a.Grants, func(h Grant) bool { return h.Role == g.Role && h.Path == g.Path }) {
		return a, rule.New(rule.Exists, "ROLE_HELD", "grant.role", "role", string(g.Role))
	}
	return a.with(g, kind, "grant")
}

// Begin answers a new office's account with its first grants, which stand in the
// request field named.
func Begin(id string, grants []Grant, kinds []Kind, field func(i int) string) (Account, error) {
	a := Account{ID: id, State: Active, Office: true}
	for i, g := range grants {
		if slices.ContainsFunc(a.Grants, func(h Grant) bool { return h.Role == g.Role && h.Path == g.Path }) {
			return a, rule.New(rule.Exists, "ROLE_HELD", field(i)+".role", "role", string(g.Role))
		}
		var err error
		if a, err = a.with(g, kinds[i], field(i)); err != nil {
			return a, err
		}
	}
	return a, nil
}

func (a Account) with(g Grant, kind Kind, field string) (Account, error) {
	if err := g.Role.fits(kind, field); err != nil {
		return a, err
	}
	for _, h := range a.Grants {
		if !together(h.Role, g.Role) {
			return a, rule.New(rule.Precondition, "ADMINISTRATORS_ARE_SEPARATE", field+".role", "role", string(g.Role), "held", string(h.Role))
		}
	}
	if len(a.Grants) >= mostGrants {
		return a, rule.New(rule.Exhausted, "TOO_MANY_ROLES", field)
	}
	a.Grants = append(slices.Clone(a.Grants), g)
	return a, nil
}

// Take answers the account with one grant less. A grant outside the actor's part
// is not there for the actor. LAST_ROLE: an account that stands nowhere would be
// seen by nobody; it is locked instead.
func (a Account) Take(by Actor, grantID string) (Account, error) {
	if err := a.notOneself(by); err != nil {
		return a, err
	}
	i := slices.IndexFunc(a.Grants, func(g Grant) bool { return g.ID == grantID && g.ID != "" && by.Part.Covers(g.Path) })
	switch {
	case i < 0:
		return a, rule.Absent("grant", grantID)
	case a.State == Erased:
		return a, a.Lasts()
	case len(a.Grants) == 1:
		return a, rule.New(rule.Precondition, "LAST_ROLE", "grant_id")
	}
	a.Grants = slices.Delete(slices.Clone(a.Grants), i, i+1)
	return a, nil
}

// Move answers the account in the state that a command leads to.
func (a Account) Move(by Actor, command string) (Account, error) {
	if err := a.MayKeep(by); err != nil {
		return a, err
	}
	if err := a.Lasts(); err != nil {
		return a, err
	}
	var err error
	a.State, err = Machine().Next(a.State, command)
	return a, err
}

// Keeps says whether an account keeps all others: an active security
// administrator who may act everywhere.
func (a Account) Keeps() bool {
	return a.State == Active && slices.ContainsFunc(a.Grants, func(g Grant) bool {
		return g.Role == SecurityAdmin && g.Path == scope.Root
	})
}

// Keepers answers the accounts that keep all others after one of them has
// changed. LAST_ADMINISTRATOR when there were some and none would be left.
func Keepers(before []string, changed Account) ([]string, error) {
	after := slices.DeleteFunc(slices.Clone(before), func(id string) bool { return id == changed.ID })
	if changed.Keeps() {
		after = append(after, changed.ID)
		slices.Sort(after)
	}
	if len(before) > 0 && len(after) == 0 {
		return before, rule.New(rule.Precondition, "LAST_ADMINISTRATOR", "")
	}
	return after, nil
}

// SharedOffices answers the organizations in which a colleague has a role of an
// office that somebody who hands over has too, each once: the work that goes to
// the colleague. NOT_A_COLLEAGUE when there is none, or the colleague is locked,
// away, or the same person.
func SharedOffices(from, to Account, toAway bool) ([]scope.Path, error) {
	var shared []scope.Path
	for _, g := range from.Grants {
		both := slices.ContainsFunc(to.Grants, func(h Grant) bool { return h.Role == g.Role && h.Path == g.Path })
		if both && g.Role.worksInOffice() && !slices.Contains(shared, g.Path) {
			shared = append(shared, g.Path)
		}
	}
	if len(shared) == 0 || from.ID == to.ID || to.State != Active || toAway {
		return nil, rule.New(rule.Precondition, "NOT_A_COLLEAGUE", "to_account_id")
	}
	return shared, nil
}

// Near says whether two people may know each other's names: a grant of one lies
// above or below a grant of the other, or at the same place.
func Near(a, b []scope.Path) bool {
	for _, p := range a {
		if slices.ContainsFunc(b, p.Related) {
			return true
		}
	}
	return false
}

const (
	shortestLogin = 3
	longestLogin  = 32
)

// CheckLogin refuses what cannot be typed everywhere: a login begins with a small
// letter and goes on with small letters, digits, ".", "_" and "-", 3 to 32 in all.
func CheckLogin(login string) error {
	fits := len(login) >= shortestLogin && len(login) <= longestLogin
	for i := range len(login) {
		c := login[i]
		letter := 'a' <= c && c <= 'z'
		fits = fits && (letter || i > 0 && ('0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'))
	}
	if fits {
		return nil
	}
	return rule.New(rule.Invalid, "INVALID_FIELD", "login", "field", "login", "rule", "a small letter, then small letters, digits, . _ -, 3 to 32 in all")
}
