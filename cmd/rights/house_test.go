package rights_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/scope"
)

// world is a whole linli in which there is one row of everything, with what the
// rows are called. After rest its rows stay as they are, whatever is called.
type world struct {
	base    string
	conn    *grpc.ClientConn
	client  *http.Client
	engine  *stillEngines
	ids     map[string]string
	forest  *forest
	callers *signedIn
}

// stillEngines keep the rows of each service in memory. Once at rest they take
// every commit and keep none: a call answers what it would, and the next one
// finds everything as it was. They count the reads.
type stillEngines struct {
	rest  atomic.Bool
	reads atomic.Int64
	next  atomic.Uint64
}

type stillEngine struct {
	kv.Engine
	all *stillEngines
}

func (e *stillEngines) wrap(_ string, file kv.Engine) kv.Engine {
	if err := file.Close(); err != nil {
		panic(err) // an empty file that was just opened
	}
	return &stillEngine{memkv.New(), e}
}

func (e *stillEngine) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	if e.all.rest.Load() {
		return kv.Version(e.all.next.Add(1) + 1<<62), nil
	}
	return e.Engine.Commit(ctx, r)
}

func (e *stillEngine) Snapshot(ctx context.Context) (kv.Snapshot, error) {
	s, err := e.Engine.Snapshot(ctx)
	return &countedSnapshot{s, e.all}, err
}

// countedSnapshot counts what is read of it.
type countedSnapshot struct {
	kv.Snapshot
	all *stillEngines
}

func (s *countedSnapshot) Read(ctx context.Context, keys [][]byte) ([]kv.Item, error) {
	s.all.reads.Add(1)
	return s.Snapshot.Read(ctx, keys)
}

func (s *countedSnapshot) Scan(ctx context.Context, r kv.Range) ([]kv.Item, error) {
	s.all.reads.Add(1)
	return s.Snapshot.Scan(ctx, r)
}

// nobodyIsLimited are the limits of a world in which one test calls as often as
// a city does.
func nobodyIsLimited() admit.CallerLimits {
	often := admit.Rate{PerSecond: 1e6, Burst: 1e6}
	return admit.CallerLimits{Person: often, Costly: often, Address: often, SignIn: often, Guess: often}
}

// newWorld runs a whole linli that takes tokens which tests write, and in which
// nothing has happened yet. It believes this machine about who calls.
func newWorld(ctx context.Context, folder string, limits admit.CallerLimits) (*world, func(), error) {
	engines, callers := &stillEngines{}, &signedIn{}
	h, err := house.Start(ctx, house.Config{
		Authenticator: callers, Callers: limits, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		Data: folder, HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", Dev: true, Clock: time.Date(2013, 1, 2, 1, 0, 0, 0, time.UTC),
		Log: slog.New(slog.DiscardHandler), Faults: house.Faults{Engine: engines.wrap},
	})
	if err != nil {
		return nil, nil, err
	}
	conn, err := grpc.NewClient(h.GRPCAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, errors.Join(err, h.Close(ctx))
	}
	w := &world{
		base: "http://" + h.HTTPAddr(), conn: conn, engine: engines, callers: callers, ids: map[string]string{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConns: 64, MaxIdleConnsPerHost: 64}},
	}
	return w, func() {
		_ = conn.Close()                        // the tests have said
		_ = h.Close(context.WithoutCancel(ctx)) // what was wrong
	}, nil
}

// shared is the world of all tests: making it takes longer than most of them.
var shared *world

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "rights")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	w, stop, err := newWorld(context.Background(), folder, nobodyIsLimited())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer stop()
	shared = w
	if err := shared.build(); err != nil {
		fmt.Fprintln(os.Stderr, "the world does not come to be:", err)
		return 1
	}
	w.engine.rest.Store(true)
	return m.Run()
}

// answer is what a call came back with.
type answer struct {
	Status int
	Reason string
	Body   string
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.Status, a.Reason) }

// send makes one call over REST; an empty token is nobody. headers are names and
// values by turns.
func (w *world) send(token, method, path, contentType, body string, headers ...string) (answer, error) {
	req, err := http.NewRequest(method, w.base+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Accept-Language", "en")
	if body != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	reply, err := w.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		return answer{}, err
	}
	out := answer{Status: reply.StatusCode, Body: string(text)}
	var problem struct {
		Reason string `json:"reason"`
	}
	if reply.StatusCode != http.StatusOK && json.Unmarshal(text, &problem) == nil {
		out.Reason = problem.Reason
	}
	return out, nil
}

// as is the token of a person with one grant.
func as(role typev1.Role, person string, path scope.Path) string {
	return accesstest.Token(person, access.Grant{Role: role, Path: path})
}

// step is one call of the story in which the world comes to be.
type step struct {
	who, method, path, body string
	// keep names what of the answer is kept: "call=id" or "codes=codes.0".
	keep []string
}

// do plays a step; what stands in braces is an id that was kept.
func (w *world) do(s step) error { return w.doAs(w.token(s.who), s) }

func (w *world) doAs(token string, s step) error {
	path, body := w.named(s.path), w.named(s.body)
	contentType := "application/json"
	switch {
	case strings.Contains(path, ":import"):
		contentType = "text/csv"
	case body == picture():
		contentType = "image/png"
	}
	got, err := w.send(token, s.method, path, contentType, body)
	if err != nil {
		return err
	}
	if got.Status != http.StatusOK {
		return fmt.Errorf("%s %s by %s: %d %s", s.method, path, s.who, got.Status, got.Body)
	}
	for _, k := range s.keep {
		name, at, _ := strings.Cut(k, "=")
		value, err := pick([]byte(got.Body), at)
		if err != nil {
			return fmt.Errorf("%s %s: %s: %w: %s", s.method, path, k, err, got.Body)
		}
		w.ids[name] = value
	}
	return nil
}

// picture is one, as it is sent: a file that is taken as a proof, too.
func picture() string {
	var out strings.Builder
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		panic(err) // into memory
	}
	return out.String()
}

// document is an empty sheet, as it is sent.
func document() string {
	var out strings.Builder
	f := excelize.NewFile()
	err := f.Write(&out)
	if err = errors.Join(err, f.Close()); err != nil {
		panic(err) // into memory
	}
	return out.String()
}

func (w *world) named(text string) string {
	for name, id := range w.ids {
		text = strings.ReplaceAll(text, "{"+name+"}", id)
	}
	return text
}

// pick answers the value at a path of JSON, "letters.0.id".
func pick(text []byte, path string) (string, error) {
	var at any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&at); err != nil {
		return "", err
	}
	for name := range strings.SplitSeq(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(v) {
				return "", fmt.Errorf("no element %s", name)
			}
			at = v[i]
		default:
			return "", fmt.Errorf("nothing at %s", name)
		}
	}
	s, ok := at.(string)
	if !ok {
		return "", fmt.Errorf("%v is no text", at)
	}
	return s, nil
}
