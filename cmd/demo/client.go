package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/signin"
	"github.com/linli-project/linli/pkg/scope"
)

// client calls linli over HTTP, as any other program would.
type client struct {
	base string
	http *http.Client
	desk *signin.Desk
}

// clientFor keeps as many connections as calls are under way.
func clientFor(address string, desk *signin.Desk, atOnce int) *client {
	return &client{base: "http://" + address, desk: desk, http: &http.Client{Transport: &http.Transport{
		MaxIdleConns: atOnce * 2, MaxIdleConnsPerHost: atOnce * 2,
	}}}
}

// refused is an answer that is not a success.
type refused struct {
	Status int    `json:"status"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	Field  string `json:"field"`
	what   string
}

func (r *refused) Error() string {
	return fmt.Sprintf("%s: %d %s: %s", r.what, r.Status, r.Reason, r.Detail)
}

// who calls.
type who = signin.Person

// personOf answers the id that names somebody in rows.
func (r *run) personOf(ctx context.Context, w who) (string, error) {
	return r.client.desk.PersonID(ctx, w)
}

// nobody calls without a token: what the request holds opens it.
func nobody() who { return who{} }

// as is somebody with a role at an organization: an officer by a name of the
// demo's own, a member by the id.
func as(role typev1.Role, name, path string) who {
	return who{Role: role, Name: name, Organization: scope.Path(path).ID()}
}

// call sends one request. key makes it safe to send again; empty for reads.
func (c *client) call(ctx context.Context, w who, method, path, key string, in, out proto.Message) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = protojson.Marshal(in); err != nil {
			return fmt.Errorf("encode %s: %w", path, err)
		}
	}
	text, err := c.send(ctx, w, method, path, key, "application/json", body)
	if err != nil || out == nil {
		return err
	}
	if err := protojson.Unmarshal(text, out); err != nil {
		return fmt.Errorf("decode %s: %w", path, err)
	}
	return nil
}

// mostBusy is how often a call is sent again that linli had no room for.
const mostBusy = 30

// send is a call with bytes in and out. What linli has no room for changed
// nothing, and is sent again when it says so.
func (c *client) send(ctx context.Context, w who, method, path, key, contentType string, body []byte) ([]byte, error) {
	for tries := 1; ; tries++ {
		text, after, err := c.once(ctx, w, method, path, key, contentType, body)
		var no *refused
		if errors.As(err, &no) && no.Reason == "STRONG_SESSION_WANTED" {
			if err := c.desk.Strengthen(ctx, w); err != nil {
				return nil, err
			}
			continue
		}
		if after == 0 || tries == mostBusy {
			return text, err
		}
		select {
		case <-time.After(after):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// once sends a call. It answers for how long to wait when there was no room.
func (c *client) once(ctx context.Context, w who, method, path, key, contentType string, body []byte) (text []byte, after time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if w != nobody() {
		token, err := c.desk.Token(ctx, w)
		if err != nil {
			return nil, 0, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Accept-Language", "en")
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	reply, err := c.http.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer reply.Body.Close()
	text, err = io.ReadAll(reply.Body)
	if err != nil {
		return nil, 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if reply.StatusCode == http.StatusOK {
		return text, 0, nil
	}
	if seconds, err := strconv.Atoi(reply.Header.Get("Retry-After")); err == nil && reply.StatusCode == http.StatusTooManyRequests {
		after = time.Duration(seconds) * time.Second
	}
	r := &refused{what: method + " " + path}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, 0, fmt.Errorf("%s %s: status %d", method, path, reply.StatusCode)
	}
	return nil, after, r
}
