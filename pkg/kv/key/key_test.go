package key_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/kv/key"
)

type parts struct {
	s string
	n uint64
	t time.Time
}

func draw(t *rapid.T) parts {
	return parts{
		s: rapid.SampledFrom([]string{"", "a", "a\x00", "a\x00b", "ab", "/1/", "/1/2/", "\xff"}).Draw(t, "s"),
		n: rapid.SampledFrom([]uint64{0, 1, 255, 256, 1 << 63}).Draw(t, "n"),
		t: time.Unix(rapid.Int64Range(-1e9, 4e9).Draw(t, "t"), 0).UTC(),
	}
}

func (p parts) key() key.Key { return key.New(7).String(p.s).Uint(p.n).Time(p.t) }

func (p parts) compare(q parts) int {
	if c := bytes.Compare([]byte(p.s), []byte(q.s)); c != 0 {
		return c
	}
	if p.n != q.n {
		if p.n < q.n {
			return -1
		}
		return 1
	}
	return p.t.Compare(q.t)
}

func TestKey_SortsAsItsParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := draw(t), draw(t)
		if got, want := bytes.Compare(p.key(), q.key()), p.compare(q); got != want {
			t.Fatalf("%+v and %+v: keys %d, parts %d", p, q, got, want)
		}
		down := bytes.Compare(key.New(7).TimeDesc(p.t), key.New(7).TimeDesc(q.t))
		if down != -p.t.Compare(q.t) {
			t.Fatalf("%s and %s, latest first: %d", p.t, q.t, down)
		}
	})
}

func TestKey_ReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := draw(t)
		table, rest, err := key.Table(p.key())
		if err != nil || table != 7 {
			t.Fatal(table, err)
		}
		s, rest, err := key.TakeString(rest)
		if err != nil || s != p.s {
			t.Fatalf("%q, %v", s, err)
		}
		n, rest, err := key.TakeUint(rest)
		if err != nil || n != p.n {
			t.Fatal(n, err)
		}
		at, rest, err := key.TakeTime(rest)
		if err != nil || !at.Equal(p.t) || len(rest) != 0 {
			t.Fatal(at, err, rest)
		}
	})
}

func TestEnd_IsBehindEveryKeyWithThePrefix(t *testing.T) {
	for _, prefix := range []key.Key{key.New(1), key.New(1).Prefix("/1/"), {0xFF}, {0x01, 0xFF, 0xFF}} {
		end := prefix.End()
		inside := append(slices.Clone(prefix), 0xFF, 0xFF, 0xFF)
		if end != nil && bytes.Compare(inside, end) >= 0 {
			t.Errorf("%x: %x is not before %x", prefix, inside, end)
		}
	}
	if key.New(1).Prefix("/1/").End() == nil || (key.Key{0xFF, 0xFF}).End() != nil {
		t.Error("an end where there is none, or none where there is one")
	}
}

func FuzzTakeString(f *testing.F) {
	f.Add([]byte(key.Key(nil).String("a\x00b")))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, rest, err := key.TakeString(b)
		if err == nil && !bytes.Equal(append(key.Key(nil).String(s), rest...), b) {
			t.Fatal("read what String does not write")
		}
	})
}
