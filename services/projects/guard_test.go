package projects

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/testkit"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/call"
)

// A range that was read is not checked at commit, so an application that comes
// in while the review starts is found by the roll only.
func TestHandOver_NoticesWhoComesInMeanwhile(t *testing.T) {
	h := testkit.New(t)
	h.StoreOn("projects", kv.New(memkv.New(), kv.Options{Pause: func(context.Context, int) error { return nil }}))
	s, err := New(Deps{Store: h.Store("projects"), IDs: ids.New, Log: h.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	update := func(fn func(tx *store.Tx) error) {
		t.Helper()
		if err := s.store.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	called := &pb.Call{Id: "cal_1", State: pb.CallState(call.Opened), ClosesAt: timestamppb.New(testkit.Begin()),
		OpensAt: timestamppb.New(testkit.Begin().Add(-time.Hour)), Reviewers: []*pb.Reviewer{{Person: "E1"}}}
	update(func(tx *store.Tx) error {
		_, err := s.tables.calls.Insert(tx, &pb.CallRow{Call: called})
		if err != nil {
			return err
		}
		_, err = s.tables.rolls.Insert(tx, &pb.RollRow{CallId: "cal_1"})
		return err
	})
	runs := 0
	update(func(tx *store.Tx) error {
		if runs++; runs > 1 {
			return s.handOver(tx, called)
		}
		if err := s.handOver(tx, called); err != nil {
			return err
		}
		update(func(meanwhile *store.Tx) error { // another caller's commit
			_, err := s.enter(meanwhile, &pb.ApplicationRow{Application: &pb.Application{
				Id: "apl_1", CallId: "cal_1", Number: "1", State: pb.ApplicationState(application.Submitted),
			}}, 1)
			return err
		})
		return nil
	})
	err = s.store.View(t.Context(), func(r kv.Reader) error {
		row, err := s.application(r, scope.All(), "apl_1", "")
		if state := application.State(row.Value.GetApplication().GetState()); runs != 2 || state != application.InReview {
			t.Errorf("after %d runs it is %s", runs, state)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
