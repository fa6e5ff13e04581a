package policy

// ledgerKeys are those of the ledger, the red stars and the honor rolls.
func ledgerKeys() []Key {
	return []Key{
		// Days in which a resident's code works.
		{Name: "ledger.code_days", Default: "30", Min: "1", Max: "365"},
		// More hours of one member in one day are looked at.
		{Name: "ledger.alarm_day_hours", Default: "12", Min: "1", Max: "24"},
		// A December of at least so many services, and so many percent of the
		// year's, is looked at.
		{Name: "ledger.alarm_december_least", Default: "5", Min: "2", Max: "1000"},
		{Name: "ledger.alarm_december_percent", Default: "50", Min: "1", Max: "100"},
		// Red stars: by "times" or "cases", and what each level needs.
		{Name: "ledger.star_measure", Kind: List, Default: "times", OneOf: []string{"times", "cases"}},
		{Name: "ledger.star_1", Default: "1", Min: "1", Max: "100000"},
		{Name: "ledger.star_2", Default: "5", Min: "1", Max: "100000"},
		{Name: "ledger.star_3", Default: "10", Min: "1", Max: "100000"},
		{Name: "ledger.star_4", Default: "20", Min: "1", Max: "100000"},
		{Name: "ledger.star_5", Default: "40", Min: "1", Max: "100000"},
		// Honor roll: services of the year, and praises, satisfied ratings and
		// residents' confirmations together, that it takes to be proposed.
		{Name: "honor.least_times", Default: "3", Min: "1", Max: "1000"},
		{Name: "honor.least_trust", Default: "1", Min: "1", Max: "1000"},
		// Working days of the public notice.
		{Name: "honor.notice_days", Default: "5", Min: "1", Max: "30"},
		// The longest time on a board, in days.
		{Name: "honor.most_days", Default: "366", Min: "1", Max: "1100"},
	}
}
