package requests_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
)

// looks lets days pass for people, and waits until the daily round has looked on
// another day and what is due is gone.
func (h house) looks(t *testing.T, days int, gone func() bool) {
	t.Helper()
	h.Civil.Advance(h.Civil.Now().AddDate(0, 0, days))
	h.erased(t, fmt.Sprint("nobody ", days)) // wakes the job
	for began := time.Now(); !gone(); {
		if time.Since(began) > 20*time.Second {
			t.Fatal("kept for longer than the policy says")
		}
	}
}

// TestRetention_TakesPicturesAndConversation of a request that was declined, with
// its words; of one that is open they stay.
func TestRetention_TakesPicturesAndConversation(t *testing.T) {
	h := newHouse(t, inMemory())
	own, done := h.spoken(t), h.walk(t)
	texts := []string{staffOnly, spokenOf, asked, "shows_face"}
	holds := func() (n int) {
		held := h.copyOf(h.resident("r1"), t)
		for _, text := range texts {
			if strings.Contains(held, text) {
				n++
			}
		}
		return n
	}
	words := func() bool {
		got, err := h.client.GetRequest(h.resident("r1"), &pb.GetRequestRequest{Id: done.GetId()})
		if err != nil {
			t.Fatal(err)
		}
		return got.GetRequest().GetText()+got.GetRequest().GetAnswer() != ""
	}
	// The other request is past its time first: the round has looked when it is gone.
	h.Civil.Advance(h.Civil.Now().AddDate(0, 0, 500))
	if _, err := h.handling().DeclineRequest(h.staff(), &pb.DeclineRequestRequest{Id: own.GetId(), Reason: "不属于受理范围"}); err != nil {
		t.Fatal(err)
	}
	h.looks(t, 600, func() bool { return !words() })
	if n := holds(); n != len(texts) {
		t.Errorf("600 days after its end %d of %d are held", n, len(texts))
	}
	h.looks(t, 500, func() bool { return holds() == 0 })
	if pictures := h.pictures(h.staff(), t, own.GetId()); len(pictures) != 0 {
		t.Errorf("%d pictures", len(pictures))
	}
	if !strings.Contains(h.copyOf(h.resident("r2"), t), hers) {
		t.Error("an open request lost its words")
	}
}

// TestRetention_TakesTheFactsOfAClosedCase, and of one that is open leaves them.
func TestRetention_TakesTheFactsOfAClosedCase(t *testing.T) {
	h := newAidHouse(t)
	closed, open := h.consented(t), h.consented(t)
	reveal := func(ctx context.Context, id string) error {
		_, err := h.aid.RevealHardshipFacts(ctx, &pb.RevealHardshipFactsRequest{Id: id, Reason: "复核"})
		return err
	}
	erased := func(id string) func() bool {
		return func() bool {
			got, err := h.aid.GetHardshipCase(h.staff(), &pb.GetHardshipCaseRequest{Id: id})
			if err != nil {
				t.Fatal(err)
			}
			return got.GetHardshipCase().GetFactsErased()
		}
	}
	end := func(id string) {
		if _, err := h.aid.CloseHardshipCase(h.staff(), &pb.CloseHardshipCaseRequest{Id: id, SkipReason: "家中已有人照料"}); err != nil {
			t.Fatal(err)
		}
	}
	early := h.consented(t)
	end(early.GetId())
	h.Civil.Advance(h.Civil.Now().AddDate(0, 0, 100))
	end(closed.GetId())
	h.looks(t, 300, erased(early.GetId()))
	if err := reveal(h.staff(), closed.GetId()); err != nil {
		t.Errorf("300 days after its end: %v", err)
	}
	h.looks(t, 66, erased(closed.GetId()))
	refused(t, "the facts", reveal(h.staff(), closed.GetId()), codes.FailedPrecondition, "FACTS_ERASED")
	if err := reveal(h.staff(), open.GetId()); err != nil {
		t.Errorf("an open case: %v", err)
	}
}
