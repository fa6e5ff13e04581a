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
)

// Pager makes and reads page tokens. A token is the last key and a hash of the
// call, sealed: a key can hold what only the office may know, and a token of
// another list, filter or caller is refused.
type Pager struct{ keyring *seal.Keyring }

// NewPager makes a pager of a service's keyring.
func NewPager(k *seal.Keyring) *Pager { return &Pager{keyring: k} }

// PageCall is what makes a list call: a token fits only the same.
type PageCall struct {
	Method string
	Scope  scope.Scope
	// Filter is everything that selects or orders.
	Filter []string
	// Size is 1 to Max; 0 means 50.
	Size int32
	// Max is the largest page of this call; 0 means 200.
	Max   int32
	Token string
}

func (c PageCall) digest() []byte {
	h := sha256.New()
	write := func(s string) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(s)))
		_, _ = h.Write(n[:]) // a hash never fails
		_, _ = h.Write([]byte(s))
	}
	write(c.Method)
	write(c.Scope.Person)
	paths := slices.Clone(c.Scope.Paths)
	slices.Sort(paths)
	for _, p := range slices.Compact(paths) {
		write(string(p))
	}
	write("filter")
	for _, f := range c.Filter {
		write(f)
	}
	return h.Sum(nil)[:16]
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

func (p *Pager) token(c PageCall, last key.Key) string {
	if last == nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(p.keyring.Seal(append(c.digest(), last...), "page token"))
}

func (p *Pager) after(c PageCall) (key.Key, error) {
	if c.Token == "" {
		return nil, nil
	}
	bad := rule.New(rule.Invalid, "BAD_PAGE_TOKEN", "page_token")
	sealed, err := base64.RawURLEncoding.DecodeString(c.Token)
	if err != nil {
		return nil, bad
	}
	plain, err := p.keyring.Open(sealed, "page token")
	if err != nil || len(plain) < 16 || !bytes.Equal(plain[:16], c.digest()) {
		return nil, bad
	}
	return plain[16:], nil
}

// Page answers one page of a call and the token of the next, empty at the end.
// INVALID_FIELD for a page size, BAD_PAGE_TOKEN for a foreign token.
func Page[T proto.Message](p *Pager, t *Table[T], r kv.Reader, c PageCall, q Query) ([]Row[T], string, error) {
	limit, err := c.limit()
	if err != nil {
		return nil, "", err
	}
	if q.After, err = p.after(c); err != nil {
		return nil, "", err
	}
	q.Limit = limit
	page, err := t.List(r, c.Scope, q)
	if err != nil {
		return nil, "", err
	}
	return page.Rows, p.token(c, page.Last), nil
}
