package house

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/linli-project/linli/pkg/held"
)

// ofNobody are the tables with personal fields whose rows are no single person's:
// why an erasure has nothing to look for there.
func ofNobody() map[string]string {
	return map[string]string{
		"registry/webhook":         "an office's address on the network, with its secret",
		"registry/signing_key":     "the house's own key",
		"registry/provider_state":  "a sign-in under way: a random state; it goes within minutes",
		"projects/file":            "an organization's document",
		"evaluation/letter":        "an organization's; why it was issued again is erased with the line",
		"evaluation/letter_issue":  "an organization's; why it was issued is erased with the line",
		"evaluation/signature":     "a community's sheets as a whole; the street's reason is about them",
		"evaluation/ledger_export": "the purpose that an officer gave, about a community",
		"evaluation/survey_code":   "a household's answer, which opens with its slip alone and goes with the count",
	}
}

// looked is a table as this test sees it.
type looked interface {
	Name() string
	Personal() bool
}

// TestHoldings_NoTableIsForgotten: every table that has something personal is
// looked through when a person is erased, or it is said why not. A new table fails
// here until somebody has decided.
func TestHoldings_NoTableIsForgotten(t *testing.T) {
	seen, decided, personal := 0, ofNobody(), map[string]bool{}
	for _, s := range newTestStores(t, slog.New(slog.DiscardHandler)) {
		holdings := map[string]held.Holding{}
		for _, h := range s.Holdings() {
			if holdings[h.Table()] != nil {
				t.Errorf("%s/%s is looked through twice", s.Name(), h.Table())
			}
			holdings[h.Table()] = h
		}
		tables := map[string]bool{}
		for _, tbl := range s.Tables() {
			tables[tbl.Name()] = true
			l, ok := tbl.(looked)
			if !ok || !l.Personal() {
				continue
			}
			seen++
			name := s.Name() + "/" + l.Name()
			personal[name] = true
			if (holdings[l.Name()] == nil) == (decided[name] == "") {
				t.Errorf("%s has personal fields: looked through %v, and why not: %q", name, holdings[l.Name()] != nil, decided[name])
			}
		}
		for name := range holdings {
			if !tables[name] {
				t.Errorf("%s/%s is looked through and is no table", s.Name(), name)
			}
		}
	}
	for name := range decided {
		if !personal[name] {
			t.Errorf("%s is said to be of nobody, and has nothing personal", name)
		}
	}
	if seen < 30 {
		t.Errorf("looked at %d tables", seen)
	}
}

// TestHoldings_WhatStaysIsNotPersonal: what an erasure keeps is said in words, and
// the page says the same.
func TestHoldings_WhatStaysIsNotPersonal(t *testing.T) {
	for _, s := range newTestStores(t, slog.New(slog.DiscardHandler)) {
		for _, h := range s.Holdings() {
			if strings.TrimSpace(h.Keeps()) != h.Keeps() {
				t.Errorf("%s/%s: %q", s.Name(), h.Table(), h.Keeps())
			}
		}
	}
}
