package demo

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// tick is the unit in which Linux counts a process's time.
const tick = 10 * time.Millisecond

// memoryEvery is how often the memory of the processes is looked at.
const memoryEvery = 25 * time.Millisecond

// memory follows the resident memory of processes that is no file's: what the
// storage has mapped is page cache and goes when others need it.
type memory struct {
	pids []int
	mu   sync.Mutex
	most []int64
	end  chan struct{}
	over sync.WaitGroup
}

func watchMemory(pids ...int) *memory {
	m := &memory{pids: pids, most: make([]int64, len(pids)), end: make(chan struct{})}
	m.look()
	m.over.Go(func() {
		t := time.NewTicker(memoryEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				m.look()
			case <-m.end:
				return
			}
		}
	})
	return m
}

func (m *memory) look() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, pid := range m.pids {
		m.most[i] = max(m.most[i], anonymous(pid))
	}
}

// peaks are the largest so far, in bytes.
func (m *memory) peaks() []int64 {
	m.look()
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]int64(nil), m.most...)
}

func (m *memory) stop() {
	close(m.end)
	m.over.Wait()
}

// processor is the time that a process has spent on processors, as Linux tells
// it; 0 elsewhere.
func processor(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, which can hold anything, ends with the last parenthesis; user and
	// system time are the 12th and 13th after it.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0
	}
	return time.Duration(user+system) * tick
}

// anonymous is a process's RssAnon in bytes, as Linux tells it; 0 elsewhere.
func anonymous(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, ok := strings.Cut(string(text), "RssAnon:")
	if !ok {
		return 0
	}
	kilobytes, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes << 10
}
