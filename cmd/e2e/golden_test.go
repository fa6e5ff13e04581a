package e2e_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/linli-project/linli/cmd/golden"
)

var update = flag.Bool("update", false, "write the golden transcripts anew from one process")

// transcripts plays every script on a linli and compares with the golden ones.
func transcripts(t *testing.T, s *server, write bool) {
	t.Helper()
	names, err := golden.Scripts()
	if err != nil {
		t.Fatal(err)
	}
	player := golden.New(s.base, s.desk)
	for _, name := range names {
		script, err := golden.Script(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := player.Play(t.Context(), script)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		file := filepath.Join("..", "golden", "calls", name+".golden")
		if write {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := golden.Differ(string(want), got); d != "" {
			t.Errorf("%s differs (go test ./cmd/e2e -run Golden -update writes it anew): %s", name, d)
		}
	}
}

func TestGolden_OneProcessAnswersAsWritten(t *testing.T) {
	s := serve(t, filepath.Join(t.TempDir(), "var"), "--clock", golden.Clock)
	transcripts(t, s, *update)
	s.interrupt(t)
}
