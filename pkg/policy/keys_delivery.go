package policy

// deliveryKeys are those of key projects: support, spending, indicators,
// acceptance.
func deliveryKeys() []Key {
	return []Key{
		// An indicator is yellow when it is behind its plan by more percent, or so
		// many days before its due day.
		{Name: "projects.behind_percent", Kind: Decimal, Default: "10", Min: "0", Max: "100"},
		{Name: "projects.due_soon_days", Default: "14", Min: "0", Max: "90"},
		// Days after which a new reading is asked for.
		{Name: "projects.reading_days", Default: "31", Min: "7", Max: "366"},
		// Days after the due day until the letter of supervision.
		{Name: "projects.supervision_days", Default: "10", Min: "1", Max: "90"},
		// Consequences of a letter: whether tranches stop while it is open, and
		// points off at acceptance for each.
		{Name: "projects.supervision_stops_tranches", Kind: Switch, Default: "true"},
		{Name: "projects.supervision_points", Kind: Decimal, Default: "2", Min: "0", Max: "50"},
		// Kinds of spending that are not allowed.
		{Name: "projects.spending_not_allowed", Kind: List, Default: "cash_gift,banquet,travel,vehicle,entertainment", OneOf: []string{
			"materials", "equipment", "venue", "training", "publicity", "services", "insurance",
			"cash_gift", "banquet", "travel", "vehicle", "entertainment",
		}},
		// The acceptance sheet, the least score to be accepted and to be excellent.
		{Name: "projects.acceptance.effect", Default: "50", Min: "1", Max: "100"},
		{Name: "projects.acceptance.innovation", Default: "25", Min: "1", Max: "100"},
		{Name: "projects.acceptance.ease", Default: "25", Min: "1", Max: "100"},
		{Name: "projects.acceptance.pass", Kind: Decimal, Default: "60", Min: "0", Max: "100"},
		{Name: "projects.acceptance.excellent", Kind: Decimal, Default: "90", Min: "0", Max: "100"},
		// Months in which an applicant whose project failed twice cannot apply.
		{Name: "projects.barred_months", Default: "12", Min: "1", Max: "60"},
	}
}
