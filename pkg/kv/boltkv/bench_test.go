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

	"golang.org/x/sys/unix"

	"github.com/linli-project/linli/pkg/kv"
)

// BenchmarkRawSync is the reference: append 4 KiB and sync, one writer.
func BenchmarkRawSync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := bytes.Repeat([]byte("x"), 4096)
	for b.Loop() {
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCommit is a create as the services make it: three keys read, a row
// of 1 KiB, three index keys and an outbox row, durable when it returns.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			db := kv.New(open(b, filepath.Join(b.TempDir(), "kv.db")), kv.Options{})
			defer func() { _ = db.Close() }()
			row, event := bytes.Repeat([]byte("r"), 1024), bytes.Repeat([]byte("e"), 200)
			var next atomic.Uint64
			var all sync.WaitGroup
			for range writers {
				all.Add(1)
				go func() {
					defer all.Done()
					for {
						n := next.Add(1)
						if n > uint64(b.N) {
							return
						}
						if err := create(db, n, row, event); err != nil {
							b.Error(err)
							return
						}
					}
				}()
			}
			all.Wait()
		})
	}
}

func create(db kv.DB, n uint64, row, event []byte) error {
	key := func(table string) []byte {
		// Spread over the key space, as ids of many communities are.
		return binary.BigEndian.AppendUint64([]byte(table), n*0x9E3779B97F4A7C15)
	}
	return db.Update(context.Background(), func(tx kv.Tx) error {
		if err := tx.Prefetch(key("row"), key("unique"), []byte("parent")); err != nil {
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
