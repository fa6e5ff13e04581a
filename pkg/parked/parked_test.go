package parked_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/parked"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

// house is two services with parked events behind the real door.
type house struct {
	client pb.EventsServiceClient
	stores map[string]*store.Store
	parts  []parked.Part
	log    *bytes.Buffer
	// refuses is what the consumer answers, nil when it applies.
	refuses func() error
}

const secret = "13900000000"

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{stores: map[string]*store.Store{}, log: &bytes.Buffer{}}
	for _, name := range []string{"sums", "other"} {
		s, err := store.Open(t.Context(), store.Config{
			Service: name, DB: kvtest.Rerun(kv.New(memkv.New(), kv.Options{})), Master: seal.MasterKey{1},
			Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		h.stores[name] = s
		h.parts = append(h.parts, parked.Part{Store: s, Consumers: []events.Consumer{h.adder(name + "-sum")}})
	}
	log := slog.New(slog.NewTextHandler(h.log, nil))
	service, err := parked.New(h.parts, log)
	if err != nil {
		t.Fatal(err)
	}
	door, err := rpc.NewServer(rpc.Config{
		Services: []rpc.Service{service}, Authenticator: accesstest.Authenticator(), Wall: clock.Wall(), IDs: ids.New,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- door.Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		door.GracefulStop(ctx)
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	h.client = pb.NewEventsServiceClient(conn)
	return h
}

func sumKey() []byte { return key.New(store.FirstServiceTable).String("sum") }

// adder counts what it is told, after it has written something that a refusal
// must take back.
func (h *house) adder(name string) events.Consumer {
	return events.Consumer{Name: name, Kind: events.Fact, Apply: func(tx *store.Tx, e *typev1.EventRow) error {
		it, err := tx.Get(sumKey())
		if err != nil {
			return err
		}
		tx.Put(sumKey(), append(it.Value, '+'))
		if h.refuses != nil {
			return h.refuses()
		}
		return nil
	}}
}

func (h *house) sum(t *testing.T, service string) (n int) {
	t.Helper()
	err := h.stores[service].View(t.Context(), func(r kv.Reader) error {
		it, err := r.Get(sumKey())
		n = len(it.Value)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func event(id string) *typev1.EventRow {
	data, _ := proto.Marshal(wrapperspb.String(secret)) // a string always encodes
	return &typev1.EventRow{Id: id, Type: "linli.things.thing.counted.v1", Subject: "linli.things.thing.counted",
		EntityId: "thing-" + id, Revision: 3, Time: timestamppb.New(time.Unix(1e9, 0)), Data: data}
}

func (h *house) park(t *testing.T, service, consumer string, names ...string) {
	t.Helper()
	for _, id := range names {
		err := h.stores[service].Park(t.Context(), &typev1.ParkedRow{
			Event: event(id), Consumer: consumer, Tries: 10, Error: "WRONG_STATE", ParkedAt: timestamppb.New(time.Unix(2e9, 0)),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func as(t *testing.T, role typev1.Role, more ...string) context.Context {
	token := accesstest.Token("root", access.Grant{Role: role, Path: "/"})
	return metadata.NewOutgoingContext(t.Context(), metadata.Pairs(append([]string{
		rpc.HeaderAuthorization, "Bearer " + token, rpc.HeaderLanguage, "en"}, more...)...))
}

func admin(t *testing.T, more ...string) context.Context {
	return as(t, typev1.Role_ROLE_SYSTEM_ADMIN, more...)
}

// list reads all pages and answers "service consumer event" of each.
func (h *house) list(t *testing.T, size int32, service string) (out []string) {
	t.Helper()
	for token := ""; ; {
		page, err := h.client.ListParked(admin(t), &pb.ListParkedRequest{PageSize: size, PageToken: token, Service: service})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.GetParked()) > int(max(size, 50)) {
			t.Errorf("a page of %d", len(page.GetParked()))
		}
		for _, p := range page.GetParked() {
			out = append(out, fmt.Sprintf("%s %s %s", p.GetService(), p.GetConsumer(), p.GetEventId()))
			if strings.Contains(p.String(), secret) {
				t.Errorf("the list tells what the event says: %s", p)
			}
		}
		if token = page.GetNextPageToken(); token == "" {
			return out
		}
	}
}

func (h *house) audit(t *testing.T, service string) []*typev1.AuditRow {
	t.Helper()
	var rows []*typev1.AuditRow
	err := h.stores[service].View(t.Context(), func(r kv.Reader) (err error) {
		rows, err = store.AuditRows(r, 100)
		return errors.Join(err, h.stores[service].OpenReasons(r, rows))
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func expect(t *testing.T, what string, err error, code codes.Code, reason string) {
	t.Helper()
	if status.Code(err) != code || rpc.Reason(err) != reason {
		t.Errorf("%s: %v (%s), want %s %s", what, err, rpc.Reason(err), code, reason)
	}
}

func TestListParked_PagesOverServices(t *testing.T) {
	h := newHouse(t)
	h.park(t, "sums", "sums-sum", "a", "b", "c")
	h.park(t, "sums", "sums-gone", "a")
	h.park(t, "other", "other-sum", "a", "d")
	want := []string{"sums sums-gone a", "sums sums-sum a", "sums sums-sum b", "sums sums-sum c", "other other-sum a", "other other-sum d"}
	for _, size := range []int32{0, 1, 2, 3, 4, 6, 200} {
		if got := h.list(t, size, ""); !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %q", size, got)
		}
	}
	if got := h.list(t, 1, "other"); !slices.Equal(got, want[4:]) {
		t.Errorf("of one service: %q", got)
	}
	page, err := h.client.ListParked(admin(t), &pb.ListParkedRequest{PageSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	if s := page.GetServices(); len(s) != 2 || s[0].GetService() != "sums" || !slices.Equal(s[1].GetConsumers(), []string{"other-sum"}) {
		t.Errorf("who was asked: %v", s)
	}
	if p := page.GetParked(); !p[0].GetConsumerGone() || p[1].GetConsumerGone() {
		t.Errorf("which consumer is gone: %v", p)
	}
	if p := page.GetParked()[1]; p.GetEntityId() != "thing-a" || p.GetTries() != 10 || p.GetError() != "WRONG_STATE" ||
		p.GetParkedAt().GetSeconds() != 2e9 || p.GetRevision() != 3 || p.GetEventType() != "linli.things.thing.counted.v1" {
		t.Errorf("parked: %v", p)
	}
	_, err = h.client.ListParked(admin(t), &pb.ListParkedRequest{Service: "sums", PageToken: page.GetNextPageToken()})
	expect(t, "a token of another list", err, codes.InvalidArgument, "BAD_PAGE_TOKEN")
}

func TestEvents_AreTheSystemAdministrators(t *testing.T) {
	h := newHouse(t)
	h.park(t, "sums", "sums-sum", "a")
	for _, role := range []typev1.Role{typev1.Role_ROLE_CITY_OFFICER, typev1.Role_ROLE_MEMBER} {
		_, err := h.client.ListParked(as(t, role), &pb.ListParkedRequest{})
		expect(t, "list", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
		_, err = h.client.RetryParked(as(t, role), &pb.RetryParkedRequest{Service: "sums", Consumer: "sums-sum", EventId: "a"})
		expect(t, "retry", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
		_, err = h.client.DropParked(as(t, role), &pb.DropParkedRequest{Service: "sums", Consumer: "sums-sum", EventId: "a", Reason: "why"})
		expect(t, "drop", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	}
}

func TestRetryParked_AppliesThroughTheConsumer(t *testing.T) {
	h := newHouse(t)
	h.park(t, "sums", "sums-sum", "a")
	req := &pb.RetryParkedRequest{Service: "sums", Consumer: "sums-sum", EventId: "a"}
	for range 2 { // a lost answer is asked for again
		reply, err := h.client.RetryParked(admin(t, rpc.HeaderIdempotencyKey, "k1"), req)
		if err != nil || !reply.GetApplied() {
			t.Fatalf("%v, %v", reply, err)
		}
	}
	if n := h.sum(t, "sums"); n != 1 {
		t.Errorf("it had its effect %d times", n)
	}
	if left := h.list(t, 0, ""); len(left) != 0 {
		t.Errorf("still parked: %q", left)
	}
	_, err := h.client.RetryParked(admin(t), req)
	expect(t, "once more", err, codes.NotFound, "NOT_FOUND")
	// The mark of the consumer is there: parked again by a late delivery, it has
	// no second effect.
	h.park(t, "sums", "sums-sum", "a")
	if reply, err := h.client.RetryParked(admin(t), req); err != nil || !reply.GetApplied() || h.sum(t, "sums") != 1 {
		t.Errorf("applied before: %v, %v, %d effects", reply, err, h.sum(t, "sums"))
	}
	lines := h.audit(t, "sums")
	if len(lines) != 2 || lines[0].GetPerson() != "root" || lines[0].GetMethod() != pb.EventsService_RetryParked_FullMethodName ||
		lines[0].GetOutcome() != "done" || !slices.Equal(lines[0].GetRows(), []string{"sums-sum", "a", "thing-a"}) {
		t.Errorf("audit: %v", lines)
	}
}

// TestRetryParked_FailsAgain: it stays parked with its new error, and what the
// consumer had begun is gone.
func TestRetryParked_FailsAgain(t *testing.T) {
	h := newHouse(t)
	req := &pb.RetryParkedRequest{Service: "sums", Consumer: "sums-sum", EventId: "a"}
	for name, c := range map[string]struct {
		refuses func() error
		says    string
	}{
		"by a rule":       {func() error { return rule.New(rule.Precondition, "POLL_OPEN", "") }, "POLL_OPEN"},
		"by an error":     {func() error { return errors.New("no such row") }, "no such row"},
		"in a panic":      {func() error { panic(secret) }, "panic while applying linli.things.thing.counted.v1"},
		"by what is full": {func() error { return fmt.Errorf("a row: %w", kv.ErrTooLarge) }, "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			h.refuses = c.refuses
			h.park(t, "sums", "sums-sum", "a")
			before := len(h.audit(t, "sums"))
			reply, err := h.client.RetryParked(admin(t), req)
			if p := reply.GetParked(); err != nil || reply.GetApplied() || p.GetTries() != 11 || !strings.Contains(p.GetError(), c.says) {
				t.Errorf("%v, %v", reply, err)
			}
			if n := h.sum(t, "sums"); n != 0 {
				t.Errorf("it left %d effects", n)
			}
			if left := h.list(t, 0, ""); len(left) != 1 {
				t.Errorf("parked: %q", left)
			}
			lines := h.audit(t, "sums")[before:]
			if len(lines) != 1 || lines[0].GetOutcome() != "failed" {
				t.Errorf("audit: %v", lines)
			}
		})
	}
	if strings.Contains(h.log.String(), secret) || !strings.Contains(h.log.String(), "parked event not applied") {
		t.Errorf("the log tells too much or too little:\n%s", h.log)
	}
	h.refuses = nil
	if reply, err := h.client.RetryParked(admin(t), req); err != nil || !reply.GetApplied() || h.sum(t, "sums") != 1 {
		t.Errorf("after it was mended: %v, %v", reply, err)
	}
}

// TestRetryParked_StoreInTheWay: what says nothing about the event is not
// written down as its error.
func TestRetryParked_StoreInTheWay(t *testing.T) {
	h := newHouse(t)
	h.park(t, "sums", "sums-sum", "a")
	h.refuses = func() error { return fmt.Errorf("read: %w", kv.ErrUnavailable) }
	_, err := h.client.RetryParked(admin(t), &pb.RetryParkedRequest{Service: "sums", Consumer: "sums-sum", EventId: "a"})
	expect(t, "a store that is out of reach", err, codes.Unavailable, "UNAVAILABLE")
	page, err := h.client.ListParked(admin(t), &pb.ListParkedRequest{})
	if err != nil || page.GetParked()[0].GetTries() != 10 {
		t.Errorf("%v, %v", page, err)
	}
}

func TestRetryParked_ConsumerGone(t *testing.T) {
	h := newHouse(t)
	h.park(t, "sums", "sums-gone", "a")
	_, err := h.client.RetryParked(admin(t), &pb.RetryParkedRequest{Service: "sums", Consumer: "sums-gone", EventId: "a"})
	expect(t, "a consumer that is gone", err, codes.FailedPrecondition, "CONSUMER_GONE")
	for _, req := range []*pb.RetryParkedRequest{
		{Service: "sums", Consumer: "sums-gone", EventId: "b"}, {Service: "nowhere", Consumer: "sums-sum", EventId: "a"},
		{Service: "other", Consumer: "sums-gone", EventId: "a"},
	} {
		_, err := h.client.RetryParked(admin(t), req)
		expect(t, req.String(), err, codes.NotFound, "NOT_FOUND")
	}
	_, err = h.client.DropParked(admin(t), &pb.DropParkedRequest{Service: "sums", Consumer: "sums-gone", EventId: "a", Reason: "nobody wants it"})
	if err != nil || len(h.list(t, 0, "")) != 0 {
		t.Errorf("drop: %v", err)
	}
}

func TestDropParked_SaysWhyAndIsFinal(t *testing.T) {
	h := newHouse(t)
	h.park(t, "sums", "sums-sum", "a")
	req := &pb.DropParkedRequest{Service: "sums", Consumer: "sums-sum", EventId: "a"}
	for _, reason := range []string{"", " \t　", "\u200b"} {
		req.Reason = reason
		_, err := h.client.DropParked(admin(t), req)
		expect(t, fmt.Sprintf("a reason of %q", reason), err, codes.InvalidArgument, "INVALID_FIELD")
	}
	req.Reason = "the district merged the two units"
	if _, err := h.client.DropParked(admin(t), req); err != nil {
		t.Fatal(err)
	}
	_, err := h.client.DropParked(admin(t), req)
	expect(t, "once more", err, codes.NotFound, "NOT_FOUND")
	if lines := h.audit(t, "sums"); len(lines) != 1 || lines[0].GetReason() != req.GetReason() || lines[0].GetPerson() != "root" {
		t.Errorf("audit: %v", lines)
	}
	// Delivered once more, by a stream that was rebuilt, it has no effect.
	err = h.stores["sums"].Update(t.Context(), func(tx *store.Tx) error {
		return h.parts[0].Consumers[0].Effect(tx, event("a"), slog.New(slog.DiscardHandler))
	})
	if err != nil || h.sum(t, "sums") != 0 {
		t.Errorf("a dropped event had %d effects: %v", h.sum(t, "sums"), err)
	}
}
