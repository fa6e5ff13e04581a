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
		// Days in which a member can object to the own sheet.
		{Name: "evaluation.objection_days", Default: "7", Min: "1", Max: "30"},
		// Fewer answers make no satisfaction input.
		{Name: "evaluation.survey_least_answers", Default: "5", Min: "5", Max: "100"},
	}
}
