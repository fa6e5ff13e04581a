package policy

// requestsKeys are those of the service circle.
func requestsKeys() []Key {
	return []Key{
		// Limits in working days.
		{Name: "requests.admit_days", Default: "1", Min: "1", Max: "30"},
		{Name: "requests.first_answer_days", Default: "1", Min: "1", Max: "30"},
		{Name: "requests.inquiry_days", Default: "3", Min: "1", Max: "90"},
		{Name: "requests.problem_days", Default: "10", Min: "1", Max: "90"},
		{Name: "requests.hardship_visit_days", Default: "1", Min: "1", Max: "30"},
		// Working days in which the street decides on relief.
		{Name: "requests.relief_days", Default: "10", Min: "1", Max: "60"},
		// Days after which a resolved request can no longer be reopened.
		{Name: "requests.reopen_days", Default: "15", Min: "1", Max: "60"},
		// A rate over fewer cases is not shown.
		{Name: "requests.rate_least_cases", Default: "5", Min: "5", Max: "100"},
		// Nuisance posts of one author that may be open at a time.
		{Name: "requests.nuisance_open", Default: "2", Min: "1", Max: "10"},
	}
}
