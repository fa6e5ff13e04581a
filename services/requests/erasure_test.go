package requests_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/store"
)

// copyOf answers what is held of a person, as the registry would be told.
func (h house) copyOf(ctx context.Context, t *testing.T) string {
	t.Helper()
	var out strings.Builder
	req := &pb.CollectPersonRequest{}
	for {
		page, err := pb.NewPersonServiceClient(h.Conn()).CollectPerson(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, page.GetHeld())
		if req.After = page.GetNext(); len(req.GetAfter()) == 0 {
			return out.String()
		}
	}
}

// erased announces that a person is to be erased and waits until it is done.
func (h house) erased(t *testing.T, person string) {
	t.Helper()
	h.Announce("registry", store.Event{Name: "person.erasing", EntityID: "clm_" + person, Revision: 1,
		Data: &registryv1.PersonErasing{ClaimId: "clm_" + person, Person: person}})
	for began := time.Now(); !bytes.Contains(h.Events("requests"), []byte("clm_"+person)); {
		h.Drain()
		if time.Since(began) > 20*time.Second {
			t.Fatal("not erased")
		}
	}
}

const staffOnly, spokenOf, asked, hers = "我家水管漏水，电话在门卫处", "已经修好了吗", "请问几点在家", "邻居的灯不亮"

// spoken posts two requests of r1 with a picture and a conversation, and one of
// r2.
func (h house) spoken(t *testing.T) (own *pb.Request) {
	t.Helper()
	own = h.post(h.resident("r1"), t, &pb.PostRequestRequest{
		CommunityId: "C1", Kind: pb.RequestKind_REQUEST_KIND_PROBLEM, Category: "设施维修", Visibility: pb.Visibility_VISIBILITY_STAFF_ONLY,
		Text: staffOnly, Building: "15栋",
	})
	h.added(h.resident("r1"), t, own.GetId(), true)
	for ctx, text := range map[context.Context]string{h.resident("r1"): spokenOf, h.staff(): asked} {
		if _, err := h.handling().AddMessage(ctx, &pb.AddMessageRequest{Id: own.GetId(), Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	other := problem()
	other.Text = hers
	h.post(h.resident("r2"), t, other)
	return own
}

// TestErasure_TakesTextsPicturesAndConversation of the author, and leaves the step
// and the others.
func TestErasure_TakesTextsPicturesAndConversation(t *testing.T) {
	h := newHouse(t, inMemory())
	own := h.spoken(t)
	before := h.copyOf(h.resident("r1"), t)
	for _, text := range []string{staffOnly, spokenOf, asked, "shows_face"} {
		if !strings.Contains(before, text) {
			t.Errorf("the copy lacks %q", text)
		}
	}
	if strings.Contains(before, hers) {
		t.Error("the copy holds somebody else's")
	}
	h.erased(t, "r1")
	after := h.copyOf(h.resident("r1"), t)
	for _, text := range []string{staffOnly, spokenOf, asked, "shows_face", "15栋"} {
		if strings.Contains(after, text) {
			t.Errorf("%q is held", text)
		}
	}
	got, err := h.client.GetRequest(h.staff(), &pb.GetRequestRequest{Id: own.GetId()})
	if err != nil || got.GetRequest().GetCategory() != "设施维修" || got.GetRequest().GetTextSealed() {
		t.Errorf("what is left: %v, %v", got, err)
	}
	if pictures := h.pictures(h.staff(), t, own.GetId()); len(pictures) != 0 {
		t.Errorf("%d pictures", len(pictures))
	}
	if !strings.Contains(h.copyOf(h.resident("r2"), t), hers) {
		t.Error("somebody else lost something")
	}
}

// TestErasure_TakesAMembersAvailability, and the helper's copy does not
// hold the author's words.
func TestErasure_TakesAMembersAvailability(t *testing.T) {
	h := newHouse(t, inMemory())
	r := h.walk(t)
	_, err := pb.NewMatchingServiceClient(h.Conn()).SetMyAvailability(h.member("m1"), &pb.SetMyAvailabilityRequest{Availability: &pb.Availability{
		Consent: true, Specialties: []*pb.Specialty{{Name: "电工", Qualification: "湘A-2013-0001", QualifiedUntil: "2020-01-01"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	before := h.copyOf(h.member("m1"), t)
	if !strings.Contains(before, "湘A-2013-0001") || !strings.Contains(before, r.GetId()) {
		t.Error("the copy lacks what the member said or did")
	}
	if strings.Contains(before, "石板") {
		t.Error("the helper's copy holds the author's words")
	}
	h.erased(t, "m1")
	if strings.Contains(h.copyOf(h.member("m1"), t), "湘A") {
		t.Error("the number of the paper is held")
	}
}

// TestRetention_TakesWhatIsPastItsTime: a request that nobody has seen to for
// longer than the policy says loses its words; one that is open keeps them.
func TestRetention_TakesWhatIsPastItsTime(t *testing.T) {
	h := newHouse(t, inMemory())
	done := h.walk(t)
	h.spoken(t) // stays open
	wordsOf := func(person, id string) bool {
		got, err := h.client.GetRequest(h.resident(person), &pb.GetRequestRequest{Id: id})
		if err != nil {
			t.Fatal(err)
		}
		return got.GetRequest().GetText()+got.GetRequest().GetAnswer() != ""
	}
	h.Civil.Advance(h.Civil.Now().AddDate(0, 0, 1000))
	h.erased(t, "nobody") // the job looks, and the day is another
	if !wordsOf("r1", done.GetId()) {
		t.Error("taken before its time")
	}
	h.Civil.Advance(h.Civil.Now().AddDate(0, 0, 100))
	h.erased(t, "nobody else")
	for began := time.Now(); wordsOf("r1", done.GetId()); {
		if time.Since(began) > 20*time.Second {
			t.Fatal("kept for longer than the policy says")
		}
	}
	if !strings.Contains(h.copyOf(h.resident("r1"), t), staffOnly) {
		t.Error("an open request lost its words")
	}
}
