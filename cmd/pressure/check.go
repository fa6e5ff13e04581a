package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// missing answers how many of the ids that were acknowledged are not there.
func (l *load) missing(ids []string) (int, error) {
	const readers = 4 // no more than the narrowest limits let in at once
	var next, absent atomic.Int64
	var all sync.WaitGroup
	problems := make(chan error, readers)
	for range readers {
		all.Go(func() {
			w, err := dial(l.address)
			if err != nil {
				problems <- err
				return
			}
			defer func() { _ = w.conn.Close() }()
			for i := next.Add(1) - 1; i < int64(len(ids)); i = next.Add(1) - 1 {
				r, err := w.admitted(getRequest(ids[i]))
				switch {
				case err != nil:
					problems <- fmt.Errorf("read %s: %w", ids[i], err)
					return
				case r.status == 404 || ids[i] == "":
					absent.Add(1)
				case r.status != 200:
					problems <- fmt.Errorf("read %s: %d %s", ids[i], r.status, r.body)
					return
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-problems:
		return 0, err
	default:
		return int(absent.Load()), nil
	}
}

// admitted makes a call, and comes again a second later as long as it is
// refused: after pressure a moment passes until everybody is let in.
func (w *wire) admitted(message []byte) (reply, error) {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		r, err := w.call(message)
		if err != nil || r.status != 429 || attempt == attempts {
			return r, err
		}
		<-time.After(time.Second)
	}
}
