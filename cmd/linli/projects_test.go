package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/linli-project/linli/services/projects/selection"
)

// decided is a file of two applications and one place, with a deviation.
func decided(t *testing.T) selection.File {
	t.Helper()
	seed := bytes.Repeat([]byte{1}, 32)
	sheet := func(number string, halves int) selection.Sheet {
		return selection.Sheet{Reviewer: "R01", Application: number, Points: []selection.Points{{Criterion: "need", Halves: halves}}}
	}
	f := selection.File{
		Format: selection.Format,
		Call: selection.Call{
			ID: "cal_1", Year: 2013, Method: "mean", TrimPercent: 20, Quota: 1, Reserves: 1, Applications: []string{"01", "02"},
			Criteria: []selection.Criterion{{Key: "need", Name: "必要性", Max: 20, Weight: 1}},
			Seed:     hex.EncodeToString(seed), SeedHash: selection.SeedHash(seed),
		},
		Sheets:   []selection.Sheet{sheet("01", 30), sheet("02", 20)},
		Decision: []selection.Decided{{Number: "01", Outcome: "reserve", Reason: "区里另有安排"}, {Number: "02", Outcome: "reserve"}},
	}
	var err error
	if f.Ranking, f.Proof, err = selection.Count(f.Call, f.Sheets); err != nil {
		t.Fatal(err)
	}
	return f
}

// counts recounts a file against a hash; "" takes that of the file as decided.
func counts(t *testing.T, f selection.File) (string, error) {
	t.Helper()
	before, err := decided(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	text, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "selection.json")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(before)
	var out bytes.Buffer
	err = recount(name, hex.EncodeToString(sum[:]), &out)
	return out.String(), err
}

func TestRecount_SaysWhatDiffers(t *testing.T) {
	if out, err := counts(t, decided(t)); err != nil {
		t.Errorf("unchanged: %v\n%s", err, out)
	}
	reason := decided(t)
	reason.Decision[0].Reason = "没有理由"
	out, err := counts(t, reason)
	if err == nil || err.Error() != "1 difference" || !strings.Contains(out, "the file was changed") {
		t.Errorf("a changed reason: %v\n%s", err, out)
	}
	rank := decided(t)
	rank.Ranking[0].Rank = 2
	out, err = counts(t, rank)
	if err == nil || !strings.Contains(out, "01: rank 1, 75.00 points") || !strings.Contains(out, "file says 01: rank 2") || strings.Contains(out, "{") {
		t.Errorf("a changed rank: %v\n%s", err, out)
	}
}
