package requests_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
)

// Who posts or says "me too" is told once a community and year, so that others
// can count residents without knowing them.
func TestEvents_SayWhoIsNewInTheYearOnce(t *testing.T) {
	h := newHouse(t, inMemory())
	first := h.post(h.resident("r1"), t, problem())
	h.post(h.resident("r1"), t, problem())
	for _, who := range []string{"r2", "r1"} {
		other := h.post(h.resident("r3"), t, problem())
		if _, err := h.circle().JoinRequest(h.resident(who), &pb.JoinRequestRequest{Id: other.GetId()}); err != nil {
			t.Fatal(err)
		}
	}
	if first.GetId() == "" {
		t.Fatal("no request")
	}
	if got, want := h.newInYear(t), []int{3, 3}; !slices.Equal(got, want) {
		t.Errorf("new ever and in the year: %v, want %v", got, want)
	}
	h.Civil.Advance(shanghai("2014-01-02 09:00"))
	h.post(h.resident("r1"), t, problem())
	h.post(h.resident("r1"), t, problem())
	if got, want := h.newInYear(t), []int{3, 4}; !slices.Equal(got, want) {
		t.Errorf("in the next year: %v, want %v", got, want)
	}
}

// newInYear counts events that say "new ever" and "new in the year".
func (h house) newInYear(t *testing.T) []int {
	t.Helper()
	ever, year := 0, 0
	count := func(isNew, inYear bool) {
		if isNew {
			ever++
		}
		if inYear {
			year++
		}
	}
	err := h.Store("requests").View(t.Context(), func(r kv.Reader) error {
		return store.EachEvent(r, func(row []byte) {
			var e typev1.EventRow
			var posted pb.RequestChanged
			var joined pb.RequestJoined
			if err := proto.Unmarshal(row, &e); err != nil {
				t.Fatal(err)
			}
			switch e.GetSubject() {
			case "linli.requests.request.posted":
				if err := proto.Unmarshal(e.GetData(), &posted); err != nil {
					t.Fatal(err)
				}
				count(posted.GetParticipantIsNew(), posted.GetParticipantIsNewInYear())
			case "linli.requests.request.joined":
				if err := proto.Unmarshal(e.GetData(), &joined); err != nil {
					t.Fatal(err)
				}
				count(joined.GetParticipantIsNew(), joined.GetParticipantIsNewInYear())
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return []int{ever, year}
}
