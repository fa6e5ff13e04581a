package e2e_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// backedUp is a folder with some requests, and a backup of it.
type backedUp struct {
	folder, file, secret, public, master string
	people
}

func backUp(t *testing.T) backedUp {
	t.Helper()
	b := backedUp{folder: filepath.Join(t.TempDir(), "var"), file: filepath.Join(t.TempDir(), "backup.linli")}
	s := serve(t, b.folder)
	b.people = s.people
	admin := s.admin(t)
	if code, body := s.do(t, "POST", "/v1/organizations:import", admin, "text/csv", ladder); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	s.do(t, "POST", "/v1/dev/events:drain", admin, "application/json", "{}")
	p := startPosting(s, s.as(t, "resident", "resident=/1/11/111/1111/"), 2)
	p.more(t, 100)
	p.end()
	s.interrupt(t)
	b.secret, b.public = keys(t)
	b.master = masterKey(t, b.folder)
	command(t, "backup", "--data", b.folder, "--to", b.file, "--recipients", b.public)
	return b
}

// restore are the arguments that restore it, with some of them given again.
func (b backedUp) restore(to string, more ...string) []string {
	return append([]string{"restore", "--from", b.file, "--identity", b.secret, "--master-key", b.master, "--data", to}, more...)
}

func TestRestore_SaysInOneLineWhatWouldBeRight(t *testing.T) {
	b := backUp(t)
	place := t.TempDir()
	to := filepath.Join(place, "data")
	otherSecret, _ := keys(t)
	otherFolder := filepath.Join(t.TempDir(), "other")
	serve(t, otherFolder).interrupt(t)
	content, err := os.ReadFile(b.file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	changed := bytes.Clone(content)
	changed[len(changed)/2] ^= 1
	fails(t, "another secret key", "was not written for the key", b.restore(to, "--identity", otherSecret)...)
	fails(t, "no secret key", "holds no secret key", b.restore(to, "--identity", b.public)...)
	fails(t, "another master key", "needs the master key", b.restore(to, "--master-key", filepath.Join(otherFolder, "master.key"))...)
	fails(t, "a cut file", "damaged", b.restore(to, "--from", write("cut", content[:len(content)-100]))...)
	fails(t, "a changed file", "damaged", b.restore(to, "--from", write("changed", changed))...)
	fails(t, "no backup", "damaged", b.restore(to, "--from", write("other", []byte("something else")))...)
	fails(t, "no file", "no such file", b.restore(to, "--from", filepath.Join(place, "nothing"))...)
	fails(t, "a folder with data", "not empty", b.restore(otherFolder)...)
	fails(t, "no master key", "LINLI_MASTER_KEY_FILE", "restore", "--from", b.file, "--identity", b.secret, "--data", to)
	if left, err := os.ReadDir(place); err != nil || len(left) > 0 {
		t.Errorf("refused, and something is left: %v, %v", left, err)
	}
	if err := os.Mkdir(to, 0o700); err != nil { // an empty one is as good as none
		t.Fatal(err)
	}
	command(t, b.restore(to)...)
	fails(t, "a second time", "not empty", b.restore(to)...)
	fails(t, "a restored folder without its key", "LINLI_MASTER_KEY_FILE", "fsck", "--data", to)
}

func TestBackup_SaysInOneLineWhatWouldBeRight(t *testing.T) {
	b := backUp(t)
	at := func(more ...string) []string {
		return append([]string{"backup", "--to", filepath.Join(t.TempDir(), "b.linli"), "--recipients", b.public}, more...)
	}
	fails(t, "a file that is there", "there already", "backup", "--data", b.folder, "--to", b.file, "--recipients", b.public)
	fails(t, "no public keys", "no public keys", at("--data", b.folder, "--recipients", b.master)...)
	fails(t, "no token", "LINLI_TOKEN", at()...)
	t.Setenv("LINLI_TOKEN", "none")
	fails(t, "nobody there", "nobody answers gRPC at 127.0.0.1:1;", at("--grpc", "127.0.0.1:1")...)
	fails(t, "an address of the web", "host:port without http://", at("--grpc", "http://127.0.0.1:8080")...)
	fails(t, "no data", "holds no data", at("--data", t.TempDir())...)
	s := serve(t, b.folder)
	fails(t, "a folder in use", "in use by another linli", at("--data", b.folder)...)
	t.Setenv("LINLI_TOKEN", s.as(t, "li", "resident=/1/11/111/1111/"))
	fails(t, "a resident's token", "not that of a system administrator: back up from "+s.grpc+": none of your roles", at("--grpc", s.grpc)...)
	fails(t, "a process named twice", "named twice", at("--grpc", s.grpc, "--grpc", s.grpc)...)
	t.Setenv("LINLI_TOKEN", s.admin(t))
	into := t.TempDir()
	command(t, "backup", "--grpc", s.grpc, "--to", into, "--recipients", b.public)
	if made, err := filepath.Glob(filepath.Join(into, "*.linli")); err != nil || len(made) != 1 {
		t.Errorf("a folder to lie in: %v, %v", made, err)
	}
	s.interrupt(t)
}

// TestRestore_KilledInTheMiddleLeavesNoFolder: the backup comes through a pipe,
// so that the half of it is all there is when the command is killed.
func TestRestore_KilledInTheMiddleLeavesNoFolder(t *testing.T) {
	b := backUp(t)
	place := t.TempDir()
	to, pipe := filepath.Join(place, "data"), filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(b.file)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, b.restore(to, "--from", pipe)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(content[:len(content)-10]); err != nil {
		t.Fatal(err)
	}
	comes(t, to+".restoring")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	_ = in.Close()
	if _, err := os.Stat(to); err == nil {
		t.Error("a half folder has the name of a whole one")
	}
	command(t, b.restore(to)...)
	if left, err := os.ReadDir(place); err != nil || len(left) != 1 {
		t.Errorf("beside the folder: %v, %v", left, err)
	}
}

// comes waits for a file.
func comes(t *testing.T, path string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		<-tick.C
	}
	t.Fatalf("%s did not come", path)
}

// TestBackup_KilledInTheMiddleLeavesNoBackup: the other side says nothing, so
// that the command is at work when it is killed.
func TestBackup_KilledInTheMiddleLeavesNoBackup(t *testing.T) {
	b := backUp(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	file := filepath.Join(t.TempDir(), "b.linli")
	t.Setenv("LINLI_TOKEN", "none")
	cmd := exec.Command(binary, "backup", "--grpc", silent.Addr().String(), "--to", file, "--recipients", b.public)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	comes(t, file+".part")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if _, err := os.Stat(file); err == nil {
		t.Error("half a backup has the name of a whole one")
	}
	command(t, "backup", "--data", b.folder, "--to", file, "--recipients", b.public)
	command(t, "restore", "--from", file, "--identity", b.secret, "--master-key", b.master, "--data", filepath.Join(t.TempDir(), "data"))
	if _, err := os.Stat(file + ".part"); err == nil {
		t.Error("the half of the killed one is left")
	}
}

// TestBackup_AFullDiskLeavesNothing: files may not grow beyond a size, which
// is how any user can have a disk that is full.
func TestBackup_AFullDiskLeavesNothing(t *testing.T) {
	b := backUp(t)
	place := t.TempDir()
	to := filepath.Join(place, "data")
	line := "trap '' XFSZ; ulimit -f 60; exec \"$@\""
	cmd := exec.Command("/bin/sh", append([]string{"-c", line, "sh", binary}, b.restore(to)...)...)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no room") || bytes.Count(out, []byte("\n")) != 1 {
		t.Errorf("%v: %s", err, out)
	}
	if left, err := os.ReadDir(place); err != nil || len(left) > 0 {
		t.Errorf("something is left: %v, %v", left, err)
	}
	file := filepath.Join(place, "b.linli")
	cmd = exec.Command("/bin/sh", "-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh",
		binary, "backup", "--data", b.folder, "--to", file, "--recipients", b.public)
	out, err = cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no room") || bytes.Count(out, []byte("\n")) != 1 {
		t.Errorf("%v: %s", err, out)
	}
	if left, err := os.ReadDir(place); err != nil || len(left) > 0 {
		t.Errorf("something is left of a backup: %v, %v", left, err)
	}
	command(t, b.restore(to)...)
}
