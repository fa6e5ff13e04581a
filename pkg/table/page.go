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
	Scope  scope.Scope
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
	write(c.Method, c.Scope.Person, q.Index, string(q.Prefix), strconv.FormatBool(q.Reverse))
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

// Page answers one page of a call and the token of the next, empty at the end.
// The After of the query is where the first page begins.
// INVALID_FIELD for a page size, BAD_PAGE_TOKEN for a foreign token.
func Page[T proto.Message](p *Pager, t *Table[T], r kv.Reader, c PageCall, q Query) ([]Row[T], string, error) {
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
	q.Limit = limit
	page, err := t.List(r, c.Scope, q)
	if err != nil {
		return nil, "", err
	}
	return page.Rows, p.token(c, q, page.Last), nil
}
