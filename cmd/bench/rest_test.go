package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
)

const (
	rows    = 2000
	clients = 64
	place   = "/1/11/111/C1/"
	tree    = "编码,名称,类别,上级编码,亮身份\n1,市,city,,是\n11,区,district,1,是\n111,街道,street,11,是\nC1,社区,community,111,是\n"
)

// body is a request of the size that is compared elsewhere: 500 characters.
func body() string {
	return string([]rune(strings.Repeat("路灯不亮石板松动请社区来人看看谢谢大家", 30))[:500])
}

// target is a server under test.
type target struct {
	base  string
	token string
	ids   []string
}

// startLinli starts the whole house on a folder of its own, with rows requests.
func startLinli(b *testing.B) target {
	b.Helper()
	h, err := house.Start(context.Background(), house.Config{
		Data: b.TempDir(), HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", Dev: true, Authenticator: accesstest.Authenticator(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	t := target{base: "http://" + h.HTTPAddr(), token: accesstest.Token("bench",
		access.Grant{Role: typev1.Role_ROLE_SYSTEM_ADMIN, Path: "/"}, access.Grant{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: place})}
	t.send(b, "POST", "/v1/organizations:import", "text/csv", []byte(tree))
	t.send(b, "POST", "/v1/dev/events:drain", "application/json", []byte("{}"))
	t.ids = make([]string, rows)
	parallel(b, rows, func(i int) { t.ids[i] = t.create(b) })
	return t
}

func (t target) create(b *testing.B) string {
	var out requestsv1.Request
	if err := protojson.Unmarshal(t.send(b, "POST", "/v1/requests", "application/json", createBody()), &out); err != nil {
		b.Fatal(err)
	}
	return out.GetId()
}

func createBody() []byte {
	text, err := protojson.Marshal(&requestsv1.PostRequestRequest{
		CommunityId: "C1", Kind: requestsv1.RequestKind_REQUEST_KIND_PROBLEM, Category: "设施维修",
		Visibility: requestsv1.Visibility_VISIBILITY_PUBLIC, Text: body(), Building: "15栋",
	})
	if err != nil {
		panic(err)
	}
	return text
}

// send is one call; anything but 200 ends the benchmark.
func (t target) send(b *testing.B, method, path, contentType string, in []byte) []byte {
	req, err := http.NewRequestWithContext(context.Background(), method, t.base+path, bytes.NewReader(in))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+t.token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	reply, err := client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = reply.Body.Close() }()
	out, err := io.ReadAll(reply.Body)
	if err != nil || reply.StatusCode != http.StatusOK {
		b.Fatalf("%s %s: %d %s %v", method, path, reply.StatusCode, out, err)
	}
	return out
}

// client keeps a connection for each of the clients.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}

// startBare is the reference: net/http that encodes the same rows from memory
// on each call, and decodes what it is sent.
func startBare(b *testing.B, like target) target {
	b.Helper()
	one := decodeOne(b, like)
	page := make([]map[string]any, 50)
	for i := range page {
		page[i] = map[string]any{"id": one["id"], "kind": one["kind"], "category": one["category"], "state": one["state"],
			"excerpt": string([]rune(body())[:40]), "building": one["building"], "postedAt": one["postedAt"], "etag": "1"}
	}
	mux := http.NewServeMux()
	answer := func(v any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(v)
		}
	}
	mux.HandleFunc("GET /v1/requests/{id}", answer(one))
	mux.HandleFunc("GET /v1/organizations/{id}/requests", answer(map[string]any{"requests": page}))
	mux.HandleFunc("POST /v1/requests", func(w http.ResponseWriter, r *http.Request) {
		var in map[string]any
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answer(one)(w, r)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &http.Server{Handler: mux}
	go func() { _ = s.Serve(l) }()
	b.Cleanup(func() { _ = s.Close() })
	return target{base: "http://" + l.Addr().String(), token: like.token, ids: like.ids}
}

func decodeOne(b *testing.B, t target) map[string]any {
	var one map[string]any
	if err := json.Unmarshal(t.send(b, "GET", "/v1/requests/"+t.ids[0], "", nil), &one); err != nil {
		b.Fatal(err)
	}
	return one
}

// parallel runs n calls from 64 clients.
func parallel(b *testing.B, n int, call func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := next.Add(1) - 1; i < int64(n) && !b.Failed(); i = next.Add(1) - 1 {
				call(int(i))
			}
		}()
	}
	all.Wait()
}

// BenchmarkREST runs create, get and list of 50 from 64 connections on linli
// and on the bare handler. The client shares the cores.
func BenchmarkREST(b *testing.B) {
	linli := startLinli(b)
	bare := startBare(b, linli)
	in := createBody()
	for _, op := range []struct {
		name string
		call func(t target, i int)
	}{
		{"get", func(t target, i int) { t.send(b, "GET", "/v1/requests/"+t.ids[i%len(t.ids)], "", nil) }},
		{"list50", func(t target, _ int) {
			t.send(b, "GET", "/v1/organizations/C1/requests?pageSize=50", "", nil)
		}},
		{"create", func(t target, _ int) { t.send(b, "POST", "/v1/requests", "application/json", in) }},
	} {
		for name, t := range map[string]target{"bare": bare, "linli": linli} {
			b.Run(fmt.Sprintf("%s/%s", op.name, name), func(b *testing.B) {
				parallel(b, b.N, func(i int) { op.call(t, i) })
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
			})
		}
	}
}

// BenchmarkImport sends a roster of 10,000 rows: validated, sealed, durable,
// with its indexes and events.
func BenchmarkImport(b *testing.B) {
	const members = 10_000
	linli := startLinli(b)
	linli.token = accesstest.Token("bench", access.Grant{Role: typev1.Role_ROLE_DISTRICT_OFFICER, Path: "/1/11/"})
	for round := range b.N {
		var file strings.Builder
		file.WriteString("姓名,性别,身份证号,手机号,入党日期,党员状态,党员类别,组织关系所在党组织编码,工作单位编码,居住社区编码,楼栋,特长,兴趣爱好\n")
		for i := range members {
			fmt.Fprintf(&file, "王小明,女,,1%010d,,正式党员,退休,C1,,C1,15栋1单元,医疗健康,太极\n", round*members+i)
		}
		var out registryv1.ImportRosterResponse
		text := linli.send(b, "POST", "/v1/organizations/11/rosters:import", "text/csv", []byte(file.String()))
		if err := protojson.Unmarshal(text, &out); err != nil || out.GetCreated() != members {
			b.Fatalf("%s %v", text, err)
		}
	}
	b.ReportMetric(float64(b.N*members)/b.Elapsed().Seconds(), "rows/s")
}
