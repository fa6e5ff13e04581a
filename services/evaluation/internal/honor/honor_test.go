package honor_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/rule"

	"github.com/linli-project/linli/services/evaluation/internal/honor"
)

func reason(err error) string {
	var r *rule.Error
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

func TestEvidence_TakesBothKinds(t *testing.T) {
	for _, c := range []struct {
		e    honor.Evidence
		want string
	}{
		{honor.Evidence{Times: 2, Praises: 9}, "HONOR_NOT_STOOD_OUT"},
		{honor.Evidence{Times: 99}, "HONOR_NOT_TRUSTED"},
		{honor.Evidence{Times: 3, Praises: 1}, "HONOR_NOT_TRUSTED"},
		{honor.Evidence{Times: 3, Praises: 1, Ratings: 1}, ""},
		{honor.Evidence{Times: 3, Confirmations: 2}, ""},
	} {
		if got := reason(c.e.Check(3, 2)); got != c.want {
			t.Errorf("%+v: %q", c.e, got)
		}
	}
}

func TestCheckEnd(t *testing.T) {
	for end, want := range map[string]string{
		"2013-09-02": "HONOR_BAD_END", "2013-09-03": "", "2014-09-02": "", "2014-09-03": "HONOR_BAD_END", "2013-02-30": "HONOR_BAD_END",
	} {
		if got := reason(honor.CheckEnd("2013-09-02", end, 365)); got != want {
			t.Errorf("%s: %q", end, got)
		}
	}
	if got := honor.Since("2013-09-02"); got != "2012-09-03" {
		t.Errorf("since %s", got)
	}
}

// TestMachine_RandomCommands drives the table beside a model: nobody is on the
// board who did not say yes and was not in public notice before.
func TestMachine_RandomCommands(t *testing.T) {
	m, random := honor.Machine(), rand.New(rand.NewPCG(1, 2))
	commands := []string{honor.Name, honor.SayYes, honor.SayNo, honor.GiveNotice, honor.PutUp, honor.End, honor.TakeOff}
	for range 2000 {
		at, done := honor.New, map[string]bool{}
		for range 20 {
			c := commands[random.IntN(len(commands))]
			next, err := m.Next(at, c)
			if err != nil {
				continue
			}
			done[c], at = true, next
			if at == honor.OnTheBoard && (!done[honor.Name] || !done[honor.SayYes] || !done[honor.GiveNotice]) {
				t.Fatalf("on the board after %v", done)
			}
			if !at.Open() && len(m.Allowed(at)) != 0 {
				t.Fatalf("%s goes on with %v", at, m.Allowed(at))
			}
		}
	}
}

func TestDue(t *testing.T) {
	until := time.Date(2013, 9, 9, 16, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		s    honor.State
		day  string
		now  time.Time
		open int32
		want string
	}{
		"notice goes on":       {honor.InNotice, "2013-09-09", until.Add(-1), 0, ""},
		"notice over":          {honor.InNotice, "2013-09-10", until, 0, honor.PutUp},
		"an open objection":    {honor.InNotice, "2013-09-10", until, 1, ""},
		"the last day":         {honor.OnTheBoard, "2014-09-01", until, 0, ""},
		"the day after":        {honor.OnTheBoard, "2014-09-02", until, 0, honor.End},
		"taken off before":     {honor.TakenOff, "2014-09-02", until, 0, ""},
		"not yet in a notice ": {honor.Consented, "2014-09-02", until, 0, ""},
	} {
		if got := honor.Due(c.s, c.day, "2014-09-01", c.now, until, c.open); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
