package requests_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/testkit"
	"github.com/linli-project/linli/services/requests"
)

// alone is the service behind the door on an engine, without delivery, so that
// the engine sees the service's own operations only.
func alone(t testing.TB, engine kv.Engine) pb.RequestsServiceClient {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	st, err := store.Open(t.Context(), store.Config{Service: "requests", DB: kv.New(engine, kv.Options{}), Master: seal.MasterKey{1},
		Civil: clock.NewCivil(clock.Wall(), testkit.Begin()), Wall: clock.Wall(), IDs: ids.New, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := requests.New(requests.Deps{Store: st, IDs: ids.New, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	server, err := rpc.NewServer(rpc.Config{Services: []rpc.Service{s}, Authenticator: accesstest.Authenticator(),
		Log: log, Wall: clock.Wall(), IDs: ids.New, Dev: true})
	if err != nil {
		t.Fatal(err)
	}
	for path, kind := range map[string]registryv1.OrganizationKind{
		"/1/11/": registryv1.OrganizationKind_ORGANIZATION_KIND_DISTRICT, c1: registryv1.OrganizationKind_ORGANIZATION_KIND_COMMUNITY,
	} {
		registered(t, s, st, path, kind)
	}
	return pb.NewRequestsServiceClient(server.Conn())
}

// registered has an organization's event arrive.
func registered(t testing.TB, s *requests.Service, st *store.Store, path string, kind registryv1.OrganizationKind) {
	t.Helper()
	id := scope.Path(path).ID()
	m := &registryv1.OrganizationChanged{Id: id, Kind: kind, Path: path, Displayed: true, Revision: 1}
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	e := &typev1.EventRow{Id: "e" + id, Type: "linli.registry.organization.registered.v1", EntityId: id, Revision: 1,
		Time: timestamppb.New(time.Unix(1e9, 0)), DataSchema: string(m.ProtoReflect().Descriptor().FullName()), Data: data}
	for _, c := range s.Reactions() {
		if !strings.HasSuffix(c.Name, "-organizations") {
			continue
		}
		err := st.Update(t.Context(), func(tx *store.Tx) error { return c.Effect(tx, e, slog.New(slog.DiscardHandler)) })
		if err != nil {
			t.Fatal(err)
		}
	}
}

func calling(t testing.TB, role typev1.Role, person, key string) context.Context {
	return testkit.Keyed(metadata.NewOutgoingContext(t.Context(), metadata.Pairs(rpc.HeaderAuthorization,
		"Bearer "+accesstest.Token(person, access.Grant{Role: role, Path: c1}))), key)
}

// TestRequest_EveryOperationFails lets each operation of the store fail while a
// request is posted, and while it is admitted: the row, its indexes, event,
// audit line and remembered answer are there together or not at all.
func TestRequest_EveryOperationFails(t *testing.T) {
	open := func() kv.Engine { return memkv.New() }
	posting := func(t testing.TB, c pb.RequestsServiceClient) (string, error) {
		reply, err := c.PostRequest(calling(t, typev1.Role_ROLE_RESIDENT, "r1", "post"), problem())
		return reply.GetRequest().GetId(), err
	}
	n := kvtest.EveryOperation(t, open, func(t testing.TB, e kv.Engine) func() error {
		c := alone(t, e)
		return func() error { _, err := posting(t, c); return err }
	})
	m := kvtest.EveryOperation(t, open, func(t testing.TB, e kv.Engine) func() error {
		c := alone(t, e)
		id, err := posting(t, c)
		if err != nil {
			t.Fatal(err)
		}
		return func() error {
			_, err := c.AdmitRequest(calling(t, typev1.Role_ROLE_COMMITTEE_STAFF, "staff", "admit"), &pb.AdmitRequestRequest{Id: id})
			return err
		}
	})
	t.Logf("%d operations of posting and %d of admitting failed", n, m)
}
