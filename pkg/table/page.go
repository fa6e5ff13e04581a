package table

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
)

const (
	defaultPage = 50
	largestPage = 200
	digestBytes = 16
)

// Pager makes and reads page tokens. A token is the last key and a hash of the
// call and its range, sealed: a key can hold what only the office may know, and
// a token of another list, filter, order or caller is refused.
type Pager struct{ box *seal.Box }

// NewPager makes a pager of a service's keyring.
func NewPager(k *seal.Keyring) *Pager { return &Pager{box: k.Box("page token")} }

// PageCall is what makes a list call: a token fits only the same.
type PageCall struct {
	Method string
	// Person who calls: the scope of an office is the same for all who hold it.
	Person string
	Scope  scope.Scope
	// Mixed says that rows outside the scope lie in the range: then a last page is
	// known by looking ahead, and its token does not tell of them.
	Mixed bool
	// Filter is what selects beyond the range of the query, which is part of
	// the token in any case.
	Filter []string
	// Size is 1 to Max; 0 means 50.
	Size int32
	// Max is the largest page of this call; 0 means 200.
	Max   int32
	Token string
}

// digest is the same for every page of a list and for no other list. Each part
// stands with its length, and so do the paths and filters as wholes.
func (c PageCall) digest(q Query) []byte {
	h := sha256.New()
	count := func(n int) { _, _ = h.Write(binary.BigEndian.AppendUint32(nil, uint32(n))) } // a hash never fails
	write := func(parts ...string) {
		count(len(parts))
		for _, s := range parts {
			count(len(s))
			_, _ = h.Write([]byte(s))
		}
	}
	write(c.Method, c.Person, c.Scope.Person, q.Index, string(q.Prefix), strconv.FormatBool(q.Reverse))
	var paths []string
	for _, p := range c.Scope.Paths {
		paths = append(paths, string(p))
	}
	slices.Sort(paths)
	write(slices.Compact(paths)...)
	write(c.Filter...)
	return h.Sum(nil)[:digestBytes]
}

// limit answers the page's size, or INVALID_FIELD.
func (c PageCall) limit() (int, error) {
	largest := c.Max
	if largest == 0 {
		largest = largestPage
	}
	switch {
	case c.Size < 0 || c.Size > largest:
		return 0, rule.New(rule.Invalid, "INVALID_FIELD", "page_size",
			"field", "page_size", "rule", "1–"+strconv.Itoa(int(largest)))
	case c.Size == 0:
		return min(defaultPage, int(largest)), nil
	}
	return int(c.Size), nil
}

func (p *Pager) token(c PageCall, q Query, last key.Key) string {
	if last == nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(p.box.Seal(append(c.digest(q), last...)))
}

func (p *Pager) after(c PageCall, q Query) (key.Key, error) {
	if c.Token == "" {
		return nil, nil
	}
	bad := rule.New(rule.Invalid, "BAD_PAGE_TOKEN", "page_token")
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(c.Token)
	if err != nil {
		return nil, bad
	}
	plain, err := p.box.Open(sealed)
	if err != nil || len(plain) < digestBytes || !bytes.Equal(plain[:digestBytes], c.digest(q)) {
		return nil, bad
	}
	return plain[digestBytes:], nil
}

// mostRead bounds how many rows a page looks at to fill itself: beyond it the
// page is short, and its token goes on.
const mostRead = 5000

// Page answers one page of a call and the token of the next, empty at the end.
// The After of the query is where the first page begins. A page is as full as
// there are rows in the scope: neither its length nor its token tells of others.
// INVALID_FIELD for a page size, BAD_PAGE_TOKEN for a foreign token.
func Page[T proto.Message](p *Pager, t *Table[T], r kv.Reader, c PageCall, q Query) ([]Row[T], string, error) {
	return PageOf(p, t, r, c, q, nil)
}

// PageOf is Page of those rows that keep leaves in; keep is asked about some rows
// at a time, and keeps their order. Nil keeps all.
func PageOf[T proto.Message](p *Pager, t *Table[T], r kv.Reader, c PageCall, q Query, keep func([]Row[T]) ([]Row[T], error)) ([]Row[T], string, error) {
	limit, err := c.limit()
	if err != nil {
		return nil, "", err
	}
	after, err := p.after(c, q)
	if err != nil {
		return nil, "", err
	}
	if after != nil {
		q.After = after
	}
	rows, q, more, err := fill(t, r, c, q, limit, keep)
	if err != nil || !more {
		return rows, "", err
	}
	return rows, p.token(c, q, q.After), nil
}

// Keep is the keep of PageOf that looks at one row at a time.
func Keep[T proto.Message](wanted func(T) bool) func([]Row[T]) ([]Row[T], error) {
	return func(rows []Row[T]) ([]Row[T], error) {
		return slices.DeleteFunc(rows, func(r Row[T]) bool { return !wanted(r.Value) }), nil
	}
}

// fill reads on until so many rows are kept or the range ends, and says whether
// more would be kept. The query it answers goes on behind the last row read.
func fill[T proto.Message](t *Table[T], r kv.Reader, c PageCall, q Query, limit int, keep func([]Row[T]) ([]Row[T], error)) (rows []Row[T], next Query, more bool, err error) {
	sure := keep == nil && !c.Mixed // that what follows is the caller's too
	for read := 0; len(rows) < limit; read += q.Limit {
		if read >= mostRead {
			return rows, q, true, nil
		}
		q.Limit = limit - len(rows)
		kept, last, err := some(t, r, c.Scope, q, keep)
		if err != nil {
			return nil, q, false, err
		}
		if sure = sure && len(kept) == q.Limit; rows == nil {
			rows = kept
		} else {
			rows = append(rows, kept...)
		}
		if last == nil {
			return rows, q, false, nil
		}
		q.After = last
	}
	if sure {
		return rows, q, true, nil
	}
	more, err = ahead(t, r, c.Scope, q, keep)
	return rows, q, more, err
}

// ahead says whether a row behind the query's After would be kept; yes, where it
// gave up looking.
func ahead[T proto.Message](t *Table[T], r kv.Reader, s scope.Scope, q Query, keep func([]Row[T]) ([]Row[T], error)) (bool, error) {
	q.Limit = 1
	for read := 0; read < mostRead; read += q.Limit {
		kept, last, err := some(t, r, s, q, keep)
		if err != nil || len(kept) > 0 || last == nil {
			return len(kept) > 0, err
		}
		q.After, q.Limit = last, defaultPage
	}
	return true, nil
}

// some answers those of the next rows that are kept, and where to go on.
func some[T proto.Message](t *Table[T], r kv.Reader, s scope.Scope, q Query, keep func([]Row[T]) ([]Row[T], error)) ([]Row[T], key.Key, error) {
	page, err := t.List(r, s, q)
	if err != nil || keep == nil {
		return page.Rows, page.Last, err
	}
	kept, err := keep(page.Rows)
	return kept, page.Last, err
}
