package registry

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

const goodPassword = "Brücke über 7 kleine Flüsse"

func TestFirst_OneLinkOneAdministrator(t *testing.T) {
	h := start(t)
	old, err := h.service.FirstCode(t.Context())
	must(t, err)
	code, err := h.service.FirstCode(t.Context())
	must(t, err)
	claim := func(code, login, password string) error {
		_, err := h.accounts().ClaimFirst(t.Context(), &pb.ClaimFirstRequest{Code: code, Login: login, DisplayName: "周明", Password: password})
		return err
	}
	for what, c := range map[string]struct{ code, password, want string }{
		"a guess":                {"AAAAAAAAAAAAAAAAAAAAAAAAAA", goodPassword, "FIRST_LINK_NOT_VALID"},
		"the link before":        {old, goodPassword, "FIRST_LINK_NOT_VALID"},
		"a guess says no more":   {"AAAAAAAAAAAAAAAAAAAAAAAAAA", "short", "FIRST_LINK_NOT_VALID"},
		"a password to be tried": {code, "password1234", "WEAK_PASSWORD"},
	} {
		if wantReason(t, claim(c.code, "zhou", c.password), c.want); t.Failed() {
			t.Fatal(what)
		}
	}
	reply, err := h.accounts().ClaimFirst(t.Context(), &pb.ClaimFirstRequest{Code: code, Login: "zhou", DisplayName: "周明", Password: goodPassword})
	must(t, err)
	a := reply.GetAccount()
	if g := a.GetGrants(); len(g) != 1 || g[0].GetRole() != typev1.Role_ROLE_SECURITY_ADMIN || g[0].GetOrganizationPath() != "/" || a.GetMustChangePassword() {
		t.Errorf("the first is %v", a)
	}
	wantReason(t, claim(code, "zhou.two", goodPassword), "FIRST_LINK_NOT_VALID")
	if another, err := h.service.FirstCode(t.Context()); err != nil || another != "" {
		t.Errorf("a start with an administrator prints %q, %v", another, err)
	}
	if _, err := h.service.CreateAdministrator(t.Context(), "zhou.three", "周三", goodPassword, false); !errors.Is(err, ErrAdministratorThere) {
		t.Errorf("a second by the tool: %v", err)
	}
	if id, err := h.service.CreateAdministrator(t.Context(), "zhou.three", "周三", goodPassword, true); err != nil || h.accountRow(id).GetAccount().GetLogin() != "zhou.three" {
		t.Errorf("a second that is wanted: %v", err)
	}
	for what, c := range map[string]struct{ login, password, want string }{
		"login of another": {"zhou", goodPassword, "LOGIN_TAKEN"}, "bad login": {"Zhou", goodPassword, "INVALID_FIELD"},
		"weak password": {"zhou.four", "1234567890123", "WEAK_PASSWORD"},
	} {
		_, err := h.service.CreateAdministrator(t.Context(), c.login, "周四", c.password, true)
		if got := brokenRule(err); got != c.want {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestFirst_TheLinkEndsAfterADay moves the wall clock, which a house with delivery
// does not let a test do.
func TestFirst_TheLinkEndsAfterADay(t *testing.T) {
	now := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	wall := clock.Func(func() time.Time { return now })
	s, err := store.Open(t.Context(), store.Config{Service: "registry", DB: kvtest.Rerun(kv.New(memkv.New(), kv.Options{})), Master: seal.MasterKey{1},
		Civil: wall, Wall: wall, IDs: ids.New, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer func() { must(t, s.Close()) }()
	svc, err := New(Deps{Store: s, IDs: ids.New, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	code, err := svc.FirstCode(t.Context())
	must(t, err)
	claim := func() error {
		_, err := accounts{Service: svc}.ClaimFirst(t.Context(), &pb.ClaimFirstRequest{Code: code, Login: "zhou", DisplayName: "周明", Password: goodPassword})
		return err
	}
	now = now.Add(firstLinkHolds)
	if got := brokenRule(claim()); got != "FIRST_LINK_NOT_VALID" {
		t.Errorf("after a day: %q", got)
	}
	now = now.Add(-time.Second)
	must(t, claim())
}

func TestAccounts_WithoutATokenOnlyTheFirstLink(t *testing.T) {
	h := start(t)
	_, err := h.accounts().GetAccount(t.Context(), &pb.GetAccountRequest{Id: "acc_x"})
	if got := rpc.Reason(err); got != "UNAUTHENTICATED" {
		t.Errorf("%q", got)
	}
}

// brokenRule names the rule that an error is about, before it has gone through
// the door.
func brokenRule(err error) string {
	var broken *rule.Error
	if errors.As(err, &broken) {
		return broken.Reason
	}
	return ""
}
