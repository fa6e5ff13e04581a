package rpc_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/metadata"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/rule"
)

// recorder remembers refusals.
type recorder struct {
	mu  sync.Mutex
	all []access.Refusal
}

func (r *recorder) Refused(f access.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, f)
}

func TestRecord_KeepsWhatWasRefusedAndNothingElse(t *testing.T) {
	own, others := &recorder{}, &recorder{}
	f := &fake{}
	door, err := rpc.NewServer(rpc.Config{
		Services: []rpc.Service{f}, Authenticator: accesstest.Authenticator(), Wall: clock.Wall(), IDs: ids.New, Log: slog.New(slog.DiscardHandler),
		Recorders: map[string]rpc.Recorder{"registry": own, "": others},
	})
	if err != nil {
		t.Fatal(err)
	}
	api := registryv1.NewRegistryServiceClient(door.Conn())
	member := "mem_0123456789abcdef0123456789abcdef"
	staff := access.Grant{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: "/1/C1/"}
	resident := access.Grant{Role: typev1.Role_ROLE_RESIDENT, Path: "/1/C2/"}
	for _, c := range []struct {
		what           string
		token          string
		answer         error
		person, reason string
		path, row      string
	}{
		{what: "done", token: accesstest.Token("per_1", staff)},
		{what: "a wrong request", token: accesstest.Token("per_1", staff), answer: rule.New(rule.Invalid, "INVALID_FIELD", "id")},
		{what: "a rule of the matter", token: accesstest.Token("per_1", staff), answer: rule.New(rule.Precondition, "WRONG_STATE", "")},
		{what: "what its commit has a line of", token: accesstest.Token("per_1", staff), answer: access.Recorded{Err: rule.New(rule.Denied, "NOT_SIGNED_IN", "")}},
		{what: "nobody", token: "", reason: "UNAUTHENTICATED"},
		{what: "a forged token", token: "eyJ", reason: "UNAUTHENTICATED"},
		{what: "another role", token: accesstest.Token("per_2", resident), person: "per_2", reason: "ROLE_NOT_ALLOWED", path: "/1/C2/"},
		{what: "out of scope", token: accesstest.Token("per_1", resident, staff), answer: rule.Absent("member", member), person: "per_1", reason: "NOT_FOUND", path: "/1/C2/", row: member},
		{what: "a name for an id", token: accesstest.Token("per_1", staff), answer: rule.Absent("member", "王小明"), person: "per_1", reason: "NOT_FOUND", path: "/1/C1/"},
		{what: "a phone for an id", token: accesstest.Token("per_1", staff), answer: rule.Absent("member", "13912345678"), person: "per_1", reason: "NOT_FOUND", path: "/1/C1/"},
		{what: "too many tries", token: accesstest.Token("per_1", staff), answer: rule.New(rule.Exhausted, "TOO_MANY_TRIES", ""), person: "per_1", reason: "TOO_MANY_TRIES", path: "/1/C1/"},
	} {
		t.Run(c.what, func(t *testing.T) {
			own.all = nil
			f.getMember = func(context.Context, *registryv1.GetMemberRequest) (*registryv1.GetMemberResponse, error) {
				return &registryv1.GetMemberResponse{}, c.answer
			}
			ctx := metadata.NewOutgoingContext(t.Context(), metadata.Pairs(rpc.HeaderAuthorization, "Bearer "+c.token))
			_, err := api.GetMember(ctx, &registryv1.GetMemberRequest{Id: member})
			if c.reason == "ROLE_NOT_ALLOWED" {
				_, err = api.ListReportIns(ctx, &registryv1.ListReportInsRequest{})
			}
			if c.reason == "" {
				if len(own.all) != 0 {
					t.Errorf("recorded %+v", own.all)
				}
				return
			}
			if err == nil || len(own.all) != 1 {
				t.Fatalf("%v, recorded %+v", err, own.all)
			}
			got := own.all[0]
			if got.Call.Person != c.person || got.Reason != c.reason || string(got.Call.Acting().Path) != c.path || got.Row != c.row {
				t.Errorf("recorded %+v", got)
			}
			if !strings.HasPrefix(got.Call.Method, "/linli.registry.v1.RegistryService/") || got.Call.ID == "" {
				t.Errorf("of %s, call %q", got.Call.Method, got.Call.ID)
			}
		})
	}
	if len(others.all) != 0 {
		t.Errorf("others recorded %v", others.all)
	}
}
