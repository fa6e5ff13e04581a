package seal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// longestMasterFile is more than fifty keys of 32 bytes in base64 take.
const longestMasterFile = 4 << 10

// MasterKey wraps data keys.
type MasterKey [keyBytes]byte

// String keeps the key out of whatever prints a configuration.
func (MasterKey) String() string { return "seal.MasterKey" }

// GoString does the same for %#v.
func (MasterKey) GoString() string { return "seal.MasterKey" }

// MarshalText does the same for JSON and logs.
func (MasterKey) MarshalText() ([]byte, error) { return []byte("seal.MasterKey"), nil }

// LoadSecret reads another secret of 32 bytes, kept as a master key is. what
// names it in errors.
func LoadSecret(what, path string) ([]byte, error) {
	m, err := load(what, path)
	return m[:], err
}

// LoadOrCreateSecret answers the secret at path and whether it was made now. Of
// two processes that make it at once one wins, and both have the same.
func LoadOrCreateSecret(what, path string) (secret []byte, made bool, err error) {
	m, made, err := loadOrCreate(what, path)
	if errors.Is(err, fs.ErrExist) {
		m, err = load(what, path)
	}
	return m[:], made, err
}

func load(what, path string) (m MasterKey, err error) {
	text, err := readPrivate(what, path)
	if err != nil {
		return m, err
	}
	return parseKey(what, path, text)
}

// readPrivate reads a file that nobody but its owner can read.
func readPrivate(what, path string) (text string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	// The mode is that of the opened file: a name can come to mean another.
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s: %s can be read by others; its mode must be 0600", what, path)
	}
	raw, err := io.ReadAll(io.LimitReader(f, longestMasterFile))
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	return string(raw), nil
}

func parseKey(what, path, text string) (m MasterKey, err error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != keyBytes {
		// The cause is not told: it would quote the file.
		return m, fmt.Errorf("%s: %s does not hold 32 bytes in base64", what, path)
	}
	return MasterKey(raw), nil
}

func create(what, path string) (MasterKey, error) {
	m := MasterKey(random(keyBytes))
	if err := createFile(path, lineOf(named{key: m, profile: AES})); err != nil {
		return MasterKey{}, fmt.Errorf("make %s: %w", what, err)
	}
	return m, nil
}

func loadOrCreate(what, path string) (m MasterKey, made bool, err error) {
	m, err = load(what, path)
	if errors.Is(err, fs.ErrNotExist) {
		m, err = create(what, path)
		return m, err == nil, err
	}
	return m, false, err
}

// createFile writes a file beside path and gives it the name when it is
// whole. A link, not a rename: a rename would replace another's key.
func createFile(path, text string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
