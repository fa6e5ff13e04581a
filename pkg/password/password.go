// Package password hashes what people sign in with, and says which passwords
// are too weak to be taken.
package password

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"
	"golang.org/x/sync/semaphore"
	"golang.org/x/text/unicode/norm"
)

// params are those of argon2id: 19 MiB, two passes, one lane. One hash takes
// tens of milliseconds, so that a stolen store is slow to try out.
var params = argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// hashesPerCore at once: each holds 19 MiB while it is computed, and more than
// the cores can do makes everybody wait longer.
const hashesPerCore = 2

// Hasher makes and verifies hashes, a few at once; who comes then waits. It is
// safe for concurrent use.
type Hasher struct {
	room   *semaphore.Weighted
	nobody string // hash of a password that nobody has
	done   atomic.Uint64
}

// NewHasher makes a Hasher for this machine.
func NewHasher() *Hasher {
	return &Hasher{room: semaphore.NewWeighted(hashesPerCore * int64(runtime.NumCPU())), nobody: nobody()}
}

// nobody is a hash of no password: it is drawn by lot, and costs as much to
// compare with as any other.
func nobody() string {
	drawn := make([]byte, params.SaltLength+params.KeyLength)
	_, _ = rand.Read(drawn) // never fails
	text := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, params.Memory, params.Iterations, params.Parallelism,
		text(drawn[:params.SaltLength]), text(drawn[params.SaltLength:]))
}

// Hash answers the argon2id hash of a password in PHC form
// ("$argon2id$v=19$m=19456,t=2,p=1$…"), with a salt of its own. The error is the
// context's when it ended before there was room.
func (h *Hasher) Hash(ctx context.Context, plain string) (phc string, err error) {
	if err := h.room.Acquire(ctx, 1); err != nil {
		return "", fmt.Errorf("wait to hash a password: %w", err)
	}
	defer h.room.Release(1)
	h.done.Add(1)
	if phc, err = argon2id.CreateHash(plainly(plain), &params); err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return phc, nil
}

// Verify says whether a password is the one of a hash, in a time that does not
// depend on how much of it is right. An empty hash is nobody's: it costs as much
// as any other and is never right, so that who asks cannot tell whether there is
// an account. A hash that cannot be read is an error.
func (h *Hasher) Verify(ctx context.Context, phc, plain string) (bool, error) {
	if err := h.room.Acquire(ctx, 1); err != nil {
		return false, fmt.Errorf("wait to verify a password: %w", err)
	}
	defer h.room.Release(1)
	h.done.Add(1)
	against := phc
	if phc == "" {
		against = h.nobody
	}
	right, err := argon2id.ComparePasswordAndHash(plainly(plain), against)
	if err != nil {
		return false, fmt.Errorf("verify a password: %w", err)
	}
	return right && phc != "", nil
}

// Done counts the hashes that were computed: what sign-ins cost.
func (h *Hasher) Done() uint64 { return h.done.Load() }

// First answers a password for a first sign-in: 26 letters and digits, more
// than anybody can guess.
func First() string { return rand.Text() }

// plainly is a password in one spelling: an input method may compose a sign in
// more than one way.
func plainly(plain string) string { return norm.NFKC.String(plain) }
