package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"hash"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// Profile says which algorithms seal and hash.
type Profile typev1.SealProfile

// The profiles.
const (
	// AES is AES-256-GCM, and HMAC-SHA256 for keyed hashes.
	AES = Profile(typev1.SealProfile_SEAL_PROFILE_AES)
	// SM is SM4-GCM (GB/T 32907), and HMAC-SM3 (GB/T 32905) for keyed hashes.
	SM = Profile(typev1.SealProfile_SEAL_PROFILE_SM)
)

// ParseProfile reads "aes" or "sm"; "" is AES.
func ParseProfile(s string) (Profile, error) {
	switch s {
	case "", "aes":
		return AES, nil
	case "sm":
		return SM, nil
	}
	return 0, fmt.Errorf("%q is no profile of sealing: aes or sm", s)
}

func (p Profile) String() string {
	if p == SM {
		return "sm"
	}
	return "aes"
}

// hash answers a new hash of the profile.
func (p Profile) hash() hash.Hash {
	if p == SM {
		return sm3.New()
	}
	return sha256.New()
}

// derive answers n bytes that come of a key for one use.
func (p Profile) derive(key []byte, use string, n int) []byte {
	raw, err := hkdf.Key(p.hash, key, nil, use, n)
	if err != nil {
		panic("seal: a key could not be derived: " + err.Error())
	}
	return raw
}

// aead makes the cipher of a key of 32 bytes. SM4 has keys of 16: it takes one
// that derives from all 32.
func (p Profile) aead(key []byte) cipher.AEAD {
	var block cipher.Block
	var err error
	if p == SM {
		block, err = sm4.NewCipher(p.derive(key, "linli sm4", sm4.BlockSize))
	} else {
		block, err = aes.NewCipher(key)
	}
	if err != nil {
		panic("seal: a key was refused: " + err.Error())
	}
	g, err := cipher.NewGCM(block)
	if err != nil {
		panic("seal: " + err.Error())
	}
	return g
}
