package copies_test

import (
	"log/slog"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

func newStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{
		Service: "copies", DB: kvtest.Rerun(kv.New(memkv.New(), kv.Options{})), Master: seal.MasterKey{1},
		Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func event(t *testing.T, subject string, data proto.Message) *typev1.EventRow {
	t.Helper()
	b, err := proto.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	return &typev1.EventRow{Subject: subject, DataSchema: string(data.ProtoReflect().Descriptor().FullName()), Data: b}
}

// permutations of 0…n-1.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var out [][]int
	for _, p := range permutations(n - 1) {
		for at := range n {
			q := append(append(append([]int{}, p[:at]...), n-1), p[at:]...)
			out = append(out, q)
		}
	}
	return out
}

// TestMembers_AnyOrderGivesTheSameCopy delivers the story of one member in
// every order, each event twice.
func TestMembers_AnyOrderGivesTheSameCopy(t *testing.T) {
	member := func(revision uint64, home string) *typev1.EventRow {
		return event(t, "linli.registry.member.imported", &registryv1.MembersImported{Members: []*registryv1.MemberState{{
			Id: "m", Revision: revision, Kind: registryv1.MemberKind_MEMBER_KIND_IN_SERVICE,
			Status: registryv1.MemberStatus_MEMBER_STATUS_FORMAL, HomePath: home, CommunityPath: "/1/c/"}}})
	}
	reportIn := func(revision uint64, state registryv1.ReportInState) *typev1.EventRow {
		return event(t, "linli.registry.report_in.changed", &registryv1.ReportInsChanged{ReportIns: []*registryv1.ReportInStateChange{{
			Id: "r", Revision: revision, MemberId: "m", CommunityPath: "/1/c/", State: state}}})
	}
	story := []*typev1.EventRow{
		member(1, "/1/w1/"), member(2, "/1/w2/"),
		reportIn(1, registryv1.ReportInState_REPORT_IN_STATE_SUBMITTED),
		reportIn(2, registryv1.ReportInState_REPORT_IN_STATE_ACCEPTED),
	}
	want := copies.Member{
		ID: "m", Kind: registryv1.MemberKind_MEMBER_KIND_IN_SERVICE, Status: registryv1.MemberStatus_MEMBER_STATUS_FORMAL,
		HomePath: "/1/w2/", ResidencePath: "/1/c/", ReportedPath: "/1/c/",
	}
	for _, order := range permutations(len(story)) {
		s, members := newStore(t), copies.NewMembers()
		for _, i := range append(order, order...) {
			if err := s.Update(t.Context(), func(tx *store.Tx) error { return members.Consumer("x").Apply(tx, story[i]) }); err != nil {
				t.Fatal(err)
			}
		}
		err := s.View(t.Context(), func(r kv.Reader) error {
			got, ok, err := members.Get(r, "m")
			if !ok || !reflect.DeepEqual(got, want) {
				t.Errorf("order %v: %+v", order, got)
			}
			byHome, err2 := members.ByHome(r, "/1/", nil, 10)
			elsewhere, err3 := members.ByHome(r, "/1/w1/", nil, 10)
			here, err4 := members.ByReported(r, "/1/c/", nil, 10)
			if len(byHome.Members) != 1 || len(elsewhere.Members) != 0 || len(here.Members) != 1 {
				t.Errorf("order %v: walks of %d, %d, %d", order, len(byHome.Members), len(elsewhere.Members), len(here.Members))
			}
			for _, e := range []error{err2, err3, err4} {
				if e != nil {
					return e
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		report, err := s.Check(t.Context(), members.Table())
		if err != nil || len(report.Problems) > 0 {
			t.Fatal(report.Problems, err)
		}
	}
}

func TestOrganizations_KeepTheNewest(t *testing.T) {
	s, organizations := newStore(t), copies.NewOrganizations()
	for _, revision := range []uint64{2, 1, 3, 2} {
		e := event(t, "linli.registry.organization.changed", &registryv1.OrganizationChanged{
			Id: "W1", Kind: registryv1.OrganizationKind_ORGANIZATION_KIND_WORKPLACE, Path: "/1/W1/", Displayed: revision == 3, Revision: revision})
		if err := s.Update(t.Context(), func(tx *store.Tx) error { return organizations.Consumer("x").Apply(tx, e) }); err != nil {
			t.Fatal(err)
		}
	}
	err := s.View(t.Context(), func(r kv.Reader) error {
		got, ok, err := organizations.Get(r, "W1")
		if !ok || got.Path != "/1/W1/" || !got.Displayed {
			t.Errorf("%+v, %v", got, ok)
		}
		if _, ok, _ := organizations.Get(r, "W2"); ok {
			t.Error("an organization that nobody announced")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
