package registry

import (
	"strconv"
	"strings"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/services/registry/internal/member"
)

// The purposes of the keyed hashes: none can be joined with another.
const (
	blindIDNumber = "member id number"
	blindPerson   = "member name and phone"
	blindFacts    = "member facts"
)

// hash makes the keyed hashes of a row: of what tells the person apart, and of
// everything the row says but the ID number, which may be given later.
func (i *rosterImport) hash(row *rosterRow) {
	f, ring := row.facts, i.store.Keyring()
	if f.Identity() == member.Unknown {
		return
	}
	row.idNumber = ring.Blind(blindIDNumber, string(f.IDNumber))
	if f.Name != "" && f.Phone != "" {
		row.person = ring.Blind(blindPerson, f.Name, f.Phone)
	}
	row.said = ring.Blind(blindFacts, f.Name, string(f.Sex), f.Phone, string(f.JoinedOn), string(f.Status), string(f.Kind),
		f.Home, f.Workplace, f.Community, f.Building, f.Unit, strings.Join(f.Specialties, "、"), strings.Join(f.Interests, "、"))
}

// people remembers by keyed hash who stood in which line of a file.
type people struct {
	byIDNumber map[[16]byte]int
	byPerson   map[[16]byte]sighting
}

type sighting struct {
	line int
	// numbered: the row had an ID number, so that another number with the same
	// name and phone is another person.
	numbered bool
}

func newPeople() people {
	return people{byIDNumber: map[[16]byte]int{}, byPerson: map[[16]byte]sighting{}}
}

// add notes the person of a row and answers the fault if the same person stood
// in an earlier line. A row that is refused for other reasons counts as well:
// which of two rows is right is not for the machine to say.
func (p people) add(row *rosterRow) []*rule.Error {
	if len(row.idNumber) > 0 {
		if line, ok := p.byIDNumber[[16]byte(row.idNumber)]; ok {
			return duplicate(member.ColumnIDNumber, line)
		}
		p.byIDNumber[[16]byte(row.idNumber)] = row.line
	}
	if len(row.person) == 0 {
		return nil
	}
	numbered := len(row.idNumber) > 0
	before, ok := p.byPerson[[16]byte(row.person)]
	switch {
	case !ok:
		p.byPerson[[16]byte(row.person)] = sighting{row.line, numbered}
	case numbered && before.numbered:
		row.shared = true
	default:
		return duplicate("", before.line)
	}
	return nil
}

func duplicate(column string, line int) []*rule.Error {
	return []*rule.Error{rule.New(rule.Invalid, "ROSTER_DUPLICATE", column, "row", strconv.Itoa(line))}
}
