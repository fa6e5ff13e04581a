package gateway_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/linli-project/linli/gateway"
	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/rpc"
)

func FuzzBody(f *testing.F) {
	fx := &fixture{registry: &registry{}, ready: true}
	door, err := rpc.NewServer(rpc.Config{
		Services: []rpc.Service{fx.registry}, Authenticator: access.DevAuthenticator(), Wall: clock.Wall(), IDs: ids.New,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		f.Fatal(err)
	}
	h, err := gateway.New(gateway.Config{Conn: door.Conn(), Ready: func() bool { return true }, Wall: clock.Wall(), Log: slog.New(slog.DiscardHandler), Metrics: http.NotFoundHandler()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"memberId":"m"}`))
	f.Add([]byte(`{"memberId":7,"x":[{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		req := httptest.NewRequest("POST", "/v1/reportIns", bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token())
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != 200 && w.Code != 400 && w.Code != 413 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
