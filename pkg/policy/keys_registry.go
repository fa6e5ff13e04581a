package policy

// registryKeys are the registry's.
func registryKeys() []Key {
	return []Key{
		// Days before the end of a campaign on which who is still due is reminded.
		{Name: "report_in.remind_days_before", Kind: List, Default: "30,14,7,1", Min: "0", Max: "365"},
	}
}
