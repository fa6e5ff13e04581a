package demo

import (
	"bufio"
	"compress/gzip"
	"embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

//go:embed records/*.gz
var recordFiles embed.FS

// records are the invented records of one district's 2013, as the files have
// them.
type records struct {
	organizationsCSV []byte
	tree
	members []member
	columns []string // of the roster, without the date of report-in
	posts   []post
	round   round
}

type organization struct {
	id, name, kind, parent string
}

// member is one row of the roster.
type member struct {
	row        []string // without the date of report-in
	name       string
	home       string
	community  string
	kind       string
	maskedID   string
	reportedOn string // "2013-08-05"; empty when never
}

type post struct {
	No         int      `json:"no"`
	Type       string   `json:"type"`
	Category   string   `json:"category"`
	Community  string   `json:"community"`
	Resident   string   `json:"resident"`
	Building   string   `json:"building"`
	Text       string   `json:"text"`
	PostedAt   string   `json:"posted_at"`
	OnBehalfOf bool     `json:"on_behalf_of"`
	Supporters []string `json:"supported_by"`
}

// day on which it was posted.
func (p post) day() string { return p.PostedAt[:len(time.DateOnly)] }

// round is a project year: the call, its reviewers, applications and sheets.
type round struct {
	Call struct {
		Year     int    `json:"year"`
		Title    string `json:"title"`
		Quota    int    `json:"quota"`
		Criteria []struct {
			Key  string `json:"key"`
			Name string `json:"name"`
			Max  int32  `json:"max"`
		} `json:"criteria"`
	} `json:"call"`
	Reviewers []struct {
		ID           string `json:"id"`
		Organization string `json:"organization"`
	} `json:"reviewers"`
	Applications []application `json:"applications"`
	Reviews      []struct {
		Application string             `json:"application"`
		Reviewer    string             `json:"reviewer"`
		Scores      map[string]float64 `json:"scores"`
	} `json:"reviews"`
}

func readRecords() (*records, error) {
	r := &records{}
	var err error
	if r.organizationsCSV, err = unpack("district-organizations.csv"); err != nil {
		return nil, err
	}
	if r.organizations, err = organizationsOf(r.organizationsCSV); err != nil {
		return nil, err
	}
	if err := r.readRoster(); err != nil {
		return nil, err
	}
	if err := r.readPosts(); err != nil {
		return nil, err
	}
	text, err := unpack("projects-2013.json")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &r.round); err != nil {
		return nil, fmt.Errorf("read the project year: %w", err)
	}
	return r, nil
}

func unpack(name string) ([]byte, error) {
	f, err := recordFiles.Open("records/" + name + ".gz")
	if err != nil {
		return nil, fmt.Errorf("open record %s: %w", name, err)
	}
	defer func() { _ = f.Close() }() // read only
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("unpack record %s: %w", name, err)
	}
	return io.ReadAll(z)
}

func organizationsOf(text []byte) (map[string]organization, error) {
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), "\uFEFF"))).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read organizations: %w", err)
	}
	out := map[string]organization{}
	for _, row := range rows[1:] {
		out[row[0]] = organization{id: row[0], name: row[1], kind: row[2], parent: row[3]}
	}
	return out, nil
}

// dateColumn holds the date of report-in: what the demo lives through instead
// of importing it.
const dateColumn = "报到日期"

func (r *records) readRoster() error {
	text, err := unpack("district-roster.csv")
	if err != nil {
		return err
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), "\uFEFF"))).ReadAll()
	if err != nil {
		return fmt.Errorf("read roster: %w", err)
	}
	read := newRosterReader(rows[0])
	r.columns = read.columns
	for _, row := range rows[1:] {
		r.members = append(r.members, read.member(row))
	}
	return nil
}

func (r *records) readPosts() error {
	text, err := unpack("requests-2013.jsonl")
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for lines.Scan() {
		var p post
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return fmt.Errorf("read posts: %w", err)
		}
		r.posts = append(r.posts, p)
	}
	return lines.Err()
}

// application is one of the round.
type application struct {
	Number      string      `json:"no"`
	Title       string      `json:"title"`
	Applicant   string      `json:"applicant"`
	Category    string      `json:"category"`
	Budget      int64       `json:"budget_yuan"`
	Staff       int32       `json:"staff_requested"`
	Indicators  []indicator `json:"indicators"`
	SubmittedAt string      `json:"submitted_at"`
}

// indicator is one promise of an application.
type indicator struct {
	Name     string  `json:"name"`
	Unit     string  `json:"unit"`
	Baseline float64 `json:"baseline"`
	Target   float64 `json:"target"`
	Due      string  `json:"due"`
	Source   string  `json:"source"`
}
