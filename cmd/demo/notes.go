package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// notes are what the demo, as a client, remembers between days: the ids that
// it was answered and what it counted. They lie beside the data so that a demo
// that was killed goes on where it was; the steps of the day it was killed in
// are sent again under the same idempotency keys.
type notes struct {
	// Day is the last one that was finished; empty before the first.
	Day          string            `json:"day"`
	Requests     map[int]string    `json:"requests"`
	Call         string            `json:"call"`
	Applications map[string]string `json:"applications"`
	Cycle        string            `json:"cycle"`
	Campaign     string            `json:"campaign"`
	// Workbooks are rosters that came as one, after a rehearsal.
	Workbooks int `json:"workbooks"`
	// Conflicts are sheets refused because of the tree.
	Conflicts int `json:"conflicts"`
	// Twelve are the numbers selected, by aggregation and as decided.
	Twelve      map[string][]string `json:"twelve"`
	Returned    int                 `json:"returned"`
	Refused     int                 `json:"refused_rows"`
	Imported    int                 `json:"imported"`
	LetterLines int                 `json:"letter_lines"`
	// LetterNames counts lines of rendered letters with a name.
	LetterNames int `json:"letter_names"`
	// Providers of the circle's register, by name.
	Providers map[string]string `json:"providers"`
	// Samples are ids and counts of what the records do not have.
	Samples  samples `json:"samples"`
	Hardship struct {
		// Poster is the member who posts for a neighbour.
		Poster    string    `json:"poster"`
		Code      string    `json:"code"`
		Posted    time.Time `json:"posted"`
		StaffOnly bool      `json:"staff_only"`
		Revealed  bool      `json:"revealed"`
		Day       string    `json:"day"`
		Case      string    `json:"case"`
		Aid       string    `json:"aid"`
	} `json:"hardship"`
	// Round is what happened around the review.
	Round struct {
		Eligible  int    `json:"eligible"`
		Returned  int    `json:"returned"`
		ByZScore  string `json:"by_z_score"`
		Notice    string `json:"notice"`
		Noticed   int    `json:"noticed"`
		Until     string `json:"until"`
		Objection string `json:"objection"`
		Letters   int    `json:"letters"`
		// Congratulated counts letters that say selected.
		Congratulated int `json:"congratulated"`
	} `json:"round"`
	Branch branchNotes `json:"branch"`
	// Delivery is what became of the key projects, by number.
	Delivery struct {
		Projects  map[string]string `json:"projects"`
		Entry     string            `json:"entry"`
		Change    string            `json:"change"`
		Letter    string            `json:"letter"`
		Dinners   int               `json:"dinners"`
		Stopped   int               `json:"stopped"`
		Excellent int               `json:"excellent"`
		Most      int               `json:"most"`
	} `json:"delivery"`
	// Replies are letters that their home organizations answered.
	Replies int `json:"replies"`
	// Polls and Surveys of December, by community; Unbalanced counts the polls
	// that were refused once.
	Polls      map[string]box `json:"polls"`
	Surveys    map[string]box `json:"surveys"`
	Unbalanced int            `json:"unbalanced"`
	// Late are entries that are confirmed late, by member.
	Late      map[string]string `json:"late"`
	Objection string            `json:"objection"`
	path      string
}

func openNotes(folder string) (*notes, error) {
	n := &notes{
		Requests: map[int]string{}, Providers: map[string]string{}, Applications: map[string]string{}, Twelve: map[string][]string{},
		path: filepath.Join(folder, "demo-notes.json"),
	}
	n.Delivery.Projects = map[string]string{}
	_, err := readNotes(n.path, n)
	return n, err
}

// readNotes fills notes from their file; false when there is none yet.
func readNotes(path string, into any) (bool, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the demo's notes: %w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return false, fmt.Errorf("read the demo's notes in %s: %w", path, err)
	}
	return true, nil
}

// writeNotes writes notes so that a crash leaves the old ones or the new ones.
func writeNotes(path string, notes any) error {
	text, err := json.Marshal(notes)
	if err != nil {
		return fmt.Errorf("keep the demo's notes: %w", err)
	}
	next := path + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return fmt.Errorf("keep the demo's notes: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("keep the demo's notes: %w", err)
	}
	return nil
}

// clone is a copy that a day is worked on; it becomes the notes when the day
// is finished, so that a day sent again counts nothing twice.
func (n *notes) clone() (*notes, error) {
	text, err := json.Marshal(n)
	if err != nil {
		return nil, fmt.Errorf("copy the demo's notes: %w", err)
	}
	next := &notes{path: n.path}
	if err := json.Unmarshal(text, next); err != nil {
		return nil, fmt.Errorf("copy the demo's notes: %w", err)
	}
	return next, nil
}

func (n *notes) keep() error { return writeNotes(n.path, n) }
