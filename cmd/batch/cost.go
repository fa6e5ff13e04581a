package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/linli-project/linli/pkg/clock"
)

// cost is what a piece of work took: time on the wall, CPU of all threads, and
// the anonymous memory of the process at its highest, in bytes.
type cost struct {
	wall, cpu time.Duration
	peak      int64
}

// sampleEvery is how often the memory is looked at.
const sampleEvery = 20 * time.Millisecond

// timed answers what fn took.
func timed(fn func() error) (cost, error) {
	runtime.GC()
	var peak int64
	stop := make(chan struct{})
	var sampler sync.WaitGroup
	sampler.Go(func() {
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			peak = max(peak, anonymous())
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	})
	wall := clock.Wall()
	start, before := wall.Now(), cpuTime(syscall.RUSAGE_SELF)
	err := fn()
	c := cost{wall: wall.Now().Sub(start), cpu: cpuTime(syscall.RUSAGE_SELF) - before}
	close(stop)
	sampler.Wait()
	c.peak = peak
	return c, err
}

// cpuTime answers the CPU used so far by the process or its children.
func cpuTime(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// anonymous answers the anonymous memory that is resident, in bytes; 0 where
// the system does not tell.
func anonymous() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(text, []byte("RssAnon:"))
	line, _, _ := bytes.Cut(after, []byte("kB"))
	n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

func (c cost) String() string {
	return fmt.Sprintf("%.3f s, %.3f s CPU, %d MB", c.wall.Seconds(), c.cpu.Seconds(), c.peak>>20)
}
