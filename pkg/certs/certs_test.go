package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/certs"
)

// now is fixed: certificates of tests hold around it, and TLS is told so.
func now() time.Time { return time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC) }

func made(t *testing.T, at time.Time, hosts ...string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "certs")
	if _, err := certs.Make(folder, hosts, at); err != nil {
		t.Fatal(err)
	}
	return folder
}

func between(t *testing.T, folder, name, authority string) (server, client *tls.Config) {
	t.Helper()
	cert, key := certs.File(folder, name)
	server, client, err := certs.Between(cert, key, certs.CAFile(authority))
	if err != nil {
		t.Fatal(err)
	}
	server.Time, client.Time = now, now
	return server, client
}

// shake lets a client and a server talk, and answers why they do not.
func shake(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	answered := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			answered <- err
			return
		}
		defer func() { _ = conn.Close() }()
		_, err = io.WriteString(tls.Server(conn, server), "hello")
		answered <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if client == nil { // plaintext
		_, err = io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n")
		if err != nil {
			return err
		}
		return <-answered
	}
	client = client.Clone()
	client.ServerName = "localhost"
	text, err := io.ReadAll(tls.Client(conn, client))
	if served := <-answered; served != nil {
		return served
	}
	if err == nil && string(text) != "hello" {
		t.Fatalf("heard %q", text)
	}
	return err
}

func TestMake_PartsTalkAndNobodyElseDoes(t *testing.T) {
	folder := made(t, now())
	server, _ := between(t, folder, "registry", folder)
	_, gateway := between(t, folder, "gateway", folder)
	if err := shake(t, server, gateway); err != nil {
		t.Fatal(err)
	}
	if err := shake(t, server, certs.Of(gateway, "registry")); err != nil {
		t.Fatal(err)
	}
	strangers, expired := made(t, now()), made(t, now().AddDate(-2, 0, 0))
	_, stranger := between(t, strangers, "gateway", folder)
	_, old := between(t, expired, "gateway", expired)
	_, browser := between(t, folder, certs.HTTPS, folder)
	oldServer, _ := between(t, expired, "registry", folder)
	older := gateway.Clone()
	older.MinVersion, older.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	unnamed := gateway.Clone()
	unnamed.Certificates = nil
	for what, pair := range map[string][2]*tls.Config{
		"a client of another authority": {server, stranger}, "a client whose certificate ran out": {server, old},
		"the certificate of the pages as a client": {server, browser}, "a client without a certificate": {server, unnamed},
		"TLS 1.2 between parts": {server, older}, "a server whose certificate ran out": {oldServer, gateway},
		"another part in its place": {server, certs.Of(gateway, "requests")}, "plaintext": {server, nil},
	} {
		if err := shake(t, pair[0], pair[1]); err == nil {
			t.Errorf("%s: they talk", what)
		}
	}
}

func TestOutside_SpeaksTLS12AndAbove(t *testing.T) {
	folder := made(t, now(), "linli.example.org")
	cert, key := certs.File(folder, certs.HTTPS)
	server, err := certs.Outside(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	_, client := between(t, folder, "gateway", folder)
	client.Certificates, client.MinVersion = nil, 0
	for version, works := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		client.MaxVersion = version
		client.MinVersion = min(version, tls.VersionTLS12)
		if err := shake(t, server, client); (err == nil) != works {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
}

func read(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMake_NamesLifetimesAndModes(t *testing.T) {
	folder := made(t, now(), "linli.example.org", "203.0.113.7")
	for _, part := range certs.Parts() {
		file, _ := certs.File(folder, part)
		c := read(t, file)
		if certs.PartOf(c) != part {
			t.Errorf("%s says it is %q", part, certs.PartOf(c))
		}
		if c.IsCA || c.NotAfter.Sub(now()) > 366*24*time.Hour || c.VerifyHostname("linli.example.org") != nil || c.VerifyHostname("203.0.113.7") != nil {
			t.Errorf("%s: %+v", part, c.NotAfter)
		}
	}
	https, _ := certs.File(folder, certs.HTTPS)
	if c := read(t, https); certs.PartOf(c) != "" || len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth {
		t.Error("the certificate of the pages opens more than pages")
	}
	all, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(all) != 2*(len(certs.Parts())+2) {
		t.Fatalf("%d files, %v", len(all), err)
	}
	for _, path := range all {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
}

func TestMake_RenewalKeepsTheAuthority(t *testing.T) {
	folder := made(t, now().AddDate(0, -11, 0))
	server, _ := between(t, folder, "registry", folder)
	before, err := os.ReadFile(certs.CAFile(folder))
	if err != nil {
		t.Fatal(err)
	}
	again, err := certs.Make(folder, nil, now())
	if err != nil || again.NewAuthority {
		t.Fatalf("%+v, %v", again, err)
	}
	after, err := os.ReadFile(certs.CAFile(folder))
	if err != nil || string(before) != string(after) {
		t.Error("the authority changed")
	}
	_, client := between(t, folder, "gateway", folder)
	if err := shake(t, server, client); err != nil {
		t.Errorf("one that is renewed and one that is not yet: %v", err)
	}
	if _, err := certs.Make(folder, nil, now().AddDate(9, 6, 0)); err == nil || !strings.Contains(err.Error(), "the authority in") {
		t.Errorf("beyond the authority's end: %v", err)
	}
	_, key := certs.File(folder, "registry")
	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	_, ca := certs.File(folder, "ca")
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := certs.Make(folder, nil, now()); err == nil {
		t.Error("it signs with a key that is not the authority's")
	}
}

func TestPartOf_OneNameOnly(t *testing.T) {
	uri := func(texts ...string) (out []*url.URL) {
		for _, text := range texts {
			u, err := url.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, u)
		}
		return out
	}
	for want, c := range map[string]*x509.Certificate{
		"registry": {URIs: uri("linli://registry", "https://example.org")}, "gateway": {DNSNames: []string{"gateway", "linli.example.org"}},
		"": {URIs: uri("linli://registry", "linli://gateway")},
	} {
		if got := certs.PartOf(c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, c := range []*x509.Certificate{{}, {URIs: uri("linli://elsewhere")}, {URIs: uri("linli://gateway/x")}, {URIs: uri("spiffe://gateway")},
		{DNSNames: []string{"gateway", "registry"}}, {DNSNames: []string{"gateway.example.org"}}} {
		if got := certs.PartOf(c); got != "" {
			t.Errorf("%v %v: %q", c.URIs, c.DNSNames, got)
		}
	}
}
