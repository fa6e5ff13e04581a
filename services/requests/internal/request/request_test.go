package request_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/rule"

	"github.com/linli-project/linli/services/requests/internal/request"
)

func reason(err error) string {
	var r *rule.Error
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

func TestMachine_TheWholeWay(t *testing.T) {
	m, at := request.Machine(), request.New
	for _, step := range []struct {
		command string
		want    request.State
	}{
		{request.Post, request.Posted}, {request.Admit, request.Admitted}, {request.Dispatch, request.Dispatched},
		{request.TakeOn, request.TakenOn}, {request.Resolve, request.Resolved}, {request.Rate, request.Rated}, {request.Close, request.Closed},
	} {
		next, err := m.Next(at, step.command)
		if err != nil || next != step.want {
			t.Fatalf("%s from %s: %s, %v", step.command, at, next, err)
		}
		at = next
	}
}

// TestMachine_RandomCommands drives the table with random commands beside a
// model that knows the way as a list of what must have happened before.
func TestMachine_RandomCommands(t *testing.T) {
	m := request.Machine()
	commands := []string{request.Post, request.Admit, request.Dispatch, request.TakeOn, request.Resolve, request.Rate, request.Close}
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		at := request.New
		done := map[string]bool{}
		for range 20 {
			c := commands[random.IntN(len(commands))]
			next, err := m.Next(at, c)
			if allowed := model(done, c); allowed != (err == nil) {
				t.Fatalf("after %v, %s in state %s: %v", done, c, at, err)
			}
			if err != nil {
				if reason(err) != "WRONG_STATE" || next != request.New {
					t.Fatalf("refused with %v to %s", err, next)
				}
				continue
			}
			done[c], at = true, next
		}
	}
}

func model(done map[string]bool, c string) bool {
	if done[c] || done[request.Close] {
		return false
	}
	switch c {
	case request.Post:
		return true
	case request.Admit:
		return done[request.Post]
	case request.Dispatch:
		return done[request.Admit] && !done[request.Resolve]
	case request.TakeOn:
		return done[request.Dispatch]
	case request.Resolve:
		return done[request.Admit] && (!done[request.Dispatch] || done[request.TakeOn])
	case request.Rate:
		return done[request.Resolve]
	default:
		return done[request.Resolve]
	}
}

func TestPosting_HardshipIsForStaffOnly(t *testing.T) {
	for _, p := range []request.Posting{{Hardship: true}, {OnBehalfOf: true}} {
		if reason(p.Check()) != "MUST_BE_STAFF_ONLY" {
			t.Errorf("%+v passed", p)
		}
		p.StaffOnly = true
		if p.Check() != nil || !p.Sealed() {
			t.Errorf("%+v: refused or not sealed", p)
		}
	}
	if p := (request.Posting{}); p.Check() != nil || p.Sealed() {
		t.Error("a public posting is refused or sealed")
	}
}

func TestMayResolve(t *testing.T) {
	for _, c := range []struct {
		name    string
		actor   request.Actor
		member  string
		quarter int32
		want    string
	}{
		{"staff for the office", request.Actor{Person: "s", Staff: true}, "", 0, ""},
		{"staff books no hours for the office", request.Actor{Person: "s", Staff: true}, "", 4, "INVALID_FIELD"},
		{"staff for a member", request.Actor{Person: "s", Staff: true}, "m", 4, ""},
		{"the member", request.Actor{Person: "m"}, "m", 4, ""},
		{"another member", request.Actor{Person: "n"}, "m", 4, "NOT_THE_DISPATCHED_MEMBER"},
		{"a member where the office acts", request.Actor{Person: ""}, "", 0, "NOT_THE_DISPATCHED_MEMBER"},
	} {
		if got := reason(request.MayResolve(c.actor, c.member, c.member, c.quarter)); got != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestExcerpt(t *testing.T) {
	if got := request.Excerpt("短"); got != "短" {
		t.Error(got)
	}
	long := []rune{}
	for range 41 {
		long = append(long, '长')
	}
	if got := []rune(request.Excerpt(string(long))); len(got) != 41 || got[40] != '…' {
		t.Error(string(got))
	}
}

// Who acts on an escalated request: the office it is with; the first receiver
// answers for it until the end.
func TestMayEscalateHandBackEnd(t *testing.T) {
	staff, above, nobody := request.Actor{Staff: true}, request.Actor{Above: true}, request.Actor{Person: "m"}
	for name, c := range map[string]struct {
		err error
		ok  bool
	}{
		"the community to the street":      {request.MayEscalate(staff, request.WithCommunity), true},
		"the community past the street":    {request.MayEscalate(staff, request.WithStreet), false},
		"the street to the department":     {request.MayEscalate(above, request.WithStreet), true},
		"the street from the community":    {request.MayEscalate(above, request.WithCommunity), false},
		"the community hands back":         {request.MayHandBack(staff), false},
		"the office above hands back":      {request.MayHandBack(above), true},
		"the community ends":               {request.MayEnd(staff), true},
		"the office above ends":            {request.MayEnd(above), true},
		"somebody else ends":               {request.MayEnd(nobody), false},
		"the office above resolves":        {request.MayResolve(above, "", "", 0), true},
		"the office rates itself":          {request.MayRate(request.Actor{Person: "s", Staff: true}, "s"), false},
		"the author of the office reopens": {request.MayReopen(request.Actor{Person: "s", Staff: true}, "s"), true},
	} {
		if (c.err == nil) != c.ok {
			t.Errorf("%s: %v", name, c.err)
		}
	}
}

// The register decides: the community's or nobody's is admitted, another's is
// passed on to where it belongs.
func TestDuty(t *testing.T) {
	for owner, want := range map[request.Owner]struct {
		community bool
		with      int32
	}{
		request.Unsaid: {true, request.WithCommunity}, request.OwnerCommunity: {true, request.WithCommunity},
		request.OwnerStreet: {false, request.WithStreet}, request.OwnerDepartment: {false, request.WithDepartment},
	} {
		d := request.Duty{Owner: owner, Name: "区城管局"}
		with, err := d.PassOn()
		if (d.CheckCommunity() == nil) != want.community || with != want.with || (err == nil) == want.community {
			t.Errorf("owner %d: %v, with %d, %v", owner, d.CheckCommunity(), with, err)
		}
	}
}

// An author's nuisance posts: so many open ones, and a pause after so many
// unfounded, by the policy.
func TestPosts_LimitAndPause(t *testing.T) {
	now, pause := time.Date(2013, 9, 2, 9, 0, 0, 0, time.UTC), request.Pause{After: 2, Months: 3}
	p := request.Posts{Open: 2}
	if reason(p.CheckAnother(2, now)) != "TOO_MANY_OPEN" || p.CheckAnother(3, now) != nil {
		t.Error("the limit of open ones")
	}
	p = p.Ended(true, pause, now)
	if p.Open != 1 || p.CheckAnother(2, now) != nil {
		t.Errorf("after one: %+v", p)
	}
	p = p.Ended(false, pause, now).Ended(true, pause, now)
	if p.Open != 0 || p.Unfounded != 0 || reason(p.CheckAnother(2, now.AddDate(0, 3, -1))) != "NUISANCE_PAUSED" || p.CheckAnother(2, now.AddDate(0, 3, 0)) != nil {
		t.Errorf("after two: %+v", p)
	}
}

func TestPercent_NoRateUnderTheLeastCases(t *testing.T) {
	for _, c := range []struct {
		n, of int64
		want  string
	}{{5, 5, "100.0"}, {4, 4, ""}, {0, 5, "0.0"}, {2, 3, ""}, {4, 6, "66.7"}, {1, 8, "12.5"}, {1, 16, "6.3"}, {0, 0, ""}} {
		if got, _ := request.Percent(c.n, c.of, 5); got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.n, c.of, got, c.want)
		}
	}
}
