package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/linli-project/linli/pkg/rule"
)

// TestUpload_SaysWhatIsWrongWithTheFile: of a workbook that is none not what
// would be wrong with it as CSV, and of a type that is not taken which are.
func TestUpload_SaysWhatIsWrongWithTheFile(t *testing.T) {
	f := newFixture(t)
	const workbook = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	f.err = rule.New(rule.Invalid, "ROSTER_COLUMN_MISSING", "姓名", "column", "姓名")
	for _, c := range []struct{ body, contentType, reason string }{
		{"no zip", workbook, "WORKBOOK_UNREADABLE"}, {"PK\x03\x04", workbook, "ROSTER_COLUMN_MISSING"}, {"编码", "text/csv", "ROSTER_COLUMN_MISSING"},
	} {
		if p := f.do(t, "POST", "/v1/organizations/C1/rosters:import", c.body, "Content-Type", c.contentType).problem(t); p.Reason != c.reason {
			t.Errorf("%q as %s: %s", c.body, c.contentType, p.Reason)
		}
	}
	p := f.do(t, "POST", "/v1/organizations/C1/rosters:import", "x", "Content-Type", "application/json").problem(t)
	if p.Params["taken"] != "text/csv, "+workbook || !strings.Contains(p.Detail, workbook) {
		t.Errorf("taken: %s", p.Detail)
	}
}

func TestUpload_StreamsThroughTheDoor(t *testing.T) {
	f := newFixture(t)
	file := strings.Repeat("姓名,性别\n", 100_000)
	got := f.do(t, "POST", "/v1/organizations/C1/rosters:import?acceptReportIns=true", file, "Content-Type", "text/csv; charset=utf-8")
	if got.status != 200 || string(f.imports) != file || f.header.GetOrganizationId() != "C1" || !f.header.GetAcceptReportIns() || f.header.GetDryRun() {
		t.Errorf("%d %s, %d bytes arrived, header %v", got.status, got.body, len(f.imports), f.header)
	}
	f.imports = nil
	const workbook = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	got = f.do(t, "POST", "/v1/organizations/C1/rosters:import?dryRun=true", "PK\x03\x04\x00\xff", "Content-Type", workbook)
	if got.status != 200 || string(f.imports) != "PK\x03\x04\x00\xff" || f.header.GetAcceptReportIns() || !f.header.GetDryRun() {
		t.Errorf("%d %s, %q arrived, header %v", got.status, got.body, f.imports, f.header)
	}
	for name, c := range map[string]struct {
		path, contentType, token string
		err                      error
		status                   int
		reason                   string
	}{
		"not CSV":                      {"/v1/organizations/C1/rosters:import", "application/json", token(), nil, 415, "UNSUPPORTED_MEDIA_TYPE"},
		"bad dry run":                  {"/v1/organizations/C1/rosters:import?dryRun=maybe", workbook, token(), nil, 400, "INVALID_FIELD"},
		"no workbook of organizations": {"/v1/organizations:import", workbook, token(), nil, 415, "UNSUPPORTED_MEDIA_TYPE"},
		"bad flag":                     {"/v1/organizations/C1/rosters:import?acceptReportIns=maybe", "text/csv", token(), nil, 400, "INVALID_FIELD"},
		"no token":                     {"/v1/organizations/C1/rosters:import", "text/csv", "", nil, 401, "UNAUTHENTICATED"},
		"refused":                      {"/v1/organizations/C1/rosters:import", "text/csv", token(), rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "organization_id", "id", "C1"), 404, "UNKNOWN_ORGANIZATION"},
	} {
		f.err = c.err
		got := f.do(t, "POST", c.path, file, "Content-Type", c.contentType, "Authorization", "Bearer "+c.token)
		if p := got.problem(t); got.status != c.status || p.Reason != c.reason {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestUpload_StopsAtItsLimit(t *testing.T) {
	f := newFixture(t)
	for name, length := range map[string]int64{"declared": 65 << 20, "not declared": -1} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", f.server.URL+"/v1/organizations/C1/rosters:import", io.LimitReader(endless{}, 65<<20))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		req.Header.Set("Authorization", "Bearer "+token())
		req.Header.Set("Content-Type", "text/csv")
		reply, err := http.DefaultClient.Do(req)
		if err != nil {
			continue // the server cut the connection before it read the rest
		}
		_ = reply.Body.Close()
		if reply.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %d", name, reply.StatusCode)
		}
	}
}

// TestUpload_CutOffIsNotTheEnd: a body shorter than it was declared never ends
// the stream as a whole file.
func TestUpload_CutOffIsNotTheEnd(t *testing.T) {
	f := newFixture(t)
	c, err := net.Dial("tcp", strings.TrimPrefix(f.server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, err = fmt.Fprintf(c, "POST /v1/organizations/C1/rosters:import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: text/csv\r\nContent-Length: 1000\r\n\r\nhalf a file", token())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil || bytes.Contains(answer, []byte("200 OK")) {
		t.Errorf("a torn upload was answered %s, %v", answer, err)
	}
}
