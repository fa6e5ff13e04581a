// Package poll holds the rules of the secret poll: its way, what a ballot is,
// how it is counted, and when the counts balance.
package poll

import (
	"slices"
	"strconv"

	"github.com/linli-project/linli/pkg/rule"
)

// State of a poll. The numbers are those of the API's enum.
type State int32

// The states.
const (
	New State = iota
	Prepared
	Issued
	Open
	Closed
	Annulled
)

func (s State) String() string {
	names := [...]string{"new", "in preparation", "ballots issued", "open", "poll closed", "annulled"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Commands that move a poll. Vote is what a ballot asks for, on paper or by
// code: it leaves the poll open.
const (
	Prepare = "prepare"
	Issue   = "issue ballots"
	Begin   = "open"
	Vote    = "vote"
	Close   = "close poll"
	Annul   = "annul poll"
	Read    = "read results"
)

// Machine is the way of a poll.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "poll",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Prepare, To: Prepared},
			{From: Prepared, Command: Issue, To: Issued},
			{From: Issued, Command: Issue, To: Issued},
			{From: Issued, Command: Begin, To: Open},
			{From: Open, Command: Vote, To: Open},
			{From: Open, Command: Close, To: Closed},
			{From: Closed, Command: Read, To: Closed},
			{From: Prepared, Command: Annul, To: Annulled},
			{From: Issued, Command: Annul, To: Annulled},
			{From: Open, Command: Annul, To: Annulled},
		},
	}
}

// CheckMembers refuses a member who stands on the ballot twice.
func CheckMembers(members []string) error {
	seen := map[string]bool{}
	for _, m := range members {
		if seen[m] {
			return rule.New(rule.Invalid, "POLL_MEMBER_TWICE", "lines", "id", m)
		}
		seen[m] = true
	}
	return nil
}

// CheckReported refuses a member who has not reported in to the community that
// polls.
func CheckReported(member string, here bool) error {
	if !here {
		return rule.New(rule.Precondition, "POLL_MEMBER_ELSEWHERE", "lines", "id", member)
	}
	return nil
}

// MayRun refuses who is appraised in the poll.
func MayRun(person string, members []string) error {
	if slices.Contains(members, person) {
		return rule.New(rule.Denied, "POLL_ON_ONESELF", "")
	}
	return nil
}

// CheckIssue refuses more ballots than seats: one a seat, on paper or by code.
func CheckIssue(seats, papers, codes int32) error {
	if papers+codes > seats {
		return rule.New(rule.Precondition, "POLL_OVER_SEATS", "codes", "seats", strconv.Itoa(int(seats)))
	}
	return nil
}

// Mark on a ballot. The numbers are those of the API's enum; Blank is no mark.
type Mark int32

// The marks.
const (
	Blank Mark = iota
	Good
	FairlyGood
	Fair
	Poor
	marks // how many there are
)

// Given is a mark for a member, as a ballot says it.
type Given struct {
	Member string
	Mark   Mark
}

// Ballot puts the marks of a ballot into the order of the members. A ballot
// that does not name each of them once is BALLOT_INCOMPLETE.
func Ballot(members []string, given []Given) ([]Mark, error) {
	out := make([]Mark, len(members))
	seen := make([]bool, len(members))
	place := make(map[string]int, len(members))
	for i, m := range members {
		place[m] = i
	}
	for _, g := range given {
		i, ok := place[g.Member]
		if !ok || seen[i] || g.Mark < Blank || g.Mark >= marks {
			return nil, rule.New(rule.Invalid, "BALLOT_INCOMPLETE", "marks")
		}
		out[i], seen[i] = g.Mark, true
	}
	if len(given) != len(members) {
		return nil, rule.New(rule.Invalid, "BALLOT_INCOMPLETE", "marks")
	}
	return out, nil
}

// Tally is how often each mark stands for one member, by Mark.
type Tally [marks]int32

// Urn is the box: sums only, no ballot.
type Urn struct {
	ByCode, PapersValid, PapersVoid int32
	Tallies                         []Tally
}

// Papers is how many were entered.
func (u Urn) Papers() int32 { return u.PapersValid + u.PapersVoid }

// Counts of a poll.
type Counts struct{ Issued, Returned, Valid int32 }

// Counts answers what the box holds, of so many issued.
func (u Urn) Counts(issued int32) Counts {
	return Counts{Issued: issued, Returned: u.ByCode + u.Papers(), Valid: u.ByCode + u.PapersValid}
}

// CastByCode counts a ballot by code.
func (u *Urn) CastByCode(ballot []Mark) {
	u.ByCode++
	u.add(ballot)
}

// EnterPaper counts a paper that is valid.
func (u *Urn) EnterPaper(ballot []Mark) {
	u.PapersValid++
	u.add(ballot)
}

// EnterVoid counts a paper that came back and does not count.
func (u *Urn) EnterVoid() { u.PapersVoid++ }

func (u *Urn) add(ballot []Mark) {
	for i, m := range ballot {
		u.Tallies[i][m]++
	}
}

// CheckPapers refuses papers that do not follow those entered, and more than
// were issued.
func (u Urn) CheckPapers(after, more, issued int32) error {
	if after != u.Papers() {
		return rule.New(rule.Precondition, "PAPERS_OUT_OF_STEP", "after", "entered", strconv.Itoa(int(u.Papers())))
	}
	if after+more > issued {
		return rule.New(rule.Precondition, "PAPERS_OVER_ISSUED", "papers", "issued", strconv.Itoa(int(issued)))
	}
	return nil
}

// Balance refuses counts of the tellers that are not those of the house, and
// such that cannot be: more valid than returned, more returned than issued, or
// tallies that do not add up to the valid ballots.
func (u Urn) Balance(issued int32, tellers Counts) error {
	house := u.Counts(issued)
	fits := house == tellers && house.Valid <= house.Returned && house.Returned <= house.Issued
	for _, t := range u.Tallies {
		var sum int32
		for _, n := range t {
			sum += n
		}
		fits = fits && sum == house.Valid
	}
	if fits {
		return nil
	}
	text := func(n int32) string { return strconv.Itoa(int(n)) }
	return rule.New(rule.Precondition, "POLL_NOT_BALANCED", "tellers",
		"issued", text(house.Issued), "returned", text(house.Returned), "valid", text(house.Valid),
		"said_issued", text(tellers.Issued), "said_returned", text(tellers.Returned), "said_valid", text(tellers.Valid))
}

// MayShow refuses results of fewer ballots than the least that is shown.
func MayShow(valid, least int32) error {
	if valid < least {
		return rule.New(rule.Precondition, "TOO_FEW_ANSWERS", "", "least", strconv.Itoa(int(least)))
	}
	return nil
}
