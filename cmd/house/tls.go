package house

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// TLS names the files that secure the connections between the parts: the
// certificate and key of this part, and the authority that has signed those of
// all. All three or none; read at the start.
type TLS struct{ CertFile, KeyFile, CAFile string }

func (t TLS) isSet() bool { return t != TLS{} }

func (t TLS) validate() error {
	if t.isSet() && (t.CertFile == "" || t.KeyFile == "" || t.CAFile == "") {
		return errors.New("TLS needs LINLI_TLS_CERT_FILE, LINLI_TLS_KEY_FILE and LINLI_TLS_CA_FILE")
	}
	return nil
}

// load reads them: what a listener shows and demands, and what a client does.
// Both are nil without TLS.
func (t TLS) load() (server, client *tls.Config, err error) {
	if !t.isSet() {
		return nil, nil, nil
	}
	own, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("TLS certificate: %w", err)
	}
	text, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, nil, fmt.Errorf("TLS authority: %w", err)
	}
	signers := x509.NewCertPool()
	if !signers.AppendCertsFromPEM(text) {
		return nil, nil, fmt.Errorf("TLS authority: %s holds no certificate", t.CAFile)
	}
	server = &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: signers,
	}
	client = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own}, RootCAs: signers}
	return server, client, nil
}

// DialOption secures a connection of a tool to a part: with the files as the
// parts themselves do, without them it is plain.
func (t TLS) DialOption() (grpc.DialOption, error) {
	if err := t.validate(); err != nil {
		return nil, err
	}
	_, client, err := t.load()
	if err != nil {
		return nil, err
	}
	if client == nil {
		return grpc.WithTransportCredentials(insecure.NewCredentials()), nil
	}
	return grpc.WithTransportCredentials(credentials.NewTLS(client)), nil
}
