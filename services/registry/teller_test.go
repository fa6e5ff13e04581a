package registry

import (
	"context"
	"encoding/binary"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// teller is the registry without door, delivery and jobs: the test hands it
// events and does the jobs' steps itself. Every closure runs twice.
type teller struct {
	*Service

	t     testing.TB
	civil *clock.Civil
	wall  time.Time
	next  uint64
}

func newTeller(t testing.TB, change ...func(*Deps)) *teller {
	t.Helper()
	x := &teller{t: t, wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	wall := clock.Func(func() time.Time { return x.wall })
	x.civil = clock.NewCivil(wall, lastDay)
	s, err := store.Open(t.Context(), store.Config{
		Service: "registry", DB: kvtest.Rerun(kv.New(memkv.New(), kv.Options{})), Master: seal.MasterKey{1},
		Civil: x.civil, Wall: wall, IDs: ids.New, Log: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	deps := Deps{Store: s, IDs: ids.New, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&deps)
	}
	x.Service, err = New(deps)
	must(t, err)
	t.Cleanup(func() {
		report, err := s.Check(context.Background(), x.Tables()...)
		must(t, err)
		for _, p := range report.Problems {
			t.Error(p)
		}
		must(t, s.Close())
	})
	for path, kind := range map[string]pb.OrganizationKind{
		"/430100/": pb.OrganizationKind_ORGANIZATION_KIND_CITY, district: pb.OrganizationKind_ORGANIZATION_KIND_DISTRICT,
		streetA: pb.OrganizationKind_ORGANIZATION_KIND_STREET, communityA: pb.OrganizationKind_ORGANIZATION_KIND_COMMUNITY,
		communityB: pb.OrganizationKind_ORGANIZATION_KIND_COMMUNITY, workplace: pb.OrganizationKind_ORGANIZATION_KIND_WORKPLACE,
		outsider: pb.OrganizationKind_ORGANIZATION_KIND_EXTERNAL,
	} {
		x.update(func(tx *store.Tx) error {
			_, err := x.organizations.Insert(tx, &pb.Organization{Id: leaf(path), Name: "«" + leaf(path) + "»", Kind: kind, Path: path})
			return err
		})
	}
	return x
}

const (
	streetA  = district + "430101002/"
	outsider = "/430100/X001/"
)

func (x *teller) update(fn func(*store.Tx) error) {
	x.t.Helper()
	must(x.t, x.store.Update(x.t.Context(), fn))
}

// event makes an event as the broker hands it over; each has an id of its own.
func (x *teller) event(subject, entity string, revision uint64, data proto.Message) *typev1.EventRow {
	x.t.Helper()
	raw, err := proto.Marshal(data)
	must(x.t, err)
	x.next++
	return &typev1.EventRow{
		Id: "evt_" + string(binary.BigEndian.AppendUint64(nil, x.next)), Type: subject + ".v1", Subject: subject, EntityId: entity,
		Revision: revision, Time: timestamppb.New(x.wall), CivilTime: timestamppb.New(x.civil.Now()),
		DataSchema: string(proto.MessageName(data)), Data: raw,
	}
}

// hear has an event told, and its round if it has one.
func (x *teller) hear(events ...*typev1.EventRow) {
	x.t.Helper()
	for _, e := range events {
		x.update(func(tx *store.Tx) error { return x.deliver(tx, e) })
	}
	x.goRounds()
}

func (x *teller) goRounds() {
	x.t.Helper()
	for {
		n, err := x.tellDue(x.t.Context())
		must(x.t, err)
		if n == 0 {
			return
		}
	}
}

// rows answers every message that lies anywhere, also what may not be known yet.
func (x *teller) rows() []*pb.MessageRow {
	x.t.Helper()
	var out []*pb.MessageRow
	q := table.Query{Limit: 500}
	for more := true; more; {
		must(x.t, x.store.View(x.t.Context(), func(r kv.Reader) error {
			page, err := x.messages.List(r, scope.All(), q)
			for _, row := range page.Rows {
				out = append(out, row.Value)
			}
			q.After, more = page.Last, page.Last != nil
			return err
		}))
	}
	return out
}

// to answers the topics that an address may know of now, the newest first.
func (x *teller) to(address string) string {
	x.t.Helper()
	var out []*pb.Message
	must(x.t, x.store.View(x.t.Context(), func(r kv.Reader) error {
		q := inbox{Service: x.Service}.messagesTo(address, false)
		q.Limit = 100
		page, err := x.messages.List(r, scope.All(), q)
		for _, row := range page.Rows {
			out = append(out, &pb.Message{Topic: row.Value.GetTopic()})
		}
		return err
	}))
	return topicsOf(out)
}
