package policy

// pollKeys are those of polls, of the composite and of statutory grades.
func pollKeys() []Key {
	return []Key{
		// Values of the marks 好, 较好, 一般, 差.
		{Name: "evaluation.mark.good", Kind: Decimal, Default: "100", Min: "0", Max: "100"},
		{Name: "evaluation.mark.fairly_good", Kind: Decimal, Default: "80", Min: "0", Max: "100"},
		{Name: "evaluation.mark.fair", Kind: Decimal, Default: "60", Min: "0", Max: "100"},
		{Name: "evaluation.mark.poor", Kind: Decimal, Default: "0", Min: "0", Max: "100"},
		// Fewer valid ballots, or fewer marks for a member, give no result.
		{Name: "evaluation.poll_least_ballots", Kind: Integer, Default: "5", Min: "5", Max: "100"},
		// The ledger input counts times instead of hours, with so many for full marks.
		{Name: "evaluation.ledger_by_times", Kind: Switch, Default: "false"},
		{Name: "evaluation.full_marks_times", Kind: Decimal, Default: "20", Min: "1", Max: "1000"},
		// Least composites of 优秀, 合格, 基本合格.
		{Name: "evaluation.grade.excellent", Kind: Decimal, Default: "90", Min: "0", Max: "100"},
		{Name: "evaluation.grade.qualified", Kind: Decimal, Default: "70", Min: "0", Max: "100"},
		{Name: "evaluation.grade.basic", Kind: Decimal, Default: "60", Min: "0", Max: "100"},
	}
}
