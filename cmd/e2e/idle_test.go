package e2e_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestServe_IdleConnectionsKeepNobodyOut: thousands who hold a connection and say
// nothing more, and more of them than are kept: who comes next is served, those
// idle longest are let go, and the latest are kept.
func TestServe_IdleConnectionsKeepNobodyOut(t *testing.T) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	const spare, least = 200, 1000
	n := min(5000, int(min(files.Cur, 1<<20))-spare)
	if n < least {
		t.Fatalf("%d open files are too few for this test: ulimit -n %d", files.Cur, least+spare)
	}
	s := serve(t, filepath.Join(t.TempDir(), "var"), "--limits", "connections=900")
	admin := s.admin(t)
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = ask(t, s)
	}
	t.Cleanup(func() {
		for _, c := range conns {
			_ = c.Close()
		}
	})
	if code, body := s.do(t, "POST", "/v1/organizations:import", admin, "text/csv", organizations); code != 200 {
		t.Errorf("a write beside %d idle connections: %d %s", n, code, body)
	}
	if code, body := s.do(t, "GET", "/v1/organizations/11", admin, "", ""); code != 200 {
		t.Errorf("a read beside %d idle connections: %d %s", n, code, body)
	}
	if _, err := conns[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the longest idle connection: %v", err)
	}
	health(t, conns[n-1])
	s.interrupt(t)
}

// ask opens a connection and is answered on it once.
func ask(t *testing.T, s *server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	health(t, c)
	return c
}

func health(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	if text, err := io.ReadAll(r.Body); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", r.StatusCode, text, err)
	}
}
