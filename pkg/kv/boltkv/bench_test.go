package boltkv_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linli-project/linli/pkg/kv"
)

// appender appends pages of 4 KiB to a file and syncs each: the measure of what
// the disk can do for one writer.
type appender struct {
	file *os.File
	page []byte
}

func newAppender(b *testing.B) appender {
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return appender{f, bytes.Repeat([]byte("x"), 4096)}
}

func (a appender) append(b *testing.B) {
	if _, err := a.file.Write(a.page); err != nil {
		b.Fatal(err)
	}
	if err := unix.Fdatasync(int(a.file.Fd())); err != nil {
		b.Fatal(err)
	}
}

// rate answers syncs a second, measured now: disks have moods.
func (a appender) rate(b *testing.B) float64 {
	const syncs = 300
	began := time.Now()
	for range syncs {
		a.append(b)
	}
	return syncs / time.Since(began).Seconds()
}

func BenchmarkRawFsync(b *testing.B) {
	a := newAppender(b)
	for b.Loop() {
		a.append(b)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// BenchmarkCommit is a create as the services make it: three keys read, a row
// of 1 KiB, three index keys and an outbox row, durable when it returns. Beside
// its rate stands how many of them fit into the time of one raw sync.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			raw := newAppender(b).rate(b)
			db := kv.New(open(b, filepath.Join(b.TempDir(), "kv.db")), kv.Options{})
			defer func() { _ = db.Close() }()
			row, event := bytes.Repeat([]byte("r"), 1024), bytes.Repeat([]byte("e"), 200)
			var next atomic.Uint64
			var all sync.WaitGroup
			b.ResetTimer()
			for range writers {
				all.Go(func() {
					for n := next.Add(1); n <= uint64(b.N); n = next.Add(1) {
						if err := create(db, n, row, event); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			rate := float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "ops/s")
			b.ReportMetric(rate/raw, "ops/fsync")
		})
	}
}

func create(db kv.DB, n uint64, row, event []byte) error {
	key := func(table string) []byte {
		// Spread over the key space, as ids of many communities are.
		return binary.BigEndian.AppendUint64([]byte(table), n*0x9E3779B97F4A7C15)
	}
	return db.Update(context.Background(), func(tx kv.Tx) error {
		read, err := tx.GetMany([][]byte{key("row"), key("unique"), []byte("parent")})
		if err != nil || read[0].Version != 0 {
			return err
		}
		tx.Create(key("row"), row)
		for _, index := range []string{"by community", "by state", "unique"} {
			tx.Put(key(index), nil)
		}
		tx.Create(key("outbox"), event)
		return nil
	})
}
