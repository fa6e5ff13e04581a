package certs

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	kindCert = "CERTIFICATE"
	kindKey  = "PRIVATE KEY"
)

// writePair writes a certificate and its key, the key first: a part that starts
// in between finds two that do not fit, and says so.
func writePair(folder, name string, der []byte, key *ecdsa.PrivateKey) error {
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("key of %s: %w", name, err)
	}
	certFile, keyFile := File(folder, name)
	if err := replace(keyFile, pem.EncodeToMemory(&pem.Block{Type: kindKey, Bytes: secret})); err != nil {
		return fmt.Errorf("key of %s: %w", name, err)
	}
	if err := replace(certFile, pem.EncodeToMemory(&pem.Block{Type: kindCert, Bytes: der})); err != nil {
		return fmt.Errorf("certificate of %s: %w", name, err)
	}
	return nil
}

// replace puts a file in the place of another at once; only its owner reads it.
func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func readCert(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kindCert {
		return nil, errors.New("holds no certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

func readKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kindKey {
		return nil, errors.New("holds no key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	own, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("holds a key of another kind")
	}
	return own, nil
}
