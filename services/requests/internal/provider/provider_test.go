package provider_test

import (
	"errors"
	"testing"

	"github.com/linli-project/linli/pkg/rule"

	"github.com/linli-project/linli/services/requests/internal/provider"
)

// Everybody but a person has papers, and they hold to the end of their last day.
func TestPapers(t *testing.T) {
	for name, c := range map[string]struct {
		papers provider.Papers
		field  string
		holds  bool
	}{
		"a person":           {provider.Papers{Person: true}, "", true},
		"a person's licence": {provider.Papers{Person: true, Registration: "1"}, "registration", true},
		"a person's date":    {provider.Papers{Person: true, Until: "2014-01-01"}, "papers_until", true},
		"no number":          {provider.Papers{Until: "2014-01-01"}, "registration", true},
		"no date":            {provider.Papers{Registration: "1"}, "papers_until", false},
		"no such day":        {provider.Papers{Registration: "1", Until: "2014-02-30"}, "papers_until", true},
		"whole":              {provider.Papers{Registration: "1", Until: "2013-12-30"}, "", true},
		"run out":            {provider.Papers{Registration: "1", Until: "2013-12-29"}, "", false},
	} {
		var e *rule.Error
		if err := c.papers.Check(); (err == nil) != (c.field == "") || errors.As(err, &e) && e.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
		if c.papers.Hold("2013-12-30") != c.holds {
			t.Errorf("%s: holds %v", name, !c.holds)
		}
	}
}

func TestMayApprove_NotOnesOwn(t *testing.T) {
	if provider.MayApprove("a", "b") != nil || provider.MayApprove("a", "a") == nil {
		t.Error("who proposed approves")
	}
}
