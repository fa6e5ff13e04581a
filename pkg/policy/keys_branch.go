package policy

// branchKeys are those of a branch's cycle, of conduct notes and of exports.
func branchKeys() []Key {
	return []Key{
		// Days in which a member can object to the own grade.
		{Name: "evaluation.branch_objection_days", Default: "7", Min: "1", Max: "30"},
		// Working days in which a member can answer before a note is signed.
		{Name: "conduct.hearing_days", Default: "5", Min: "5", Max: "30"},
		// Months after which a note that stands is no longer reported.
		{Name: "conduct.lapse_months", Default: "12", Min: "1", Max: "12"},
		// Services that one export may hold, and days in which it can be read.
		{Name: "export.most_rows", Default: "5000", Min: "1", Max: "10000"},
		{Name: "export.days", Default: "7", Min: "1", Max: "30"},
	}
}
