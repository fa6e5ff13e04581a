package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	webhook "github.com/standard-webhooks/standard-webhooks/libraries/go"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/store"
)

// A message that was queued is sent after a kill, at most twice and then under
// the same id.
func TestDeliveries_SentAfterAKill(t *testing.T) {
	x := newTeller(t, func(d *Deps) { d.OwnNetwork = true })
	var mu sync.Mutex
	var got []string
	killed, kill := context.WithCancel(t.Context())
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Header.Get(webhook.HeaderWebhookID))
		kill() // it was taken, and the process dies before it can note that
	}))
	defer receiver.Close()
	x.hook("whk_1", receiver.URL)
	x.hear(x.posted("req_1"))
	if _, err := x.sendDue(killed); !errors.Is(err, context.Canceled) {
		t.Fatalf("killed: %v", err)
	}
	other, err := New(Deps{Store: x.store, IDs: x.ids, Log: x.log, OwnNetwork: true})
	must(t, err)
	for range 3 {
		_, err = other.sendDue(t.Context())
		must(t, err)
	}
	if len(got) != 2 || got[0] != got[1] || len(x.queued()) != 0 {
		t.Errorf("sent %v, %d left", got, len(x.queued()))
	}
}

// What was queued lies in the file: another process sends it, once.
func TestDeliveries_OutliveTheProcess(t *testing.T) {
	var mu sync.Mutex
	var got []string
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Header.Get(webhook.HeaderWebhookID))
	}))
	defer receiver.Close()
	file := filepath.Join(t.TempDir(), "registry.db")
	open := func() *teller {
		engine, err := boltkv.Open(file, boltkv.Options{})
		must(t, err)
		return openTeller(t, kvtest.Rerun(kv.New(engine, kv.Options{})), func(d *Deps) { d.OwnNetwork = true })
	}
	before := open()
	before.hook("whk_1", receiver.URL)
	before.hear(before.posted("req_1"))
	must(t, before.store.Close())
	after := open()
	for range 2 {
		_, err := after.sendDue(t.Context())
		must(t, err)
	}
	if len(got) != 1 || len(after.queued()) != 0 {
		t.Errorf("sent %v, %d left", got, len(after.queued()))
	}
	must(t, after.store.Close())
}

func (x *teller) hook(id, url string) {
	x.t.Helper()
	x.update(func(tx *store.Tx) error {
		_, err := x.webhooks.Insert(tx, &pb.WebhookRow{
			Webhook: &pb.Webhook{Id: id, Url: url}, Path: communityA,
			SealedSecret: x.store.Keyring().Seal([]byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "webhook", id),
		})
		return err
	})
}

func (x *teller) posted(id string) *typev1.EventRow {
	return x.event("linli.requests.request.posted", id, 1, &requestsv1.RequestChanged{
		Id: id, Revision: 1, CommunityPath: communityA, Author: "a", Day: "2013-12-31"})
}

// A webhook that takes nothing raises one message to its office, which goes to
// the office's other webhooks and not to itself.
func TestWebhook_GivenUpIsToldOnce(t *testing.T) {
	x := newTeller(t, func(d *Deps) { d.OwnNetwork = true })
	taken := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { taken <- r.Header.Get(webhook.HeaderWebhookID) }))
	defer receiver.Close()
	x.hook("whk_deaf", "http://127.0.0.1:1/")
	for i := range 3 {
		x.hear(x.posted(fmt.Sprintf("req_%d", i)))
	}
	for range mostTries {
		_, err := x.sendDue(t.Context())
		must(t, err)
		x.wall = x.wall.Add(2 * longestRetry)
	}
	if len(x.queued()) != 0 {
		t.Fatalf("%d deliveries are left", len(x.queued()))
	}
	var given []*typev1.EventRow
	must(t, x.store.View(t.Context(), func(r kv.Reader) error {
		given = eventsOf(t, r, "linli.registry.webhook.given_up")
		return nil
	}))
	if len(given) != 1 {
		t.Fatalf("announced %d times", len(given))
	}
	x.hook("whk_other", receiver.URL)
	x.hear(given[0], given[0])
	if got := x.to(toOffice(communityA)); strings.Count(got, "webhook.given_up") != 1 {
		t.Errorf("the office was told %q", got)
	}
	if q := x.queued(); len(q) != 1 || q[0].GetWebhookId() != "whk_other" {
		t.Errorf("goes out to %v", q)
	}
	_, err := x.sendDue(t.Context())
	must(t, err)
	if len(taken) != 1 {
		t.Errorf("the other webhook took %d", len(taken))
	}
}
