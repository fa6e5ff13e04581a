package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// cores answers one for this program and one for linli; ok is false where it
// may not use two.
func cores() (own, linli int, ok bool) {
	var may unix.CPUSet
	if unix.SchedGetaffinity(0, &may) != nil {
		return 0, 0, false
	}
	own, linli = -1, -1
	for core := range len(may) * strconv.IntSize {
		switch {
		case !may.IsSet(core):
		case own < 0:
			own = core
		case linli < 0:
			linli = core
		}
	}
	return own, linli, linli >= 0
}

// keepApart moves this program to a core of its own, if it is to be, and sets
// where linli is then.
func (o *options) keepApart() error {
	if !o.apart {
		return nil
	}
	own, linli, ok := cores()
	if !ok {
		return errors.New("there are no two cores to keep apart: -apart=false")
	}
	o.place = []string{"taskset", "-c", strconv.Itoa(linli)}
	runtime.GOMAXPROCS(1)
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("find the threads: %w", err)
	}
	var only unix.CPUSet
	only.Set(own)
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err == nil {
			err = unix.SchedSetaffinity(id, &only)
		}
		if err != nil {
			return fmt.Errorf("move to core %d: %w", own, err)
		}
	}
	return nil
}
