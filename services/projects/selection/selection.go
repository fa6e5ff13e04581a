// Package selection is the file that the decision of a call rests on: the
// sheet, all points under pseudonyms, the settings and the seed, and what was
// counted and decided from them. Whoever holds the file can count it again.
package selection

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"strconv"

	"github.com/linli-project/linli/services/projects/internal/review"
)

// Format is the name and version of the file.
const Format = "linli-selection/1"

// largest is the most bytes that Read takes.
const largest = 64 << 20

// File is what the decision rests on. Its bytes are those of Encode, so that
// their hash can stand in the minutes.
type File struct {
	Format  string   `json:"format"`
	Call    Call     `json:"call"`
	Sheets  []Sheet  `json:"sheets"`
	Ranking []Ranked `json:"ranking"`
	Proof   []Move   `json:"proof"`
	// Decision is the committee's, beside the ranking.
	Decision []Decided `json:"decision"`
}

// Call is how a call counts.
type Call struct {
	ID       string      `json:"id"`
	Title    string      `json:"title"`
	Year     int         `json:"year"`
	Criteria []Criterion `json:"criteria"`
	Method   string      `json:"method"`
	// TrimPercent of the sheets are left out at each end by trimmed_mean.
	TrimPercent int      `json:"trim_percent"`
	Quota       int      `json:"quota"`
	Reserves    int      `json:"reserves"`
	TieLadder   []string `json:"tie_ladder"`
	// Seed of the draw; SeedHash, its SHA-256, was public before the review.
	// Both in hexadecimal.
	Seed     string `json:"seed"`
	SeedHash string `json:"seed_hash"`
	// Applications by number.
	Applications []string `json:"applications"`
}

// Criterion is one line of the sheet.
type Criterion struct {
	Key    string `json:"key"`
	Name   string `json:"name"`
	Max    int    `json:"max"`
	Weight int    `json:"weight"`
}

// Sheet is one reviewer's points for one application, in the form's order.
type Sheet struct {
	// Reviewer is a pseudonym.
	Reviewer    string   `json:"reviewer"`
	Application string   `json:"application"`
	Points      []Points `json:"points"`
}

// Points for one criterion.
type Points struct {
	Criterion string `json:"criterion"`
	// Halves of a point: 31 is 15.5.
	Halves        int  `json:"halves"`
	NotApplicable bool `json:"not_applicable,omitempty"`
}

// Ranked is the place of an application by the ranking alone.
type Ranked struct {
	Number string `json:"number"`
	Rank   int    `json:"rank"`
	// Score is the exact fraction that is compared, "n/d".
	Score  string `json:"score"`
	Sheets int    `json:"sheets"`
	// Outcome is "selected", "reserve" or "not_selected".
	Outcome string `json:"outcome"`
	// PartedBy is what parted it from an equal one across a line.
	PartedBy string `json:"parted_by,omitempty"`
}

// Move is who would cross the line under another way of counting.
type Move struct {
	WithoutReviewer string   `json:"without_reviewer,omitempty"`
	Method          string   `json:"method"`
	In              []string `json:"in,omitempty"`
	Out             []string `json:"out,omitempty"`
	Refused         string   `json:"refused,omitempty"`
}

// Decided is what the committee decided for an application.
type Decided struct {
	Number  string `json:"number"`
	Outcome string `json:"outcome"`
	// Reason why it is not what the ranking says.
	Reason string `json:"reason,omitempty"`
}

// Methods by their names in the file, in the order of review.Methods.
func methods() []string {
	return []string{"mean", "drop_high_low", "trimmed_mean", "z_score", "additive"}
}

// MethodName answers the name of a method, "" for one that is none.
func MethodName(m review.Method) string {
	if m < 1 || int(m) > len(methods()) {
		return ""
	}
	return methods()[m-1]
}

// MethodOf answers the method of a name.
func MethodOf(name string) (review.Method, error) {
	for i, n := range methods() {
		if n == name {
			return review.Method(i + 1), nil
		}
	}
	return 0, fmt.Errorf("method %q is none of %v", name, methods())
}

// OutcomeName answers the name of an outcome.
func OutcomeName(o review.Outcome) string {
	return [...]string{review.Selected: "selected", review.Reserve: "reserve", review.NotSelected: "not_selected"}[o]
}

// Encode answers the bytes of the file.
func (f File) Encode() ([]byte, error) {
	out, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("selection: %w", err)
	}
	return append(out, '\n'), nil
}

// Read reads a file that Encode wrote. Fields it does not know are refused:
// they would be decided on and not counted.
func Read(r io.Reader) (File, error) {
	var f File
	text, err := io.ReadAll(io.LimitReader(r, largest+1))
	switch {
	case err != nil:
		return f, fmt.Errorf("selection: %w", err)
	case len(text) > largest:
		return f, fmt.Errorf("selection: more than %d bytes", largest)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, fmt.Errorf("selection: %w", err)
	}
	if f.Format != Format {
		return f, fmt.Errorf("selection: format %q, want %q", f.Format, Format)
	}
	return f, nil
}

// form answers the sheet of the call.
func (c Call) form() (review.Form, error) {
	out := make([]review.Criterion, len(c.Criteria))
	for i, k := range c.Criteria {
		out[i] = review.Criterion{Key: k.Key, Max: k.Max, Weight: k.Weight}
	}
	return review.NewForm(out)
}

// exact reads a score.
func exact(score string) (*big.Rat, error) {
	r, ok := new(big.Rat).SetString(score)
	if !ok {
		return nil, fmt.Errorf("score %s is no fraction", strconv.Quote(score))
	}
	return r, nil
}

// Hundredths answers a score in hundredths of a point, rounded half up.
func (r Ranked) Hundredths() (int64, error) {
	score, err := exact(r.Score)
	if err != nil {
		return 0, err
	}
	return review.Hundredths(score), nil
}
