package admit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/linli-project/linli/pkg/clock"
)

// Class is a kind of call that has a gate of its own, so that no kind keeps
// another out.
type Class string

// The classes. What says nothing about anybody and costs nothing (health, the
// pages) is in none.
const (
	Read   Class = "read"
	Write  Class = "write"
	Bulk   Class = "bulk"   // imports, exports, files
	Stream Class = "stream" // pages that are told of changes
	Inner  Class = "inner"  // one service asks another, on behalf of a call that was let in
)

// Limits of what a process takes on at once. They are the same for the gateway
// and for the door.
type Limits struct {
	// Reads, Writes and Bulk are calls under way, Streams open streams.
	Reads, Writes, Bulk, Streams int
	// Queue is how many calls of each kind may wait, Wait for how long.
	Queue int
	Wait  time.Duration
	// Delay is the longest that more than Queue calls may wait before anybody looks
	// at them, for longer than a moment.
	Delay time.Duration
	// Bytes of bodies and answers that are held in memory.
	Bytes int64
	// Connections that may be open; the longest idle one makes room.
	Connections int
}

// Defaults are for two cores and grow with them. A read keeps a core busy, so a
// few at once are enough and more would only be in each other's way; a write
// waits for the disk together with the others of its group, so many at once cost
// less each. 256 callers who wait for each answer are never refused for their
// number.
func Defaults(cores int) Limits {
	cores = max(cores, 1)
	return Limits{
		Reads: 4 * cores, Writes: 32 * cores, Bulk: 2 * cores, Streams: 4000,
		Queue: 256, Wait: 500 * time.Millisecond, Delay: 100 * time.Millisecond, Bytes: 64 << 20, Connections: 12_000,
	}
}

// Parse reads "reads=64,writes=256,wait=500ms" over the given limits; what is
// not named stays.
func (l Limits) Parse(text string) (Limits, error) {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if err := l.set(name, value); err != nil {
			return l, fmt.Errorf("limit %q: %w", part, err)
		}
	}
	return l, nil
}

func (l *Limits) set(name, value string) (err error) {
	number := func(into *int) {
		if *into, err = strconv.Atoi(value); err == nil && *into < 1 {
			err = errors.New("at least 1")
		}
	}
	switch name {
	case "reads":
		number(&l.Reads)
	case "writes":
		number(&l.Writes)
	case "bulk":
		number(&l.Bulk)
	case "streams":
		number(&l.Streams)
	case "queue":
		number(&l.Queue)
	case "connections":
		number(&l.Connections)
	case "megabytes":
		var n int
		number(&n)
		l.Bytes = int64(n) << 20
	case "wait":
		l.Wait, err = longer(value)
	case "delay":
		l.Delay, err = longer(value)
	default:
		err = errors.New("reads, writes, bulk, streams, queue, wait, delay, megabytes or connections")
	}
	return err
}

// longer reads a time longer than nothing.
func longer(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = errors.New("longer than nothing")
	}
	return d, err
}

// bulkPatience is how much longer bulk work waits for its turn than a call.
const bulkPatience = 20

// Gates are a gate for each class.
type Gates map[Class]*Gate

// NewGates makes them.
func NewGates(l Limits, wall clock.Clock) Gates {
	gate := func(under, queue int, wait time.Duration) *Gate {
		return NewGate(Size{Under: under, Queue: queue, Wait: wait}, wall)
	}
	return Gates{
		Read: gate(l.Reads, l.Queue, l.Wait), Write: gate(l.Writes, l.Queue, l.Wait), Inner: gate(l.Reads, l.Queue, l.Wait),
		// Sixteen offices send their rosters in the same minute, and each takes
		// seconds: they wait longer than a clerk does. A page that stays open is
		// not waited for.
		Bulk: gate(l.Bulk, l.Queue, bulkPatience*l.Wait), Stream: gate(l.Streams, 0, l.Wait),
	}
}

// Behind has the gates refuse calls by what a process's knock finds, too. Calls of
// one service to another are not: they belong to a call that was let in.
func (g Gates) Behind(k *Knock) Gates {
	for class, gate := range g {
		if class != Inner {
			gate.knock = k
		}
	}
	return g
}
