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
	text, err := os.ReadFile(n.path)
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the city's notes: %w", err)
	}
	if err := json.Unmarshal(text, n); err != nil {
		return nil, fmt.Errorf("read the city's notes in %s: %w", n.path, err)
	}
	if n.Workplaces != workplaces {
		return nil, fmt.Errorf("folder %s was begun with --workplaces %d", folder, n.Workplaces)
	}
	return n, nil
}

// keep writes the notes so that a crash leaves the old ones or the new ones.
func (n *cityNotes) keep() error {
	if n.measure != nil {
		n.Step = n.measure()
	}
	text, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("keep the city's notes: %w", err)
	}
	next := n.path + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return fmt.Errorf("keep the city's notes: %w", err)
	}
	if err := os.Rename(next, n.path); err != nil {
		return fmt.Errorf("keep the city's notes: %w", err)
	}
	return nil
}
