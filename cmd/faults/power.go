package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/linli-project/linli/pkg/events"
)

// powerCut takes the power away under load: linli is stopped in its tracks,
// what the disk has by then is all that is left, and linli is started over
// that. What stopped linli had answered was received by the load, so all of it
// must be there.
func powerCut(ctx context.Context, w *world) (problems []string, err error) {
	if err := w.be(w.linli); err != nil {
		return nil, err
	}
	if err := w.work(ctx, 20+w.random.IntN(60)); err != nil {
		return nil, err
	}
	if err := w.process.halt(ctx); err != nil {
		return nil, err
	}
	if err := w.disk.freeze(w.kill); err != nil {
		return nil, fmt.Errorf("cut the power: %w", err)
	}
	problems, err = w.lostByBroker(ctx)
	if err != nil {
		// What cannot be opened after the power came back is lost.
		problems = append(problems, saysPower+err.Error())
	}
	err = w.up(w.running)
	var refused *refusal
	if errors.As(err, &refused) {
		return append(problems, saysPower+err.Error()), nil
	}
	return problems, err
}

// halt stops the process where it is, as a system does that has no power.
func (p *process) halt(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("halt linli: %w", err)
	}
	return poll(ctx, func() (bool, error) {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
		for _, thread := range threads {
			stat, err := os.ReadFile(thread)
			if err != nil {
				return false, err
			}
			_, state, _ := strings.Cut(string(stat), ") ")
			if !strings.HasPrefix(state, "T") {
				return false, nil
			}
		}
		return len(threads) > 0, err
	})
}

// lostByBroker says which events the power cut took from a stream that had
// acknowledged them. What a stream lost to its tear before is known: it is being
// sent again, and part of it is filed as published until that is done.
func (w *world) lostByBroker(ctx context.Context) (problems []string, err error) {
	streams, err := compareStreams(ctx, w.folder)
	if err != nil {
		return nil, err
	}
	for _, s := range streams {
		lost := 0
		for id := range s.absent {
			if !w.torn[id] {
				lost++
			}
		}
		if lost > 0 {
			problems = append(problems, fmt.Sprintf(saysLost+"the stream of %s has %d messages and not %d of %d that it acknowledged",
				s.service, s.messages, lost, s.sent))
		}
	}
	return problems, nil
}

// compared is a stream beside its service's file.
type compared struct {
	service        string
	messages, sent int
	absent         map[string]bool // filed as published, and not in the stream
}

// compareStreams looks into a folder that no linli is using. It starts a broker
// over it, which mends what a start mends.
func compareStreams(ctx context.Context, folder string) (out []compared, err error) {
	found, err := inspect(ctx, folder)
	if err != nil {
		return nil, err
	}
	b, err := events.StartBroker(events.BrokerConfig{Dir: filepath.Join(folder, "nats"), Services: serviceNames(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("open the broker's files: %w", err)
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	for _, service := range serviceNames() {
		there, err := messageIDs(ctx, b.JetStream(), "LINLI_"+strings.ToUpper(service))
		if err != nil {
			return nil, err
		}
		c := compared{service: service, messages: len(there), sent: len(found.sent[service]), absent: map[string]bool{}}
		for _, e := range found.sent[service] {
			if !there[e.GetId()] {
				c.absent[e.GetId()] = true
			}
		}
		out = append(out, c)
	}
	return out, nil
}

func serviceNames() []string { return []string{"registry", "requests", "projects", "evaluation"} }

// messageIDs answers the ids of all messages of a stream.
func messageIDs(ctx context.Context, js jetstream.JetStream, name string) (map[string]bool, error) {
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	state := stream.CachedInfo().State
	ids := map[string]bool{}
	for at := state.FirstSeq; at > 0 && at <= state.LastSeq; at++ {
		m, err := stream.GetMsg(ctx, at)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		ids[m.Header.Get(nats.MsgIdHdr)] = true
	}
	return ids, nil
}
