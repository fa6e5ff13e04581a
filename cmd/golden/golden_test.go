package golden_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/linli-project/linli/cmd/golden"
)

// play plays a script against a server that answers each call with what was
// sent to it.
func play(t *testing.T, script string) (string, error) {
	t.Helper()
	tries := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tries++
		w.Header().Set("Content-Type", "application/json")
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		_, _ = w.Write([]byte(strings.ReplaceAll(string(body), "TRIES", strings.Repeat("x", tries))))
	}))
	t.Cleanup(server.Close)
	return golden.New(server.URL, nil).Play(t.Context(), script)
}

const member = "mem_0123456789abcdef0123456789abcdef"

func TestPlay_NamesWhatDiffersFromRunToRun(t *testing.T) {
	got, err := play(t, "== first\nPOST /a\n\n{\"b\":\""+member+"\",\"a\":[1,2],\"code\":\"Q7\"}\n\n== second\nPOST /b/{mem#1}\n\n{\"about\":\"{mem#1} {code#1}\"}\n")
	if err != nil {
		t.Fatal(err)
	}
	want := "== first\nPOST /a\n200 application/json\n{\n \"a\": [\n  1,\n  2\n ],\n \"b\": \"mem#1\",\n \"code\": \"code#1\"\n}\n\n" +
		"== second\nPOST /b/{mem#1}\n200 application/json\n{\n \"about\": \"mem#1 code#1\"\n}\n\n"
	if d := golden.Differ(want, got); d != "" {
		t.Error(d)
	}
}

func TestPlay_AsksAgainUntilItIsThere(t *testing.T) {
	got, err := play(t, "== wait\nPOST /a\nuntil: xxx\n\n{\"n\":\"TRIES\"}\n")
	if err != nil || !strings.Contains(got, `"xxx"`) {
		t.Errorf("%v: %s", err, got)
	}
}

func TestPlay_RefusesWhatIsNoScript(t *testing.T) {
	for name, script := range map[string]string{
		"no heading":     "POST /a\n",
		"no path":        "== a\nPOST\n",
		"a bare head":    "== a\nPOST /a\nwho\n",
		"an unseen name": "== a\nPOST /a/{mem#1}\n",
		"no role":        "== a\nGET /a\nwho: x emperor=/\n",
	} {
		if got, err := play(t, script); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestDiffer_SaysWhere(t *testing.T) {
	if d := golden.Differ("== a\nx\ny", "== a\nx\nz"); !strings.Contains(d, "line 3\n== a\nx\n- y\n+ z") {
		t.Error(d)
	}
	if d := golden.Differ("a\nb", "a"); !strings.Contains(d, "(ends here)") {
		t.Error(d)
	}
}
