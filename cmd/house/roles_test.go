package house_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/house"
)

func TestConfig_RefusesWhatCannotWork(t *testing.T) {
	whole := house.Config{Data: "var", HTTP: "127.0.0.1:1", GRPC: "127.0.0.1:2", Dev: true}
	part := func(role house.Role, change func(*house.Config)) house.Config {
		c := whole
		c.Role, c.Broker, c.BrokerKeyFile = role, "nats://127.0.0.1:4222", "broker.key"
		c.Peers = map[string]string{"registry": "a:1", "requests": "b:1", "projects": "c:1", "evaluation": "dns:///d:1"}
		if change != nil {
			change(&c)
		}
		return c
	}
	for name, c := range map[string]struct {
		config house.Config
		says   string
	}{
		"the whole": {whole, ""},
		"a broker":  {part(house.Broker, func(c *house.Config) { c.GRPC = "" }), ""},
		"a service": {part(house.Registry, func(c *house.Config) { c.Peers = nil }), ""},
		"a gateway": {part(house.Gateway, nil), ""},
		"containers": {part(house.Gateway, func(c *house.Config) {
			c.Dev, c.HTTP, c.GRPC, c.TLS, c.HTTPS = false, "0.0.0.0:1", "0.0.0.0:2", house.TLSIn("certs", "gateway"), house.HTTPSIn("certs")
		}), ""},
		"pages without TLS": {part(house.Gateway, func(c *house.Config) { c.Dev, c.HTTP = false, "0.0.0.0:1" }), "linli cert --host"},
		"a gateway's gRPC without TLS": {part(house.Gateway, func(c *house.Config) {
			c.Dev, c.GRPC, c.HTTPS = false, ":2", house.HTTPSIn("certs")
		}), "parts talk over TLS"},
		"a whole's gRPC without TLS":    {func() house.Config { c := whole; c.Dev, c.GRPC = false, "10.1.2.3:1"; return c }(), "speaks TLS only"},
		"a service without TLS":         {part(house.Requests, func(c *house.Config) { c.Dev, c.GRPC = false, "0.0.0.0:1" }), "parts talk over TLS"},
		"a broker without TLS":          {part(house.Broker, func(c *house.Config) { c.Dev, c.Broker = false, "nats://0.0.0.0:4222" }), "parts talk over TLS"},
		"metrics for all":               {part(house.Requests, func(c *house.Config) { c.Dev, c.HTTP = false, "0.0.0.0:1" }), ""},
		"half of HTTPS":                 {part(house.Gateway, func(c *house.Config) { c.HTTPS = house.HTTPS{CertFile: "a"} }), "LINLI_HTTPS_KEY_FILE"},
		"requests without the registry": {part(house.Requests, func(c *house.Config) { c.Peers = nil }), "--registry"},
		"no such part":                  {part("post", nil), "no part of linli"},
		"no folder":                     {part(house.Registry, func(c *house.Config) { c.Data = "" }), "no data folder"},
		"no gRPC":                       {part(house.Registry, func(c *house.Config) { c.GRPC = "" }), "address"},
		"--dev for all":                 {part(house.Registry, func(c *house.Config) { c.GRPC = "0.0.0.0:1" }), "loopback only"},
		"a broker for all":              {part(house.Broker, func(c *house.Config) { c.Broker = "nats://0.0.0.0:4222" }), "loopback only"},
		"no broker":                     {part(house.Registry, func(c *house.Config) { c.Broker = "" }), "an address like nats://"},
		"a broker with password":        {part(house.Registry, func(c *house.Config) { c.Broker = "nats://a:b@c:1" }), "an address like nats://"},
		"a broker of another":           {part(house.Registry, func(c *house.Config) { c.Broker = "http://a:1" }), "an address like nats://"},
		"no key":                        {part(house.Broker, func(c *house.Config) { c.BrokerKeyFile = "" }), "LINLI_BROKER_KEY_FILE"},
		"a gateway of three":            {part(house.Gateway, func(c *house.Config) { c.Peers = map[string]string{"registry": "a:1"} }), "--requests"},
		"letters without names":         {part(house.Evaluation, func(c *house.Config) { c.Peers = nil }), "--registry"},
		"a clock without --dev":         {part(house.Registry, func(c *house.Config) { c.Dev, c.Clock = false, begin() }), "--clock needs --dev"},
	} {
		err := c.config.Validate()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// TestRole_StartsAndStopsAlone: none of the others is there.
func TestRole_StartsAndStopsAlone(t *testing.T) {
	for _, role := range append(house.Roles(), house.Whole) {
		t.Run("serve "+string(role), func(t *testing.T) {
			s := newShape(t, append(house.Roles(), house.Whole)...)
			for range 2 { // the second time over the folder of the first
				h := s.start(role)
				for path, want := range map[string]string{"/healthz": "ok", "/metrics": "go_goroutines"} {
					reply, err := http.Get("http://" + h.HTTPAddr() + path)
					if err != nil {
						t.Fatal(err)
					}
					body := make([]byte, 64<<10)
					n, _ := reply.Body.Read(body) // a beginning is enough
					_ = reply.Body.Close()
					if reply.StatusCode != http.StatusOK || !strings.Contains(string(body[:n]), want) {
						t.Errorf("%s: %d %s", path, reply.StatusCode, body[:n])
					}
				}
				if (h.GRPCAddr() == "") != (role == house.Broker) || (h.BrokerAddr() == "") != (role != house.Broker) {
					t.Errorf("gRPC on %q, broker on %q", h.GRPCAddr(), h.BrokerAddr())
				}
				s.stop(role)
			}
		})
	}
}

// TestFolder_BelongsToItsRole: another part, and the whole, would begin anew
// beside what is there.
func TestFolder_BelongsToItsRole(t *testing.T) {
	s := newShape(t, house.Registry, house.Requests, house.Whole)
	s.start(house.Registry)
	s.stop(house.Registry)
	s.start(house.Whole)
	s.stop(house.Whole)
	for name, c := range map[string]struct {
		role, folder house.Role
		says         string
	}{
		"another part":                  {house.Requests, house.Registry, "belongs to `linli serve registry`"},
		"the whole over a part":         {house.Whole, house.Registry, "belongs to `linli serve registry`"},
		"a part over that of the whole": {house.Registry, house.Whole, "in one process"},
	} {
		config := s.config[c.role]
		config.Data = s.config[c.folder].Data
		h, err := house.Start(t.Context(), config)
		if err == nil {
			_ = h.Close(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFolder_OfOneProcessAboveThatOfAPart: as the folders are when none is
// named. Either is its own, and neither hides the other.
func TestFolder_OfOneProcessAboveThatOfAPart(t *testing.T) {
	s := newShape(t, house.Registry, house.Whole)
	part := s.config[house.Registry]
	part.Data = filepath.Join(s.config[house.Whole].Data, "registry")
	s.config[house.Registry] = part
	for range 2 {
		for _, role := range []house.Role{house.Whole, house.Registry} {
			s.start(role)
			s.stop(role)
		}
	}
	for data, services := range map[string]int{part.Data: 1, s.config[house.Whole].Data: 4} {
		config := s.config[house.Whole]
		config.Data = data
		if reports, err := house.Check(t.Context(), config); err != nil || len(reports) != services {
			t.Errorf("check of %s: %d services, %v", data, len(reports), err)
		}
	}
}

func TestSix_ServiceAwayAndBack(t *testing.T) {
	s := six(t)
	s.importOrganizations()
	s.drain()
	get := func(headers ...string) answer { return s.call("GET", "/v1/organizations/11", admin(), "", headers...) }
	s.want("there", get(), http.StatusOK, `"/1/11/"`)

	s.stop(house.Registry)
	for language, says := range map[string]string{"en": "not available now", "zh": "暂时不可用"} {
		a := get("Accept-Language", language)
		s.want("away", a, http.StatusServiceUnavailable, `"reason":"UNAVAILABLE"`, says)
		if a.header.Get("Retry-After") == "" || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("away: %v", a.header)
		}
	}
	staff := token(typev1.Role_ROLE_COMMITTEE_STAFF, "xiong", "/1/11/111/1111/")
	s.want("the others", s.call("GET", "/v1/organizations/1111/requests", staff, ""), http.StatusOK)
	s.want("a drain without all", s.call("POST", "/v1/dev/events:drain", admin(), "{}"), http.StatusServiceUnavailable, "UNAVAILABLE")

	s.start(house.Registry)
	s.until("back", http.StatusOK, func() answer { return get() })
}

// TestSix_BrokerAwayAndBack: what is written while it is away arrives.
func TestSix_BrokerAwayAndBack(t *testing.T) {
	s := six(t)
	s.drain()
	s.stop(house.Broker)
	s.importOrganizations()
	staff := token(typev1.Role_ROLE_COMMITTEE_STAFF, "xiong", "/1/11/111/1111/")
	list := func() answer { return s.call("GET", "/v1/organizations/1111/requests", staff, "") }
	s.want("before it arrived", list(), http.StatusNotFound, "UNKNOWN_ORGANIZATION")
	s.want("a drain without a broker", s.call("POST", "/v1/dev/events:drain", admin(), "{}"), http.StatusServiceUnavailable)
	s.start(house.Broker)
	s.drain()
	s.want("after it arrived", list(), http.StatusOK)
}

func TestSix_OneClock(t *testing.T) {
	s := six(t)
	s.importOrganizations()
	to := begin().AddDate(0, 0, 5)
	advance := func(at time.Time) answer {
		return s.call("POST", "/v1/dev/clock:advance", admin(), `{"time":"`+at.Format(time.RFC3339)+`"}`)
	}
	s.until("the move", http.StatusOK, func() answer { return advance(to) })
	// The move let everything arrive first.
	staff := token(typev1.Role_ROLE_COMMITTEE_STAFF, "xiong", "/1/11/111/1111/")
	s.want("arrived", s.call("GET", "/v1/organizations/1111/requests", staff, ""), http.StatusOK)
	s.want("the clock", s.call("GET", "/v1/dev/clock", admin(), ""), http.StatusOK, "2013-01-06T00:00:00Z", `"movable":true`)
	s.want("backwards", advance(begin()), http.StatusBadRequest, "CLOCK_BACKWARDS")
	services := []house.Role{house.Registry, house.Requests, house.Projects, house.Evaluation}
	for _, role := range services {
		if at := s.clockOf(role); !at.Equal(to) {
			t.Errorf("%s stands at %s", role, at)
		}
	}
	// A part keeps its time in its folder.
	s.stop(house.Requests)
	s.want("a move without all", advance(to.AddDate(0, 0, 1)), http.StatusServiceUnavailable, "UNAVAILABLE")
	s.start(house.Requests)
	if at := s.clockOf(house.Requests); !at.Equal(to) {
		t.Errorf("after a restart it stands at %s", at)
	}
	s.until("the move again", http.StatusOK, func() answer { return advance(to.AddDate(0, 0, 1)) })
	// One whose folder was made later is brought forward.
	s.stop(house.Projects)
	config := s.config[house.Projects]
	config.Data = filepath.Join(t.TempDir(), "projects")
	s.config[house.Projects] = config
	s.start(house.Projects)
	s.until("brought forward", http.StatusOK, func() answer {
		if s.clockOf(house.Projects).Equal(to.AddDate(0, 0, 1)) {
			return answer{code: http.StatusOK}
		}
		return answer{body: s.clockOf(house.Projects).String()}
	})
}

// requestBody is what a resident posts.
const requestBody = `{"communityId":"1111","kind":"REQUEST_KIND_PROBLEM","category":"设施","visibility":"VISIBILITY_PUBLIC","text":"二单元门口的石板松了"}`

// TestShapes_SayTheSame: what travels beside a call arrives over TCP as it does
// in one process.
func TestShapes_SayTheSame(t *testing.T) {
	one := newShape(t, house.Whole)
	one.start(house.Whole)
	for name, s := range map[string]*shape{"one": one, "six": six(t)} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			s.importOrganizations()
			s.drain()
			resident := token(typev1.Role_ROLE_RESIDENT, "li", "/1/11/111/1111/")
			post := func(body, key string) answer {
				return s.call("POST", "/v1/requests", resident, body, "Idempotency-Key", key, "Accept-Language", "en")
			}
			first := post(requestBody, "k1")
			s.want("a request", first, http.StatusOK, `"id":"req_`)
			if again := post(requestBody, "k1"); again.body != first.body {
				t.Errorf("repeated: %s\nfirst: %s", again.body, first.body)
			}
			s.want("another payload", post(strings.Replace(requestBody, "二", "三", 1), "k1"), http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
			s.want("no key of this kind", post(requestBody, "键"), http.StatusOK)
			for what, a := range map[string]answer{"an answer": first, "a refusal": s.call("GET", "/v1/organizations/2", admin(), "")} {
				if !strings.HasPrefix(a.header.Get("X-Call-Id"), "call_") {
					t.Errorf("%s: call id %q", what, a.header.Get("X-Call-Id"))
				}
			}
			s.want("no token", s.call("GET", "/v1/organizations/11", "", "", "Accept-Language", "en"), http.StatusUnauthorized, "UNAUTHENTICATED")
			// The secret poll says no call id, whoever asks.
			quiet := s.call("POST", "/v1/polls/pol_1:ballot", admin(), `{"code":"ABCDEFGHJKLMNPQR"}`)
			if quiet.header.Get("X-Call-Id") != "" || quiet.code == http.StatusOK {
				t.Errorf("the secret poll: %d %v %s", quiet.code, quiet.header, quiet.body)
			}
			s.want("a bad upload", s.call("POST", "/v1/organizations:import", admin(), "编码\n1\n", "Content-Type", "text/csv"), http.StatusBadRequest)
			s.want("an unknown route", s.call("GET", "/v1/nothing", admin(), ""), http.StatusNotFound, "METHOD_CLOSED")
		})
	}
}
