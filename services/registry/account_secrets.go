package registry

import (
	"fmt"

	"github.com/linli-project/linli/pkg/kv"
)

// secret names a sealed field of an account.
type secret string

// The sealed fields of an account. What waits to be confirmed is sealed as what
// it will be.
const (
	secretName     secret = "display name"
	secretPassword secret = "password" // the old ones too
	secretFactor   secret = "second factor"
)

// accountPlace is what a field of an account is sealed for.
func accountPlace(accountID string, what secret) []string {
	return []string{"account", accountID, string(what)}
}

// sealOf seals a field of an account.
func (s *Service) sealOf(accountID string, what secret, plain string) []byte {
	return s.store.Keyring().Seal([]byte(plain), accountPlace(accountID, what)...)
}

// openOf opens a field of an account; empty when there is none.
func (s *Service) openOf(accountID string, what secret, sealed []byte) (string, error) {
	plain, err := s.store.Keyring().Open(sealed, accountPlace(accountID, what)...)
	if err != nil {
		return "", fmt.Errorf("%w: %s of account %s: %w", kv.ErrCorrupt, what, accountID, err)
	}
	return string(plain), nil
}
