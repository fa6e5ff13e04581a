package seal

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const masterKey = "master key"

// LoadMaster reads a master key: 32 bytes in base64, in a file that nobody but
// its owner can read.
func LoadMaster(path string) (MasterKey, error) { return load(masterKey, path) }

// CreateMaster makes a new master key in a file that must not exist yet. When
// it returns nil the file is whole and will be there after a power cut: what
// is sealed under a key that was lost is lost with it.
func CreateMaster(path string) (MasterKey, error) { return create(masterKey, path) }

// LoadOrCreateMaster answers the key at path and whether it was made now.
func LoadOrCreateMaster(path string) (m MasterKey, made bool, err error) {
	return loadOrCreate(masterKey, path)
}

// MasterFile is a file of master keys, by its path: a key a line, the current
// one last, "sm:" before one that wraps by SM4. The file is read anew each time,
// so that a key put into it is there without a restart.
type MasterFile string

// read answers the keys of the file, at least one.
func (f MasterFile) read() (masterKeys, error) {
	text, err := readPrivate(masterKey, string(f))
	if err != nil {
		return nil, err
	}
	var keys masterKeys
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		n := named{profile: AES}
		if rest, ok := strings.CutPrefix(line, "sm:"); ok {
			n.profile, line = SM, rest
		}
		if n.key, err = parseKey(masterKey, string(f), line); err != nil {
			return nil, err
		}
		keys = append(keys, n)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: %s does not hold 32 bytes in base64", masterKey, f)
	}
	return keys, nil
}

func lineOf(n named) string {
	line := base64.StdEncoding.EncodeToString(n.key[:]) + "\n"
	if n.profile == SM {
		return "sm:" + line
	}
	return line
}

// IDs are those of the keys in the file, the current one last.
func (f MasterFile) IDs() ([]string, error) {
	keys, err := f.read()
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(keys))
	for i, n := range keys {
		ids[i] = n.id()
	}
	return ids, nil
}

// Current answers the id of the last key.
func (f MasterFile) Current(context.Context) (string, error) {
	ids, err := f.IDs()
	if err != nil {
		return "", err
	}
	return ids[len(ids)-1], nil
}

// Wrap encrypts a key under the one of the id.
func (f MasterFile) Wrap(ctx context.Context, id string, key []byte, use string) ([]byte, error) {
	keys, err := f.read()
	if err != nil {
		return nil, err
	}
	return keys.Wrap(ctx, id, key, use)
}

// Unwrap decrypts what the key of the id wrapped.
func (f MasterFile) Unwrap(ctx context.Context, id string, wrapped []byte, use string) ([]byte, error) {
	keys, err := f.read()
	if err != nil {
		return nil, err
	}
	return keys.Unwrap(ctx, id, wrapped, use)
}

// Generate draws a key and wraps it under the one of the id.
func (f MasterFile) Generate(ctx context.Context, id string, n int, use string) (key, wrapped []byte, err error) {
	keys, err := f.read()
	if err != nil {
		return nil, nil, err
	}
	return keys.Generate(ctx, id, n, use)
}

// Add puts a new master key behind those of the file, which becomes the current
// one, and answers its id. A file that is not there is made.
func (f MasterFile) Add(profile Profile) (id string, err error) {
	n := named{key: MasterKey(random(keyBytes)), profile: profile}
	if _, err := os.Lstat(string(f)); errors.Is(err, fs.ErrNotExist) {
		if err := createFile(string(f), lineOf(n)); err != nil {
			return "", fmt.Errorf("make %s: %w", masterKey, err)
		}
		return n.id(), nil
	}
	keys, err := f.read()
	if err != nil {
		return "", err
	}
	return n.id(), f.write(append(keys, n))
}

// Remove takes the key of the id out of the file. The current one stays: what
// is sealed from now on is wrapped under it.
func (f MasterFile) Remove(id string) error {
	keys, err := f.read()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(keys, func(n named) bool { return n.id() == id })
	switch {
	case at < 0:
		return fmt.Errorf("%s holds no master key %s", f, id)
	case at == len(keys)-1:
		return fmt.Errorf("master key %s is the current one of %s; add another first", id, f)
	}
	return f.write(slices.Delete(keys, at, at+1))
}

// write puts the keys in the place of those there were, so that a power cut
// leaves the old file or the new one.
func (f MasterFile) write(keys masterKeys) (err error) {
	// The name can be a link to where secrets are mounted; that stays.
	path, err := filepath.EvalSymlinks(string(f))
	if err != nil {
		return fmt.Errorf("%s: %w", masterKey, err)
	}
	var text strings.Builder
	for _, n := range keys {
		text.WriteString(lineOf(n))
	}
	if text.Len() > longestMasterFile {
		return fmt.Errorf("%s holds as many master keys as it may; take old ones out first", f)
	}
	next, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", masterKey, err)
	}
	_, err = next.WriteString(text.String())
	if err = errors.Join(err, next.Sync(), next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", masterKey, err), os.Remove(next.Name()))
	}
	return syncFolder(filepath.Dir(path))
}
