package seal

import (
	"crypto/hmac"
	"encoding/hex"
)

// Fingerprint names a master key without telling anything of it: two keys are
// the same when their fingerprints are.
func (m MasterKey) Fingerprint() string { return fingerprint(AES, m) }

func fingerprint(p Profile, m MasterKey) string {
	h := hmac.New(p.hash, m[:])
	_, _ = h.Write([]byte("linli master key fingerprint")) // a hash never fails
	return hex.EncodeToString(h.Sum(nil)[:8])
}
