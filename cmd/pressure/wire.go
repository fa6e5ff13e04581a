package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

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

// createRequest is a post of the size that is compared elsewhere: 500 characters.
func createRequest() []byte {
	text := string([]rune(strings.Repeat("路灯不亮石板松动请社区来人看看谢谢大家", 30))[:500])
	return request("POST", "/v1/requests", "application/json",
		`{"communityId":"C1","kind":"REQUEST_KIND_PROBLEM","category":"设施维修","visibility":"VISIBILITY_PUBLIC","building":"15栋","text":"`+text+`"}`)
}

// wire is one connection that sends what was encoded and reads no more of an
// answer than it needs: it shares the cores with what it measures.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
}

// reply is what is kept of an answer.
type reply struct {
	status     int
	retryAfter bool
	closes     bool
	body       []byte // valid until the next call
}

func dial(address string) (*wire, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &wire{c, bufio.NewReaderSize(c, 8<<10)}, nil
}

func (w *wire) call(message, buf []byte) (reply, error) {
	if _, err := w.conn.Write(message); err != nil {
		return reply{}, err
	}
	return w.read(buf)
}

// read takes one answer with a length; linli's have one.
func (w *wire) read(buf []byte) (r reply, err error) {
	length := 0
	for n := 0; ; n++ {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return r, err
		}
		switch {
		case n == 0:
			if len(line) < 12 {
				return r, fmt.Errorf("no answer: %q", line)
			}
			r.status, _ = strconv.Atoi(string(line[9:12]))
		case len(line) <= 2:
			if length > len(buf) {
				buf = make([]byte, length)
			}
			r.body = buf[:length]
			_, err = io.ReadFull(w.in, r.body)
			return r, err
		case bytes.HasPrefix(line, []byte("Content-Length: ")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[16:]))); err != nil {
				return r, fmt.Errorf("length of an answer: %w", err)
			}
		case bytes.HasPrefix(line, []byte("Retry-After: ")):
			r.retryAfter = true
		case bytes.HasPrefix(line, []byte("Connection: close")):
			r.closes = true
		}
	}
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
	r, err := w.call(message, nil)
	if err == nil && r.status != 200 {
		err = fmt.Errorf("%d %s", r.status, r.body)
	}
	return r.body, err
}
