package xlsx_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/xlsx"
)

// TestRender_AnyTextIsReadAsWritten: the library that offices' workbooks are made
// with in tests reads what is written here, whatever stands in a cell.
func TestRender_AnyTextIsReadAsWritten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		row := rapid.SliceOfN(rapid.OneOf(
			rapid.StringMatching(`[ -~]{1,12}`), rapid.StringOfN(rapid.RuneFrom([]rune("王一<>&\"'_x0D\t\n邻里😀")), 1, 20, -1),
			rapid.StringMatching(`_x00[0-9A-F]{2}_?`),
		), 1, 40).Draw(rt, "row")
		content, err := xlsx.Render([][]string{row})
		if err != nil {
			rt.Fatal(err)
		}
		if _, rows := read(t, content); len(rows) != 1 || !slices.Equal(rows[0], row) {
			rt.Fatalf("wrote %q, read %q", row, rows)
		}
	})
}

func TestRender_WhatACellCannotHold(t *testing.T) {
	long := strings.Repeat("邻", 40_000)
	content, err := xlsx.Render([][]string{{"a\rb\x00c", "\xff\uFFFE", long, "end"}})
	if err != nil {
		t.Fatal(err)
	}
	_, rows := read(t, content)
	if got := rows[0]; got[0] != "a\rb\x00c" || got[1] != "\uFFFD\uFFFD" || len([]rune(got[2])) != 32767 || got[3] != "end" {
		t.Errorf("%.40q", got)
	}
	if _, err := xlsx.Render([][]string{make([]string, 20_000)}); err == nil {
		t.Error("a row of 20,000 cells is taken")
	}
}
