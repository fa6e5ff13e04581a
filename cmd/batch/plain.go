package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// referenceYear is the year in plain Go over bbolt, without services, states or
// checks: lines of twelve bytes by member are read and summed, members ranked
// within their community, and a result of 64 bytes each is put, in one
// transaction. Making the file is not on the clock.
func (b *bench) referenceYear() (c cost, err error) {
	path := filepath.Join(b.data, "reference.db")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		return c, fmt.Errorf("open the reference: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close(), os.Remove(path)) }()
	if err := db.Update(b.putLines); err != nil {
		return c, fmt.Errorf("make the reference: %w", err)
	}
	c, err = timed(func() error {
		sums := make([][3]int32, b.members)
		err := db.View(func(tx *bolt.Tx) error {
			return tx.Bucket([]byte("lines")).ForEach(func(k, v []byte) error {
				sums[binary.BigEndian.Uint32(k)][v[0]] += int32(binary.BigEndian.Uint16(v[1:]))
				return nil
			})
		})
		if err != nil {
			return err
		}
		results := b.ranked(sums)
		return db.Update(func(tx *bolt.Tx) error { return putResults(tx, results) })
	})
	b.cost("plain Go: every line read from bbolt, results put", c)
	return c, err
}

func (b *bench) putLines(tx *bolt.Tx) error {
	lines, err := tx.CreateBucket([]byte("lines"))
	if err != nil {
		return err
	}
	lines.FillPercent = 0.9
	for m := range b.members {
		for n := range b.lines {
			h := mix(uint64(m*b.lines + n))
			k := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(m)), uint32(n))
			v := binary.BigEndian.AppendUint16([]byte{byte(h % 3)}, uint16(100+h>>8%2400))
			if err := lines.Put(k, append(v, make([]byte, 9)...)); err != nil {
				return err
			}
		}
	}
	return nil
}

// outcome of a member in the reference.
type outcome struct {
	sums        [3]int32
	total, rank int32
}

func (b *bench) ranked(sums [][3]int32) []outcome {
	out := make([]outcome, b.members)
	communities := make([][]int, b.communities())
	for m, s := range sums {
		for i := range s {
			s[i] = min(10000, s[i])
		}
		out[m] = outcome{sums: s, total: 40*s[0] + 35*s[1] + 25*s[2]}
		communities[b.community(m)] = append(communities[b.community(m)], m)
	}
	for _, members := range communities {
		slices.SortFunc(members, func(x, y int) int { return int(out[y].total - out[x].total) })
		for i, m := range members {
			out[m].rank = int32(i + 1)
		}
	}
	return out
}

func putResults(tx *bolt.Tx, results []outcome) error {
	bucket, err := tx.CreateBucket([]byte("results"))
	if err != nil {
		return err
	}
	bucket.FillPercent = 0.9
	for m, r := range results {
		v := make([]byte, 64)
		for i, n := range []int32{r.sums[0], r.sums[1], r.sums[2], r.total, r.rank} {
			binary.BigEndian.PutUint32(v[i*4:], uint32(n))
		}
		if err := bucket.Put(binary.BigEndian.AppendUint32(nil, uint32(m)), v); err != nil {
			return err
		}
	}
	return nil
}
