package demo

import (
	"fmt"
	"path/filepath"
	"time"
)

// CityStep is what one step took: its time, that of the server on processors, and the largest resident memory
// that is no file's (RssAnon) of the server and of the run itself, in bytes; 0
// where the system does not tell.
type CityStep struct {
	Name   string        `json:"name"`
	Took   time.Duration `json:"took"`
	CPU    time.Duration `json:"cpu"`
	Server int64         `json:"server"`
	Client int64         `json:"client"`
}

// cityNotes are what the run, as a client, remembers between steps.
type cityNotes struct {
	// Workplaces the folder was begun with.
	Workplaces int `json:"workplaces"`
	// Done are the steps that were finished, with what they took; Step is what was
	// spent so far on the one in hand.
	Done  int        `json:"done"`
	Steps []CityStep `json:"steps"`
	Step  CityStep   `json:"step"`
	// Day is the last one whose report-ins were all submitted.
	Day           string     `json:"day"`
	Organizations int64      `json:"organizations"`
	Refused       int64      `json:"refused"`
	Campaign      string     `json:"campaign"`
	Cycle         string     `json:"cycle"`
	Letters       cityRead   `json:"letters"`
	Lines         []cityLine `json:"lines"`
	Digest        string     `json:"digest"`

	path    string
	measure func() CityStep
}

// cityRead is what the letters say, counted by who read them.
type cityRead struct {
	Letters, Lines, WithService, Times, QuarterHours int64
	// Exact letters list their workplace's members, each once, and nobody else;
	// Alike ones say the same as CSV and as workbook; Genuine ones were verified
	// by their code.
	Exact, Alike, Genuine int64
	Digest                []byte
}

// cityLine is a line of the report, kept.
type cityLine struct {
	What, Says, Linli string
	Same              bool
}

func openCityNotes(folder string, workplaces int) (*cityNotes, error) {
	n := &cityNotes{Workplaces: workplaces, path: filepath.Join(folder, "city-notes.json")}
	if there, err := readNotes(n.path, n); err != nil || !there {
		return n, err
	}
	if n.Workplaces != workplaces {
		return nil, fmt.Errorf("folder %s was begun with --workplaces %d", folder, n.Workplaces)
	}
	return n, nil
}

func (n *cityNotes) keep() error {
	if n.measure != nil {
		n.Step = n.measure()
	}
	return writeNotes(n.path, n)
}
