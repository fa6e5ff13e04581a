package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Between are the TLS settings between parts, from files: what a listener shows
// and demands, and what a client does. Both speak TLS 1.3 and show a certificate.
func Between(certFile, keyFile, caFile string) (server, client *tls.Config, err error) {
	own, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("TLS certificate: %w", err)
	}
	text, err := os.ReadFile(caFile)
	if err != nil {
		return nil, nil, fmt.Errorf("TLS authority: %w", err)
	}
	signers := x509.NewCertPool()
	if !signers.AppendCertsFromPEM(text) {
		return nil, nil, fmt.Errorf("TLS authority: %s holds no certificate", caFile)
	}
	server = &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: signers,
	}
	client = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own}, RootCAs: signers}
	return server, client, nil
}

// Of narrows a client's settings to servers that are one part: a certificate of
// another part does not stand in for it.
func Of(client *tls.Config, part string) *tls.Config {
	if client == nil {
		return nil
	}
	out := client.Clone()
	out.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 || PartOf(s.PeerCertificates[0]) != part {
			return errors.New("the certificate is not that of the " + part)
		}
		return nil
	}
	return out
}

// Outside are the TLS settings towards browsers and programs, from files.
func Outside(certFile, keyFile string) (*tls.Config, error) {
	own, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("HTTPS certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}}, nil
}
