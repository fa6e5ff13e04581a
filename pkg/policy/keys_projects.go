package policy

// projectsKeys are those of the project year.
func projectsKeys() []Key {
	return []Key{
		// Working days in which the district checks an application.
		{Name: "projects.check_days", Default: "10", Min: "1", Max: "60"},
		// Working days of the public notice of selected projects.
		{Name: "projects.notice_days", Default: "5", Min: "1", Max: "30"},
	}
}
