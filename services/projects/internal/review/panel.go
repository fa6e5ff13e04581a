package review

import (
	"math"
	"math/big"
	"slices"
	"strconv"

	"github.com/linli-project/linli/pkg/rule"
)

// Methods that look at all sheets of a panel at once, beside Mean and
// DropHighLow.
const (
	// Trimmed is the mean without the call's share of sheets at each end, as
	// scipy.stats.trim_mean: ⌊share·n⌋ sheets are left out at each end.
	Trimmed Method = iota + 3
	// ZScore puts every reviewer on the same footing: each sheet becomes its
	// distance from its reviewer's mean in the reviewer's population deviation,
	// 0 where a reviewer gave the same score to all, and is shown as μ + σ·z of
	// all sheets. A reviewer with fewer than 3 sheets is left as scored.
	ZScore
	// Additive is the two-way additive model score = application + reviewer by
	// least squares, with the reviewers' effects summing to zero (Scheffé 1959,
	// ch. 4). It is refused where the graph of who judged what is not connected:
	// then the effects cannot be told apart.
	Additive
)

// Methods are all of them, in the order of the API's enum.
func Methods() []Method { return []Method{Mean, DropHighLow, Trimmed, ZScore, Additive} }

const (
	// fewToStandardize is how many sheets of a reviewer make a deviation.
	fewToStandardize = 3
	// precision of methods that need roots or elimination, in parts of a point:
	// what differs by less is equal.
	precision = 1_000_000_000
)

// Sheet is one reviewer's score of one application, 0 to 100.
type Sheet struct {
	Reviewer, Application string
	Score                 *big.Rat
}

// Share of sheets that Trimmed leaves out at each end, from 0 to below a half.
type Share struct{ Num, Denom int64 }

// DefaultShare is a fifth.
func DefaultShare() Share { return Share{1, 5} }

// Check refuses a share that leaves nothing.
func (s Share) Check() error {
	if s.Denom <= 0 || s.Num < 0 || 2*s.Num >= s.Denom {
		return rule.New(rule.Invalid, "INVALID_FIELD", "trim_share", "field", "trim_share", "rule", "0 ≤ share < 1/2")
	}
	return nil
}

// AggregateAll answers the score of every application that has a sheet. The
// order of sheets does not matter. REVIEW_NOT_CONNECTED for Additive where
// the panel falls into parts.
func AggregateAll(m Method, share Share, sheets []Sheet) (map[string]*big.Rat, error) {
	out := map[string]*big.Rat{}
	switch {
	case len(sheets) == 0:
		return out, nil
	case m == ZScore:
		return mean(standardized(sheets)), nil
	case m == Additive:
		return additive(sheets)
	}
	for id, scores := range byApplication(sheets) {
		if m == Trimmed {
			out[id] = trimmedMean(scores, share)
			continue
		}
		out[id] = Aggregate(m, scores)
	}
	return out, nil
}

func byApplication(sheets []Sheet) map[string][]*big.Rat {
	out := map[string][]*big.Rat{}
	for _, s := range sheets {
		out[s.Application] = append(out[s.Application], s.Score)
	}
	return out
}

func mean(sheets []Sheet) map[string]*big.Rat {
	out := map[string]*big.Rat{}
	for id, scores := range byApplication(sheets) {
		out[id] = Aggregate(Mean, scores)
	}
	return out
}

// trimmedMean is exact; with a share that leaves out less than one sheet it is
// the mean.
func trimmedMean(scores []*big.Rat, share Share) *big.Rat {
	sorted := slices.SortedFunc(slices.Values(scores), (*big.Rat).Cmp)
	cut := int(int64(len(sorted)) * share.Num / share.Denom)
	return Aggregate(Mean, sorted[cut:len(sorted)-cut])
}

// standardized answers the sheets on the common footing of ZScore.
func standardized(sheets []Sheet) []Sheet {
	all := make([]float64, len(sheets))
	own := map[string][]float64{}
	for i, s := range sheets {
		all[i], _ = s.Score.Float64()
		own[s.Reviewer] = append(own[s.Reviewer], all[i])
	}
	mu, sigma := spread(all)
	out := make([]Sheet, len(sheets))
	for i, s := range sheets {
		out[i] = s
		if len(own[s.Reviewer]) < fewToStandardize {
			continue
		}
		m, d := spread(own[s.Reviewer])
		z := 0.0
		if d > 1.0/precision {
			z = (all[i] - m) / d
		}
		out[i].Score = exactly(mu + sigma*z)
	}
	return out
}

// spread answers mean and population deviation. It sums in order of size, so
// that the order of sheets does not matter to the last bit.
func spread(values []float64) (mu, sigma float64) {
	sorted := slices.Sorted(slices.Values(values))
	for _, v := range sorted {
		mu += v
	}
	mu /= float64(len(sorted))
	squares := make([]float64, len(sorted))
	for i, v := range sorted {
		squares[i] = (v - mu) * (v - mu)
	}
	slices.Sort(squares)
	for _, q := range squares {
		sigma += q
	}
	return mu, math.Sqrt(sigma / float64(len(sorted)))
}

// exactly rounds to the precision that scores of these methods are compared at.
func exactly(v float64) *big.Rat {
	return big.NewRat(int64(math.Round(v*precision)), precision)
}

// additive solves the normal equations of the two-way model.
func additive(sheets []Sheet) (map[string]*big.Rat, error) {
	applications, reviewers := names(sheets, func(s Sheet) string { return s.Application }), names(sheets, func(s Sheet) string { return s.Reviewer })
	if parts := connected(sheets); parts > 1 {
		return nil, rule.New(rule.Precondition, "REVIEW_NOT_CONNECTED", "aggregation", "parts", strconv.Itoa(parts))
	}
	effects := reviewerEffects(sheets, applications, reviewers)
	sums, counts := map[string]float64{}, map[string]int{}
	for _, s := range inOrder(sheets) {
		x, _ := s.Score.Float64()
		sums[s.Application] += x - effects[s.Reviewer]
		counts[s.Application]++
	}
	out := map[string]*big.Rat{}
	for _, a := range applications {
		out[a] = exactly(sums[a] / float64(counts[a]))
	}
	return out, nil
}

func names(sheets []Sheet, of func(Sheet) string) []string {
	var out []string
	for _, s := range sheets {
		out = append(out, of(s))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func inOrder(sheets []Sheet) []Sheet {
	return slices.SortedFunc(slices.Values(sheets), func(a, b Sheet) int {
		if c := compare(a.Application, b.Application); c != 0 {
			return c
		}
		return compare(a.Reviewer, b.Reviewer)
	})
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// connected answers into how many parts the graph of who judged what falls.
func connected(sheets []Sheet) int {
	root := map[string]string{}
	var find func(string) string
	find = func(n string) string {
		if root[n] == "" || root[n] == n {
			root[n] = n
			return n
		}
		root[n] = find(root[n])
		return root[n]
	}
	for _, s := range sheets {
		root[find("a"+s.Application)] = find("r" + s.Reviewer)
	}
	parts := map[string]bool{}
	for n := range root {
		parts[find(n)] = true
	}
	return len(parts)
}

// reviewerEffects solves for the reviewers, the applications eliminated
// (the reduced normal equations of an incomplete block design): for reviewer j
//
//	n_j·r_j − Σ_k (Σ_i∈j∩k 1/n_i)·r_k = Σ_i∈j (x_ij − mean_i),  Σ r = 0.
func reviewerEffects(sheets []Sheet, applications, reviewers []string) map[string]float64 {
	n := len(reviewers)
	at := map[string]int{}
	for j, r := range reviewers {
		at[r] = j
	}
	judged := map[string][]Sheet{}
	for _, s := range inOrder(sheets) {
		judged[s.Application] = append(judged[s.Application], s)
	}
	system := make([][]float64, n)
	for j := range system {
		system[j] = make([]float64, n+1)
	}
	for _, a := range applications {
		rows := judged[a]
		sum := 0.0
		for _, s := range rows {
			x, _ := s.Score.Float64()
			sum += x
		}
		share := 1 / float64(len(rows))
		for _, s := range rows {
			j := at[s.Reviewer]
			x, _ := s.Score.Float64()
			system[j][j]++
			system[j][n] += x - sum*share
			for _, other := range rows {
				system[j][at[other.Reviewer]] -= share
			}
		}
	}
	for k := range n {
		system[0][k] = 1 // one equation follows from the others; the sum takes its place
	}
	system[0][n] = 0
	solution := solve(system)
	out := map[string]float64{}
	for j, r := range reviewers {
		out[r] = solution[j]
	}
	return out
}

// solve is Gaussian elimination with partial pivoting on n rows of n+1.
func solve(m [][]float64) []float64 {
	n := len(m)
	for c := range n {
		best := c
		for r := c + 1; r < n; r++ {
			if math.Abs(m[r][c]) > math.Abs(m[best][c]) {
				best = r
			}
		}
		m[c], m[best] = m[best], m[c]
		for r := range n {
			if r == c || m[c][c] == 0 {
				continue
			}
			f := m[r][c] / m[c][c]
			for k := c; k <= n; k++ {
				m[r][k] -= f * m[c][k]
			}
		}
	}
	out := make([]float64, n)
	for i := range n {
		if m[i][i] != 0 {
			out[i] = m[i][n] / m[i][i]
		}
	}
	return out
}
