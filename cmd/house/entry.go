package house

import (
	"fmt"
	"os"
	"strings"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/idp"
	"github.com/linli-project/linli/pkg/sms"
	"github.com/linli-project/linli/services/registry"
)

// newTexter is nil when nothing that sends messages to phones is named, and this
// is no development: then nobody enters by phone.
func newTexter(c Config) (registry.Texter, error) {
	if c.SMS == "" {
		if c.Dev {
			return sms.Log{To: c.Log}, nil
		}
		return nil, nil
	}
	secret, err := secretIn(c.SMSKeyFile)
	if err != nil {
		return nil, fmt.Errorf("short messages: %w", err)
	}
	return sms.NewHTTP(sms.Config{URL: c.SMS, Secret: secret, Holds: registry.PhoneCodeHolds})
}

// OIDC is what linli knows of an identity provider, and the provider of linli.
type OIDC struct {
	// Issuer is the provider's address as it names itself, ClientID what it calls
	// linli. SecretFile holds the client's secret; empty = a public client.
	Issuer, ClientID, SecretFile string
	// Redirects are the addresses that browsers may come back to, exactly.
	Redirects []string
}

// newProvider is nil when no identity provider is named.
func newProvider(c Config) (registry.Provider, error) {
	if c.OIDC.Issuer == "" {
		return nil, nil
	}
	secret, err := secretIn(c.OIDC.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("identity provider: %w", err)
	}
	provider, err := idp.New(idp.Config{
		Issuer: c.OIDC.Issuer, ClientID: c.OIDC.ClientID, Secret: secret, Redirects: c.OIDC.Redirects, Wall: clock.Wall(),
	})
	if err != nil {
		return nil, fmt.Errorf("identity provider: %w", err)
	}
	return provider, nil
}

// secretIn reads the secret of a file, which is a line; "" for no file.
func secretIn(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" || strings.ContainsAny(secret, "\r\n") {
		return "", fmt.Errorf("the secret in %s is not one line", file)
	}
	return secret, nil
}
