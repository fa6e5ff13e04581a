package gateway_test

import (
	"strings"
	"testing"
)

func TestLetter_IsAnAttachment(t *testing.T) {
	f := newFixture(t)
	got := f.do(t, "GET", "/v1/letters/let_1/csv", "")
	if got.status != 200 || string(got.body) != "let_1" || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") ||
		got.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
}

func TestLedgerExport_IsAnAttachment(t *testing.T) {
	f := newFixture(t)
	for route, want := range map[string]string{"csv": "LETTER_FORMAT_CSVexp_1", "xlsx": "LETTER_FORMAT_XLSXexp_1"} {
		got := f.do(t, "GET", "/v1/ledgerExports/exp_1/"+route, "")
		if got.status != 200 || string(got.body) != want || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") ||
			got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v %s", route, got.status, got.header, got.body)
		}
	}
}

func TestApplicationLetter_IsAnAttachment(t *testing.T) {
	f := newFixture(t)
	got := f.do(t, "GET", "/v1/applications/app_1/letter/xlsx", "")
	if got.status != 200 || string(got.body) != "app_1 0" || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") ||
		got.header.Get("Content-Type") != "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" ||
		got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
}
