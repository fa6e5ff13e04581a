package policy

// evaluationKeys are those of the ledger and the annual evaluation.
func evaluationKeys() []Key {
	return []Key{
		// Weights of the three inputs.
		{Name: "evaluation.weight.appraisal", Kind: Decimal, Default: "40", Min: "0", Max: "100"},
		{Name: "evaluation.weight.ledger", Kind: Decimal, Default: "40", Min: "0", Max: "100"},
		{Name: "evaluation.weight.satisfaction", Kind: Decimal, Default: "20", Min: "0", Max: "100"},
		// Hours of a year that are worth full marks.
		{Name: "evaluation.full_marks_hours", Kind: Decimal, Default: "20", Min: "1", Max: "1000"},
		// Least composites, or ledger scores where nothing else is there, of the
		// proposed opinions 好 and 较好.
		{Name: "evaluation.opinion.good", Kind: Decimal, Default: "85", Min: "0", Max: "100"},
		{Name: "evaluation.opinion.fairly_good", Kind: Decimal, Default: "60", Min: "0", Max: "100"},
		// Days until a reply to a letter is asked for, between reminders, and how
		// many there are.
		{Name: "evaluation.reply_days", Default: "30", Min: "1", Max: "180"},
		{Name: "evaluation.reminder_days", Default: "10", Min: "1", Max: "90"},
		{Name: "evaluation.reminders_most", Default: "3", Min: "1", Max: "10"},
		// Days in which a member can object to the own sheet.
		{Name: "evaluation.objection_days", Default: "7", Min: "1", Max: "30"},
		// Fewer answers make no satisfaction input.
		{Name: "evaluation.survey_least_answers", Default: "5", Min: "5", Max: "100"},
		// 基本满意 counts as satisfied.
		{Name: "evaluation.survey_basically_counts", Kind: Switch, Default: "true"},
		// Households of one survey.
		{Name: "evaluation.survey_most_households", Default: "6000", Min: "1", Max: "50000"},
	}
}
