package events

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// criticalWrite begins what the server says when a stream could not be
	// written. It then refuses every write to that stream until it is opened
	// again, however much room the disk has by now.
	criticalWrite = "Critical write error"
	mendEvery     = time.Second
	// roomToMend is what must fit on the disk before the streams are opened
	// again.
	roomToMend = 1 << 20
)

// mender passes the server's complaints into the house's log, and opens its
// streams again after the disk failed to take a write and takes writes again.
type mender struct {
	server *server.Server
	dir    string
	log    *slog.Logger
	config *server.JetStreamConfig // of the streams while they are closed
	broken chan struct{}
	stop   chan struct{}
	ended  sync.WaitGroup
}

// newMender is made before the server starts, which then logs through it.
func newMender(s *server.Server, dir string, log *slog.Logger) *mender {
	m := &mender{server: s, dir: dir, log: log, broken: make(chan struct{}, 1), stop: make(chan struct{})}
	s.SetLogger(m, false, false)
	m.ended.Go(m.run)
	return m
}

func (m *mender) close() {
	close(m.stop)
	m.ended.Wait()
}

func (m *mender) run() {
	tick := time.NewTicker(mendEvery)
	defer tick.Stop()
	for waiting := false; ; {
		select {
		case <-m.stop:
			return
		case <-m.broken:
			waiting = true
		case <-tick.C:
			if !waiting || !m.hasRoom() {
				continue
			}
			if err := m.reopen(); err != nil {
				m.log.Error("open the streams again", "error", err)
				continue
			}
			waiting = false
		}
	}
}

// hasRoom writes as much as is needed, and removes it.
func (m *mender) hasRoom() bool {
	f, err := os.CreateTemp(m.dir, ".room-*")
	if err != nil {
		return false
	}
	_, err = f.Write(make([]byte, roomToMend))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name())) == nil
}

// reopen closes the server's store and opens it over what is on the disk. What
// was acknowledged is there; what was not is still in an outbox.
func (m *mender) reopen() error {
	if c := m.server.JetStreamConfig(); c != nil { // nil when it is closed already
		m.config = c
		m.config.StoreDir = m.dir // the server appends to it
	}
	if err := m.server.ShutdownJetStream(); err != nil {
		return fmt.Errorf("close the streams: %w", err)
	}
	if err := m.server.EnableJetStream(m.config); err != nil {
		return fmt.Errorf("open the streams: %w", err)
	}
	m.log.Warn("the broker's streams take writes again")
	return nil
}

// Errorf is part of the server's logger.
func (m *mender) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	m.log.Error("broker", "said", text)
	if !strings.Contains(text, criticalWrite) {
		return
	}
	select {
	case m.broken <- struct{}{}:
	default: // it is known
	}
}

// Fatalf is part of the server's logger.
func (m *mender) Fatalf(format string, v ...any) {
	m.log.Error("broker", "said", fmt.Sprintf(format, v...))
}

// Warnf is part of the server's logger.
func (m *mender) Warnf(format string, v ...any) {
	m.log.Warn("broker", "said", fmt.Sprintf(format, v...))
}

// Noticef is part of the server's logger; its notices tell nobody anything.
func (m *mender) Noticef(string, ...any) {}

// Debugf is part of the server's logger.
func (m *mender) Debugf(string, ...any) {}

// Tracef is part of the server's logger.
func (m *mender) Tracef(string, ...any) {}
