package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// roles of linli in six processes, in the order in which they start.
func roles() []string { return append(append([]string{"broker"}, serviceNames()...), "gateway") }

// six starts linli's parts, each over a folder of its own below one.
type six struct {
	binary  string
	address map[string]string // of a role's gRPC, or of the broker
	http    map[string]string
}

// newSix finds free addresses for all: a part comes back where it was.
func newSix(binary string) (*six, error) {
	s := &six{binary: binary, address: map[string]string{}, http: map[string]string{}}
	var held []net.Listener
	for _, role := range roles() {
		for _, to := range []map[string]string{s.address, s.http} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			to[role], held = l.Addr().String(), append(held, l)
		}
	}
	for _, l := range held {
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// part is the launcher of one role; its folder is named last.
func (s *six) part(role string) launcher {
	args := []string{s.binary, "serve", role, "--dev", "--log", "warn", "--http", s.http[role], "--broker", "nats://" + s.address["broker"]}
	if role != "broker" {
		args = append(args, "--grpc", s.address[role])
	}
	switch role {
	case "gateway":
		for _, service := range serviceNames() {
			args = append(args, "--"+service, s.address[service])
		}
	case "registry":
		for _, service := range serviceNames()[1:] {
			args = append(args, "--"+service, s.address[service])
		}
	case "requests", "projects", "evaluation":
		args = append(args, "--registry", s.address["registry"])
	}
	return launcher{command: append(args, "--data")}
}

// parts are the processes of a world of six.
type parts struct {
	six     *six
	running map[string]*process
}

// upPart starts one role over its folder.
func (w *world) upPart(role string) error {
	p, err := w.parts.six.part(role).start(filepath.Join(w.folder, role))
	if err != nil {
		return fmt.Errorf("start %s: %w", role, err)
	}
	w.parts.running[role] = p
	w.measured.starts = append(w.measured.starts, p.took)
	if role == "gateway" {
		w.process = p
		w.place.set("http://" + w.parts.six.http[role])
	}
	return nil
}

// upAll starts what is not up.
func (w *world) upAll() error {
	for _, role := range roles() {
		if w.parts.running[role] == nil {
			if err := w.upPart(role); err != nil {
				return err
			}
		}
	}
	return nil
}

// killPart is kill -9 of one role.
func (w *world) killPart(role string) {
	if p := w.parts.running[role]; p != nil {
		p.kill()
		w.parts.running[role] = nil
	}
	if role == "gateway" {
		w.place.clear()
	}
}

// folders are those that hold rows: one, or one a service.
func (w *world) folders(in string) []string {
	if w.parts == nil {
		return []string{in}
	}
	var out []string
	for _, service := range serviceNames() {
		out = append(out, filepath.Join(in, service))
	}
	return out
}

// sixFaults are what the loop over six processes picks from: each of them is
// killed, and the broker in the middle of publishing.
func sixFaults() []fault {
	var out []fault
	for _, role := range roles() {
		out = append(out, fault{name: "kill -9 of " + role, control: "forgotten commits",
			strike: func(ctx context.Context, w *world) ([]string, error) { return nil, w.killAndStart(ctx, role) }})
	}
	return append(out, fault{name: "kill -9 of the broker in the middle of publishing", control: "effects had twice", strike: brokerKilledPublishing})
}

// killAndStart kills a role under load and starts it again a moment later.
func (w *world) killAndStart(ctx context.Context, role string) error {
	if err := w.work(ctx, 1+w.random.IntN(40)); err != nil {
		return err
	}
	if err := rest(ctx, time.Duration(w.random.IntN(20))*time.Millisecond); err != nil {
		return err
	}
	w.killPart(role)
	return w.upPart(role)
}

// brokerKilledPublishing kills the broker in the moment of an acknowledgement,
// and lets the load go on without it: writes do not wait for events.
func brokerKilledPublishing(ctx context.Context, w *world) ([]string, error) {
	if err := w.work(ctx, 1+w.random.IntN(40)); err != nil {
		return nil, err
	}
	w.killPart("broker")
	if err := w.work(ctx, 5); err != nil {
		return []string{fmt.Sprintf("broker: without it writes are not answered: %v", err)}, errors.Join(w.upPart("broker"))
	}
	w.measured.inTheMiddle++ // what was acknowledged without it waits in the outbox
	return nil, w.upPart("broker")
}

// logs are the last words of every part, for a failure.
func (w *world) complaints() string {
	if w.parts == nil {
		return strings.Join(w.process.complaints(), " | ")
	}
	var out []string
	for role, p := range w.parts.running {
		if p != nil {
			out = append(out, role+": "+strings.Join(p.complaints(), " | "))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}
