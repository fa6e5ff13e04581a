package boltkv_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linli-project/linli/pkg/kv"
)

// BenchmarkHotCounter is one key that everybody increases, durably: with the
// latch, and where all try again blindly. Beside the rate stands how often a
// closure ran in vain for each increment.
func BenchmarkHotCounter(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		for _, kind := range []struct {
			name    string
			options kv.Options
		}{
			{"latch", kv.Options{}},
			{"blind", kv.Options{Queue: -1, Tries: 1 << 10}},
		} {
			b.Run(fmt.Sprintf("writers=%d/%s", writers, kind.name), func(b *testing.B) {
				benchmarkCounter(b, writers, kind.options)
			})
		}
	}
}

func benchmarkCounter(b *testing.B, writers int, o kv.Options) {
	db := kv.New(open(b, filepath.Join(b.TempDir(), "kv.db")), o)
	defer func() { _ = db.Close() }()
	var next, runs atomic.Uint64
	var all sync.WaitGroup
	before := processorTime(b)
	b.ResetTimer()
	for range writers {
		all.Go(func() {
			for next.Add(1) <= uint64(b.N) {
				err := db.Update(context.Background(), func(tx kv.Tx) error {
					runs.Add(1)
					return increase(tx)
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
	b.ReportMetric(float64(runs.Load())/float64(b.N)-1, "retries/op")
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
	err := db.View(context.Background(), func(r kv.Reader) error {
		it, err := r.Get([]byte("counter"))
		if err == nil && binary.BigEndian.Uint64(it.Value) != uint64(b.N) {
			err = fmt.Errorf("the counter says %d of %d", binary.BigEndian.Uint64(it.Value), b.N)
		}
		return err
	})
	if err != nil {
		b.Error(err)
	}
}

// processorTime is what this process has used so far: unlike a rate it does not
// depend on the mood of the disk.
func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func increase(tx kv.Tx) error {
	it, err := tx.Get([]byte("counter"))
	if err != nil {
		return err
	}
	n := uint64(1)
	if it.Version != 0 {
		n += binary.BigEndian.Uint64(it.Value)
	}
	tx.Put([]byte("counter"), binary.BigEndian.AppendUint64(nil, n))
	return nil
}
