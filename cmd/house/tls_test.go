package house_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/seal"
)

// certificates makes an authority and a certificate of 127.0.0.1 signed by it.
func certificates(t *testing.T) house.TLS {
	t.Helper()
	now := time.Unix(1_700_000_000, 0)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: now, NotAfter: now.AddDate(100, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	part := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "part"}, NotBefore: now, NotAfter: now.AddDate(100, 0, 0),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	signer, own := newKey(t), newKey(t)
	folder := t.TempDir()
	write := func(name, kind string, der []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca, err := x509.CreateCertificate(rand.Reader, authority, authority, &signer.PublicKey, signer)
	caFile := write("ca.pem", "CERTIFICATE", ca, err)
	cert, err := x509.CreateCertificate(rand.Reader, part, authority, &own.PublicKey, signer)
	certFile := write("cert.pem", "CERTIFICATE", cert, err)
	key, err := x509.MarshalPKCS8PrivateKey(own)
	return house.TLS{CAFile: caFile, CertFile: certFile, KeyFile: write("key.pem", "PRIVATE KEY", key, err)}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestSix_TLS: the parts talk to each other, and nobody without a certificate of
// the authority talks to them.
func TestSix_TLS(t *testing.T) {
	s := newShape(t, house.Roles()...)
	files := certificates(t)
	for role, c := range s.config {
		c.TLS = files
		s.config[role] = c
	}
	for _, role := range house.Roles() {
		s.start(role)
	}
	s.importOrganizations()
	s.drain()
	s.want("over TLS", s.call("GET", "/v1/organizations/11", admin(), ""), http.StatusOK, `"/1/11/"`)

	plain, err := grpc.NewClient(s.config[house.Registry].GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Close() }()
	_, err = registryv1.NewRegistryServiceClient(plain).GetOrganization(t.Context(), &registryv1.GetOrganizationRequest{Id: "11"})
	if status.Code(err) != codes.Unavailable {
		t.Errorf("without TLS: %v", err)
	}
	// A part with a certificate of another authority reaches nobody, and says so.
	s.stop(house.Gateway)
	stranger := s.config[house.Gateway]
	stranger.TLS = certificates(t)
	s.config[house.Gateway] = stranger
	s.start(house.Gateway)
	s.want("a stranger", s.call("GET", "/v1/organizations/11", admin(), ""), http.StatusServiceUnavailable, "UNAVAILABLE")
}

// TestBackup_OfSixProcessesIsRestoredForSix: one point across four processes,
// asked for over TLS; what is restored is six folders that go on.
func TestBackup_OfSixProcessesIsRestoredForSix(t *testing.T) {
	s := newShape(t, house.Roles()...)
	files, keys := certificates(t), t.TempDir()
	master := filepath.Join(keys, "master.key")
	if _, _, err := seal.LoadOrCreateMaster(master); err != nil {
		t.Fatal(err)
	}
	pair, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	public, secret := filepath.Join(keys, "public"), filepath.Join(keys, "secret")
	for path, text := range map[string]string{public: pair.Recipient().String(), secret: pair.String()} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for role, c := range s.config {
		c.TLS, c.MasterKeyFile = files, master
		s.config[role] = c
	}
	var doors []string
	for _, role := range house.Roles() {
		s.start(role)
		if c := s.config[role]; role != house.Broker && role != house.Gateway {
			doors = append(doors, c.GRPC)
		}
	}
	s.importOrganizations()
	s.drain()

	c := house.BackupConfig{
		To: filepath.Join(keys, "all.linli"), Recipients: public, GRPC: doors, Token: admin(), Program: "test",
		House: house.Config{Log: slog.New(slog.DiscardHandler)},
	}
	if _, err := house.Backup(t.Context(), c); err == nil {
		t.Error("a backup over TLS without a certificate")
	}
	c.House.TLS = files
	taken, err := house.Backup(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range house.Roles() {
		s.stop(role)
	}
	to := filepath.Join(t.TempDir(), "six")
	_, err = house.Restore(t.Context(), house.RestoreConfig{From: taken.File, Identity: secret, Six: true, House: house.Config{
		Data: to, MasterKeyFile: master, Dev: true, Log: slog.New(slog.DiscardHandler),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range house.Roles() {
		c := s.config[role]
		c.Data, c.Clock = filepath.Join(to, string(role)), time.Time{}
		s.config[role] = c
		s.start(role)
	}
	s.drain()
	s.want("restored", s.call("GET", "/v1/organizations/11", admin(), ""), http.StatusOK, `"/1/11/"`)
	s.want("its clock", s.call("GET", "/v1/dev/clock", admin(), ""), http.StatusOK, begin().Format(time.RFC3339))
}

func TestConfig_RefusesHalfOfTLS(t *testing.T) {
	s := newShape(t, house.Registry)
	files := certificates(t)
	for name, c := range map[string]struct {
		tls  house.TLS
		says string
	}{
		"no authority":         {house.TLS{CertFile: files.CertFile, KeyFile: files.KeyFile}, "LINLI_TLS_CA_FILE"},
		"a key as authority":   {house.TLS{CertFile: files.CertFile, KeyFile: files.KeyFile, CAFile: files.KeyFile}, "holds no certificate"},
		"an authority as key":  {house.TLS{CertFile: files.CertFile, KeyFile: files.CAFile, CAFile: files.CAFile}, "TLS certificate"},
		"an authority nowhere": {house.TLS{CertFile: files.CertFile, KeyFile: files.KeyFile, CAFile: "nowhere"}, "TLS authority"},
	} {
		config := s.config[house.Registry]
		config.TLS = c.tls
		h, err := house.Start(t.Context(), config)
		if err == nil {
			_ = h.Close(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
