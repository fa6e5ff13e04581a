package house_test

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
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
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/certs"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/seal"
)

// certificates makes an authority and the certificates of all parts.
func certificates(t *testing.T) (folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "certs")
	if _, err := certs.Make(folder, nil, clock.Wall().Now()); err != nil {
		t.Fatal(err)
	}
	return folder
}

// TestSix_TLS: the parts talk to each other, and nobody without a certificate of
// the authority talks to them.
func TestSix_TLS(t *testing.T) {
	s := newShape(t, house.Roles()...)
	files := certificates(t)
	for role, c := range s.config {
		c.TLS = house.TLSIn(files, string(role))
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
	// Evaluation's certificate opens what it needs of the registry, and no more.
	secured, err := house.TLSIn(files, "evaluation").DialOption()
	if err != nil {
		t.Fatal(err)
	}
	evaluation, err := grpc.NewClient(s.config[house.Registry].GRPC, secured)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = evaluation.Close() }()
	ctx := metadata.NewOutgoingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+admin()))
	registry := registryv1.NewRegistryServiceClient(evaluation)
	if _, err := registry.GetOrganization(ctx, &registryv1.GetOrganizationRequest{Id: "11"}); err != nil {
		t.Errorf("evaluation: %v", err)
	}
	if _, err := registry.ListOrganizations(ctx, &registryv1.ListOrganizationsRequest{}); rpc.Reason(err) != "PART_NOT_ALLOWED" {
		t.Errorf("evaluation, what is the gateway's: %v", err)
	}
	// A part with a certificate of another authority reaches nobody, and says so.
	s.stop(house.Gateway)
	stranger := s.config[house.Gateway]
	stranger.TLS = house.TLSIn(certificates(t), "gateway")
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
		c.TLS, c.MasterKeyFile = house.TLSIn(files, string(role)), master
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
	c.House.TLS = house.TLSIn(files, "gateway")
	if _, err := house.Backup(t.Context(), c); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a backup with the gateway's certificate: %v", err)
	}
	c.House.TLS = house.TLSIn(files, certs.Operator)
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

// TestHTTPS_OnAnythingButLoopback: from the first start on others reach linli
// over TLS only, or it does not start.
func TestHTTPS_OnAnythingButLoopback(t *testing.T) {
	s := newShape(t, house.Whole)
	c := s.config[house.Whole]
	files := certificates(t)
	_, port, err := net.SplitHostPort(c.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	master := filepath.Join(t.TempDir(), "master.key")
	if _, _, err := seal.LoadOrCreateMaster(master); err != nil {
		t.Fatal(err)
	}
	c.Dev, c.Clock, c.MasterKeyFile, c.HTTP = false, time.Time{}, master, net.JoinHostPort("0.0.0.0", port)
	if _, err := house.Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), "linli cert") || !strings.Contains(err.Error(), "LINLI_HTTPS_CERT_FILE") {
		t.Fatalf("without certificates: %v", err)
	}
	c.HTTPS = house.HTTPSIn(files)
	s.config[house.Whole] = c
	s.start(house.Whole)
	authority, err := os.ReadFile(certs.CAFile(files))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	get := func(scheme string, config *tls.Config) (status, protocol int, strict bool, err error) {
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), "GET", scheme+"://127.0.0.1:"+port+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := transport.RoundTrip(r)
		if err != nil {
			return 0, 0, false, err
		}
		return reply.StatusCode, reply.ProtoMajor, reply.Header.Get("Strict-Transport-Security") != "", reply.Body.Close()
	}
	if code, protocol, strict, err := get("https", &tls.Config{RootCAs: roots}); err != nil || code != http.StatusOK || protocol != 2 || !strict {
		t.Errorf("over TLS: %d by HTTP/%d, HSTS %v, %v", code, protocol, strict, err)
	}
	if code, _, _, err := get("http", nil); err == nil && code != http.StatusBadRequest {
		t.Errorf("plaintext is answered with %d", code)
	}
	if _, _, _, err := get("https", &tls.Config{RootCAs: x509.NewCertPool()}); err == nil {
		t.Error("a client that does not know the authority is content")
	}
	if _, _, _, err := get("https", &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	// Programs call gRPC on loopback as it is, and from elsewhere over TLS.
	secured, err := grpc.NewClient("127.0.0.1:"+port, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = secured.Close() }()
	if _, err := registryv1.NewSessionServiceClient(secured).GetKeys(t.Context(), &registryv1.GetKeysRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("plain gRPC where TLS is spoken: %v", err)
	}
}

func TestConfig_RefusesHalfOfTLS(t *testing.T) {
	s := newShape(t, house.Registry)
	files := house.TLSIn(certificates(t), "registry")
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
