package ledger

// Done is a service of a day, for finding what a person should look at. None
// of it refuses anything.
type Done struct {
	ID                 string
	FromMinute, ToMin  int32 // both 0 = not known
	Times, QuarterHour int32
}

// Overlaps answers the ids of others of the same member and day that a service
// overlaps: at the same time, or, where times are not known, all of the day
// when its quarter-hours come to more than mostQuarters.
func Overlaps(of Done, others []Done, mostQuarters int32) []string {
	var out, all []string
	sum := of.QuarterHour
	for _, o := range others {
		if o.ID == of.ID {
			continue
		}
		all = append(all, o.ID)
		sum += o.QuarterHour
		known := of.ToMin > 0 && o.ToMin > 0
		if known && of.FromMinute < o.ToMin && o.FromMinute < of.ToMin {
			out = append(out, o.ID)
		}
	}
	if len(out) == 0 && sum > mostQuarters && len(all) > 0 {
		return all
	}
	return out
}

// DecemberBurst says whether a December stands out: at least least services in
// it, and at least percent of the year's hundred. year holds December too.
func DecemberBurst(december, year, least, percent int32) bool {
	return december >= least && int64(december)*100 >= int64(year)*int64(percent)
}
