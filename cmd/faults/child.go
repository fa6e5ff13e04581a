package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
)

// Cheats of a tampered house, for the controls: each must be caught.
const (
	cheatNoSync  = "LINLI_FAULTS_NO_SYNC" // the services' files are not synced
	cheatUnsafe  = "LINLI_FAULTS_UNSAFE"  // the broker's are not, its own default
	cheatForget  = "LINLI_FAULTS_FORGET"  // every n-th commit of requests is acknowledged and not made
	cheatTwice   = "LINLI_FAULTS_TWICE"   // every n-th event is applied twice by what counts requests
	cheatSwallow = "LINLI_FAULTS_SWALLOW" // every n-th event is marked and not applied by the ledger
)

// markedHours are those of a request that the panicking consumer trips over.
const markedHours = 32

// tampering is a house with ways in: what it is ordered to do.
type tampering struct {
	offset                                  atomic.Int64 // of the wall clock, in nanoseconds
	panics                                  atomic.Int64 // how many times more the ledger's consumer panics; below 0 = always
	out                                     io.Writer
	forget, twice, swallow, commits, events atomic.Int64
}

// runChild is a linli in this process: it serves until it is interrupted, and
// does what stands on its input.
func runChild(ctx context.Context, folder string, in io.Reader, out io.Writer) error {
	t := &tampering{out: out}
	for name, to := range map[string]*atomic.Int64{cheatForget: &t.forget, cheatTwice: &t.twice, cheatSwallow: &t.swallow} {
		n, _ := strconv.ParseInt(os.Getenv(name), 10, 64) // not set is never
		to.Store(n)
	}
	h, err := house.Start(ctx, house.Config{
		Data: folder, HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", Dev: true,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Faults: house.Faults{
			Wall:   clock.Func(func() time.Time { return wall().Now().Add(time.Duration(t.offset.Load())) }),
			Engine: t.engine, Reactions: t.reactions,
			NoSync: os.Getenv(cheatNoSync) != "", NoSyncBroker: os.Getenv(cheatUnsafe) != "",
		},
	})
	if err != nil {
		return err
	}
	if code := h.FirstCode(); code != "" {
		fmt.Fprintln(out, "open /first#"+code)
	}
	fmt.Fprintf(out, "gRPC %s\nREST http://%s/v1\nCtrl-C stops it.\n", h.GRPCAddr(), h.HTTPAddr())
	go t.obey(in)
	select {
	case <-ctx.Done():
	case err = <-h.Failed():
	}
	closing, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if closed := h.Close(closing); err == nil {
		err = closed
	}
	return err
}

// obey reads orders: "clock 3h" sets the wall clock off, "panics 4" has the
// ledger's consumer panic so many times at a marked event.
func (t *tampering) obey(in io.Reader) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		what, value, _ := strings.Cut(lines.Text(), " ")
		switch what {
		case "clock":
			if d, err := time.ParseDuration(value); err == nil {
				t.offset.Store(int64(d))
			}
		case "panics":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				t.panics.Store(n)
			}
		}
		fmt.Fprintln(t.out, "done", lines.Text())
	}
}

func (t *tampering) reactions(_ string, all []events.Consumer) []events.Consumer {
	for i, c := range all {
		apply := c.Apply
		switch c.Name {
		case "evaluation-ledger":
			all[i].Apply = func(tx *store.Tx, e *typev1.EventRow) error {
				t.panicAt(e)
				if every(&t.events, t.swallow.Load()) {
					return nil
				}
				return apply(tx, e)
			}
		case "requests-figures":
			all[i].Apply = func(tx *store.Tx, e *typev1.EventRow) error {
				err := apply(tx, e)
				if err == nil && every(&t.events, t.twice.Load()) {
					err = apply(tx, e)
				}
				return err
			}
		}
	}
	return all
}

func every(counter *atomic.Int64, n int64) bool { return n > 0 && counter.Add(1)%n == 0 }

func (t *tampering) panicAt(e *typev1.EventRow) {
	var ev requestsv1.RequestChanged
	if t.panics.Load() == 0 || events.Decode(e, &ev) != nil || ev.GetQuarterHours() != markedHours {
		return
	}
	if t.panics.Load() > 0 {
		t.panics.Add(-1)
	}
	fmt.Fprintln(t.out, "panic", e.GetId())
	panic("a marked event")
}

func (t *tampering) engine(service string, e kv.Engine) kv.Engine {
	if service != "requests" || t.forget.Load() == 0 {
		return e
	}
	return forgetful{Engine: e, t: t}
}

// forgetful acknowledges commits that it did not make.
type forgetful struct {
	kv.Engine
	t *tampering
}

// Commit makes most of them.
func (f forgetful) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	if len(r.Writes) > 0 && every(&f.t.commits, f.t.forget.Load()) {
		return kv.NewVersion(), nil
	}
	return f.Engine.Commit(ctx, r)
}
