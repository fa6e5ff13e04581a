package e2e_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/linli-project/linli/cmd/golden"
	"github.com/linli-project/linli/cmd/signin"
)

// TestDemo_KilledInTheMiddleGoesOnToTheEnd is the whole district: the demo and
// its server are killed with -9 while members report in, started again, and
// the year comes out as the records say; fsck finds nothing wrong, and no ID
// number or phone of the roster lies anywhere in plain.
func TestDemo_KilledInTheMiddleGoesOnToTheEnd(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "demo")
	first := exec.Command(binary, "demo", "--data", folder)
	out, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), "2013-09") {
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()

	second, err := exec.Command(binary, "demo", "--data", folder).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, second)
	}
	if !bytes.Contains(second, []byte(" 0 differ")) || bytes.Contains(second, []byte("✗")) || bytes.Contains(second, []byte("2013-03\n")) {
		t.Errorf("it differs, or began again:\n%s", second)
	}
	sameReport(t, second, *update)
	if out, err := exec.Command(binary, "fsck", "--data", folder).CombinedOutput(); err != nil || !bytes.Contains(out, []byte("nothing wrong")) {
		t.Errorf("fsck: %v\n%s", err, out)
	}
	secrets := rosterSecrets(t)
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if s := secretIn(content, secrets); s != "" {
			t.Errorf("%s holds %s… in plain", path, s[:6])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDemo_SixProcessesSayTheSame: the year on six processes, and every figure
// of it is that of one.
func TestDemo_SixProcessesSayTheSame(t *testing.T) {
	folder := t.TempDir()
	codes := fmt.Sprintf("127.0.0.1:%d", freePorts(t, 1))
	t.Setenv("LINLI_SMS", "http://"+codes+"/") // of the demo, not of this test
	s := startShape(t, six, filepath.Join(folder, "six"), "--clock", "2013-01-01")
	code, err := signin.CodeInFile(filepath.Join(s.data, "registry", "out"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(binary, "demo", "--data", filepath.Join(folder, "demo"), "--address", strings.TrimPrefix(s.base, "http://"),
		"--code", code, "--phones", codes).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sameReport(t, out, false)
	s.stop(t)
	s.fsck(t)
}

// sameReport compares the lines of a demo's report with the golden ones.
func sameReport(t *testing.T, out []byte, write bool) {
	t.Helper()
	var got strings.Builder
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "✓") || strings.HasPrefix(line, "✗") {
			got.WriteString(line)
		}
	}
	file := filepath.Join("testdata", "demo.golden")
	if write {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(file, []byte(got.String()), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := golden.Differ(string(want), got.String()); d != "" {
		t.Errorf("the report differs (go test ./cmd/e2e -run Demo_Killed -update writes it anew): %s", d)
	}
}

// rosterSecrets are the ID numbers and phones of the records.
func rosterSecrets(t *testing.T) map[string]bool {
	t.Helper()
	f, err := os.Open("../demo/records/district-roster.csv.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows[0][0] = strings.TrimPrefix(rows[0][0], "\uFEFF")
	id, phone := slices.Index(rows[0], "身份证号"), slices.Index(rows[0], "手机号")
	out := map[string]bool{}
	for _, row := range rows[1:] {
		out[row[id]], out[row[phone]] = true, true
		if !strings.HasPrefix(row[id], "430198") || !strings.HasPrefix(row[phone], "199") {
			t.Fatal("the records have secrets that secretIn does not look for")
		}
	}
	if len(out) < 29_000 {
		t.Fatalf("only %d secrets to look for", len(out))
	}
	return out
}

// secretIn looks at every place where an ID number or a phone can begin: the
// records' area code, and their block of phones.
func secretIn(content []byte, secrets map[string]bool) string {
	for i := 0; i+11 <= len(content); i++ {
		if !bytes.HasPrefix(content[i:], []byte("430198")) && !bytes.HasPrefix(content[i:], []byte("199")) {
			continue
		}
		for _, n := range []int{11, 18} {
			if i+n <= len(content) && secrets[string(content[i:i+n])] {
				return string(content[i : i+n])
			}
		}
	}
	return ""
}

func TestSecretIn_FindsWhatIsThere(t *testing.T) {
	secrets := map[string]bool{"19900000000": true, "43019819660830444X": true}
	for _, text := range []string{"\x0019900000000\x01", "1143019819660830444X"} {
		if secretIn([]byte(text), secrets) == "" {
			t.Errorf("%q: not found", text)
		}
	}
	if s := secretIn([]byte("1990000000 43019819660830444"), secrets); s != "" {
		t.Errorf("found %s", s)
	}
}
