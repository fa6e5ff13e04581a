package poll_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/services/evaluation/internal/poll"
)

func reason(err error) string {
	var broken *rule.Error
	if errors.As(err, &broken) {
		return broken.Reason
	}
	return ""
}

func TestBallot_MarksEachMemberOnce(t *testing.T) {
	members := []string{"a", "b"}
	got, err := poll.Ballot(members, []poll.Given{{Member: "b", Mark: poll.Poor}, {Member: "a", Mark: poll.Blank}})
	if err != nil || got[0] != poll.Blank || got[1] != poll.Poor {
		t.Fatal(got, err)
	}
	for name, given := range map[string][]poll.Given{
		"one lacks":     {{Member: "a", Mark: poll.Good}},
		"one twice":     {{Member: "a", Mark: poll.Good}, {Member: "a", Mark: poll.Good}},
		"somebody else": {{Member: "a", Mark: poll.Good}, {Member: "c", Mark: poll.Good}},
		"no such mark":  {{Member: "a", Mark: poll.Good}, {Member: "b", Mark: 5}},
		"one too many":  {{Member: "a", Mark: poll.Good}, {Member: "b", Mark: poll.Good}, {Member: "c", Mark: poll.Good}},
	} {
		if _, err := poll.Ballot(members, given); reason(err) != "BALLOT_INCOMPLETE" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBalance_NamesTheThreeCounts(t *testing.T) {
	u := poll.Urn{Tallies: make([]poll.Tally, 1)}
	for range 4 {
		u.CastByCode([]poll.Mark{poll.Good})
	}
	u.EnterPaper([]poll.Mark{poll.Blank})
	u.EnterVoid()
	if err := u.Balance(8, poll.Counts{Issued: 8, Returned: 6, Valid: 5}); err != nil {
		t.Error(err)
	}
	err := u.Balance(8, poll.Counts{Issued: 8, Returned: 7, Valid: 5})
	if want := "POLL_NOT_BALANCED (tellers) issued=8 returned=6 valid=5 said_issued=8 said_returned=7 said_valid=5"; err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	if err := u.Balance(5, poll.Counts{Issued: 5, Returned: 6, Valid: 5}); reason(err) != "POLL_NOT_BALANCED" {
		t.Errorf("more came back than went out: %v", err)
	}
}

func TestCode_ReadsAsItIsWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	seen := map[string]bool{}
	for range 5000 {
		c := poll.Code(r.Uint64())
		if len(c) != 14 || seen[c] {
			t.Fatalf("code %q", c)
		}
		seen[c] = true
	}
	if a, b := poll.Plain("70k2-m1xd-991z"), poll.Plain("7OK2 MLXD99IZ"); a != b || a != "70K2M1XD991Z" {
		t.Errorf("%q, %q", a, b)
	}
}

// TestUrn_AnyOrderOfVotesGivesTheSameAndBalances counts random ballots on paper
// and by code in two orders.
func TestUrn_AnyOrderOfVotesGivesTheSameAndBalances(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 300 {
		members, votes := 1+r.IntN(5), r.IntN(40)
		ballots := make([][]poll.Mark, votes)
		for i := range ballots {
			ballots[i] = make([]poll.Mark, members)
			for j := range ballots[i] {
				ballots[i][j] = poll.Mark(r.IntN(5))
			}
		}
		var first string
		for range 2 {
			u := poll.Urn{Tallies: make([]poll.Tally, members)}
			valid := 0
			for _, i := range r.Perm(votes) {
				switch i % 5 {
				case 0:
					u.EnterVoid()
					continue
				case 1, 2:
					u.EnterPaper(ballots[i])
				default:
					u.CastByCode(ballots[i])
				}
				valid++
			}
			c := u.Counts(int32(votes))
			if c.Returned != int32(votes) || c.Valid != int32(valid) {
				t.Fatalf("%+v of %d votes", c, votes)
			}
			if err := u.Balance(int32(votes), c); err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprint(u)
			if first != "" && first != text {
				t.Fatalf("%s\n%s", first, text)
			}
			first = text
		}
	}
}
