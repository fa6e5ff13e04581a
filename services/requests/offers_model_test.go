package requests_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
)

// modelSlot is as long as every offer of the house.
const modelSlot = 90 * time.Minute

// modelOffer is what the model knows of an offer that is not gone: an hour from
// a time on.
type modelOffer struct {
	request, member string
	from            time.Time
	accepted        bool
}

// modelOffers are all of them, and what was counted.
type modelOffers struct {
	offers                   map[string]*modelOffer
	made, accepted, declined int64
}

// engaged says whether a member has a yes that overlaps another one from a time on.
func (m *modelOffers) engaged(member string, from time.Time) bool {
	for _, o := range m.offers {
		if o.member == member && o.accepted && o.from.Sub(from).Abs() < modelSlot {
			return true
		}
	}
	return false
}

func (m *modelOffers) asked(request, member string) bool {
	for _, o := range m.offers {
		if o.request == request && o.member == member {
			return true
		}
	}
	return false
}

// TestOffer_RandomCommandsAgainstAModel makes, accepts, declines and takes back
// offers in any order. What is allowed, who is engaged when, and the sums agree
// with a model; a no leaves nothing but its count.
func TestOffer_RandomCommandsAgainstAModel(t *testing.T) {
	h := newMatchingHouse(t)
	members := []string{"m1", "m3", "m4"}
	for _, m := range members {
		h.says(t, m, evenings())
	}
	var requests []string
	for i := range 6 {
		requests = append(requests, h.post(h.resident(fmt.Sprint("r", i)), t, problem()).GetId())
	}
	h.Civil.Advance(shanghai("2013-09-02 18:30")) // an evening: offers reach at once
	random := rand.New(rand.NewPCG(5, 19))
	m := &modelOffers{offers: map[string]*modelOffer{}}
	for step := range 300 {
		var name string
		var allowed bool
		var err error
		if len(m.offers) == 0 || random.IntN(2) == 0 {
			name = "make"
			o := &modelOffer{request: requests[random.IntN(len(requests))], member: members[random.IntN(len(members))]}
			at := fmt.Sprintf("2013-09-0%d %d:%02d", 3+random.IntN(3), 18+random.IntN(2), 30*random.IntN(2))
			o.from = shanghai(at)
			var made *pb.Offer
			made, err = h.offer(o.request, o.member, at)
			if allowed = !m.asked(o.request, o.member) && !m.engaged(o.member, o.from); allowed {
				m.offers[made.GetId()] = o
				m.made++
			}
		} else {
			name, allowed, err = h.answerOne(m, random)
		}
		if (err == nil) != allowed {
			t.Fatalf("step %d: %s allowed %t, %v", step, name, allowed, err)
		}
		if step%10 == 0 {
			h.offersAgree(t, m, members)
		}
	}
	h.offersAgree(t, m, members)
}

// answerOne accepts, declines or takes back one of the offers.
func (h matchingHouse) answerOne(m *modelOffers, random *rand.Rand) (name string, allowed bool, err error) {
	ids := slices.Sorted(maps.Keys(m.offers))
	id := ids[random.IntN(len(ids))]
	o := m.offers[id]
	switch random.IntN(3) {
	case 0:
		name, err = "accept", h.accept(o.member, id)
		if allowed = !o.accepted && !m.engaged(o.member, o.from); allowed {
			o.accepted = true
			m.accepted++
		}
	case 1:
		_, err = h.match.DeclineOffer(h.member(o.member), &pb.DeclineOfferRequest{Id: id})
		if name, allowed = "decline", !o.accepted; allowed {
			delete(m.offers, id)
			m.declined++
		}
	default:
		_, err = h.match.WithdrawOffer(h.staff(), &pb.WithdrawOfferRequest{Id: id})
		name, allowed = "withdraw", true
		delete(m.offers, id)
	}
	return name, allowed, err
}

func (h matchingHouse) offersAgree(t *testing.T, m *modelOffers, members []string) {
	t.Helper()
	for _, member := range members {
		want := 0
		for _, o := range m.offers {
			if o.member == member {
				want++
			}
		}
		got, err := h.match.ListMyOffers(h.member(member), &pb.ListMyOffersRequest{})
		if err != nil || len(got.GetOffers()) != want {
			t.Fatalf("%s reads %v, %v; want %d", member, got, err, want)
		}
		for _, o := range got.GetOffers() {
			if (o.GetState() == pb.OfferState_OFFER_STATE_ACCEPTED) != m.offers[o.GetId()].accepted {
				t.Fatalf("offer %v, want %+v", o, *m.offers[o.GetId()])
			}
		}
	}
	f, err := h.match.GetOfferFigures(h.staff(), &pb.GetOfferFiguresRequest{OrganizationId: "C1", Year: 2013})
	if k := f.GetFigures(); err != nil || k.GetMade() != m.made || k.GetAccepted() != m.accepted || k.GetDeclined() != m.declined {
		t.Fatalf("figures %v, %v; want %+v", f, err, *m)
	}
}
