package conduct_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/services/evaluation/internal/conduct"
)

func reason(err error) string {
	var broken *rule.Error
	if errors.As(err, &broken) {
		return broken.Reason
	}
	return ""
}

// TestMachine_NothingIsReportedThatWasNotHeard drives a note by random commands
// and remembers what happened to it: it is reported exactly when it was found
// to stand after the member was asked, and no appeal is open or was right.
func TestMachine_NothingIsReportedThatWasNotHeard(t *testing.T) {
	commands := []string{
		conduct.Begin, conduct.Hear, conduct.Answer, conduct.FindUnfounded, conduct.FindCorrected,
		conduct.FindStanding, conduct.Appeal, conduct.Lift, conduct.Uphold,
	}
	rapid.Check(t, func(t *rapid.T) {
		at := conduct.New
		done := map[string]int{}
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			command := rapid.SampledFrom(commands).Draw(t, "command")
			next, err := conduct.Machine().Next(at, command)
			if err != nil {
				continue
			}
			at = next
			done[command]++
			want := done[conduct.Hear] == 1 && done[conduct.FindStanding] == 1 &&
				(done[conduct.Appeal] == 0 || done[conduct.Uphold] == 1)
			if got := conduct.Reported(at, "2013-09-02", "2014-09-02", "2013-12-31"); got != want {
				t.Fatalf("in %s after %v: reported %v", at, done, got)
			}
			if done[conduct.Appeal] > 1 {
				t.Fatal("appealed twice")
			}
		}
	})
}

func TestReported_FromTheSignatureToTheLapse(t *testing.T) {
	for day, want := range map[string]bool{"2013-09-01": false, "2013-09-02": true, "2014-09-01": true, "2014-09-02": false} {
		if got := conduct.Reported(conduct.Standing, "2013-09-02", "2014-09-02", day); got != want {
			t.Errorf("on %s: %v", day, got)
		}
	}
	decided := time.Date(2013, 9, 2, 9, 0, 0, 0, time.UTC)
	if got := conduct.Lapses(decided, 12); got != "2014-09-02" {
		t.Errorf("lapses on %s", got)
	}
	if err := conduct.CheckAppeal("2014-09-01", "2014-09-02"); err != nil {
		t.Error(err)
	}
	if err := conduct.CheckAppeal("2014-09-02", "2014-09-02"); reason(err) != "NOTE_LAPSED" {
		t.Error(err)
	}
}

func TestCheckSign_WaitsForTheMember(t *testing.T) {
	until := time.Date(2013, 9, 10, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		at, outcome conduct.State
		now         time.Time
		want        string
	}{
		"standing while the member can answer": {conduct.Hearing, conduct.Standing, until.Add(-time.Second), "HEARING_OPEN"},
		"corrected too":                        {conduct.Hearing, conduct.Corrected, until.Add(-time.Second), "HEARING_OPEN"},
		"unfounded need not wait":              {conduct.Hearing, conduct.Unfounded, until.Add(-time.Second), ""},
		"the days are over":                    {conduct.Hearing, conduct.Standing, until, ""},
		"the member has answered":              {conduct.Heard, conduct.Standing, until.Add(-time.Hour), ""},
	} {
		if err := conduct.CheckSign(c.at, c.outcome, until, c.now); reason(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := conduct.NotOnOneself("m", "m"); reason(err) != "NOTE_ON_ONESELF" {
		t.Error(err)
	}
}
