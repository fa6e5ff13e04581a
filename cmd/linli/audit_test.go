package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAuditDays_AreHalfAYearAtLeast(t *testing.T) {
	for text, want := range map[string]int{"": 0, "180": 180, "1095": 1095, "179": -1, "0": -1, "-3": -1, "ever": -1} {
		t.Setenv("LINLI_AUDIT_DAYS", text)
		if got, err := auditDays(); (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

// aHead is a head as a running linli signed it.
const aHead = `{"service":"registry","time":"2026-11-28T13:26:18Z","size":3,` +
	`"verifier":"linli.registry+749547e3+AR0qk8aG4iKvETfM8E1Eqd2lc9kSYIuMusVsA48LlM5J",` +
	`"note":"linli audit of registry\n3\nskivtqli2nb2BU8JFCc+l1ohZ+QrgEcEA3+UQBpGLQ8=\ntime 2026-11-28T13:26:18.08992763Z\n` +
	`previous 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n` +
	`— linli.registry dJVH4wkQN/j1CnXqKoZ0/5MCrvLvtXag1VJF0zI+9Vk7KhHpQ2BxFjfrxq1GhK5MX9+6I3AcQ0+o3qs4jd6woE0vYw8=\n"}` + "\n"

func TestReadHeads_TakesWhatIsSignedAndNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heads.jsonl")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(aHead)
	heads, err := readHeads(path)
	if err != nil || len(heads) != 1 || keysOf(heads)["registry"] != heads[0].Verifier {
		t.Fatalf("%v, %v", heads, err)
	}
	if err := appendHeads(path, heads); err != nil {
		t.Fatal(err)
	}
	if heads, err = readHeads(path); err != nil || len(heads) != 2 || heads[0] != heads[1] {
		t.Errorf("%v, %v", heads, err)
	}
	for name, text := range map[string]string{
		"another size": strings.Replace(aHead, `\n3\n`, `\n4\n`, 1), "no JSON": "head\n", "nothing in it": "{}\n", "cut": aHead[:len(aHead)/2],
	} {
		put(aHead + text)
		if _, err := readHeads(path); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAuditCommand_SaysWhatItNeeds(t *testing.T) {
	t.Setenv("LINLI_DATA", "")
	t.Setenv("LINLI_TOKEN", "")
	for text, want := range map[string]string{
		"audit verify": "--data", "audit lines --data x": "--grpc", "audit verify --grpc 127.0.0.1:1": "LINLI_TOKEN",
		"audit heads --data /nowhere/at/all": "holds no data",
	} {
		c := root()
		c.SetArgs(strings.Fields(text))
		c.SetOut(&bytes.Buffer{})
		if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
