package main

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/certs"
)

func TestCert_MakesAndRenews(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "certs")
	run := func() string {
		t.Helper()
		var out bytes.Buffer
		c := root()
		c.SetArgs([]string{"cert", "--to", folder, "--host", "linli.example.gov.cn"})
		c.SetOut(&out)
		if err := c.Execute(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if said := run(); !strings.Contains(said, "made an authority") || !strings.Contains(said, "LINLI_CERTS="+folder) {
		t.Errorf("it says %s", said)
	}
	before, err := os.ReadFile(certs.CAFile(folder))
	if err != nil {
		t.Fatal(err)
	}
	if said := run(); strings.Contains(said, "made an authority") {
		t.Errorf("renewed, it says %s", said)
	}
	if after, err := os.ReadFile(certs.CAFile(folder)); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the authority changed, %v", err)
	}
}

// Which files a process takes: those that are named, else its own of the folder;
// those for browsers only where others than this machine call.
func TestServe_TakesItsFiles(t *testing.T) {
	t.Setenv("LINLI_TLS_CERT_FILE", "")
	t.Setenv("LINLI_HTTPS_CERT_FILE", "")
	f := serveFlags{role: house.Gateway, certs: "certs", http: "0.0.0.0:8443", grpc: "127.0.0.1:9090"}
	if got := f.https(); got.CertFile != filepath.Join("certs", "https.pem") {
		t.Errorf("for browsers: %+v", got)
	}
	f.http = "127.0.0.1:8080"
	if got := f.https(); got != (house.HTTPS{}) {
		t.Errorf("on loopback: %+v", got)
	}
	if got := tlsFiles("certs", "gateway"); got.KeyFile != filepath.Join("certs", "gateway.key") || got.CAFile != filepath.Join("certs", "ca.pem") {
		t.Errorf("between parts: %+v", got)
	}
	t.Setenv("LINLI_TLS_CERT_FILE", "own.pem")
	if got := tlsFiles("certs", "gateway"); got.CertFile != "own.pem" || got.CAFile != "" {
		t.Errorf("named: %+v", got)
	}
}

func TestParseProxies(t *testing.T) {
	got, err := parseProxies("127.0.0.1, 10.1.2.3/8,2001:db8::/32")
	want := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := parseProxies("everybody"); err == nil {
		t.Error("it believes everybody")
	}
}
