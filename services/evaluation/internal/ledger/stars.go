package ledger

// StarLevels is how many levels there are.
const StarLevels = 5

// Stars answers the level of red stars for what is counted, 0 to 5, and what
// the next level needs (0 at the highest). A level is reached at its threshold;
// thresholds that do not rise are reached together.
func Stars(counted int32, thresholds [StarLevels]int32) (level, next int32) {
	for _, t := range thresholds {
		if counted < t {
			return level, t
		}
		level++
	}
	return level, 0
}

// Years are sums by year ("2013").
type Years map[string]Sum

// Add adds a sum to the year of a Shanghai day.
func (y Years) Add(day string, s Sum) {
	year := day[:min(len(day), 4)]
	y[year] = y[year].Add(s)
}

// All is the sum of all years.
func (y Years) All() (all Sum) {
	for _, s := range y {
		all = all.Add(s)
	}
	return all
}
