package house_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/linli-project/linli/cmd/house"
)

// TestStart_WarnsOfAServiceThatBeginsAnew: its file is gone, and the broker
// knows it. The first start of all is no reason to warn.
func TestStart_WarnsOfAServiceThatBeginsAnew(t *testing.T) {
	s := newShape(t, house.Roles()...)
	log := &bytes.Buffer{}
	config := s.config[house.Requests]
	config.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s.config[house.Requests] = config
	for _, role := range house.Roles() { // the broker first: it is asked
		s.start(role)
	}
	s.importOrganizations()
	s.drain()
	s.stop(house.Requests)
	const warning = "was its file lost?"
	if strings.Contains(log.String(), warning) {
		t.Errorf("at the first start: %s", log)
	}
	s.start(house.Requests)
	s.stop(house.Requests)
	if strings.Contains(log.String(), warning) {
		t.Errorf("with its file: %s", log)
	}
	if err := os.Remove(filepath.Join(config.Data, "requests.db")); err != nil {
		t.Fatal(err)
	}
	s.start(house.Requests)
	s.stop(house.Requests)
	if !strings.Contains(log.String(), warning) || !strings.Contains(log.String(), "service=requests") {
		t.Errorf("without its file: %s", log)
	}
}
