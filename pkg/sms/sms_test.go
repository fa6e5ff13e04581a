package sms_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/sms"
)

// provider keeps what it is posted and answers with a status.
type provider struct {
	status        int
	body          map[string]string
	authorization string
	posts         int
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.posts++
	p.body, p.authorization = nil, r.Header.Get("Authorization")
	if err := json.NewDecoder(r.Body).Decode(&p.body); err != nil || r.Method != http.MethodPost {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	if p.status == http.StatusTemporaryRedirect {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(p.status)
	_, _ = io.WriteString(w, strings.Repeat("long", 1<<20))
}

func serve(t *testing.T, status int) (*provider, *sms.HTTP) {
	t.Helper()
	p := &provider{status: status}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	s, err := sms.NewHTTP(sms.Config{URL: server.URL + "/send?app=secret-app", Secret: "open sesame", Holds: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

func TestHTTP_PostsPhoneCodeAndText(t *testing.T) {
	p, s := serve(t, http.StatusOK)
	for language, text := range map[string]string{"zh": "【邻里】验证码 042719,5 分钟内有效", "en": "linli: your code is 042719. It holds for 5 minutes"} {
		if err := s.Send(t.Context(), "13800001234", "042719", language); err != nil {
			t.Fatal(err)
		}
		if p.body["phone"] != "13800001234" || p.body["code"] != "042719" || !strings.HasPrefix(p.body["text"], text) || p.body["language"] != language {
			t.Errorf("posted %v", p.body)
		}
		if p.authorization != "Bearer open sesame" {
			t.Errorf("authorization %q", p.authorization)
		}
	}
}

func TestHTTP_AnythingButYesIsAnError(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusTemporaryRedirect} {
		p, s := serve(t, status)
		err := s.Send(t.Context(), "13800001234", "042719", "zh")
		if err == nil || p.posts != 1 {
			t.Errorf("%d: %v after %d posts", status, err, p.posts)
		}
		unsaid(t, err)
	}
}

// unsaid: an error holds neither phone nor code nor what opens the provider.
func unsaid(t *testing.T, err error) {
	t.Helper()
	for _, word := range []string{"13800001234", "042719", "secret-app", "open sesame"} {
		if err == nil || strings.Contains(err.Error(), word) {
			t.Errorf("error %v has %q in it", err, word)
		}
	}
}

// TestHTTP_WaitsForNobodyLong: a provider that does not answer costs no more than
// its caller waits.
func TestHTTP_WaitsForNobodyLong(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-release
	}))
	defer server.Close()
	defer close(release)
	s, err := sms.NewHTTP(sms.Config{URL: server.URL + "/?app=secret-app"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	unsaid(t, s.Send(ctx, "13800001234", "042719", "zh"))
}

func TestNewHTTP_WhereCodesMayGo(t *testing.T) {
	for address, may := range map[string]bool{
		"https://sms.example.com/send": true, "http://127.0.0.1:8099/": true, "http://[::1]:8099/": true, "http://localhost/": true,
		"http://sms.example.com/": false, "http://10.0.0.7/": false, "ftp://127.0.0.1/": false, "https://name:word@example.com/": false, "": false, "sms": false,
		"http://127.0.0.1.example.com/": false,
	} {
		if _, err := sms.NewHTTP(sms.Config{URL: address}); (err == nil) != may {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestLog_SaysTheCode(t *testing.T) {
	var out bytes.Buffer
	if err := (sms.Log{To: slog.New(slog.NewTextHandler(&out, nil))}).Send(t.Context(), "13800001234", "042719", "zh"); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "code=042719") || !strings.Contains(got, "phone=*******1234") {
		t.Errorf("logged %s", got)
	}
}
