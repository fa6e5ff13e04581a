package requests

import (
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// Of what lies here only a request that was handed to somebody of an office waits
// for one person; everything else waits for an office, and whoever has the role
// there goes on with it.

// handedAtOnce is how many requests one commit looks at: it moves each with four
// writes at most.
const handedAtOnce = 100

// handOverConsumers move what was handed to somebody who leaves or is away to
// the colleague: a slice, and after each the next.
func (s *Service) handOverConsumers() []events.Consumer {
	return []events.Consumer{
		{Name: "requests-hand-overs", From: "registry", Kind: events.Fact, Subjects: []string{"linli.registry.work.handed_over"}, Apply: s.beginHandOver},
		{Name: "requests-hand-over-slices", From: "requests", Kind: events.Fact, Subjects: []string{"linli.requests.work.passed_on"}, Apply: s.goOnHandOver},
	}
}

func (s *Service) beginHandOver(tx *store.Tx, e *typev1.EventRow) error {
	var ev registryv1.WorkHandedOver
	if err := events.Decode(e, &ev); err != nil {
		return err
	}
	return s.passOn(tx, &pb.WorkPassedOn{
		HandOver: e.GetId(), FromPerson: ev.GetFromPerson(), ToPerson: ev.GetToPerson(), OfficePaths: ev.GetOrganizationPaths(),
	})
}

func (s *Service) goOnHandOver(tx *store.Tx, e *typev1.EventRow) error {
	var ev pb.WorkPassedOn
	if err := events.Decode(e, &ev); err != nil {
		return err
	}
	return s.passOn(tx, &ev)
}

// passOn moves a slice, and announces it where there may be more.
func (s *Service) passOn(tx *store.Tx, w *pb.WorkPassedOn) error {
	page, err := s.tables.requests.List(tx, scope.All(), table.Query{
		Index: byPerson, Prefix: key.Key(nil).String(w.GetFromPerson()), After: w.GetAfter(), Limit: handedAtOnce,
	})
	if err != nil {
		return err
	}
	for _, row := range page.Rows {
		if !movesWith(w, row.Value) {
			continue
		}
		next := proto.CloneOf(row.Value)
		next.Request.HandedTo = w.GetToPerson()
		kept, err := s.tables.requests.Replace(tx, row, next)
		if err != nil {
			return err
		}
		if err := s.announce(tx, handedOver, kept, row.Value.GetRequest().GetState(), firstTime{}); err != nil {
			return err
		}
	}
	if page.Last == nil {
		return nil
	}
	next := proto.CloneOf(w)
	next.Slice, next.After = w.GetSlice()+1, page.Last
	return tx.Emit(store.Event{Name: "work.passed_on", EntityID: w.GetHandOver() + "/" + strconv.Itoa(int(next.GetSlice())), Revision: 1, Data: next})
}

// movesWith says whether an open request was handed to who hands over, for one of
// the offices. One that the colleague posted stays: nobody sees to the own.
func movesWith(w *pb.WorkPassedOn, row *pb.RequestRow) bool {
	r := row.GetRequest()
	return requestOpen(r) && r.GetHandedTo() == w.GetFromPerson() && r.GetAuthor() != w.GetToPerson() &&
		slices.Contains(w.GetOfficePaths(), row.GetHandedPath())
}
