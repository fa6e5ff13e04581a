package seal

import (
	"context"
	"fmt"
)

// What a wrapped key is for; a key that is wrapped for one use opens for no
// other.
const (
	useDataKey  = "data key"
	useIndexKey = "index key"
)

// ErrNoMasterKey says that the provider does not have a master key of that id.
// It is an ErrSealed.
var ErrNoMasterKey = fmt.Errorf("%w: no master key of that id", ErrSealed)

// Provider holds master keys and wraps the keys of services with them. A key
// file is one (MasterFile); a hardware module or a key management service is
// another: its master keys never leave it, and whoever asks says by id which
// one is meant.
type Provider interface {
	// Current answers the id of the master key that wraps new keys.
	Current(ctx context.Context) (id string, err error)
	// Wrap encrypts a key of 32 or 64 bytes under the master key of the id, for
	// one use.
	Wrap(ctx context.Context, id string, key []byte, use string) (wrapped []byte, err error)
	// Unwrap answers the key that Wrap was given for the same use. An id that
	// the provider does not have is ErrNoMasterKey; bytes that are not that
	// key's are ErrSealed. Folders of before ids ask with id "": any master key
	// that opens it will do.
	Unwrap(ctx context.Context, id string, wrapped []byte, use string) (key []byte, err error)
	// Generate answers n random bytes, plain and wrapped: a module draws them
	// from its own source.
	Generate(ctx context.Context, id string, n int, use string) (key, wrapped []byte, err error)
}

var (
	_ Provider = MasterKey{}
	_ Provider = MasterFile("")
)

// Current answers the key's fingerprint: it is the only one there is.
func (m MasterKey) Current(context.Context) (string, error) { return m.Fingerprint(), nil }

// Wrap encrypts a key under this one.
func (m MasterKey) Wrap(ctx context.Context, id string, key []byte, use string) ([]byte, error) {
	return named{key: m, profile: AES}.only().Wrap(ctx, id, key, use)
}

// Unwrap decrypts what this key wrapped.
func (m MasterKey) Unwrap(ctx context.Context, id string, wrapped []byte, use string) ([]byte, error) {
	return named{key: m, profile: AES}.only().Unwrap(ctx, id, wrapped, use)
}

// Generate draws a key and wraps it under this one.
func (m MasterKey) Generate(ctx context.Context, id string, n int, use string) (key, wrapped []byte, err error) {
	return named{key: m, profile: AES}.only().Generate(ctx, id, n, use)
}

// named is a master key with the profile it wraps by.
type named struct {
	key     MasterKey
	profile Profile
}

func (n named) id() string { return fingerprint(n.profile, n.key) }

func (n named) only() masterKeys { return masterKeys{n} }

// masterKeys are those of a file, the current one last.
type masterKeys []named

func (k masterKeys) Wrap(_ context.Context, id string, key []byte, use string) ([]byte, error) {
	for _, n := range k {
		if n.id() == id {
			return sealWith(n.profile.aead(n.key[:]), []byte{formatFirst}, key, aad([]string{use})), nil
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrNoMasterKey, id)
}

func (k masterKeys) Unwrap(_ context.Context, id string, wrapped []byte, use string) ([]byte, error) {
	known := false
	for _, n := range k {
		if id != "" && n.id() != id {
			continue
		}
		known = true
		if len(wrapped) == 0 || wrapped[0] != formatFirst {
			continue
		}
		if key, err := openWith(n.profile.aead(n.key[:]), wrapped[1:], aad([]string{use})); err == nil {
			return key, nil
		}
	}
	if !known {
		return nil, fmt.Errorf("%w: %s", ErrNoMasterKey, id)
	}
	return nil, fmt.Errorf("unwrap the %s (another master key?): %w", use, ErrSealed)
}

func (k masterKeys) Generate(ctx context.Context, id string, n int, use string) (key, wrapped []byte, err error) {
	key = random(n)
	wrapped, err = k.Wrap(ctx, id, key, use)
	return key, wrapped, err
}
