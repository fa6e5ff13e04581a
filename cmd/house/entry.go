package house

import (
	"fmt"
	"os"
	"strings"

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
