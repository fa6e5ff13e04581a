package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/linli-project/linli/cmd/house"
)

const (
	// A heap that may grow to five times its live size before a collection,
	// under a limit that a small machine can bear: measured to halve the cost
	// of a list.
	gcPercent   = 400
	memoryLimit = 1 << 30
	// One of six processes shares the machine with the others.
	partMemoryLimit = 512 << 20
	// A process that asked for less than workBytes in restAfter is at rest: a
	// service whose jobs look around asks for ten megabytes, one that answers a
	// hundred calls a second for many times as much.
	restAfter = 20 * time.Second
	workBytes = 64 << 20
	// restBytes are worth giving back.
	restBytes = 8 << 20
	// At rest memory is given back every restTicks times, since what was in use
	// when it was last can have been let go: the broker's caches are.
	restTicks = 6
)

// tuneMemory sets what measured best, unless the environment says otherwise.
func tuneMemory(role house.Role) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		limit := int64(memoryLimit)
		if role != house.Whole {
			limit = partMemoryLimit
		}
		debug.SetMemoryLimit(limit)
	}
}

// giveBack gives memory back to the system while the process is at rest, until
// the context ends. The runtime keeps as much as the next load may need, which
// with gcPercent is five times what is in use, and lets what little is asked for
// at rest fill it again.
func giveBack(ctx context.Context) {
	tick := time.NewTicker(restAfter)
	defer tick.Stop()
	r := rest{last: allocated(), kept: restBytes} // a start asks for much
	for {
		select {
		case <-tick.C:
			if r.gives(allocated()) {
				debug.FreeOSMemory()
			}
		case <-ctx.Done():
			return
		}
	}
}

// rest tells when it is worth while to give memory back.
type rest struct {
	last uint64
	// kept is what was asked for since memory was given back, ticks how often it
	// was looked at rest since then.
	kept  uint64
	ticks int
}

// gives takes how many bytes were ever asked for, once per restAfter: true when
// the process is at rest and has asked for restBytes since memory was given back,
// or that was long ago.
func (r *rest) gives(total uint64) bool {
	grown := total - r.last
	r.last = total
	r.kept += grown
	if grown >= workBytes {
		return false
	}
	if r.ticks++; r.kept < restBytes && r.ticks < restTicks {
		return false
	}
	r.kept, r.ticks = 0, 0
	return true
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
