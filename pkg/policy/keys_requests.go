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
		// Working days before the end of a limit on which the office is reminded; 1
		// = on its last day.
		{Name: "requests.near_days", Default: "1", Min: "1", Max: "30"},
		// Working days between the steps of the ladder of a request that is late:
		// community, street, district.
		{Name: "requests.ladder_days", Default: "3", Min: "1", Max: "30"},
		// Working days in which the street decides on relief.
		{Name: "requests.relief_days", Default: "10", Min: "1", Max: "60"},
		// Extensions of a request, working days of an extension (0 = as many as the
		// limit itself), and days that a request may stand still in sum.
		{Name: "requests.extensions", Default: "1", Min: "0", Max: "5"},
		{Name: "requests.extension_days", Default: "0", Min: "0", Max: "90"},
		{Name: "requests.pause_days", Default: "90", Min: "0", Max: "365"},
		// Days after which a resolved request can no longer be reopened.
		{Name: "requests.reopen_days", Default: "15", Min: "1", Max: "60"},
		// A rate over fewer cases is not shown.
		{Name: "requests.rate_least_cases", Default: "5", Min: "5", Max: "100"},
		// Nuisance posts of one author that may be open at a time.
		{Name: "requests.nuisance_open", Default: "2", Min: "1", Max: "10"},
		// Unfounded nuisance posts that pause their author, and for how many months.
		{Name: "requests.nuisance_unfounded", Default: "2", Min: "2", Max: "10"},
		{Name: "requests.nuisance_pause_months", Default: "3", Min: "1", Max: "12"},
		// A count of nuisance posts of a building under it is not shown.
		{Name: "requests.nuisance_least_cell", Default: "5", Min: "5", Max: "100"},
		// Suggestions: factors in percent, what halves the factor of load, and over how many days load is counted.
		{Name: "requests.matching.building", Default: "100", Min: "1", Max: "100"},
		{Name: "requests.matching.community", Default: "80", Min: "1", Max: "100"},
		{Name: "requests.matching.street", Default: "50", Min: "1", Max: "100"},
		{Name: "requests.matching.time_unstated", Default: "50", Min: "1", Max: "100"},
		{Name: "requests.matching.half_load_hours", Default: "8", Min: "1", Max: "100"},
		{Name: "requests.matching.load_days", Default: "30", Min: "1", Max: "60"},
		// Work that needs a qualification, and work that needs insurance.
		{Name: "requests.matching.qualified", Kind: List, Default: "电工,燃气,法律援助,医疗护理,心理咨询"},
		{Name: "requests.matching.insured", Kind: List, Default: "电工,燃气,高空作业"},
		// Hours of the day in which nobody is asked uninvited, or at all.
		{Name: "requests.matching.work_from", Default: "8", Min: "5", Max: "12"},
		{Name: "requests.matching.work_to", Default: "18", Min: "13", Max: "19"},
		{Name: "requests.matching.night_from", Default: "21", Min: "20", Max: "24"},
		{Name: "requests.matching.night_to", Default: "8", Min: "5", Max: "10"},
	}
}
