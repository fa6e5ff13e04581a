package main

import (
	"bytes"
	"flag"
	"io"
	"strings"
	"testing"

	"github.com/linli-project/linli/cmd/figures"
)

func TestFound_SaysWhetherTheTargetIsMet(t *testing.T) {
	t.Parallel()
	for _, each := range []struct {
		row  figures.Row
		want string
	}{
		{figures.Row{Ratio: 0.85, Target: "≥ 0.85×"}, "met"},
		{figures.Row{Ratio: 7.9, Target: "≥ 8×", Note: "by CPU 9×"}, "missed. by CPU 9×"},
		{figures.Row{Ratio: 1, Note: "no target"}, "no target"},
	} {
		var said bytes.Buffer
		b := &bench{out: &said}
		b.found(each.row)
		if b.rows[0].Note != each.want || each.row.Target != "" && !strings.Contains(said.String(), each.want) {
			t.Errorf("%+v: %q, said %q", each.row, b.rows[0].Note, &said)
		}
	}
}

func TestAgain_IsTheCommandThatRan(t *testing.T) {
	t.Parallel()
	set := flag.NewFlagSet("batch", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, name := range []string{"members", "peers", "figures", "repeats"} {
		set.String(name, "", "")
	}
	if err := set.Parse([]string{"-members", "2000", "-peers", "/some/place", "-figures", "docs/figures", "-repeats", "1"}); err != nil {
		t.Fatal(err)
	}
	if got := again(set); got != `make compare-batch MEMBERS=2000 PEERS=folder ARGS="-repeats=1"` {
		t.Error(got)
	}
}
