package registry

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/inbox.md")

const (
	pageFile  = "../../docs/inbox.md"
	pageBegin = "<!-- printed from services/registry/notices_*.go by: go test ./services/registry -run TestPage -update -->\n"
	pageEnd   = "<!-- end -->"
)

// tableOf writes the lists as the page shows them.
func tableOf(all []announcement) string {
	var out strings.Builder
	out.WriteString("| event | who is told, under which topic |\n|---|---|\n")
	for _, a := range all {
		var told []string
		for _, t := range a.tells {
			one := string(t.to) + " `" + t.topic + "`"
			if t.takesBack {
				one = "takes `" + t.topic + "` back"
			}
			if t.only != "" {
				one += " (" + t.only + ")"
			}
			told = append(told, one)
		}
		if a.nobody != "" {
			told = []string{"nobody: " + a.nobody}
		}
		out.WriteString("| " + a.subject + " | " + strings.Join(told, "; ") + " |\n")
	}
	return out.String()
}

func TestPage_HoldsTheTableOfTheCode(t *testing.T) {
	text, err := os.ReadFile(pageFile)
	must(t, err)
	before, rest, begins := strings.Cut(string(text), pageBegin)
	printed, after, ends := strings.Cut(rest, pageEnd)
	if !begins || !ends {
		t.Fatal("the page has no place for the table")
	}
	want := tableOf(announcements())
	if *update {
		must(t, os.WriteFile(pageFile, []byte(before+pageBegin+want+pageEnd+after), 0o644))
		return
	}
	if printed != want {
		t.Error("docs/inbox.md says something else than the lists; print it again: go test ./services/registry -run TestPage -update")
	}
}
