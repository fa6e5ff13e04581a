package evaluation_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
)

// shaky loses answers of commits and refuses others, as a process that is
// killed and started again does: what was committed stays, what was not is
// done again.
type shaky struct {
	kv.Engine
	on     atomic.Bool
	random *rand.Rand // used under the engine's own commits, one at a time
	turn   chan struct{}
}

var errKilled = errors.New("killed here")

func (s *shaky) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.on.Load() && len(r.Writes) > 0 {
		switch s.random.IntN(4) {
		case 0:
			return 0, errKilled
		case 1:
			if _, err := s.Engine.Commit(ctx, r); err != nil {
				return 0, err
			}
			return 0, kv.ErrUnknownOutcome
		}
	}
	return s.Engine.Commit(ctx, r)
}

// TestWork_BrokenOffAnywhereGivesTheSame breaks the work on a cycle off again
// and again: every fourth commit is refused, every fourth happens and its
// answer is lost. Sums and letters come out as in an undisturbed run.
func TestWork_BrokenOffAnywhereGivesTheSame(t *testing.T) {
	engine := &shaky{Engine: memkv.New(), random: rand.New(rand.NewPCG(5, 8)), turn: make(chan struct{}, 1)}
	h := newHouse(t, kv.New(engine, kv.Options{}), names{})
	h.big("a", w1, 400)
	h.big("b", w2, 30)
	for i := range 40 {
		member := fmt.Sprintf("a%05d", i*10)
		h.resolved(fmt.Sprintf("req_%d", i), member, "2013-11-05", int32(i%8))
	}
	h.confirmAll(t)
	opened, err := h.client.OpenCycle(h.officer(), &pb.OpenCycleRequest{DistrictId: "11", Year: 2013})
	if err != nil {
		t.Fatal(err)
	}
	id := opened.GetCycle().GetId()
	engine.on.Store(true)
	h.await(t, id, pb.CycleState_CYCLE_STATE_OPEN)
	engine.on.Store(false)
	if _, err := h.client.ComputeCycle(h.officer(), &pb.ComputeCycleRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	engine.on.Store(true)
	c := h.await(t, id, pb.CycleState_CYCLE_STATE_COMPUTED)
	engine.on.Store(false)
	var quarters int64
	for i := range 40 {
		quarters += int64(i % 8)
	}
	if c.GetMembers() != 430 || c.GetTimes() != 40 || c.GetQuarterHours() != quarters || c.GetMembersWithService() != 40 || c.GetLetters() != 2 {
		t.Errorf("cycle: %v, want %d quarters", c, quarters)
	}
	letters := h.letters(t, id)
	if letters["W1"].GetMembers() != 400 || letters["W1"].GetTimes() != 40 || letters["W2"].GetMembers() != 30 {
		t.Errorf("letters: %v", letters)
	}
}
