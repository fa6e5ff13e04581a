package blobs_test

import (
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/blobs"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/seal"
)

func keyring(t *testing.T) *seal.Keyring {
	t.Helper()
	k, _, err := seal.New(seal.MasterKey{1})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestPass_OpensForItsPersonAndTimeOnly(t *testing.T) {
	k := keyring(t)
	p, now := blobs.NewPasses(k), time.Unix(1_800_000_000, 0)
	pass := p.Give("res_1", now, "pic_1", "whole")
	changed := func(change func(*blobs.Pass)) blobs.Pass { c := pass; change(&c); return c }
	for name, c := range map[string]struct {
		opens bool
		pass  blobs.Pass
		who   string
		after time.Duration
		what  []string
	}{
		"its person":               {true, pass, "res_1", 0, nil},
		"a browser without token":  {true, pass, "", 0, nil},
		"shortly before the end":   {true, pass, "res_1", blobs.AddressLasts - time.Second, nil},
		"at the end":               {false, pass, "res_1", blobs.AddressLasts, nil},
		"somebody else":            {false, pass, "res_2", 0, nil},
		"another picture":          {false, pass, "res_1", 0, []string{"pic_2", "whole"}},
		"another size":             {false, pass, "res_1", 0, []string{"pic_1", "small"}},
		"parts drawn together":     {false, pass, "res_1", 0, []string{"pic_1whole"}},
		"a later end":              {false, changed(func(p *blobs.Pass) { p.Expires += 60 }), "res_1", 0, nil},
		"another reader":           {false, changed(func(q *blobs.Pass) { q.Reader = p.Give("res_2", now, "x").Reader }), "res_2", 0, nil},
		"another signature":        {false, changed(func(p *blobs.Pass) { p.Signature = strings.Repeat("0", 64) }), "res_1", 0, nil},
		"a signature cut short":    {false, changed(func(p *blobs.Pass) { p.Signature = p.Signature[:32] }), "res_1", 0, nil},
		"no signature":             {false, changed(func(p *blobs.Pass) { p.Signature = "" }), "res_1", 0, nil},
		"a signature of no number": {false, changed(func(p *blobs.Pass) { p.Signature = "zz" }), "res_1", 0, nil},
	} {
		what := c.what
		if what == nil {
			what = []string{"pic_1", "whole"}
		}
		if opens := p.Opens(c.pass, c.who, now.Add(c.after), what...); opens != c.opens {
			t.Errorf("%s: opens %v", name, opens)
		}
	}
	if blobs.NewPasses(keyring(t)).Opens(pass, "res_1", now, "pic_1", "whole") {
		t.Error("another service's pass opens")
	}
	path := pass.Path("pic_1", "whole")
	if u, err := url.Parse(path); err != nil || u.Path != "/v1/blobs/pic_1" || u.Query().Get("size") != "whole" || strings.Contains(path, "res_1") {
		t.Errorf("%s, %v", path, err)
	}
}

// part is a message of an upload.
type part struct {
	header bool
	chunk  []byte
}

func (p part) GetChunk() []byte { return p.chunk }

func TestReceive_WholeOrNotAtAll(t *testing.T) {
	feed := func(end error, parts ...part) func() (part, error) {
		return func() (part, error) {
			if len(parts) == 0 {
				return part{}, end
			}
			next := parts[0]
			parts = parts[1:]
			return next, nil
		}
	}
	isHeader := func(p part) bool { return p.header }
	broken := errors.New("broken")
	file, err := blobs.Receive(t.Context(), feed(io.EOF, part{chunk: []byte("ab")}, part{}, part{chunk: []byte("c")}), isHeader, 3)
	if err != nil || string(file) != "abc" {
		t.Errorf("%q, %v", file, err)
	}
	if _, err := blobs.Receive(t.Context(), feed(broken, part{chunk: []byte("ab")}), isHeader, 3); !errors.Is(err, broken) {
		t.Errorf("broken off: %v", err)
	}
	for name, r := range map[string]func() (part, error){
		"FILE_TOO_LARGE": feed(io.EOF, part{chunk: []byte("ab")}, part{chunk: []byte("cd")}), "INVALID_FIELD": feed(io.EOF, part{header: true}),
	} {
		var refused *rule.Error
		if _, err := blobs.Receive(t.Context(), r, isHeader, 3); !errors.As(err, &refused) || refused.Reason != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, r := range []func() (part, error){feed(io.EOF), feed(io.EOF, part{chunk: []byte("a")})} {
		var refused *rule.Error
		if _, err := blobs.First(r, isHeader); !errors.As(err, &refused) || refused.Field != "header" {
			t.Errorf("no header: %v", err)
		}
	}
	var sent []byte
	if err := blobs.Chunks(make([]byte, 700_000), func(b []byte) error { sent = append(sent, b...); return nil }); err != nil || len(sent) != 700_000 {
		t.Errorf("%d bytes, %v", len(sent), err)
	}
}
