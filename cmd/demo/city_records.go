package demo

import (
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// The roster of the city is the one large record: 100,000 rows in the order of
// their workplaces, so that it is read as it is sent, a workplace at a time. It
// was drawn once and not by Go, so no generator makes it again; packed with a
// window of 1 MiB it is read in as little memory.
//
//go:embed records/city-roster.csv.zst
var cityRoster embed.FS

// cityRecords are the invented records of a city, as the files have them.
type cityRecords struct {
	organizationsCSV []byte
	tree             // organizations, by id
	// take are the workplaces that take part.
	take map[string]bool
	// columns of the roster, without the date of report-in.
	columns []string

	// What the records say, counted once.
	members, reported, onTime int64
	byHome, byCommunity       map[string]cityCount
}

// cityCount counts the members of an organization.
type cityCount struct{ members, reported, onTime int64 }

// tree of organizations.
type tree struct{ organizations map[string]organization }

// path of an organization, as the registry makes it.
func (t tree) path(id string) string {
	if id == "" {
		return "/"
	}
	return t.path(t.organizations[id].parent) + id + "/"
}

// at answers the organization of a kind that is above another, or it.
func (t tree) at(kind, id string) string {
	for id != "" && t.organizations[id].kind != kind {
		id = t.organizations[id].parent
	}
	return id
}

// ofKind answers the organizations of a kind, in order.
func (t tree) ofKind(kind string) (ids []string) {
	for id, o := range t.organizations {
		if o.kind == kind {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// communities answers those that somebody who takes part lives in, in order: of a
// whole city all of them.
func (r *cityRecords) communities() []string { return slices.Sorted(maps.Keys(r.byCommunity)) }

// person is a row of the city's roster.
type person struct {
	member
	n int // place in the roster
}

func readCityRecords(workplaces int) (*cityRecords, error) {
	r := &cityRecords{take: map[string]bool{}, byHome: map[string]cityCount{}, byCommunity: map[string]cityCount{}}
	var err error
	if r.organizationsCSV, err = unpack("city-organizations.csv"); err != nil {
		return nil, err
	}
	if r.organizations, err = organizationsOf(r.organizationsCSV); err != nil {
		return nil, err
	}
	for i, id := range r.ofKind("workplace") {
		if workplaces == 0 || i < workplaces {
			r.take[id] = true
		}
	}
	err = r.eachHome(func(_ string, people []person) error {
		for _, p := range people {
			r.count(p)
		}
		return nil
	})
	return r, err
}

func (r *cityRecords) count(p person) {
	add := func(c cityCount) cityCount {
		c.members++
		if p.reportedOn != "" {
			c.reported++
		}
		if p.reportedOn != "" && p.reportedOn <= campaignDeadline {
			c.onTime++
		}
		return c
	}
	all := add(cityCount{})
	r.members, r.reported, r.onTime = r.members+all.members, r.reported+all.reported, r.onTime+all.onTime
	r.byHome[p.home], r.byCommunity[p.community] = add(r.byHome[p.home]), add(r.byCommunity[p.community])
}

// eachHome reads the roster, a workplace at a time.
func (r *cityRecords) eachHome(do func(home string, people []person) error) error {
	f, err := cityRoster.Open("records/city-roster.csv.zst")
	if err != nil {
		return fmt.Errorf("open the city's roster: %w", err)
	}
	defer func() { _ = f.Close() }() // read only
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return fmt.Errorf("unpack the city's roster: %w", err)
	}
	defer z.Close()
	rows := csv.NewReader(z)
	header, err := rows.Read()
	if err != nil {
		return fmt.Errorf("read the city's roster: %w", err)
	}
	read := newRosterReader(header)
	r.columns = read.columns
	var people []person
	for n := 0; ; n++ {
		row, err := rows.Read()
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the city's roster: %w", err)
		}
		var p person
		if err == nil {
			p = person{member: read.member(row), n: n}
		}
		if len(people) > 0 && people[0].home != p.home {
			if err := r.hand(do, people); err != nil {
				return err
			}
			people = nil
		}
		if err != nil {
			return nil
		}
		people = append(people, p)
	}
}

func (r *cityRecords) hand(do func(string, []person) error, people []person) error {
	if home := people[0].home; r.take[home] {
		return do(home, people)
	}
	return nil
}

// rosterReader makes members of the rows of a roster.
type rosterReader struct {
	columns                               []string
	date, name, home, community, id, kind int
}

func newRosterReader(header []string) rosterReader {
	at := func(name string) int { return slices.Index(header, name) }
	r := rosterReader{
		date: at(dateColumn), name: at("姓名"), home: at("组织关系所在党组织编码"), community: at("居住社区编码"),
		id: at("身份证号"), kind: at("党员类别"),
	}
	r.columns = slices.Delete(slices.Clone(header), r.date, r.date+1)
	return r
}

func (r rosterReader) member(row []string) member {
	id := row[r.id]
	return member{
		row: slices.Delete(slices.Clone(row), r.date, r.date+1), name: row[r.name], home: row[r.home],
		community: row[r.community], kind: row[r.kind], reportedOn: row[r.date],
		maskedID: id[:3] + strings.Repeat("*", len(id)-7) + id[len(id)-4:],
	}
}
