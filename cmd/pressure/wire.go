package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
)

const (
	place = "/1/11/111/C1/"
	tree  = "编码,名称,类别,上级编码,亮身份\n1,市,city,,是\n11,区,district,1,是\n111,街道,street,11,是\nC1,社区,community,111,是\n"
)

func token() string {
	return access.DevToken("pressure",
		access.Grant{Role: typev1.Role_ROLE_SYSTEM_ADMIN, Path: "/"}, access.Grant{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: place})
}

// request encodes a call once; it is sent as it is.
func request(method, path, contentType, body string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: linli\r\nAuthorization: Bearer %s\r\n", method, path, token())
	if body != "" {
		fmt.Fprintf(&b, "Content-Type: %s\r\nContent-Length: %d\r\n", contentType, len(body))
	}
	b.WriteString("\r\n" + body)
	return b.Bytes()
}

func getRequest(id string) []byte { return request("GET", "/v1/requests/"+id, "", "") }

// listRequest is a page of the newest requests, all of each.
func listRequest() []byte {
	return request("GET", "/v1/organizations/C1/requests?pageSize=50", "", "")
}

// createRequest is a post of the size that is compared elsewhere: 500 characters.
func createRequest() []byte {
	text := string([]rune(strings.Repeat("路灯不亮石板松动请社区来人看看谢谢大家", 30))[:500])
	return request("POST", "/v1/requests", "application/json",
		`{"communityId":"C1","kind":"REQUEST_KIND_PROBLEM","category":"设施维修","visibility":"VISIBILITY_PUBLIC","building":"15栋","text":"`+text+`"}`)
}

// wire is one connection that makes one call after the other.
type wire struct {
	conn net.Conn
	got  []byte
}

// reply is what is kept of an answer.
type reply struct {
	status     int
	retryAfter bool
	closes     bool
	body       []byte // valid until the next call
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.status, r.body) }

func dial(address string) (*wire, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &wire{conn: c}, nil
}

// sockaddr is a dialled address of IPv4 for the kernel.
func sockaddr(address string) (unix.Sockaddr, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !a.Addr().Is4() {
		return nil, errors.Join(fmt.Errorf("%q is no address of IPv4", address), err)
	}
	return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, nil
}

func (w *wire) call(message []byte) (reply, error) {
	if _, err := w.conn.Write(message); err != nil {
		return reply{}, err
	}
	const step = 4 << 10
	for w.got = w.got[:0]; ; {
		w.got = slices.Grow(w.got, step)
		n, err := w.conn.Read(w.got[len(w.got):cap(w.got)])
		if err != nil {
			return reply{}, err
		}
		w.got = w.got[:len(w.got)+n]
		if r, whole, err := parse(w.got); whole || err != nil {
			return r, err
		}
	}
}

// parse reads no more of an answer than is needed. It is not whole when more is
// to come.
func parse(text []byte) (r reply, whole bool, err error) {
	end := bytes.Index(text, []byte("\r\n\r\n"))
	if end < 0 {
		return r, false, nil
	}
	head, rest := text[:end+2], text[end+4:]
	const statusAt = len("HTTP/1.1 ")
	if len(head) < statusAt+3 {
		return r, false, fmt.Errorf("no answer: %q", head)
	}
	r.status = digits(head[statusAt:statusAt+3], 10)
	r.retryAfter = bytes.Contains(head, []byte("\r\nRetry-After: "))
	r.closes = bytes.Contains(head, []byte("\r\nConnection: close"))
	r.body = rest
	if _, value, has := bytes.Cut(head, []byte("\r\nContent-Length: ")); has {
		value, _, _ = bytes.Cut(value, []byte("\r\n"))
		missing := digits(value, 10) - len(rest)
		if missing < 0 {
			return r, false, fmt.Errorf("more than an answer of %s bytes", value)
		}
		return r, missing == 0, nil
	}
	if !bytes.Contains(head, []byte("\r\nTransfer-Encoding: chunked")) {
		return r, false, fmt.Errorf("an answer without an end: %q", head)
	}
	return r, chunksEnd(rest), nil
}

// chunksEnd says whether the last chunk of a body is there.
func chunksEnd(rest []byte) bool {
	for {
		line, after, ok := bytes.Cut(rest, []byte("\r\n"))
		size := digits(line, 16) + len("\r\n")
		if !ok || len(after) < size {
			return false
		}
		if rest = after[size:]; size == len("\r\n") {
			return true
		}
	}
}

// digits reads a number, as far as it is one.
func digits(text []byte, base int) (n int) {
	for _, c := range text {
		at := bytes.IndexByte([]byte("0123456789abcdef")[:base], c)
		if at < 0 {
			break
		}
		n = n*base + at
	}
	return n
}

// idOf finds the id in the answer to a create.
func idOf(body []byte) string {
	_, rest, ok := bytes.Cut(body, []byte(`"req_`))
	id, _, end := bytes.Cut(rest, []byte(`"`))
	if !ok || !end {
		return ""
	}
	return "req_" + string(id)
}

// once makes a connection for one call that must succeed.
func once(address string, message []byte) ([]byte, error) {
	w, err := dial(address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.conn.Close() }()
	r, err := w.call(message)
	if err == nil && r.status != 200 {
		err = errors.New(r.String())
	}
	return r.body, err
}
