package requests_test

import (
	"bytes"
	"testing"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/requests"
)

// The limit of the street passes by itself and is announced once.
func TestRelief_OverdueIsAnnouncedOnce(t *testing.T) {
	h := newAidHouse(t)
	c := h.consented(t)
	if _, err := h.aid.AskRelief(h.staff(), &pb.AskReliefRequest{Id: c.GetId()}); err != nil {
		t.Fatal(err)
	}
	const name = "linli.requests.hardship_case.relief_overdue.v1"
	h.Civil.Advance(shanghai("2013-09-16 23:59"))
	h.Drain()
	if got, err := h.aid.GetHardshipCase(h.staff(), &pb.GetHardshipCaseRequest{Id: c.GetId()}); err != nil || got.GetHardshipCase().GetReliefLate() {
		t.Fatal(got, err)
	}
	if bytes.Contains(h.Events("requests"), []byte(name)) {
		t.Error("announced on the last day")
	}
	h.Civil.Advance(shanghai("2013-09-17 00:00"))
	if got, err := h.aid.GetHardshipCase(h.staff(), &pb.GetHardshipCaseRequest{Id: c.GetId()}); err != nil || !got.GetHardshipCase().GetReliefLate() {
		t.Fatal(got, err)
	}
	s, err := requests.New(requests.Deps{Store: h.Store("requests"), IDs: ids.New, Log: h.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := requests.CheckLimits(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if n := bytes.Count(h.Events("requests"), []byte(name)); n != 1 {
		t.Errorf("announced %d times", n)
	}
	h.Civil.Advance(shanghai("2013-09-18 09:00"))
	late, err := h.aid.DecideRelief(h.street(), &pb.DecideReliefRequest{Id: c.GetId(), Decision: 1, Document: "街救2013-7"})
	if err != nil || !late.GetHardshipCase().GetReliefLate() || late.GetHardshipCase().GetState() != pb.HardshipState_HARDSHIP_STATE_RELIEF_DECIDED {
		t.Error(late, err)
	}
}

// What a district decides holds: its limit for the street, its hours.
func TestPolicy_OfTheDistrictHolds(t *testing.T) {
	h := newMatchingHouse(t)
	value := func(key, text string) *registryv1.PolicyValue {
		return &registryv1.PolicyValue{Key: key, Value: text, Source: &registryv1.PolicySource{Title: "区委文件", Number: "区发〔2013〕1号"}}
	}
	h.Announce("registry", store.Event{Name: "policy.published", EntityID: "p1", Revision: 1, Data: &registryv1.PolicyPublished{
		DistrictPath: "/1/11/", Revision: 1, Policy: &registryv1.Policy{Year: 2013, Version: 1, Values: []*registryv1.PolicyValue{
			value("requests.relief_days", "2"), value("requests.matching.work_to", "17"),
			value("requests.matching.insured", "书法"), value("requests.matching.street", "100"),
		}}}})
	h.Drain()
	asked, err := h.aid.AskRelief(h.staff(), &pb.AskReliefRequest{Id: h.consented(t).GetId()})
	if err != nil || !asked.GetHardshipCase().GetReliefDueAt().AsTime().Equal(shanghai("2013-09-05 00:00")) {
		t.Error(asked, err)
	}
	a := evenings()
	a.FreeTimes, a.Specialties = nil, []*pb.Specialty{{Name: "书法"}}
	h.says(t, "m1", a)
	request := h.post(h.resident("r1"), t, problem()).GetId()
	if o := h.offered(t, request, "m1", "2013-09-03 17:00"); !o.GetReachesAt().AsTime().Equal(shanghai("2013-09-02 17:00")) {
		t.Errorf("reaches the member at %s", o.GetReachesAt().AsTime())
	}
	other := h.post(h.resident("r1"), t, problem()).GetId()
	if got := h.suggest(t, other, "书法", "2013-09-03 19:00"); len(got) != 0 {
		t.Errorf("without the insurance that the district asks for: %v", got)
	}
}

// An offer that nobody answers goes when the work begins, and is counted in sum.
func TestOffer_UnansweredGoes(t *testing.T) {
	h := newMatchingHouse(t)
	h.says(t, "m1", evenings())
	h.says(t, "m3", evenings())
	request := h.post(h.resident("r1"), t, problem()).GetId()
	h.offered(t, request, "m1", "2013-09-03 19:00")
	kept := h.offered(t, request, "m3", "2013-09-03 19:00")
	h.Civil.Advance(shanghai("2013-09-02 19:00"))
	if err := h.accept("m3", kept.GetId()); err != nil {
		t.Fatal(err)
	}
	s, err := requests.New(requests.Deps{Store: h.Store("requests"), IDs: ids.New, Log: h.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at         string
		left       int
		unanswered int64
	}{{"2013-09-03 18:59", 2, 0}, {"2013-09-03 19:00", 1, 1}, {"2013-09-04 19:00", 1, 1}} {
		h.Civil.Advance(shanghai(c.at))
		if err := requests.CheckLimits(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		list, err := h.match.ListRequestOffers(h.staff(), &pb.ListRequestOffersRequest{RequestId: request})
		if err != nil || len(list.GetOffers()) != c.left {
			t.Errorf("%s: %v, %v", c.at, list, err)
		}
		f, err := h.match.GetOfferFigures(h.staff(), &pb.GetOfferFiguresRequest{OrganizationId: "C1", Year: 2013})
		if err != nil || f.GetFigures().GetUnanswered() != c.unanswered || f.GetFigures().GetDeclined() != 0 {
			t.Errorf("%s: %v, %v", c.at, f, err)
		}
	}
}
