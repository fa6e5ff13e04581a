package selection

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/linli-project/linli/services/projects/internal/agreement"
	"github.com/linli-project/linli/services/projects/internal/review"
)

// Count ranks the applications from the sheets and says who would move under
// another way of counting. It reads nothing of what was counted before.
func Count(c Call, sheets []Sheet) (ranking []Ranked, proof []Move, err error) {
	set, err := c.settings()
	if err != nil {
		return nil, nil, err
	}
	scored, candidates, err := score(c, sheets)
	if err != nil {
		return nil, nil, err
	}
	scores, err := review.AggregateAll(set.Method, set.Share, scored)
	if err != nil {
		return nil, nil, err
	}
	handed := map[string]int{}
	for _, s := range sheets {
		handed[s.Application]++
	}
	for _, s := range review.Decide(set, candidates, scores, handed) {
		ranking = append(ranking, Ranked{
			Number: s.Number, Rank: s.Rank, Score: s.Score.RatString(), Sheets: s.Sheets,
			Outcome: OutcomeName(s.Outcome), PartedBy: s.PartedBy,
		})
	}
	for _, m := range review.Prove(set, candidates, scored) {
		proof = append(proof, Move{
			WithoutReviewer: m.Without, Method: MethodName(m.Method), In: m.In, Out: m.Out, Refused: m.Refused,
		})
	}
	return ranking, proof, nil
}

func (c Call) settings() (review.Settings, error) {
	method, err := MethodOf(c.Method)
	if err != nil {
		return review.Settings{}, err
	}
	seed, err := hex.DecodeString(c.Seed)
	if err != nil {
		return review.Settings{}, fmt.Errorf("seed: %w", err)
	}
	share := review.Share{Num: int64(c.TrimPercent), Denom: 100}
	return review.Settings{
		Method: method, Share: share, Quota: c.Quota, Reserves: c.Reserves, Ladder: c.TieLadder, Seed: seed,
	}, share.Check()
}

// score answers the sheets with their scores, and the applications with the
// means that part equals.
func score(c Call, sheets []Sheet) ([]review.Sheet, []review.Candidate, error) {
	form, err := c.form()
	if err != nil {
		return nil, nil, err
	}
	candidates := make([]review.Candidate, len(c.Applications))
	at := map[string]int{}
	for i, n := range c.Applications {
		candidates[i] = review.Candidate{ID: n, Number: n, CriterionMeans: map[string]*big.Rat{}}
		at[n] = i
	}
	sums, counts := map[[2]string]int64{}, map[[2]string]int64{}
	out := make([]review.Sheet, len(sheets))
	for i, s := range sheets {
		if _, known := at[s.Application]; !known {
			return nil, nil, fmt.Errorf("sheets[%d]: application %q is not in the call", i, s.Application)
		}
		given := make([]review.Points, len(s.Points))
		for k, p := range s.Points {
			given[k] = review.Points{Criterion: p.Criterion, Halves: p.Halves, NotApplicable: p.NotApplicable}
		}
		filled, err := form.Fill(given)
		if err != nil {
			return nil, nil, fmt.Errorf("sheets[%d]: %w", i, err)
		}
		for _, p := range filled {
			if !p.NotApplicable {
				sums[[2]string{s.Application, p.Criterion}] += int64(p.Halves)
				counts[[2]string{s.Application, p.Criterion}]++
			}
		}
		out[i] = review.Sheet{Reviewer: s.Reviewer, Application: s.Application, Score: form.Score(filled)}
	}
	for k, n := range counts {
		candidates[at[k[0]]].CriterionMeans[k[1]] = big.NewRat(sums[k], n)
	}
	return out, candidates, nil
}

// Agreement says how far the reviewers agree.
type Agreement struct {
	Alpha, ICCSingle, ICCAverage, KendallW Measure
	// Compared applications were scored by all reviewers.
	Compared int
}

// Measure is a value with its word; NaN where there is too little to compare.
type Measure struct {
	Value float64
	Word  string
}

// Agree measures the agreement on sheet scores.
func Agree(c Call, sheets []Sheet) (Agreement, error) {
	scored, _, err := score(c, sheets)
	if err != nil {
		return Agreement{}, err
	}
	var reviewers []string
	for _, s := range scored {
		reviewers = append(reviewers, s.Reviewer)
	}
	slices.Sort(reviewers)
	reviewers = slices.Compact(reviewers)
	table := make(agreement.Table, len(c.Applications))
	for i := range table {
		table[i] = slices.Repeat([]float64{math.NaN()}, len(reviewers))
	}
	for _, s := range scored {
		row, column := slices.Index(c.Applications, s.Application), slices.Index(reviewers, s.Reviewer)
		table[row][column], _ = s.Score.Float64()
	}
	var out Agreement
	for _, row := range table {
		if len(row) > 0 && !slices.ContainsFunc(row, math.IsNaN) {
			out.Compared++
		}
	}
	out.Alpha = measure(agreement.Alpha(table))
	single, average, ok := agreement.ICC(table)
	out.ICCSingle, out.ICCAverage = measure(single, ok), measure(average, ok)
	out.KendallW = measure(agreement.KendallW(table))
	return out, nil
}

func measure(value float64, ok bool) Measure {
	if !ok {
		value = math.NaN()
	}
	return Measure{Value: value, Word: agreement.InWords(value, ok)}
}

// SeedHash answers the hash under which a seed is announced.
func SeedHash(seed []byte) string {
	sum := sha256.Sum256(seed)
	return hex.EncodeToString(sum[:])
}

// Check counts a file again and answers every difference between what it says
// and what follows from its sheets; none when it holds.
func Check(f File) []string {
	var out []string
	if seed, err := hex.DecodeString(f.Call.Seed); err != nil || SeedHash(seed) != f.Call.SeedHash {
		out = append(out, "seed: its SHA-256 is not the hash announced before the review")
	}
	ranking, proof, err := Count(f.Call, f.Sheets)
	if err != nil {
		return append(out, err.Error())
	}
	out = append(out, differences("ranking", f.Ranking, ranking)...)
	out = append(out, differences("proof", f.Proof, proof)...)
	return append(out, f.checkDecision(ranking)...)
}

// String is a line for people, with the score rounded as it is shown.
func (r Ranked) String() string {
	score := r.Score
	if h, err := r.Hundredths(); err == nil {
		score = fmt.Sprintf("%d.%02d", h/100, h%100)
	}
	line := fmt.Sprintf("%s: rank %d, %s points (%s) from %d sheets, %s", r.Number, r.Rank, score, r.Score, r.Sheets, r.Outcome)
	if r.PartedBy != "" {
		line += ", parted by " + r.PartedBy
	}
	return line
}

// String is a line for people.
func (m Move) String() string {
	by := "by " + m.Method
	if m.WithoutReviewer != "" {
		by += " without " + m.WithoutReviewer
	}
	if m.Refused != "" {
		return by + ": refused, " + m.Refused
	}
	return fmt.Sprintf("%s: in %v, out %v", by, m.In, m.Out)
}

func differences[T fmt.Stringer](what string, said, counted []T) (out []string) {
	if len(said) != len(counted) {
		return []string{fmt.Sprintf("%s: %d lines in the file, %d counted", what, len(said), len(counted))}
	}
	for i := range said {
		if a, b := said[i].String(), counted[i].String(); a != b {
			out = append(out, fmt.Sprintf("%s, counted %s; the file says %s", what, b, a))
		}
	}
	return out
}

// checkDecision: one decision for each, no more than the quota, and a reason
// wherever it is not what the ranking says.
func (f File) checkDecision(ranking []Ranked) (out []string) {
	ranked := map[string]string{}
	for _, r := range ranking {
		ranked[r.Number] = r.Outcome
	}
	chosen := 0
	for _, d := range f.Decision {
		by, known := ranked[d.Number]
		delete(ranked, d.Number)
		switch {
		case !known:
			out = append(out, fmt.Sprintf("decision: application %s is not in the ranking, or there twice", d.Number))
		case by != d.Outcome && d.Reason == "":
			out = append(out, fmt.Sprintf("decision: application %s is %s where the ranking says %s, without a reason", d.Number, d.Outcome, by))
		}
		if d.Outcome == OutcomeName(review.Selected) {
			chosen++
		}
	}
	if chosen > f.Call.Quota {
		out = append(out, fmt.Sprintf("decision: %d are selected, the quota is %d", chosen, f.Call.Quota))
	}
	for n := range ranked {
		out = append(out, fmt.Sprintf("decision: application %s is not decided", n))
	}
	slices.Sort(out)
	return out
}
