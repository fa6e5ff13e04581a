package indicator

import (
	"math/big"
	"slices"
	"strconv"

	"github.com/linli-project/linli/pkg/rule"
)

// Manual is the source of a value that the applicant records with its proof.
const Manual = "manual"

// The stored queries on linli's own records.
const (
	RequestsResolved    = "requests.resolved"
	RequestsSuggestions = "requests.suggestions"
	RequestsResidents   = "requests.residents"
	RegistryFloating    = "registry.floating"
	RegistryHeartHomes  = "registry.heart_homes"
	LedgerAttendance    = "ledger.attendance"
)

// Query is a stored query. A yearly one counts from the first day of the year,
// another all that there is.
type Query struct {
	Name   string
	Yearly bool
}

// Queries is the table of them.
func Queries() []Query {
	return []Query{
		{RequestsResolved, true}, {RequestsSuggestions, true}, {RequestsResidents, true},
		{RegistryFloating, false}, {RegistryHeartHomes, false}, {LedgerAttendance, true},
	}
}

// FindQuery answers a query by its name; false for manual and unknown sources.
func FindQuery(name string) (Query, bool) {
	all := Queries()
	i := slices.IndexFunc(all, func(q Query) bool { return q.Name == name })
	if i < 0 {
		return Query{}, false
	}
	return all[i], true
}

// Check answers UNKNOWN_QUERY for a source that is neither manual nor a stored
// query, and DIRECTION_CONTRADICTED for a target on the other side of the
// baseline than the direction says.
func Check(i int, source string, said Direction, baseline, target *big.Rat) error {
	field := "indicators[" + strconv.Itoa(i) + "]."
	if _, ok := FindQuery(source); !ok && source != Manual {
		return rule.New(rule.Invalid, "UNKNOWN_QUERY", field+"source", "name", source)
	}
	side := target.Cmp(baseline)
	if said == Up && side < 0 || said == Down && side > 0 {
		return rule.New(rule.Invalid, "DIRECTION_CONTRADICTED", field+"direction")
	}
	return nil
}
