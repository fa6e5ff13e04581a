package e2e_test

import (
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

// openStore opens the file of a service in a folder that no server uses.
func openStore(t *testing.T, folder, service string) *store.Store {
	t.Helper()
	master, _, err := seal.LoadOrCreateMaster(filepath.Join(folder, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := boltkv.Open(filepath.Join(folder, service+".db"), boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Config{
		Service: service, DB: kv.New(engine, kv.Options{}), Master: master,
		Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// parkSome parks the first event that the registry announced: with a consumer
// that takes it, with one that is gone, and broken with one that refuses it.
func parkSome(t *testing.T, folder string) (good, broken string) {
	t.Helper()
	var first typev1.EventRow
	registry := openStore(t, folder, "registry")
	err := registry.View(t.Context(), func(r kv.Reader) error {
		var problem error
		err := store.EachEvent(r, func(row []byte) {
			if problem == nil && first.GetId() == "" {
				problem = proto.Unmarshal(row, &first)
			}
		})
		if err != nil {
			return err
		}
		return problem
	})
	if err != nil || first.GetId() == "" {
		t.Fatalf("the registry has announced nothing: %v", err)
	}
	if err := registry.Close(); err != nil {
		t.Fatal(err)
	}
	torn := proto.CloneOf(&first)
	torn.Id, torn.Data = "evt-broken", []byte{0xff}
	evaluation := openStore(t, folder, "evaluation")
	for consumer, e := range map[string]*typev1.EventRow{"evaluation-organizations": &first, "evaluation-of-old": &first} {
		park(t, evaluation, consumer, e)
	}
	park(t, evaluation, "evaluation-organizations", torn)
	if err := evaluation.Close(); err != nil {
		t.Fatal(err)
	}
	return first.GetId(), torn.GetId()
}

func park(t *testing.T, s *store.Store, consumer string, e *typev1.EventRow) {
	t.Helper()
	err := s.Park(t.Context(), &typev1.ParkedRow{Event: e, Consumer: consumer, Tries: 10, Error: "WRONG_STATE", ParkedAt: timestamppb.New(time.Unix(2e9, 0))})
	if err != nil {
		t.Fatal(err)
	}
}

// events runs `linli events` against a server and answers what it printed.
func (s *server) events(t *testing.T, admin string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"events", "--grpc", s.grpc}, args...)...)
	cmd.Env = append(cmd.Environ(), "LINLI_TOKEN="+admin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestEvents_ParkedRetryDrop lives through what an operator does: the metric
// says that something is parked, one event is applied, one fails again, one
// belongs to nobody any more, and both are dropped.
func TestEvents_ParkedRetryDrop(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "var")
	first := serve(t, folder)
	admin := first.admin(t)
	if code, body := first.do(t, "POST", "/v1/organizations:import", admin, "text/csv", organizations); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	first.interrupt(t)
	good, broken := parkSome(t, folder)

	s := serve(t, folder)
	must := func(want string, args ...string) {
		t.Helper()
		if out, err := s.events(t, admin, args...); err != nil || !strings.Contains(out, want) {
			t.Errorf("events %q: %v: %s; want %q", args, err, out, want)
		}
	}
	mustFail := func(want string, args ...string) {
		t.Helper()
		if out, err := s.events(t, admin, args...); err == nil || !strings.Contains(out, want) {
			t.Errorf("events %q: %v: %s; want a failure with %q", args, err, out, want)
		}
	}
	metric := `linli_events_parked{consumer="evaluation-organizations",service="evaluation"} `
	if _, body := s.do(t, "GET", "/metrics", "", "", ""); !strings.Contains(body, metric+"2") {
		t.Errorf("right after a start the metric is not there")
	}
	must("evaluation-of-old (gone)", "parked")
	must("nothing is parked in registry\n", "parked", "--service", "registry")
	must("evaluation-of-old", "parked", "--consumer", "evaluation-of-old")
	mustFail("nobody who was asked has it, but registry, requests, projects, evaluation", "parked", "--service", "nosuch")
	mustFail("no service that was asked has it; there are ", "parked", "--consumer", "evaluation-leger")
	mustFail("no service that was asked has it", "parked", "--service", "registry", "--consumer", "evaluation-ledger")
	mustFail("unknown command", "nosuch")
	mustFail("1 of 2 not applied", "retry", good)
	mustFail("still parked: ", "retry", broken)
	mustFail("is not parked", "retry", "evt-unknown")
	mustFail("--reason", "drop", good)
	mustFail("not blank", "drop", good, "--reason", "  ")
	must("dropped", "drop", good, broken, "--reason", "tried and understood")
	must("nothing is parked in registry, requests, projects, evaluation\n", "parked")
	rest := strings.TrimPrefix(s.base, "http://")
	mustFail("host:port without http://", "parked", "--grpc", s.base)
	mustFail("is not gRPC", "parked", "--grpc", rest)
	if _, body := s.do(t, "GET", "/metrics", "", "", ""); !strings.Contains(body, metric+"0") {
		t.Errorf("in the end the metric is not 0")
	}
	officer := s.as(t, "somebody", "district_officer=/1/11/")
	if out, err := s.events(t, officer, "parked"); err == nil || strings.Count(out, "\n") != 1 {
		t.Errorf("an officer: %v: %s", err, out)
	}
	s.interrupt(t)
	if out, err := exec.Command(binary, "fsck", "--data", folder).CombinedOutput(); err != nil {
		t.Errorf("fsck: %v: %s", err, out)
	}
	fails(t, "no token", "LINLI_TOKEN", "events", "parked")
	t.Setenv("LINLI_TOKEN", admin)
	fails(t, "no server", "127.0.0.1:1", "events", "parked", "--grpc", "127.0.0.1:1")
}
