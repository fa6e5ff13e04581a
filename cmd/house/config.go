package house

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/admit"
)

// Role is what one process runs.
type Role string

// The roles. A process of a service has that service's name.
const (
	// Whole is everything in one process.
	Whole      Role = ""
	Broker     Role = "broker"
	Registry   Role = "registry"
	Requests   Role = "requests"
	Projects   Role = "projects"
	Evaluation Role = "evaluation"
	Gateway    Role = "gateway"
)

// Roles are the processes that together are linli.
func Roles() []Role {
	return []Role{Broker, Registry, Requests, Projects, Evaluation, Gateway}
}

// services are the services that run in a process of the role.
func (r Role) services() []string {
	if r == Whole {
		return serviceNames()
	}
	if slices.Contains(serviceNames(), string(r)) {
		return []string{string(r)}
	}
	return nil
}

// Peers are the services that a process of the role calls in other processes.
func (r Role) Peers() []string {
	switch r {
	case Gateway:
		return serviceNames()
	case Requests, Projects:
		return []string{string(Registry)} // the keys of tokens
	case Evaluation:
		return []string{string(Registry)} // those, and names on letters
	}
	return nil
}

// Asks are the services that a process of the role asks where it is said where
// they are: the registry puts a person's copy together, and says which part is
// missing.
func (r Role) Asks() []string {
	if r == Registry {
		return []string{string(Requests), string(Projects), string(Evaluation)}
	}
	return nil
}

// answersGRPC says whether the role has a door of its own.
func (r Role) answersGRPC() bool { return r != Broker }

// Config of a house. Validate says what is wrong with it.
type Config struct {
	// Role is what this process runs.
	Role Role
	// Data is the folder; it is made if it is not there. Each process has its own.
	Data string
	// HTTP and GRPC are the addresses to listen on, "127.0.0.1:8080"; port 0
	// takes any. HTTP is REST in the whole and in the gateway, and health and
	// metrics in every role; a broker has no GRPC.
	HTTP, GRPC string
	// Broker is the address of the broker, "nats://127.0.0.1:4222": where it
	// listens in its own process, where it is found in the others. Empty in the
	// whole, whose broker has no listener.
	Broker string
	// BrokerKeyFile holds the secret that opens the broker; with Dev it is made
	// when it is not there.
	BrokerKeyFile string
	// TLS secures the connections between the parts; nothing set = they are plain.
	TLS TLS
	// HTTPS secures what the whole and the gateway show to browsers and programs.
	// Where others than this machine reach it, it must be set.
	HTTPS HTTPS
	// Proxies are the networks of those whose X-Forwarded-For is believed.
	Proxies []netip.Prefix
	// Peers are the addresses of services in other processes, by their names:
	// "registry" → "127.0.0.1:9101" or another target of gRPC's.
	Peers map[string]string
	// Dev serves what belongs to development: tokens that anybody can write,
	// the clock, reflection. It is refused on anything but loopback.
	Dev bool
	// Clock is where the civil clock stands when the folder is made; zero
	// follows the wall clock.
	Clock time.Time
	// MasterKeyFile holds the master keys; empty with Dev = in the folder.
	MasterKeyFile string
	// Sealing is the profile of the keys of new stores, "aes" or "sm"; empty = aes.
	Sealing string
	// Reveals is how many sealed facts one person opens in an hour of one service;
	// 0 = store.DefaultReveals.
	Reveals int
	// SMTP is where messages are mailed through, see mail.New; empty = no mail
	// goes out. MailFrom is the sender.
	SMTP, MailFrom string
	// SMS is where one-time codes for phones are posted, see pkg/sms; empty = with
	// Dev they stand in the log, else nobody enters by phone. SMSKeyFile holds the
	// secret that opens it; empty = it needs none.
	SMS, SMSKeyFile string
	// OIDC is the identity provider that people may sign in at; nothing set = none.
	OIDC OIDC
	// AuditDays is how long lines of the audit are kept; 0 keeps them all, fewer
	// than store.LeastAuditDays are refused.
	AuditDays int
	// Blobs is the object store of pictures and documents, "s3://bucket?…"; empty
	// = a folder in Data.
	Blobs string
	// Limits of what is taken on at once; zero = admit.Defaults of this machine.
	Limits admit.Limits
	// Callers limits how often one of them may call; zero = admit's defaults.
	Callers admit.CallerLimits
	// Authenticator takes tokens beside those of the registry. Tests set it, and
	// nothing else does.
	Authenticator access.Authenticator
	Log           *slog.Logger
	Faults        Faults
}

// Validate refuses what cannot work or must not be.
func (c Config) Validate() error {
	if c.Role != Whole && !slices.Contains(Roles(), c.Role) {
		return fmt.Errorf("%q is no part of linli: broker, registry, requests, projects, evaluation or gateway", c.Role)
	}
	if c.Data == "" {
		return errors.New("no data folder is named")
	}
	listens, err := c.listens()
	if err != nil {
		return err
	}
	for _, address := range listens {
		if err := c.mayListen(address); err != nil {
			return err
		}
	}
	if err := c.secured(); err != nil {
		return err
	}
	if !c.Clock.IsZero() && !c.Dev {
		return errors.New("--clock needs --dev")
	}
	if c.OIDC.Issuer == "" && (c.OIDC.ClientID != "" || c.OIDC.SecretFile != "" || len(c.OIDC.Redirects) > 0) {
		return errors.New("an identity provider without its issuer: set LINLI_OIDC_ISSUER")
	}
	if err := c.validateBlobs(); err != nil {
		return err
	}
	return c.validateOthers()
}

// listens are the addresses that the process takes.
func (c Config) listens() ([]string, error) {
	out := []string{c.HTTP}
	if c.Role.answersGRPC() {
		out = append(out, c.GRPC)
	}
	if c.Role == Broker {
		at, err := hostOf(c.Broker)
		if err != nil {
			return nil, err
		}
		out = append(out, at)
	}
	return out, nil
}

func (c Config) mayListen(address string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	if c.Dev && !Loopback(address) {
		return fmt.Errorf("address %s: with --dev linli listens on loopback only", address)
	}
	return nil
}

// validateOthers looks at what the process needs to find the others.
func (c Config) validateOthers() error {
	if c.Role == Whole {
		return nil
	}
	if _, err := hostOf(c.Broker); err != nil {
		return err
	}
	if c.BrokerKeyFile == "" {
		return errors.New("no broker key: name its file with LINLI_BROKER_KEY_FILE")
	}
	if err := c.TLS.validate(); err != nil {
		return err
	}
	for _, name := range c.Role.Peers() {
		if c.Peers[name] == "" {
			return fmt.Errorf("%s calls %s: say where it is with --%s", c.Role, name, name)
		}
	}
	return nil
}

// hostOf reads "nats://host:port".
func hostOf(broker string) (string, error) {
	u, err := url.Parse(broker)
	if err != nil || u.Scheme != "nats" || u.Port() == "" || u.User != nil || u.Path != "" {
		return "", fmt.Errorf("broker %q: an address like nats://127.0.0.1:4222", broker)
	}
	return u.Host, nil
}
