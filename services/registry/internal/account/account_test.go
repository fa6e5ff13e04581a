package account

import (
	"errors"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
)

func reason(err error) string {
	var broken *rule.Error
	if errors.As(err, &broken) {
		return broken.Reason
	}
	return ""
}

const (
	district  scope.Path = "/430100/430101/"
	community scope.Path = "/430100/430101/430101002/430101002001/"
	elsewhere scope.Path = "/430200/430201/"
)

func everywhere() Actor { return Actor{Account: "keeper", Part: scope.All()} }

func TestRole_FitsKinds(t *testing.T) {
	kinds := []Kind{Everywhere, City, District, Street, Community, Workplace, Branch, FunctionalGroup, HeartHome, External, "building"}
	where := map[Role][]Kind{
		CityOfficer: {City}, DistrictOfficer: {District}, StreetOfficer: {Street},
		CommitteeStaff: {Community}, CommunityPartyStaff: {Community}, GroupSecretary: {Community, FunctionalGroup, HeartHome},
		WorkplaceOfficer: {Workplace, External}, BranchOfficer: {Branch}, Provider: {Community},
		Reviewer:    {City, District, Street, Community, Workplace, Branch},
		SystemAdmin: {Everywhere, City, District}, SecurityAdmin: {Everywhere, City, District}, AuditAdmin: {Everywhere, City, District},
	}
	for _, role := range Roles() {
		for _, kind := range kinds {
			want := "ROLE_NOT_THERE"
			switch {
			case role == Member || role == Resident:
				want = "ROLE_NOT_GIVEN"
			case slices.Contains(where[role], kind):
				want = ""
			}
			if got := reason(role.fits(kind, "grant")); got != want {
				t.Errorf("%s at %q: %q, want %q", role, kind, got, want)
			}
		}
	}
	if got := reason(Role("emperor").fits(City, "grant")); got != "ROLE_NOT_GIVEN" {
		t.Errorf("a role that is none: %q", got)
	}
}

func TestTogether_AdministratorsStandAlone(t *testing.T) {
	apart := []Role{SystemAdmin, SecurityAdmin, AuditAdmin}
	for _, a := range Roles() {
		for _, b := range Roles() {
			want := a == b || !slices.Contains(apart, a) && !slices.Contains(apart, b)
			if together(a, b) != want || together(a, b) != together(b, a) {
				t.Errorf("%s with %s: %v", a, b, together(a, b))
			}
		}
	}
}

func TestGive_Refusals(t *testing.T) {
	staff := Account{ID: "a", State: Active, Office: true, Grants: []Grant{{"g1", CommitteeStaff, community}}}
	full := staff
	for i := range mostGrants - 1 {
		full.Grants = append(full.Grants, Grant{"x" + strconv.Itoa(i), Reviewer, district.Child(strconv.Itoa(i))})
	}
	for what, c := range map[string]struct {
		to   Account
		by   Actor
		g    Grant
		kind Kind
		want string
	}{
		"another office":          {staff, everywhere(), Grant{"g2", StreetOfficer, "/430100/430101/430101002/"}, Street, ""},
		"oneself":                 {staff, Actor{Account: "a", Part: scope.All()}, Grant{"g2", StreetOfficer, "/430100/430101/430101002/"}, Street, "NOT_ONESELF"},
		"an administrator's":      {staff, everywhere(), Grant{"g2", AuditAdmin, scope.Root}, Everywhere, "ADMINISTRATORS_ARE_SEPARATE"},
		"the same again":          {staff, everywhere(), Grant{"g2", CommitteeStaff, community}, Community, "ROLE_HELD"},
		"at the wrong kind":       {staff, everywhere(), Grant{"g2", CommitteeStaff, district}, District, "ROLE_NOT_THERE"},
		"a member's":              {staff, everywhere(), Grant{"g2", Member, community}, Community, "ROLE_NOT_GIVEN"},
		"to a member":             {Account{ID: "m", Grants: []Grant{{"", Member, community}}}, everywhere(), Grant{"g1", CommitteeStaff, community}, Community, "NO_LOGIN"},
		"one too many":            {full, everywhere(), Grant{"g99", Reviewer, district}, District, "TOO_MANY_ROLES"},
		"same role, second place": {staff, everywhere(), Grant{"g2", CommitteeStaff, community + "x/"}, Community, ""},
	} {
		after, err := c.to.Give(c.by, c.g, c.kind)
		if got := reason(err); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
		if grew := len(after.Grants) == len(c.to.Grants)+1; grew != (c.want == "") {
			t.Errorf("%s: %d grants after %d", what, len(after.Grants), len(c.to.Grants))
		}
	}
}

func TestBegin_NamesTheField(t *testing.T) {
	field := func(i int) string { return "grants[" + strconv.Itoa(i) + "]" }
	_, err := Begin("a", []Grant{{"g1", CommitteeStaff, community}, {"g2", SystemAdmin, scope.Root}}, []Kind{Community, Everywhere}, field)
	var broken *rule.Error
	if !errors.As(err, &broken) || broken.Reason != "ADMINISTRATORS_ARE_SEPARATE" || broken.Field != "grants[1].role" {
		t.Errorf("%v", err)
	}
	_, err = Begin("a", []Grant{{"g1", CommitteeStaff, community}, {"g2", CommitteeStaff, community}}, []Kind{Community, Community}, field)
	if reason(err) != "ROLE_HELD" {
		t.Errorf("%v", err)
	}
	a, err := Begin("a", []Grant{{"g1", SecurityAdmin, scope.Root}}, []Kind{Everywhere}, field)
	if err != nil || !a.Keeps() || !a.Office {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestMayKeep_TheWholeAccount(t *testing.T) {
	a := Account{ID: "a", State: Active, Office: true, Grants: []Grant{{"g1", Reviewer, community}, {"g2", Reviewer, elsewhere}}}
	of := func(p scope.Path) Actor { return Actor{Account: "keeper", Part: scope.Scope{Paths: []scope.Path{p}}} }
	for what, c := range map[string]struct {
		by   Actor
		seen bool
		want string
	}{
		"everywhere":         {everywhere(), true, ""},
		"one of two":         {of(district), true, "STANDS_ELSEWHERE"},
		"neither":            {of("/430300/"), false, "STANDS_ELSEWHERE"},
		"oneself everywhere": {Actor{Account: "a", Part: scope.All()}, true, "NOT_ONESELF"},
	} {
		if got := reason(a.MayKeep(c.by)); got != c.want || a.Seen(c.by) != c.seen {
			t.Errorf("%s: %q, seen %v", what, got, a.Seen(c.by))
		}
	}
}

func TestTake_Refusals(t *testing.T) {
	a := Account{ID: "a", State: Active, Office: true, Grants: []Grant{{"g1", Reviewer, community}, {"g2", Reviewer, elsewhere}}}
	one := Account{ID: "a", State: Active, Office: true, Grants: []Grant{{"g1", Reviewer, community}}}
	here := Actor{Account: "keeper", Part: scope.Scope{Paths: []scope.Path{district}}}
	for what, c := range map[string]struct {
		from  Account
		by    Actor
		grant string
		want  string
	}{
		"here":                 {a, here, "g1", ""},
		"elsewhere":            {a, here, "g2", "NOT_FOUND"},
		"none":                 {a, everywhere(), "g9", "NOT_FOUND"},
		"without a name":       {a, everywhere(), "", "NOT_FOUND"},
		"the last":             {one, everywhere(), "g1", "LAST_ROLE"},
		"from oneself":         {a, Actor{Account: "a", Part: scope.All()}, "g1", "NOT_ONESELF"},
		"the last of somebody": {one, Actor{Account: "keeper", Part: scope.Scope{Paths: []scope.Path{elsewhere}}}, "g1", "NOT_FOUND"},
	} {
		if _, err := c.from.Take(c.by, c.grant); reason(err) != c.want {
			t.Errorf("%s: %q, want %q", what, reason(err), c.want)
		}
	}
}

// TestStates_EveryCommand: what each command does with an account in each state.
func TestStates_EveryCommand(t *testing.T) {
	grants := []Grant{{"g1", Reviewer, community}, {"g2", Reviewer, elsewhere}}
	commands := map[string]func(Account) (Account, error){
		Lock:   func(a Account) (Account, error) { return a.Move(everywhere(), Lock) },
		Unlock: func(a Account) (Account, error) { return a.Move(everywhere(), Unlock) },
		"give": func(a Account) (Account, error) {
			return a.Give(everywhere(), Grant{"g3", Reviewer, district}, District)
		},
		"take": func(a Account) (Account, error) { return a.Take(everywhere(), "g1") },
		"erase": func(a Account) (Account, error) {
			after, ok := a.Erased(false)
			if !ok {
				return after, rule.New(rule.Precondition, "KEPT", "")
			}
			return after, nil
		},
	}
	for _, c := range []struct {
		from          State
		command, want string
		to            State
	}{
		{Active, Lock, "", Locked}, {Active, Unlock, "WRONG_STATE", Active}, {Active, "give", "", Active}, {Active, "take", "", Active}, {Active, "erase", "KEPT", Active},
		{Locked, Lock, "WRONG_STATE", Locked}, {Locked, Unlock, "", Active}, {Locked, "give", "", Locked}, {Locked, "take", "", Locked}, {Locked, "erase", "", Erased},
		{Erased, Lock, "ACCOUNT_ERASED", Erased}, {Erased, Unlock, "ACCOUNT_ERASED", Erased}, {Erased, "give", "ACCOUNT_ERASED", Erased}, {Erased, "take", "ACCOUNT_ERASED", Erased}, {Erased, "erase", "KEPT", Erased},
	} {
		after, err := commands[c.command](Account{ID: "a", State: c.from, Office: true, Grants: grants})
		if got := reason(err); got != c.want || err == nil && after.State != c.to {
			t.Errorf("%s, %s: %q and %s, want %q and %s", c.from, c.command, got, after.State, c.want, c.to)
		}
	}
}

// TestErased_WhoseAccount: an office's that is locked and for which no work waits.
func TestErased_WhoseAccount(t *testing.T) {
	with := func(office bool, g ...Grant) Account {
		return Account{ID: "a", State: Locked, Office: office, Grants: g}
	}
	for what, c := range map[string]struct {
		of     Account
		handed bool
		want   bool
	}{
		"an office handed over":     {with(true, Grant{"g1", CommitteeStaff, community}), true, true},
		"an office not handed over": {with(true, Grant{"g1", CommitteeStaff, community}), false, false},
		"one of two is an office":   {with(true, Grant{"g1", Reviewer, district}, Grant{"g2", StreetOfficer, "/430100/430101/430101002/"}), false, false},
		"a reviewer":                {with(true, Grant{"g1", Reviewer, district}), false, true},
		"an administrator":          {with(true, Grant{"g1", SecurityAdmin, scope.Root}), false, true},
		"a member":                  {with(false, Grant{"", Member, community}), false, false},
		"a resident":                {with(false, Grant{"g1", Resident, community}), true, false},
	} {
		if _, ok := c.of.Erased(c.handed); ok != c.want {
			t.Errorf("%s: %v", what, ok)
		}
	}
}

func TestSharedOffices(t *testing.T) {
	from := Account{ID: "a", State: Active, Office: true, Grants: []Grant{{"g1", CommitteeStaff, community}, {"g2", Reviewer, district}, {"g3", StreetOfficer, "/430100/430101/430101002/"}}}
	with := func(id string, state State, g ...Grant) Account {
		return Account{ID: id, State: state, Office: true, Grants: g}
	}
	same := Grant{"g1", CommitteeStaff, community}
	for what, c := range map[string]struct {
		to   Account
		away bool
		want int
	}{
		"same office":        {with("b", Active, same), false, 1},
		"both offices":       {with("b", Active, same, Grant{"g2", StreetOfficer, "/430100/430101/430101002/"}), false, 2},
		"another role there": {with("b", Active, Grant{"g1", CommunityPartyStaff, community}), false, 0},
		"office above":       {with("b", Active, Grant{"g1", DistrictOfficer, district}), false, 0},
		"reviewers only":     {with("b", Active, Grant{"g1", Reviewer, district}), false, 0},
		"locked":             {with("b", Locked, same), false, 0},
		"away":               {with("b", Active, same), true, 0},
		"oneself":            {with("a", Active, same), false, 0},
	} {
		offices, err := SharedOffices(from, c.to, c.away)
		if len(offices) != c.want || (err == nil) != (c.want > 0) || err != nil && reason(err) != "NOT_A_COLLEAGUE" {
			t.Errorf("%s: %v, %v", what, offices, err)
		}
	}
}

func TestNear(t *testing.T) {
	for _, c := range []struct {
		a, b []scope.Path
		want bool
	}{
		{[]scope.Path{community}, []scope.Path{district}, true}, {[]scope.Path{district}, []scope.Path{community}, true},
		{[]scope.Path{community}, []scope.Path{scope.Root}, true}, {[]scope.Path{community}, []scope.Path{elsewhere}, false},
		{[]scope.Path{elsewhere, community}, []scope.Path{district}, true}, {nil, []scope.Path{district}, false},
	} {
		if got := Near(c.a, c.b); got != c.want {
			t.Errorf("%v and %v: %v", c.a, c.b, got)
		}
	}
}

func TestReadCode_HoweverTyped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := [CodeBytes]byte(rapid.SliceOfN(rapid.Byte(), CodeBytes, CodeBytes).Draw(t, "random"))
		code := Code(random)
		if len(code) != 16 {
			t.Fatal(code)
		}
		typed := code[:4] + "-" + code[4:8] + " " + code[8:]
		if rapid.Bool().Draw(t, "small") {
			b := []byte(typed)
			for i, c := range b {
				switch {
				case c == '0':
					b[i] = 'o'
				case c == '1':
					b[i] = 'l'
				case 'A' <= c && c <= 'Z':
					b[i] = c + 'a' - 'A'
				}
			}
			typed = string(b)
		}
		if got, ok := ReadCode(typed); !ok || got != code {
			t.Fatalf("%q typed as %q reads %q", code, typed, got)
		}
	})
	for _, bad := range []string{"", "0123", "UUUUUUUUUUUUUUUU", "0123456789ABCDEFG", "0123456789ABCDE!"} {
		if got, ok := ReadCode(bad); ok {
			t.Errorf("%q was read as %q", bad, got)
		}
	}
}

// TestAccounts_RandomCommands lets random administrators do random things, and
// looks after each whether what must always hold does.
func TestAccounts_RandomCommands(t *testing.T) {
	places := map[scope.Path]Kind{scope.Root: Everywhere, "/c/": City, "/c/d/": District, "/c/d/s/": Street, "/c/d/s/x/": Community, "/c/e/": District}
	rapid.Check(t, func(t *rapid.T) {
		first, _ := Begin("a0", []Grant{{"g1", SecurityAdmin, scope.Root}}, []Kind{Everywhere}, strconv.Itoa)
		all := map[string]Account{"a0": first}
		keepers, err := Keepers(nil, first)
		if err != nil {
			t.Fatal(err)
		}
		ids := []string{"a0"}
		made := 0
		grant := func() Grant {
			made++
			return Grant{"n" + strconv.Itoa(made), rapid.SampledFrom(Roles()).Draw(t, "role"),
				rapid.SampledFrom([]scope.Path{"/", "/c/", "/c/d/", "/c/d/s/", "/c/d/s/x/", "/c/e/"}).Draw(t, "path")}
		}
		for range rapid.IntRange(1, 40).Draw(t, "commands") {
			by := all[rapid.SampledFrom(ids).Draw(t, "by")]
			actor := Actor{Account: by.ID}
			for _, g := range by.Grants {
				if g.Role == SecurityAdmin && by.State == Active {
					actor.Part.Paths = append(actor.Part.Paths, g.Path)
				}
			}
			of := all[rapid.SampledFrom(ids).Draw(t, "of")]
			if len(actor.Part.Paths) == 0 || !of.Seen(actor) {
				continue
			}
			after, err := of, error(nil)
			switch rapid.IntRange(0, 4).Draw(t, "command") {
			case 0:
				g := grant()
				if !actor.Part.Covers(g.Path) {
					continue
				}
				if after, err = Begin("a"+strconv.Itoa(len(ids)), []Grant{g}, []Kind{places[g.Path]}, strconv.Itoa); err == nil {
					ids = append(ids, after.ID)
				}
			case 1:
				g := grant()
				if !actor.Part.Covers(g.Path) {
					continue
				}
				after, err = of.Give(actor, g, places[g.Path])
			case 2:
				after, err = of.Take(actor, of.Grants[rapid.IntRange(0, len(of.Grants)-1).Draw(t, "grant")].ID)
			case 3:
				after, err = of.Move(actor, Lock)
			case 4:
				after, err = of.Move(actor, Unlock)
			}
			if err != nil {
				continue
			}
			if after.ID == by.ID {
				t.Fatalf("%s changed the own account to %+v", by.ID, after)
			}
			next, err := Keepers(keepers, after)
			if err != nil {
				continue // nothing happened
			}
			keepers, all[after.ID] = next, after
			checkAll(t, all, keepers)
		}
	})
}

// checkAll: somebody keeps the accounts, the list of who does is right, nobody
// has two roles of which one stands apart, and every role is where it may be.
func checkAll(t *rapid.T, all map[string]Account, keepers []string) {
	var keep []string
	for id, a := range all {
		if a.Keeps() {
			keep = append(keep, id)
		}
		if len(a.Grants) == 0 {
			t.Fatalf("%s stands nowhere", id)
		}
		for _, g := range a.Grants {
			for _, h := range a.Grants {
				if !together(g.Role, h.Role) {
					t.Fatalf("%s is %s and %s", id, g.Role, h.Role)
				}
			}
		}
	}
	slices.Sort(keep)
	if len(keep) == 0 || !slices.Equal(keep, keepers) {
		t.Fatalf("%v keep the accounts, and %v stand in the row", keep, keepers)
	}
}
