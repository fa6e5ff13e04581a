package access_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/clock"
)

// moved is a clock that a test moves.
type moved struct{ at time.Time }

func (m *moved) Now() time.Time          { return m.at }
func (m *moved) forward(d time.Duration) { m.at = m.at.Add(d) }

// desk is a verifier with the key that it trusts, and a clock.
type desk struct {
	*access.TokenVerifier
	key   ed25519.PrivateKey
	clock *moved
	ended *access.Ended
}

const keyID = "k1"

func seeded(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func newDesk(t testing.TB) desk {
	t.Helper()
	d := desk{key: seeded(1), clock: &moved{time.Date(2026, 11, 28, 12, 0, 0, 500e6, time.UTC)}}
	d.ended = access.NewEnded(d.clock, 8)
	d.TokenVerifier = verifier(t, access.FixedKeys{{ID: keyID, Key: public(d.key)}}, d.ended, d.clock)
	return d
}

func verifier(t testing.TB, keys access.KeySource, ended *access.Ended, wall clock.Clock) *access.TokenVerifier {
	t.Helper()
	v, err := access.NewTokenVerifier(access.VerifierConfig{Keys: keys, Ended: ended, Wall: wall, Most: 4})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func staff() access.Caller {
	return access.Caller{
		Person: "per_1", Account: "acc_1", Session: "ses_1", Chosen: 2, Strong: true,
		Grants: []access.Grant{{Role: typev1.Role_ROLE_RESIDENT, Path: "/1/11/"}, {Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: "/1/12/"}},
	}
}

func (d desk) claims() access.Claims { return access.NewClaims(staff(), "jti_1", d.clock.Now()) }

func (d desk) sign(t testing.TB, c access.Claims) string {
	t.Helper()
	token, err := access.Sign(c, keyID, d.key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTokenVerifier_TakesWhatSignWrites(t *testing.T) {
	d := newDesk(t)
	for range 2 { // the second time from memory
		got, err := d.Authenticate(t.Context(), d.sign(t, d.claims()))
		if err != nil || !reflect.DeepEqual(got, staff()) {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	limited := staff()
	limited.Limit = access.LimitPassword
	if got, err := d.Authenticate(t.Context(), d.sign(t, access.NewClaims(limited, "j", d.clock.Now()))); err != nil || got.Limit != "password" {
		t.Errorf("%+v, %v", got, err)
	}
	d.clock.forward(-3 * time.Second) // the registry's clock is a little ahead
	if _, err := d.Authenticate(t.Context(), d.sign(t, d.claims())); err != nil {
		t.Error(err)
	}
}

// raw signs a header and a payload that are written out, whatever they say.
func raw(key ed25519.PrivateKey, header, payload string) string {
	input := enc([]byte(header)) + "." + enc([]byte(payload))
	return input + "." + enc(ed25519.Sign(key, []byte(input)))
}

func enc(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func encode(t testing.TB, c access.Claims) string {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const goodHeader = `{"alg":"EdDSA","typ":"at+jwt","kid":"k1"}`

// forgeries are tokens that none may take, by what is wrong with them.
func forgeries(t testing.TB, d desk) map[string]string {
	good := d.sign(t, d.claims())
	body := encode(t, d.claims())
	parts := strings.Split(good, ".")
	pub := public(d.key)
	out := map[string]string{
		"empty": "", "no token": "x", "a development token": accesstest.Token("a"), "two parts": parts[0] + "." + parts[1],
		"no signature": parts[0] + "." + parts[1] + ".", "two signatures": good + "." + parts[2], "a space behind": good + " ",
		"huge":               raw(d.key, goodHeader, strings.Replace(body, "per_1", strings.Repeat("p", 1<<16), 1)),
		"a padded signature": good + "==", "a short signature": parts[0] + "." + parts[1] + "." + parts[2][:20],
		"another's payload": parts[0] + "." + enc([]byte(strings.Replace(body, "per_1", "per_2", 1))) + "." + parts[2],
		"signed by another": raw(seeded(2), goodHeader, body),
		"several signatures": fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q},{"protected":%q,"signature":%q}]}`,
			parts[1], parts[0], parts[2], parts[0], parts[2]),
		"bits in the padding": parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-1] + string(parts[2][len(parts[2])-1]+1),
	}
	for name, header := range map[string]string{
		"alg none": `{"alg":"none","typ":"at+jwt","kid":"k1"}`, "alg None": `{"alg":"None","typ":"at+jwt","kid":"k1"}`,
		"alg HS256 by name": `{"alg":"HS256","typ":"at+jwt","kid":"k1"}`, "alg eddsa": `{"alg":"eddsa","typ":"at+jwt","kid":"k1"}`,
		"no alg": `{"typ":"at+jwt","kid":"k1"}`, "another typ": `{"alg":"EdDSA","typ":"JWT","kid":"k1"}`, "no typ": `{"alg":"EdDSA","kid":"k1"}`,
		"an unknown key": `{"alg":"EdDSA","typ":"at+jwt","kid":"k2"}`, "no key": `{"alg":"EdDSA","typ":"at+jwt"}`,
		"a key that is a path": `{"alg":"EdDSA","typ":"at+jwt","kid":"../k1"}`, "a long key": `{"alg":"EdDSA","typ":"at+jwt","kid":"` + strings.Repeat("k", 65) + `"}`,
		"crit": `{"alg":"EdDSA","typ":"at+jwt","kid":"k1","crit":["x"],"x":1}`, "jku": `{"alg":"EdDSA","typ":"at+jwt","kid":"k1","jku":"https://example.org"}`,
		"its own key": `{"alg":"EdDSA","typ":"at+jwt","kid":"k1","jwk":{"kty":"OKP","crv":"Ed25519","x":"` + enc(pub) + `"}}`,
		"alg twice":   `{"alg":"none","alg":"EdDSA","typ":"at+jwt","kid":"k1"}`, "kid twice by case": `{"alg":"EdDSA","typ":"at+jwt","kid":"k2","KID":"k1"}`,
		"a header that is a list": `["EdDSA"]`, "a header with more behind": goodHeader + `{}`, "kid that is a number": `{"alg":"EdDSA","typ":"at+jwt","kid":1}`,
	} {
		out[name] = raw(d.key, header, body)
	}
	out["none and no signature"] = enc([]byte(`{"alg":"none","typ":"at+jwt","kid":"k1"}`)) + "." + parts[1] + "."
	mac := hmac.New(sha256.New, pub) // the public key taken for a secret
	input := enc([]byte(`{"alg":"HS256","typ":"at+jwt","kid":"k1"}`)) + "." + parts[1]
	_, _ = mac.Write([]byte(input))
	out["HS256 with the public key"] = input + "." + enc(mac.Sum(nil))
	for name, change := range map[string]func(*access.Claims){
		"another issuer": func(c *access.Claims) { c.Issuer = "elsewhere" }, "no issuer": func(c *access.Claims) { c.Issuer = "" },
		"another audience": func(c *access.Claims) { c.Audience = "elsewhere" }, "no audience": func(c *access.Claims) { c.Audience = "" },
		"not yet": func(c *access.Claims) { c.NotBefore = &access.Instant{Time: d.clock.Now().Add(time.Minute)} },
		"signed tomorrow": func(c *access.Claims) {
			c.IssuedAt, c.Expires = &access.Instant{Time: d.clock.Now().Add(time.Hour)}, &access.Instant{Time: d.clock.Now().Add(time.Hour)}
		},
		"a day long": func(c *access.Claims) { c.Expires = &access.Instant{Time: d.clock.Now().Add(24 * time.Hour)} },
		"no exp":     func(c *access.Claims) { c.Expires = nil }, "no nbf": func(c *access.Claims) { c.NotBefore = nil },
		"no iat": func(c *access.Claims) { c.IssuedAt = nil }, "nobody": func(c *access.Claims) { c.Person = "" },
		"no account": func(c *access.Claims) { c.Account = "" }, "no session": func(c *access.Claims) { c.Session = "" },
		"no id": func(c *access.Claims) { c.ID = "" }, "an unknown role": func(c *access.Claims) { c.Grants[0][0] = "emperor" },
		"role 0":          func(c *access.Claims) { c.Grants[0][0] = "unspecified" },
		"no path":         func(c *access.Claims) { c.Grants[0][1] = "1/11" },
		"a choice beyond": func(c *access.Claims) { c.Chosen = 3 }, "a choice below": func(c *access.Claims) { c.Chosen = -1 },
		"an unknown limit": func(c *access.Claims) { c.Limit = "none" },
		"many grants":      func(c *access.Claims) { c.Grants = make([][2]string, 65) },
	} {
		c := d.claims()
		change(&c)
		out[name] = raw(d.key, goodHeader, encode(t, c))
	}
	for name, payload := range map[string]string{
		"sub twice": strings.Replace(body, `"sub":`, `"sub":"per_9","sub":`, 1), "sub twice by case": strings.Replace(body, `"sub":`, `"Sub":"per_9","sub":`, 1),
		"aud that is a list": strings.Replace(body, `"aud":"linli"`, `"aud":["linli","x"]`, 1),
		"exp that is a text": strings.Replace(body, `"exp":`, `"exp":"1","x":`, 1), "exp beyond": strings.Replace(body, `"exp":`, `"exp":1e300,"x":`, 1),
		"a payload that is null": "null", "no payload": "", "a payload with more behind": body + "{}",
	} {
		out[name] = raw(d.key, goodHeader, payload)
	}
	out["another curve"], out["RSA"] = otherKeys(t, d, parts[1])
	return out
}

// otherKeys are tokens of keys of another kind, under the name of the known one.
func otherKeys(t testing.TB, d desk, payload string) (es256, rs256 string) {
	t.Helper()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	modulus, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(method jwt.SigningMethod, key any) string {
		token := jwt.NewWithClaims(method, d.claims())
		token.Header["typ"], token.Header["kid"] = "at+jwt", keyID
		text, err := token.SignedString(key)
		if err != nil || !strings.Contains(text, payload) {
			t.Fatal(err)
		}
		return text
	}
	return sign(jwt.SigningMethodES256, curve), sign(jwt.SigningMethodRS256, modulus)
}

func TestTokenVerifier_RefusesForgeries(t *testing.T) {
	d := newDesk(t)
	if _, err := d.Authenticate(t.Context(), raw(d.key, goodHeader, encode(t, d.claims()))); err != nil {
		t.Fatalf("the control is not taken: %v", err)
	}
	all := forgeries(t, d)
	if len(all) < 60 {
		t.Fatalf("only %d forgeries", len(all))
	}
	for name, token := range all {
		for range 2 { // not remembered either
			if who, err := d.Authenticate(t.Context(), token); reason(err) != "UNAUTHENTICATED" || !reflect.DeepEqual(who, access.Caller{}) {
				t.Errorf("%s: %+v, %v", name, who, err)
			}
		}
	}
}

func TestTokenVerifier_KeepsNothingBeyondItsEnd(t *testing.T) {
	d := newDesk(t)
	token := d.sign(t, d.claims())
	taken := func() string {
		_, err := d.Authenticate(t.Context(), token)
		if err != nil && reason(err) == "" {
			t.Fatal(err)
		}
		return reason(err)
	}
	if got := taken(); got != "" {
		t.Fatal(got)
	}
	d.clock.forward(access.TokenLife - time.Millisecond)
	if got := taken(); got != "" {
		t.Errorf("just before its end: %s", got)
	}
	d.clock.forward(time.Millisecond)
	if got := taken(); got != "TOKEN_EXPIRED" {
		t.Errorf("at its end: %q", got)
	}
	d.clock.forward(time.Hour)
	if got := taken(); got != "TOKEN_EXPIRED" {
		t.Errorf("long after: %q", got)
	}
}

func TestTokenVerifier_EndedSessionsAndChangedAccountsAreRefusedAtOnce(t *testing.T) {
	d := newDesk(t)
	token := d.sign(t, d.claims())
	is := func(what, token, want string) {
		t.Helper()
		if _, err := d.Authenticate(t.Context(), token); reason(err) != want {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	is("at first", token, "")
	d.ended.ChangeAccount("acc_2", d.clock.Now().Add(time.Millisecond))
	d.ended.EndSession("ses_2", d.clock.Now().Add(access.TokenLife))
	is("others", token, "")
	d.clock.forward(time.Millisecond)
	d.ended.ChangeAccount("acc_1", d.clock.Now())
	is("signed a millisecond before the roles changed", token, "TOKEN_EXPIRED")
	fresh := d.sign(t, d.claims())
	is("signed as they changed", fresh, "")
	d.ended.ChangeAccount("acc_1", d.clock.Now().Add(-time.Minute)) // news of before
	is("after old news", fresh, "")
	d.ended.EndSession("ses_1", d.clock.Now().Add(access.TokenLife))
	is("ended", fresh, "TOKEN_EXPIRED")
	d.clock.forward(time.Second)
	is("signed after its session ended", d.sign(t, d.claims()), "TOKEN_EXPIRED")
}

func TestTokenVerifier_RemembersABoundedNumber(t *testing.T) {
	d := newDesk(t)
	for i := range 50 { // Most is 4
		c := d.claims()
		c.Person = fmt.Sprint("per_", i)
		if who, err := d.Authenticate(t.Context(), d.sign(t, c)); err != nil || who.Person != c.Person {
			t.Fatalf("%v, %v", who, err)
		}
	}
}

func FuzzTokenVerifier(f *testing.F) {
	d := newDesk(f)
	good := d.sign(f, d.claims())
	f.Add(good)
	for _, token := range forgeries(f, d) {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		who, err := d.Authenticate(context.Background(), token)
		if err == nil && token != good && who.Person != "per_1" {
			t.Fatalf("taken for %+v", who)
		}
		if err != nil && !reflect.DeepEqual(who, access.Caller{}) {
			t.Fatal("refused, and a caller all the same")
		}
	})
}

var errAway = errors.New("away")
