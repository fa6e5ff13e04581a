package gateway

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"google.golang.org/grpc"

	watchv1 "github.com/linli-project/linli/proto/gen/linli/watch/v1"

	"github.com/linli-project/linli/pkg/clock"
)

// changes: GET /v1/changes, server-sent events. Each has the event "changed"
// with {type, entityId, revision, time}, or "missed" when the page had better
// read again what it shows. A comment every quarter of a minute keeps proxies
// from closing a quiet stream.
type changes struct {
	conn grpc.ClientConnInterface
	log  *slog.Logger
	wall clock.Clock
}

const (
	heartbeat = 15 * time.Second
	// writePatience is how long one write may take before a reader that has
	// stopped reading is let go.
	writePatience = 10 * time.Second
	// togetherAtMost is how many changes wait to be written together.
	togetherAtMost = 64
)

const missed = "event: missed\ndata: {}\n\n"

func (c *changes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	stream, err := watchv1.NewWatchServiceClient(c.conn).WatchChanges(outgoing(r), &watchv1.WatchChangesRequest{})
	if err == nil {
		_, err = stream.Recv() // that the stream is open, or why it is not
	}
	if err != nil {
		writeProblem(w, r, problemOf(err))
		return
	}
	received := make(chan *watchv1.WatchChangesResponse, togetherAtMost)
	failed := make(chan error, 1)
	go func() {
		for {
			m, err := stream.Recv()
			if err != nil {
				failed <- err
				return
			}
			select {
			case received <- m:
			case <-r.Context().Done():
				failed <- r.Context().Err()
				return
			}
		}
	}()
	out := sse{w: w, wall: c.wall, control: http.NewResponseController(w)}
	defer func() { _ = out.control.SetWriteDeadline(time.Time{}) }() // the next request on the connection has none
	if out.open(r.Header.Get("Last-Event-ID") != "") != nil {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case m := <-received:
			err = out.send(m)
			for err == nil && len(received) > 0 { // what came at once goes out at once
				err = out.send(<-received)
			}
		case <-beat.C:
			err = out.write(": still here\n\n")
		case err = <-failed:
			if !out.sent && r.Context().Err() == nil {
				c.log.Debug("changes ended", "error", err)
			}
		}
		if err == nil {
			err = out.control.Flush()
		}
		if err != nil {
			return // the reader is gone, or reconnects by itself
		}
	}
}

// sse writes server-sent events.
type sse struct {
	w       http.ResponseWriter
	control *http.ResponseController
	wall    clock.Clock
	sent    bool
}

// open begins the stream. A browser that lost one, or was let go because it did
// not read, comes again by itself with the id of what it had last: it is told
// first that it missed something.
func (s *sse) open(again bool) error {
	s.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	s.w.Header().Set("X-Accel-Buffering", "no")
	beginning := "retry: 2000\nid: opened\n\n"
	if again {
		beginning += missed
	}
	if err := s.write(beginning); err != nil {
		return err
	}
	return s.control.Flush()
}

func (s *sse) send(m *watchv1.WatchChangesResponse) error {
	s.sent = true
	if m.GetMissed() {
		return s.write(missed)
	}
	data, err := json.Marshal(map[string]any{
		"type": m.GetType(), "entityId": m.GetEntityId(), "revision": m.GetRevision(), "time": m.GetTime().AsTime().Format(time.RFC3339),
	})
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("event: changed\ndata: %s\n\n", data))
}

func (s *sse) write(text string) error {
	if err := s.control.SetWriteDeadline(s.wall.Now().Add(writePatience)); err != nil {
		return err
	}
	_, err := s.w.Write([]byte(text))
	return err
}
