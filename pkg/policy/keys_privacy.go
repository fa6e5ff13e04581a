package policy

// privacyKeys are those of claims about the own data and of how long things are
// kept.
func privacyKeys() []Key {
	return []Key{
		// Days between the acceptance of an erasure and its beginning, in which the
		// person can withdraw it.
		{Name: "privacy.erasure_wait_days", Default: "7", Min: "0", Max: "15"},
		// Days for which what people wrote is kept: of a request since its last step,
		// of a hardship case since it was closed, of a report-in since it was returned
		// or ended, of a note on conduct since it lapsed or nothing stood, of an
		// objection since it was answered, of a claim since it was decided; and who a
		// locked account of an office belongs to, since it was locked.
		{Name: "privacy.request_days", Default: "1095", Min: "365", Max: "3650"},
		{Name: "privacy.hardship_days", Default: "365", Min: "30", Max: "3650"},
		{Name: "privacy.report_in_days", Default: "365", Min: "30", Max: "3650"},
		{Name: "privacy.conduct_days", Default: "365", Min: "30", Max: "1095"},
		{Name: "privacy.objection_days", Default: "1095", Min: "365", Max: "3650"},
		{Name: "privacy.claim_days", Default: "365", Min: "30", Max: "1095"},
		{Name: "privacy.account_days", Default: "365", Min: "30", Max: "1095"},
	}
}
