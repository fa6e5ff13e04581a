package events_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/linli-project/linli/pkg/events"
)

// TestRelay_FillsAStreamThatLostMessages: events were published and filed, and
// nobody had taken them yet, when the broker's files were damaged. Their
// effects are had all the same, once, and so are those of what comes later.
func TestRelay_FillsAStreamThatLostMessages(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"a torn file":   func(dir string) error { return os.Truncate(blockOf(t, dir), 100) },
		"an empty file": func(dir string) error { return os.Truncate(blockOf(t, dir), 0) },
		"neither its index": func(dir string) error {
			block := blockOf(t, dir)
			return errors.Join(os.Truncate(block, 0), os.Remove(filepath.Join(filepath.Dir(block), "index.db")))
		},
		"no folder":      os.RemoveAll,
		"nothing at all": func(string) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			things, _ := newStore(t, "things")
			sums, _ := newStore(t, "sums")
			dir := t.TempDir()
			b := startBroker(t, dir)
			c := consumers(t, sums, b, quiet(), adder("sums-a"))
			stop := deliver(t, c)
			emit(t, things, 1, 2)
			drain(t, []*events.Relay{events.NewRelay(things, b, quiet())}, c)
			stop()
			emit(t, things, 4, 8)
			if n, err := events.NewRelay(things, b, quiet()).Flush(t.Context()); n != 2 || err != nil {
				t.Fatalf("published %d, %v", n, err)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			b = startBroker(t, dir)
			c = consumers(t, sums, b, quiet(), adder("sums-a"))
			defer deliver(t, c)()
			relay := []*events.Relay{events.NewRelay(things, b, quiet())}
			drain(t, relay, c)
			if got := sumOf(t, sums); got != 15 {
				t.Errorf("the sum is %d", got)
			}
			emit(t, things, 16)
			drain(t, relay, c)
			if got := sumOf(t, sums); got != 31 {
				t.Errorf("after one more the sum is %d", got)
			}
		})
	}
}

// blockOf is the file of the stream of things.
func blockOf(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "LINLI_THINGS", "msgs", "*.blk"))
	if err != nil || len(found) != 1 {
		t.Fatalf("files of the stream: %v, %v", found, err)
	}
	return found[0]
}
