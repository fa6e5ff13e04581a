// Package certs makes the certificates of linli: an authority, one certificate
// for each part by which the others know it, one for people's browsers. It reads
// the part's name off a certificate again.
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Operator is who backs up and looks after a running linli: its tools have a
// certificate too.
const Operator = "operator"

// HTTPS is the name of the certificate that browsers see; it opens nothing
// between the parts.
const HTTPS = "https"

// Parts are those who have a certificate to call each other.
func Parts() []string {
	return []string{"broker", "registry", "requests", "projects", "evaluation", "gateway", Operator}
}

// How long certificates hold. One is renewed by making it again, which keeps the
// authority.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	partLife      = 365 * 24 * time.Hour
	// early is how much before its making a certificate holds already: clocks
	// differ.
	early = 5 * time.Minute
)

const scheme = "linli"

// File answers the paths of a certificate and of its key in a folder.
func File(folder, name string) (cert, key string) {
	return filepath.Join(folder, name+".pem"), filepath.Join(folder, name+".key")
}

// CAFile is the authority's certificate in a folder.
func CAFile(folder string) string { cert, _ := File(folder, "ca"); return cert }

// PartOf answers which part a certificate is of: by the URI linli://registry, or
// by a DNS name that is a part's. Empty when it is of none, or of more than one.
func PartOf(c *x509.Certificate) string {
	var found []string
	for _, u := range c.URIs {
		if u.Scheme == scheme && u.Path == "" && slices.Contains(Parts(), u.Host) {
			found = append(found, u.Host)
		}
	}
	if len(found) == 0 {
		for _, name := range c.DNSNames {
			if slices.Contains(Parts(), name) {
				found = append(found, name)
			}
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

// Made says what Make did.
type Made struct {
	// NewAuthority: there was none; with a new one all parts need new files.
	NewAuthority bool
	// Until is when the first of the certificates runs out.
	Until time.Time
	Files []string
}

// Make writes the authority into a folder, unless it is there, and a certificate
// for each part and for HTTPS, in place of those that are there. hosts are the
// names and addresses at which the parts and the pages are reached, beside
// localhost and the parts' own names. Keys are readable by their owner only.
func Make(folder string, hosts []string, now time.Time) (Made, error) {
	var out Made
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return out, fmt.Errorf("certificates: %w", err)
	}
	ca, made, err := authorityIn(folder, now)
	if err != nil {
		return out, err
	}
	out.NewAuthority, out.Until = made, now.Add(partLife)
	if out.Until.After(ca.cert.NotAfter) {
		return out, fmt.Errorf("the authority in %s ends on %s, before a new certificate would: move the folder away and make a new authority, then give every part its new files",
			folder, ca.cert.NotAfter.Format(time.DateOnly))
	}
	for _, name := range append(Parts(), HTTPS) {
		if err := ca.issue(folder, name, hosts, now); err != nil {
			return out, err
		}
		cert, key := File(folder, name)
		out.Files = append(out.Files, cert, key)
	}
	return out, nil
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func authorityIn(folder string, now time.Time) (ca authority, made bool, err error) {
	certFile, keyFile := File(folder, "ca")
	certText, err := os.ReadFile(certFile)
	if errors.Is(err, fs.ErrNotExist) {
		ca, err = newAuthority(folder, now)
		return ca, true, err
	}
	if err != nil {
		return ca, false, fmt.Errorf("the authority: %w", err)
	}
	keyText, err := os.ReadFile(keyFile)
	if err != nil {
		return ca, false, fmt.Errorf("the authority's key: %w", err)
	}
	if ca.cert, err = readCert(certText); err != nil {
		return ca, false, fmt.Errorf("%s: %w", certFile, err)
	}
	if ca.key, err = readKey(keyText); err != nil {
		return ca, false, fmt.Errorf("%s: %w", keyFile, err)
	}
	if !ca.key.PublicKey.Equal(ca.cert.PublicKey) || !ca.cert.IsCA {
		return ca, false, fmt.Errorf("%s is not the key of %s", keyFile, certFile)
	}
	return ca, false, nil
}

func newAuthority(folder string, now time.Time) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, fmt.Errorf("the authority's key: %w", err)
	}
	template, err := newTemplate("linli authority", now, authorityLife)
	if err != nil {
		return authority{}, err
	}
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return authority{}, fmt.Errorf("the authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, fmt.Errorf("the authority: %w", err)
	}
	return authority{cert, key}, writePair(folder, "ca", der, key)
}

// issue writes the certificate and the key of one name.
func (a authority) issue(folder, name string, hosts []string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("key of %s: %w", name, err)
	}
	template, err := newTemplate("linli "+name, now, partLife)
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if name != HTTPS {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
		template.URIs = []*url.URL{{Scheme: scheme, Host: name}}
		hosts = append([]string{name}, hosts...)
	}
	for _, host := range append([]string{"localhost", "127.0.0.1", "::1"}, hosts...) {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return fmt.Errorf("certificate of %s: %w", name, err)
	}
	return writePair(folder, name, der, key)
}

func newTemplate(name string, now time.Time, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("serial number: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: pkix.Name{Organization: []string{"linli"}, CommonName: name},
		NotBefore: now.Add(-early), NotAfter: now.Add(life), BasicConstraintsValid: true,
	}, nil
}
