// Package figures keeps what the measuring programs found, one file a run in
// docs/figures, and prints the pages docs/performance.md and
// docs/reliability.md from them. No figure is typed by hand.
package figures

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Run is one execution of a measuring program.
type Run struct {
	// Name is the file's: "rest-100000-one". A later run of the same name
	// takes its place.
	Name string `json:"name"`
	// Page is "performance" or "reliability".
	Page string `json:"page"`
	// Section is the heading on the page.
	Section string `json:"section"`
	// Command is what to type to get it again.
	Command string `json:"command"`
	// Note tells the reader what was done and what to beware of.
	Note string `json:"note,omitempty"`
	Rows []Row  `json:"rows"`

	// Save fills these.
	At      time.Time `json:"at"`
	Machine string    `json:"machine"`
	Commit  string    `json:"commit"`
}

// Row is one figure: the median of its repeats with the smallest and the
// largest.
type Row struct {
	What    string  `json:"what"`
	Shape   string  `json:"shape,omitempty"` // "one process", "six processes"
	Value   float64 `json:"value"`
	Low     float64 `json:"low,omitempty"`
	High    float64 `json:"high,omitempty"`
	Unit    string  `json:"unit"`
	Repeats int     `json:"repeats,omitempty"`
	// Beside is the reference of the same run, Ratio the value against it.
	Beside string  `json:"beside,omitempty"`
	Ratio  float64 `json:"ratio,omitempty"`
	// Target is what was to be reached: "≥ 4×".
	Target string `json:"target,omitempty"`
	Note   string `json:"note,omitempty"`
}

// Pages answers the names of the pages there are.
func Pages() []string { return []string{"performance", "reliability"} }

var names = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// Validate says what is missing in a run.
func (r Run) Validate() error {
	switch {
	case !names.MatchString(r.Name):
		return fmt.Errorf("figures: name %q: lower-case words joined by hyphens", r.Name)
	case !slices.Contains(Pages(), r.Page):
		return fmt.Errorf("figures: page %q: one of %s", r.Page, strings.Join(Pages(), ", "))
	case r.Section == "":
		return errors.New("figures: a run needs a section")
	case r.Command == "":
		return errors.New("figures: a run needs the command that repeats it")
	case len(r.Rows) == 0:
		return errors.New("figures: a run without rows says nothing")
	}
	for i, row := range r.Rows {
		if row.What == "" || row.Unit == "" {
			return fmt.Errorf("figures: row %d needs what it is and its unit", i+1)
		}
	}
	return nil
}

// Save writes a run into the folder with the machine, the time and the commit
// it was made on.
func Save(folder string, r Run) error {
	if err := r.Validate(); err != nil {
		return err
	}
	r.At, r.Machine, r.Commit = wall.Now().UTC().Truncate(time.Second), machine(), commit()
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode figures: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make the folder of figures: %w", err)
	}
	if err := os.WriteFile(filepath.Join(folder, r.Name+".json"), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	return nil
}

// Load reads every run of a folder, by name.
func Load(folder string) ([]Run, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list figures: %w", err)
	}
	var runs []Run
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read figures: %w", err)
		}
		var r Run
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("read figures %s: %w", filepath.Base(file), err)
		}
		if err := r.Validate(); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// Median answers the middle of the values with the smallest and the largest;
// of an even number the lower of the two in the middle. It wants one value at
// the least.
func Median(values []float64) (median, low, high float64) {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2], sorted[0], sorted[len(sorted)-1]
}
