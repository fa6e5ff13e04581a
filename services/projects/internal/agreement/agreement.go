// Package agreement measures how far reviewers agree: Krippendorff's alpha,
// the intraclass correlation of Shrout and Fleiss, Kendall's W. Values are
// float64: they are shown, and decide nothing.
package agreement

import (
	"math"
	"slices"
)

// Table holds scores by subject (row) and rater (column); NaN = not rated.
type Table [][]float64

// enough is how many subjects that all raters scored the last two measures
// need.
const enough = 3

// Alpha is Krippendorff's alpha for interval data, α = 1 − D_o/D_e with the
// squared difference as the distance. It bears gaps: a subject counts with at
// least two ratings. False where nothing can be compared or nothing differs.
// (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability.)
func Alpha(t Table) (float64, bool) {
	return alpha(t, func(a, b float64) float64 { return (a - b) * (a - b) })
}

// NominalAlpha is alpha where values are names: the distance is 0 or 1.
func NominalAlpha(t Table) (float64, bool) {
	return alpha(t, func(a, b float64) float64 {
		if a == b {
			return 0
		}
		return 1
	})
}

func alpha(t Table, distance func(a, b float64) float64) (float64, bool) {
	var all []float64
	observed := 0.0
	for _, row := range t {
		given := rated(row)
		if len(given) < 2 {
			continue
		}
		all = append(all, given...)
		sum := 0.0
		for i, a := range given {
			for j, b := range given {
				if i != j {
					sum += distance(a, b)
				}
			}
		}
		observed += sum / float64(len(given)-1)
	}
	n := float64(len(all))
	if n < 2 {
		return 0, false
	}
	expected := 0.0
	for i, a := range all {
		for j, b := range all {
			if i != j {
				expected += distance(a, b)
			}
		}
	}
	if expected == 0 {
		return 0, false
	}
	return 1 - (observed/n)/(expected/(n*(n-1))), true
}

func rated(row []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(row), math.IsNaN)
}

// complete answers the rows that every rater scored.
func complete(t Table) Table {
	return slices.DeleteFunc(slices.Clone(t), func(row []float64) bool { return slices.ContainsFunc(row, math.IsNaN) })
}

// ICC answers ICC(2,1) and ICC(2,k): two-way random effects, absolute
// agreement, of one rater and of the mean of k (Shrout & Fleiss 1979), over the
// subjects that all raters scored. False with fewer than 3 of them, fewer than
// 2 raters, or nothing that differs.
func ICC(t Table) (single, average float64, ok bool) {
	full := complete(t)
	n := float64(len(full))
	if len(full) < enough || len(full[0]) < 2 {
		return 0, 0, false
	}
	k := float64(len(full[0]))
	grand, rows, columns := means(full)
	var between, raters, total float64
	for i, row := range full {
		between += k * (rows[i] - grand) * (rows[i] - grand)
		for _, x := range row {
			total += (x - grand) * (x - grand)
		}
	}
	for _, c := range columns {
		raters += n * (c - grand) * (c - grand)
	}
	bms := between / (n - 1)
	jms := raters / (k - 1)
	ems := (total - between - raters) / ((n - 1) * (k - 1))
	below, belowAverage := bms+(k-1)*ems+k*(jms-ems)/n, bms+(jms-ems)/n
	if below == 0 || belowAverage == 0 {
		return 0, 0, false
	}
	return (bms - ems) / below, (bms - ems) / belowAverage, true
}

func means(t Table) (grand float64, rows, columns []float64) {
	rows, columns = make([]float64, len(t)), make([]float64, len(t[0]))
	for i, row := range t {
		for j, x := range row {
			rows[i] += x / float64(len(row))
			columns[j] += x / float64(len(t))
			grand += x / float64(len(row)*len(t))
		}
	}
	return grand, rows, columns
}

// KendallW is Kendall's coefficient of concordance with the correction for
// ties, over the subjects that all raters scored:
//
//	W = (12·Σ R_i² − 3·m²·n·(n+1)²) / (m²·n·(n²−1) − m·Σ(t³−t))
//
// (Kendall & Gibbons 1990, ch. 6). False with fewer than 3 subjects, fewer than
// 2 raters, or raters who rank nobody apart.
func KendallW(t Table) (float64, bool) {
	full := complete(t)
	if len(full) < enough || len(full[0]) < 2 {
		return 0, false
	}
	n, m := float64(len(full)), float64(len(full[0]))
	sums := make([]float64, len(full))
	ties := 0.0
	for j := range full[0] {
		column := make([]float64, len(full))
		for i := range full {
			column[i] = full[i][j]
		}
		ranks, tied := rank(column)
		ties += tied
		for i, r := range ranks {
			sums[i] += r
		}
	}
	squares := 0.0
	for _, s := range sums {
		squares += s * s
	}
	below := m*m*n*(n*n-1) - m*ties
	if below <= 0 {
		return 0, false
	}
	return (12*squares - 3*m*m*n*(n+1)*(n+1)) / below, true
}

// rank answers mean ranks, 1 for the lowest, and Σ(t³−t) over ties.
func rank(values []float64) (ranks []float64, ties float64) {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case values[a] < values[b]:
			return -1
		case values[a] > values[b]:
			return 1
		}
		return 0
	})
	ranks = make([]float64, len(values))
	for first := 0; first < len(order); {
		next := first + 1
		for next < len(order) && values[order[next]] == values[order[first]] {
			next++
		}
		for _, i := range order[first:next] {
			ranks[i] = float64(first+next+1) / 2
		}
		t := float64(next - first)
		ties += t*t*t - t
		first = next
	}
	return ranks, ties
}

// Words of what a measure says; texts are looked up by them.
const (
	Strong   = "strong"  // at least 0.8
	Fair     = "fair"    // at least 0.667
	Weak     = "weak"    // above 0
	None     = "none"    // at most 0: no better than chance
	TooFew   = "too_few" // not enough to compare
	strongAt = 0.8       // Krippendorff 2004: reliable
	fairAt   = 2.0 / 3.0 // and tentatively so
)

// InWords answers the word for a measure.
func InWords(value float64, ok bool) string {
	switch {
	case !ok:
		return TooFew
	case value >= strongAt:
		return Strong
	case value >= fairAt:
		return Fair
	case value > 0:
		return Weak
	}
	return None
}
