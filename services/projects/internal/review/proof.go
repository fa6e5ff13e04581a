package review

import (
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"slices"
	"strings"
)

// Settings are how a call counts its sheets.
type Settings struct {
	Method Method
	Share  Share
	Quota  int
	// Reserves are how many after the selected are kept in reserve.
	Reserves int
	// Ladder are criteria that part equals, in this order, by the mean of their
	// points; Seed, last, draws.
	Ladder []string
	Seed   []byte
}

// Candidate is an application with the facts that part it from an equal one.
type Candidate struct {
	ID, Number string
	// CriterionMeans are the means of points by criterion, in halves.
	CriterionMeans map[string]*big.Rat
}

// Standing is a place with what parted it from its equals.
type Standing struct {
	Place
	// PartedBy is "" where nothing had to, the criterion, or "draw".
	PartedBy string
}

// Draw is the word for the last rung of the ladder.
const Draw = "draw"

// Decide ranks candidates 1, 2, 2, 4 by their scores; equals keep their rank.
// Where equals reach across a line, the ladder says which of them are above
// it, last a draw from the stored seed, so that no more and no fewer than the
// quota are selected, and anybody can repeat it. The next ones are in reserve.
// What nobody has scored comes last, by number, without a rank, and is chosen
// by nothing.
func Decide(set Settings, candidates []Candidate, scores map[string]*big.Rat, sheets map[string]int) []Standing {
	var entries []Entry
	var unscored, out []Standing
	by := map[string]Candidate{}
	for _, c := range candidates {
		by[c.ID] = c
		if scores[c.ID] == nil {
			unscored = append(unscored, Standing{Place: Place{
				Entry: Entry{ID: c.ID, Number: c.Number, Score: new(big.Rat)}, Outcome: NotSelected,
			}})
			continue
		}
		entries = append(entries, Entry{ID: c.ID, Number: c.Number, Score: scores[c.ID], Sheets: sheets[c.ID]})
	}
	for _, p := range Rank(entries, set.Quota) {
		out = append(out, Standing{Place: p})
	}
	slices.SortStableFunc(out, func(a, b Standing) int {
		if c := b.Score.Cmp(a.Score); c != 0 {
			return c
		}
		c, _ := set.rung(by[a.ID], by[b.ID])
		return c
	})
	for i := range out {
		switch {
		case i < set.Quota:
			out[i].Outcome = Selected
		case i < set.Quota+set.Reserves:
			out[i].Outcome = Reserve
		default:
			out[i].Outcome = NotSelected
		}
	}
	for _, line := range []int{set.Quota, set.Quota + set.Reserves} {
		set.say(by, out, line)
	}
	slices.SortFunc(unscored, func(a, b Standing) int { return strings.Compare(a.Number, b.Number) })
	return append(out, unscored...)
}

// say notes what parted equals who stand on both sides of a line.
func (set Settings) say(by map[string]Candidate, out []Standing, line int) {
	if line <= 0 || line >= len(out) || out[line-1].Score.Cmp(out[line].Score) != 0 {
		return
	}
	for i := range out {
		if out[i].Score.Cmp(out[line].Score) != 0 {
			continue
		}
		other := line
		if i >= line {
			other = line - 1
		}
		_, out[i].PartedBy = set.rung(by[out[i].ID], by[out[other].ID])
	}
}

// rung orders two equals by the first step of the ladder that parts them.
func (set Settings) rung(a, b Candidate) (int, string) {
	for _, criterion := range set.Ladder {
		x, y := a.CriterionMeans[criterion], b.CriterionMeans[criterion]
		if x == nil || y == nil {
			continue
		}
		if c := y.Cmp(x); c != 0 {
			return c, criterion
		}
	}
	return strings.Compare(ticket(set.Seed, a.Number), ticket(set.Seed, b.Number)), Draw
}

// ticket is an application's lot: SHA-256 over seed and number, the lowest
// drawn first. The number is what people know the application by, so that
// anybody can repeat the draw.
func ticket(seed []byte, number string) string {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(seed)))
	sum := sha256.Sum256(slices.Concat(length[:], seed, []byte(number)))
	return string(sum[:])
}

// Move is what would be otherwise under another way of counting.
type Move struct {
	// Without names the reviewer left out; Method the other method.
	Without string
	Method  Method
	// In and Out are numbers of applications that would come in or fall out.
	In, Out []string
	// Refused is the reason why this way cannot be counted.
	Refused string
}

// Prove answers who would move across the cut line if any one reviewer were
// left out, and under each other method.
func Prove(set Settings, candidates []Candidate, sheets []Sheet) []Move {
	chosen := choose(set, candidates, sheets)
	var out []Move
	for _, r := range names(sheets, func(s Sheet) string { return s.Reviewer }) {
		rest := slices.DeleteFunc(slices.Clone(sheets), func(s Sheet) bool { return s.Reviewer == r })
		out = append(out, moved(Move{Without: r, Method: set.Method}, chosen, choose(set, candidates, rest)))
	}
	for _, m := range Methods() {
		if m == set.Method {
			continue
		}
		other := set
		other.Method = m
		out = append(out, moved(Move{Method: m}, chosen, choose(other, candidates, sheets)))
	}
	return out
}

// choice is a set of selected numbers, or why there is none.
type choice struct {
	numbers []string
	refused string
}

func choose(set Settings, candidates []Candidate, sheets []Sheet) choice {
	scores, err := AggregateAll(set.Method, set.Share, sheets)
	if err != nil {
		return choice{refused: err.Error()}
	}
	var out choice
	for _, s := range Decide(set, candidates, scores, nil) {
		if s.Outcome == Selected {
			out.numbers = append(out.numbers, s.Number)
		}
	}
	slices.Sort(out.numbers)
	return out
}

func moved(m Move, from, to choice) Move {
	if m.Refused = to.refused; m.Refused != "" {
		return m
	}
	for _, n := range to.numbers {
		if !slices.Contains(from.numbers, n) {
			m.In = append(m.In, n)
		}
	}
	for _, n := range from.numbers {
		if !slices.Contains(to.numbers, n) {
			m.Out = append(m.Out, n)
		}
	}
	return m
}
