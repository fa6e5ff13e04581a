package gateway_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/clock"
)

// pipe opens the stream of changes over a socket that takes in little, and
// answers it after the head of the answer.
func pipe(t *testing.T, server *httptest.Server, header ...string) (status int, head http.Header, body *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	token := accesstest.Token("anna", staffAt("/1/11/C1/"))
	text := "GET /v1/changes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n" + strings.Join(header, "\r\n") + "\r\n"
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	reply, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close() // first: the body reads on to its end
		_ = reply.Body.Close()
	})
	return reply.StatusCode, reply.Header, bufio.NewReader(reply.Body)
}

// TestChanges_WhoDoesNotReadIsLetGo: while it holds the only place another is
// refused; once its write has waited long enough the place is free, and who comes
// back is told first that it missed something.
func TestChanges_WhoDoesNotReadIsLetGo(t *testing.T) {
	l := admit.Defaults(1)
	l.Streams = 1
	const writePatience = 10 * time.Second // of the gateway
	impatient := clock.Func(func() time.Time { return time.Now().Add(50*time.Millisecond - writePatience) })
	source, server := watchingWithin(t, l, impatient)
	tell := func() {
		source.flow(t, "linli.requests.request.posted.v1", "req_1", &requestsv1.RequestChanged{CommunityPath: "/1/11/C1/"})
	}
	if slow, _, _ := pipe(t, server); slow != http.StatusOK {
		t.Fatal(slow)
	}
	second, head, _ := pipe(t, server)
	if second != http.StatusTooManyRequests || head.Get("Retry-After") == "" {
		t.Errorf("beyond the limit: %d %v", second, head)
	}
	var lines *bufio.Reader
	for lines == nil {
		for range 200 {
			tell()
		}
		if again, _, body := pipe(t, server, "Last-Event-ID: opened\r\n"); again == http.StatusOK {
			lines = body
		}
	}
	var got []string
	for len(got) < 5 {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.TrimSpace(line))
	}
	if want := "retry: 2000|id: opened||event: missed|data: {}"; strings.Join(got, "|") != want {
		t.Errorf("who comes back is told %q", got)
	}
	tell()
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, `"entityId":"req_1"`) {
			return
		}
	}
}
