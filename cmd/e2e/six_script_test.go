package e2e_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// newKey writes 32 bytes as a key file.
func newKey(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.key")
	text := base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")) + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// addresses are the services' gRPC as flags of a command.
func (s *shape) addresses() (flags []string) {
	for n := range 4 {
		flags = append(flags, "--grpc", "127.0.0.1:"+strconv.Itoa(s.ports+5+2*n))
	}
	return flags
}

// TestSix_OneKeyOneBackup: the parts of a development shape share a key, so
// that they are backed up together, at work and stopped; and the folder that
// they lie in is checked as one and is no folder of one process.
func TestSix_OneKeyOneBackup(t *testing.T) {
	s := startShape(t, six, filepath.Join(t.TempDir(), "six"))
	admin := s.admin(t)
	t.Setenv("LINLI_TOKEN", admin)
	if code, body := s.do(t, "POST", "/v1/organizations:import", admin, "text/csv", district); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	secret, public := keys(t)
	at := func(name string, more ...string) (file string, args []string) {
		file = filepath.Join(t.TempDir(), name)
		return file, append([]string{"backup", "--to", file, "--recipients", public}, more...)
	}
	_, args := at("at-work", s.addresses()...)
	command(t, args...)
	_, args = at("of-one", s.addresses()[:2]...)
	fails(t, "a backup of one process", "nobody has requests, projects, evaluation", args...)
	if text, err := os.ReadFile(filepath.Join(s.data, "registry", "log")); err != nil || strings.Contains(string(text), "INTERNAL") {
		t.Errorf("its log, when another was missing: %v\n%s", err, text)
	}
	_, args = at("in-use", "--data", s.data)
	fails(t, "folders in use", "in use by another linli", args...)
	s.stop(t)

	file, args := at("stopped", "--data", s.data)
	if printed := command(t, args...); len(roots(printed)) != 4 {
		t.Errorf("backup of a stopped shape:\n%s", printed)
	}
	to := filepath.Join(t.TempDir(), "restored")
	command(t, "restore", "--from", file, "--identity", secret, "--master-key", filepath.Join(s.data, "master.key"), "--data", to)
	if checked := command(t, "fsck", "--data", s.data); len(roots(checked)) != 4 || !strings.Contains(checked, "nothing wrong") {
		t.Errorf("fsck of a stopped shape:\n%s", checked)
	}
	command(t, "fsck", "--data", filepath.Join(s.data, "registry"))
	fails(t, "fsck of a broker", "nothing was checked", "fsck", "--data", filepath.Join(s.data, "broker"))
	_, args = at("of-one-part", "--data", filepath.Join(s.data, "registry"))
	fails(t, "backup of one part", "name the folder in which those of all six lie", args...)
	for _, role := range []string{"", "registry"} {
		serve := append([]string{"serve"}, strings.Fields(role)...)
		fails(t, "serve "+role, "holds those of six processes",
			append(serve, "--dev", "--data", s.data, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")...)
	}
	fails(t, "a part over the folder of all", "linli restore --six",
		"serve", "registry", "--dev", "--data", to, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
	if err := os.RemoveAll(filepath.Join(s.data, "projects")); err != nil {
		t.Fatal(err)
	}
	fails(t, "a part that is gone", "no data of projects", "fsck", "--data", s.data)
}

// TestSix_RestoredNeedsItsKey: a shape of six comes back from the backup of one
// process, says so when its key is not named, and works with it.
func TestSix_RestoredNeedsItsKey(t *testing.T) {
	b := backUp(t)
	s := &shape{kind: six, data: filepath.Join(t.TempDir(), "six"), ports: freePorts(t, 12)}
	s.server = &server{base: "http://127.0.0.1:" + strconv.Itoa(s.ports)}
	command(t, b.restore(s.data, "--six")...)
	if out, err := s.script(t.Context(), "start", "--dev", s.data); err == nil || !strings.Contains(out, "name its file with LINLI_MASTER_KEY_FILE") {
		t.Errorf("without its key: %v\n%s", err, out)
	}
	t.Setenv("LINLI_MASTER_KEY_FILE", b.master)
	s.mustScript(t, "start", "--dev", s.data)
	defer s.stop(t)
	s.people = b.at(s.base)
	staff := s.as(t, "staff", "committee_staff=/1/11/111/1111/")
	if code, body := s.do(t, "GET", "/v1/organizations/1111/requests", staff, "", ""); code != 200 || !strings.Contains(body, "req_") {
		t.Errorf("restored: %d %s", code, body)
	}
}

// TestSix_KeepsItsKeys: what the environment named at the start holds for a
// restart from another shell.
func TestSix_KeepsItsKeys(t *testing.T) {
	s := &shape{kind: six, data: filepath.Join(t.TempDir(), "six"), ports: freePorts(t, 12)}
	t.Cleanup(func() { _, _ = s.script(t.Context(), "stop", s.data) })
	env := []string{"LINLI=" + binary, "LINLI_PORTS=" + strconv.Itoa(s.ports), "LINLI_MASTER_KEY_FILE=" + newKey(t), "LINLI_BROKER_KEY_FILE=" + newKey(t)}
	defer s.stop(t)
	if out, err := sixScript(t.Context(), env, "start", s.data); err != nil {
		t.Fatalf("start: %v\n%s", err, out)
	}
	for _, role := range []string{"registry", "broker"} {
		if out, err := sixScript(t.Context(), nil, "restart", role, s.data); err != nil {
			t.Errorf("restart %s: %v\n%s", role, err, out)
		}
	}
	for _, name := range []string{"six.env", "broker/log", "broker/out"} {
		if info, err := os.Stat(filepath.Join(s.data, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// TestSix_SaysWhyItDoesNotStart: in words of its own, and nothing is left
// running.
func TestSix_SaysWhyItDoesNotStart(t *testing.T) {
	first := startShape(t, six, filepath.Join(t.TempDir(), "first"))
	second := filepath.Join(t.TempDir(), "second")
	if out, err := first.script(t.Context(), "start", "--dev", second); err == nil || !strings.Contains(out, "cannot listen on 127.0.0.1:") {
		t.Errorf("on the ports of another: %v\n%s", err, out)
	}
	if out, err := first.script(t.Context(), "status", second); err == nil || strings.Count(out, "away") != len(roles()) {
		t.Errorf("and then: %v\n%s", err, out)
	}
	if made, err := filepath.Glob(filepath.Join(second, "*", "*.db")); err != nil || len(made) > 0 {
		t.Errorf("it made %q, %v", made, err)
	}
	first.mustScript(t, "status", first.data)
	first.kill(t, "projects")
	if out, err := first.script(t.Context(), "status", first.data); err == nil || strings.Count(out, "away") != 1 {
		t.Errorf("one killed: %v\n%s", err, out)
	}
	for what, c := range map[string]struct {
		ports, says string
		args        []string
	}{
		"no folder":      {"", "there is no folder /nosuch", []string{"status", "/nosuch"}},
		"no shape":       {"", "holds no six processes", []string{"stop", t.TempDir()}},
		"a word":         {"abc", "LINLI_PORTS=abc", []string{"start", "--dev", second}},
		"too high":       {"65525", "LINLI_PORTS=65525", []string{"start", "--dev", second}},
		"no folder said": {"", "deploy/six.sh start", []string{"start", "--dev"}},
	} {
		out, err := sixScript(t.Context(), []string{"LINLI=" + binary, "LINLI_PORTS=" + c.ports}, c.args...)
		if err == nil || !strings.Contains(out, c.says) || strings.Contains(out, " line ") {
			t.Errorf("%s: %v: %s; want %q", what, err, out, c.says)
		}
	}
}
