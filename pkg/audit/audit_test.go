package audit_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/audit"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

type house struct {
	pb.AuditServiceClient
	stores map[string]*store.Store
}

// newHouse is the audit of two stores behind the real door.
func newHouse(t *testing.T) house {
	t.Helper()
	h := house{stores: map[string]*store.Store{}}
	var all []*store.Store
	for _, name := range []string{"registry", "requests"} {
		h.stores[name] = openStore(t, name)
		all = append(all, h.stores[name])
	}
	service, err := audit.New(all)
	if err != nil {
		t.Fatal(err)
	}
	door, err := rpc.NewServer(rpc.Config{
		Services: []rpc.Service{service}, Authenticator: accesstest.Authenticator(), Wall: clock.Wall(), IDs: ids.New,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	h.AuditServiceClient = pb.NewAuditServiceClient(door.Conn())
	return h
}

func openStore(t *testing.T, name string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{
		Service: name, DB: kvtest.Rerun(kv.New(memkv.New(), kv.Options{})), Master: seal.MasterKey{1},
		Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// as is a context that calls as somebody with a role at the top.
func as(t *testing.T, person string, role typev1.Role) context.Context {
	return metadata.NewOutgoingContext(t.Context(), metadata.Pairs(rpc.HeaderAuthorization,
		"Bearer "+accesstest.Token(person, access.Grant{Role: role, Path: "/"})))
}

func admin(t *testing.T) context.Context { return as(t, "per_audit", typev1.Role_ROLE_AUDIT_ADMIN) }

// reveal leaves n lines of readings of a member's facts.
func (h house) reveal(t *testing.T, service string, n int) {
	t.Helper()
	ctx := access.NewContext(t.Context(), access.Call{
		Caller: access.Caller{Person: "per_officer", Grants: []access.Grant{{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: "/1/"}}},
		Method: "/linli.registry.v1.RegistryService/RevealMember", ID: "call_1", Address: "203.0.113.7",
	})
	for i := range n {
		err := h.stores[service].Update(ctx, func(tx *store.Tx) error {
			tx.Audit(store.Record{Rows: []string{fmt.Sprint("row_", i)}, Subjects: []string{"mem_1"}, Reason: "a visit", Outcome: "revealed"})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	h.sequence(t, service)
}

func (h house) sequence(t *testing.T, service string) {
	t.Helper()
	if _, err := h.stores[service].SequenceAudit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestListAuditLines_ForTheAuditAdministratorOnly(t *testing.T) {
	h := newHouse(t)
	h.reveal(t, "registry", 3)
	req := &pb.ListAuditLinesRequest{Service: "registry"}
	for name, n := range typev1.Role_value {
		role := typev1.Role(n)
		if role == typev1.Role_ROLE_UNSPECIFIED {
			continue
		}
		_, err := h.ListAuditLines(as(t, "per_x", role), req)
		if want := role == typev1.Role_ROLE_AUDIT_ADMIN; want != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
	page, err := h.ListAuditLines(admin(t), req)
	if err != nil || len(page.GetLines()) != 3 {
		t.Fatalf("%v, %v", page, err)
	}
	l := page.GetLines()[0]
	if l.GetIndex() != 2 || l.GetPerson() != "per_officer" || l.GetRole() != "committee_staff" || l.GetOrganizationPath() != "/1/" ||
		l.GetAddress() != "203.0.113.7" || l.GetReason() != "a visit" || l.GetOutcome() != "revealed" {
		t.Errorf("%v", l)
	}
	// To look is a line, too.
	h.sequence(t, "registry")
	page, err = h.ListAuditLines(admin(t), &pb.ListAuditLinesRequest{Service: "registry", Outcome: "read"})
	if err != nil || len(page.GetLines()) != 2 || page.GetLines()[0].GetPerson() != "per_audit" || page.GetLines()[0].GetRole() != "audit_admin" {
		t.Errorf("%v, %v", page, err)
	}
	if _, err := h.ListAuditLines(admin(t), &pb.ListAuditLinesRequest{Service: "projects"}); status.Code(err) != codes.NotFound {
		t.Errorf("of a service that is not here: %v", err)
	}
}

func TestListAuditLines_PagesBelongToTheirCallerAndFilter(t *testing.T) {
	h := newHouse(t)
	h.reveal(t, "registry", 7)
	first := &pb.ListAuditLinesRequest{Service: "registry", Address: "203.0.113.7", PageSize: 3,
		From: timestamppb.New(time.Now().Add(-time.Hour)), Until: timestamppb.New(time.Now().Add(time.Hour))}
	n, token := 0, ""
	for more := true; more; more = token != "" {
		first.PageToken = token
		page, err := h.ListAuditLines(admin(t), first)
		if err != nil {
			t.Fatal(err)
		}
		if n += len(page.GetLines()); page.GetNextPageToken() != "" {
			other := &pb.ListAuditLinesRequest{Service: "registry", PageSize: 3, PageToken: page.GetNextPageToken()}
			if _, err := h.ListAuditLines(admin(t), other); rpc.Reason(err) != "BAD_PAGE_TOKEN" {
				t.Errorf("with another filter: %v", err)
			}
			same := proto.CloneOf(first)
			same.PageToken = page.GetNextPageToken()
			if _, err := h.ListAuditLines(as(t, "per_other", typev1.Role_ROLE_AUDIT_ADMIN), same); rpc.Reason(err) != "BAD_PAGE_TOKEN" {
				t.Errorf("of somebody else: %v", err)
			}
		}
		token = page.GetNextPageToken()
	}
	if n != 7 {
		t.Errorf("%d lines", n)
	}
}

func TestListMyReadings_AreOnesOwnAndNameNobody(t *testing.T) {
	h := newHouse(t)
	h.reveal(t, "requests", 5)
	member := as(t, "mem_1", typev1.Role_ROLE_MEMBER)
	var all []*pb.Reading
	for token, more := "", true; more; more = token != "" {
		page, err := h.ListMyReadings(member, &pb.ListMyReadingsRequest{Service: "requests", PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		all, token = append(all, page.GetReadings()...), page.GetNextPageToken()
	}
	if len(all) != 5 || all[0].GetRole() != "committee_staff" || all[0].GetReason() != "a visit" || strings.Contains(all[0].String(), "per_officer") {
		t.Errorf("%v", all)
	}
	page, err := h.ListMyReadings(as(t, "mem_2", typev1.Role_ROLE_MEMBER), &pb.ListMyReadingsRequest{Service: "requests"})
	if err != nil || len(page.GetReadings()) != 0 {
		t.Errorf("of somebody else: %v, %v", page, err)
	}
}

func TestProofs_VerifyAgainstTheHead(t *testing.T) {
	h := newHouse(t)
	h.reveal(t, "registry", 5)
	before, err := h.GetAuditHead(admin(t), &pb.GetAuditHeadRequest{Service: "registry"})
	if err != nil {
		t.Fatal(err)
	}
	h.reveal(t, "registry", 9)
	head, err := h.GetAuditHead(admin(t), &pb.GetAuditHeadRequest{Service: "registry"})
	if err != nil {
		t.Fatal(err)
	}
	if signed, err := store.OpenAuditHead(head.GetNote(), before.GetVerifier()); err != nil || signed.Size != head.GetSize() {
		t.Errorf("%+v, %v", signed, err)
	}
	line, err := h.ProveAuditLine(admin(t), &pb.ProveAuditLineRequest{Service: "registry", Index: 3})
	if err == nil {
		err = proof.VerifyInclusion(rfc6962.DefaultHasher, 3, line.GetSize(), rfc6962.DefaultHasher.HashLeaf(line.GetLine()), line.GetPath(), head.GetRoot())
	}
	if err != nil {
		t.Error(err)
	}
	growth, err := h.ProveAuditGrowth(admin(t), &pb.ProveAuditGrowthRequest{Service: "registry", FromSize: before.GetSize(), ToSize: head.GetSize()})
	if err == nil {
		err = proof.VerifyConsistency(rfc6962.DefaultHasher, before.GetSize(), head.GetSize(), growth.GetProof(), before.GetRoot(), head.GetRoot())
	}
	if err != nil {
		t.Error(err)
	}
	if _, err := h.ProveAuditLine(admin(t), &pb.ProveAuditLineRequest{Service: "registry", Index: 900}); status.Code(err) != codes.NotFound {
		t.Errorf("a line that is not there: %v", err)
	}
	if _, err := h.GetAuditHead(admin(t), &pb.GetAuditHeadRequest{Service: "requests"}); err != nil && status.Code(err) != codes.NotFound {
		t.Error(err)
	}
}

func TestVerify_ReadsTheWholeLogAndFindsAChange(t *testing.T) {
	h := newHouse(t)
	for range 5 {
		h.reveal(t, "registry", 900)
	}
	r, err := audit.Verify(admin(t), h, "registry", "")
	if err != nil || len(r.Problems) > 0 || r.Size != 4500 {
		t.Fatalf("%+v, %v", r, err)
	}
	other := openStore(t, "registry")
	if err := other.Update(t.Context(), func(tx *store.Tx) error { tx.Audit(store.Record{Outcome: "x"}); return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := other.SequenceAudit(t.Context()); err != nil {
		t.Fatal(err)
	}
	foreign, _, err := other.AuditHead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r, err := audit.Verify(admin(t), h, "registry", foreign.Verifier); err != nil || len(r.Problems) == 0 {
		t.Errorf("with another key: %+v, %v", r, err)
	}
	err = h.stores["registry"].DB().Update(t.Context(), func(tx kv.Tx) error {
		it, err := tx.Get(key.New(14).Uint(2345))
		if err != nil {
			return err
		}
		it.Value[len(it.Value)-1] ^= 1
		tx.Put(it.Key, it.Value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err = audit.Verify(admin(t), h, "registry", "")
	if err != nil || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "are not those that the head over") {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := audit.Verify(as(t, "per_x", typev1.Role_ROLE_SYSTEM_ADMIN), h, "registry", ""); status.Code(err) != codes.PermissionDenied {
		t.Errorf("by the system administrator: %v", err)
	}
}

func TestSequencer_SignsOnceASecondAndRestsWhenThereIsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, "registry")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- audit.Sequencer(s, slog.New(slog.DiscardHandler)).Run(ctx) }()
		size := func() uint64 {
			h, _, err := s.AuditHead(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return h.Size
		}
		line := func() {
			if err := s.Update(t.Context(), func(tx *store.Tx) error { tx.Audit(store.Record{Outcome: "x"}); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		for want := uint64(3); want <= 9; want += 3 {
			for range 3 {
				line()
			}
			synctest.Wait()
			if got := size(); got != want-3 {
				t.Errorf("at once a head is over %d lines", got)
			}
			<-time.After(store.SequenceEvery + time.Millisecond) // of the bubble's clock
			synctest.Wait()
			if got := size(); got != want {
				t.Errorf("a second later the head is over %d lines, want %d", got, want)
			}
		}
		<-time.After(24 * time.Hour)
		stop()
		if err := <-ended; err == nil {
			t.Error("it ended by itself")
		}
	})
}

func TestKeeper_RefusesLessThanHalfAYear(t *testing.T) {
	s := openStore(t, "registry")
	for days, ok := range map[int]bool{0: true, 1: false, 179: false, 180: true, 1095: true, -1: false} {
		if _, err := audit.Keeper(s, days, slog.New(slog.DiscardHandler)); (err == nil) != ok {
			t.Errorf("%d days: %v", days, err)
		}
	}
}
