package requests_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/store"
)

// matchingHouse is a house in which more members reported in: m1, m3 and m4 to
// C1, m2 to C2 of the same street, m9 to a community of another street.
type matchingHouse struct {
	aidHouse
	match pb.MatchingServiceClient
}

func newMatchingHouse(t *testing.T) matchingHouse {
	t.Helper()
	h := newAidHouse(t)
	for member, community := range map[string]string{"m3": c1, "m4": c1, "m9": "/1/11/222/C3/"} {
		h.Announce("registry", store.Event{Name: "report_in.accepted", EntityID: "r" + member, Revision: 2, Data: &registryv1.ReportInsChanged{
			ReportIns: []*registryv1.ReportInStateChange{{Id: "r" + member, Revision: 2, MemberId: member, HomePath: "/1/11/W1/",
				CommunityPath: community, State: registryv1.ReportInState_REPORT_IN_STATE_ACCEPTED}}}})
	}
	h.Drain()
	return matchingHouse{h, pb.NewMatchingServiceClient(h.Conn())}
}

func (h matchingHouse) says(t *testing.T, member string, a *pb.Availability) {
	t.Helper()
	if _, err := h.match.SetMyAvailability(h.member(member), &pb.SetMyAvailabilityRequest{Availability: a}); err != nil {
		t.Fatal(err)
	}
}

// evenings is somebody who is free on weekday evenings.
func evenings() *pb.Availability {
	a := &pb.Availability{Consent: true}
	for d := range int32(5) {
		a.FreeTimes = append(a.FreeTimes, &pb.FreeTime{Weekday: d + 1, FromMinute: 18 * 60, ToMinute: 21 * 60})
	}
	return a
}

func (h matchingHouse) suggest(t *testing.T, request, specialty, at string) []string {
	t.Helper()
	r, err := h.match.SuggestMembers(h.staff(), &pb.SuggestMembersRequest{
		RequestId: request, Specialty: specialty, StartsAt: timestamppb.New(shanghai(at)), QuarterHours: 4})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range r.GetSuggestions() {
		var why []string
		for _, x := range s.GetReasons() {
			text := strings.TrimPrefix(x.GetKind().String(), "SUGGESTION_REASON_KIND_")
			if x.GetDetail() != "" {
				text += " " + x.GetDetail()
			}
			why = append(why, text)
		}
		out = append(out, s.GetMemberId()+": "+strings.Join(why, ", "))
	}
	return out
}

func TestSuggestMembers_WithTheirReasons(t *testing.T) {
	h := newMatchingHouse(t)
	request := h.post(h.resident("r1"), t, problem()).GetId() // at 15栋 of C1
	if got := h.suggest(t, request, "", "2013-09-03 19:00"); len(got) != 0 {
		t.Errorf("without consent: %v", got)
	}
	near := evenings()
	near.Building = "15栋"
	h.says(t, "m1", near)
	h.says(t, "m2", evenings())
	h.says(t, "m3", &pb.Availability{Consent: true, Building: "3栋"})
	h.says(t, "m4", &pb.Availability{Consent: false, Building: "15栋"})
	h.says(t, "m9", evenings())
	want := []string{
		"m1: SAME_BUILDING, FREE, LOAD 0",
		"m2: SAME_STREET, FREE, LOAD 0",
		"m3: SAME_COMMUNITY, FREE_UNSTATED, LOAD 0",
	}
	if got := h.suggest(t, request, "", "2013-09-03 19:00"); strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("got %q, want %q", got, want)
	}
	electric := evenings()
	electric.Specialties = []*pb.Specialty{{Name: "电工", Qualification: "湘电4301", QualifiedUntil: "2014-06-30", InsuredUntil: "2013-09-03"}}
	h.says(t, "m3", electric)
	want = []string{"m3: SPECIALTY 电工, QUALIFIED 2014-06-30, INSURED 2013-09-03, SAME_COMMUNITY, FREE, LOAD 0"}
	if got := h.suggest(t, request, "电工", "2013-09-03 19:00"); strings.Join(got, "; ") != want[0] {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := h.suggest(t, request, "电工", "2013-09-04 19:00"); len(got) != 0 {
		t.Errorf("after the insurance lapsed: %v", got)
	}
	for name, c := range map[string]struct {
		ctx    context.Context
		at     string
		code   codes.Code
		reason string
	}{
		"at night":             {h.staff(), "2013-09-03 21:30", codes.FailedPrecondition, "OFFER_AT_NIGHT"},
		"yesterday":            {h.staff(), "2013-09-01 19:00", codes.FailedPrecondition, "OFFER_IN_THE_PAST"},
		"another community":    {h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "s2", c2), "2013-09-03 19:00", codes.NotFound, "NOT_FOUND"},
		"for the author":       {h.resident("r1"), "2013-09-03 19:00", codes.PermissionDenied, "ROLE_NOT_ALLOWED"},
		"no official calendar": {h.staff(), "2019-09-03 19:00", codes.FailedPrecondition, "NO_CALENDAR"},
	} {
		_, err := h.match.SuggestMembers(c.ctx, &pb.SuggestMembersRequest{RequestId: request, StartsAt: timestamppb.New(shanghai(c.at)), QuarterHours: 4})
		refused(t, name, err, c.code, c.reason)
	}
}

func (h matchingHouse) offer(request, member, at string) (*pb.Offer, error) {
	r, err := h.match.MakeOffer(h.staff(), &pb.MakeOfferRequest{
		RequestId: request, MemberId: member, StartsAt: timestamppb.New(shanghai(at)), QuarterHours: 6})
	return r.GetOffer(), err
}

func (h matchingHouse) offered(t *testing.T, request, member, at string) *pb.Offer {
	t.Helper()
	o, err := h.offer(request, member, at)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (h matchingHouse) mine(t *testing.T, member string) (ids []string) {
	t.Helper()
	r, err := h.match.ListMyOffers(h.member(member), &pb.ListMyOffersRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range r.GetOffers() {
		ids = append(ids, o.GetId())
	}
	return ids
}

func (h matchingHouse) accept(member, id string) error {
	_, err := h.match.AcceptOffer(h.member(member), &pb.AcceptOfferRequest{Id: id})
	return err
}

func TestOffer_YesMakesAnEngagement(t *testing.T) {
	h := newMatchingHouse(t) // Monday, 9:00: working hours
	h.says(t, "m1", evenings())
	request := h.post(h.resident("r1"), t, problem()).GetId()
	other := h.post(h.resident("r2"), t, problem()).GetId()
	o := h.offered(t, request, "m1", "2013-09-03 19:00")
	if !o.GetReachesAt().AsTime().Equal(shanghai("2013-09-02 18:00")) {
		t.Errorf("reaches the member at %s", o.GetReachesAt().AsTime().In(clock.Shanghai()))
	}
	if got := h.mine(t, "m1"); len(got) != 0 {
		t.Errorf("at work the member reads %v", got)
	}
	second := h.offered(t, other, "m1", "2013-09-03 19:30") // asked twice, engaged for neither
	h.Civil.Advance(shanghai("2013-09-02 18:00"))
	if got := h.mine(t, "m1"); len(got) != 2 {
		t.Errorf("in the evening the member reads %v", got)
	}
	refused(t, "accepted by another member", h.accept("m3", o.GetId()), codes.NotFound, "NOT_FOUND")
	if err := h.accept("m1", o.GetId()); err != nil {
		t.Fatal(err)
	}
	refused(t, "accepted twice", h.accept("m1", o.GetId()), codes.FailedPrecondition, "WRONG_STATE")
	refused(t, "accepted beside the first", h.accept("m1", second.GetId()), codes.FailedPrecondition, "ENGAGEMENT_OVERLAPS")
	_, err := h.match.DeclineOffer(h.member("m1"), &pb.DeclineOfferRequest{Id: o.GetId()})
	refused(t, "declined after the yes", err, codes.FailedPrecondition, "WRONG_STATE")
	third := h.post(h.resident("r3"), t, problem()).GetId()
	_, err = h.offer(third, "m1", "2013-09-03 18:00")
	refused(t, "asked while engaged", err, codes.FailedPrecondition, "ENGAGEMENT_OVERLAPS")
	if got := h.suggest(t, third, "", "2013-09-03 19:30"); len(got) != 0 {
		t.Errorf("suggested while engaged: %v", got)
	}
	if got := h.suggest(t, third, "", "2013-09-04 19:00"); len(got) != 1 || !strings.HasSuffix(got[0], "LOAD 1.5") {
		t.Errorf("the load is not counted: %v", got)
	}
	if _, err := h.match.WithdrawOffer(h.staff(), &pb.WithdrawOfferRequest{Id: o.GetId()}); err != nil {
		t.Fatal(err)
	}
	if err := h.accept("m1", second.GetId()); err != nil {
		t.Errorf("freed, the member cannot accept: %v", err)
	}
	f, err := h.match.GetOfferFigures(h.staff(), &pb.GetOfferFiguresRequest{OrganizationId: "C1", Year: 2013})
	if k := f.GetFigures(); err != nil || k.GetMade() != 2 || k.GetAccepted() != 2 || k.GetDeclined() != 0 {
		t.Error(f, err)
	}
}

func TestOffer_Refusals(t *testing.T) {
	h := newMatchingHouse(t)
	request := h.post(h.resident("r1"), t, problem()).GetId()
	h.says(t, "m1", evenings())
	inviting := evenings()
	inviting.InvitesWorkingHours = true
	h.says(t, "m4", inviting)
	h.says(t, "m9", evenings())
	for name, c := range map[string]struct {
		member, at string
		reason     string
	}{
		"no consent":               {"m3", "2013-09-03 19:00", "MEMBER_NOT_AVAILABLE"},
		"nobody":                   {"m77", "2013-09-03 19:00", "MEMBER_NOT_IN_COMMUNITY"},
		"another street":           {"m9", "2013-09-03 19:00", "MEMBER_NOT_IN_COMMUNITY"},
		"in working hours":         {"m1", "2013-09-03 10:00", "OFFER_IN_WORKING_HOURS"},
		"reaching into them":       {"m1", "2013-09-03 17:00", "OFFER_IN_WORKING_HOURS"},
		"at night":                 {"m1", "2013-09-03 20:00", "OFFER_AT_NIGHT"},
		"at night, invited to all": {"m4", "2013-09-03 06:00", "OFFER_AT_NIGHT"},
		"past":                     {"m1", "2013-09-01 19:00", "OFFER_IN_THE_PAST"},
	} {
		_, err := h.offer(request, c.member, c.at)
		refused(t, name, err, codes.FailedPrecondition, c.reason)
	}
	_, err := h.match.MakeOffer(h.staff(), &pb.MakeOfferRequest{RequestId: request, MemberId: "m1", Specialty: "电工",
		StartsAt: timestamppb.New(shanghai("2013-09-03 19:00")), QuarterHours: 4})
	refused(t, "without the specialty", err, codes.FailedPrecondition, "SPECIALTY_MISSING")
	electric := evenings()
	electric.Specialties = []*pb.Specialty{{Name: "电工"}}
	h.says(t, "m1", electric)
	_, err = h.match.MakeOffer(h.staff(), &pb.MakeOfferRequest{RequestId: request, MemberId: "m1", Specialty: "电工",
		StartsAt: timestamppb.New(shanghai("2013-09-03 19:00")), QuarterHours: 4})
	refused(t, "without the paper", err, codes.FailedPrecondition, "NOT_QUALIFIED")
	if o := h.offered(t, request, "m4", "2013-09-03 10:00"); !o.GetReachesAt().AsTime().Equal(o.GetMadeAt().AsTime()) {
		t.Error("who invited it is asked later")
	}
	_, err = h.offer(request, "m4", "2013-09-05 19:00")
	refused(t, "asked twice for one request", err, codes.AlreadyExists, "ALREADY_EXISTS")
	if o := h.offered(t, request, "m1", "2013-09-08 10:00"); o.GetState() != pb.OfferState_OFFER_STATE_OFFERED {
		t.Error("a Sunday is no working day")
	}
}

// A no is a sum: no row, no event and no list says whose it was.
func TestOffer_NoIsCountedInSumOnly(t *testing.T) {
	h := newMatchingHouse(t)
	h.says(t, "m1", evenings())
	h.says(t, "m3", evenings())
	request := h.post(h.resident("r1"), t, problem()).GetId()
	o := h.offered(t, request, "m1", "2013-09-03 19:00")
	h.offered(t, request, "m3", "2013-09-03 19:00")
	h.Drain()
	before := bytes.Count(h.Events("requests"), []byte("linli.requests.offer."))
	if _, err := h.match.DeclineOffer(h.member("m1"), &pb.DeclineOfferRequest{Id: o.GetId()}); err != nil {
		t.Fatal(err)
	}
	h.Drain()
	if after := bytes.Count(h.Events("requests"), []byte("linli.requests.offer.")); after != before {
		t.Errorf("a no was announced: %d and %d", before, after)
	}
	list, err := h.match.ListRequestOffers(h.staff(), &pb.ListRequestOffersRequest{RequestId: request})
	if err != nil || len(list.GetOffers()) != 1 || list.GetOffers()[0].GetMemberId() != "m3" {
		t.Error(list, err)
	}
	refused(t, "accepted after the no", h.accept("m1", o.GetId()), codes.NotFound, "NOT_FOUND")
	_, err = h.match.GetOfferFigures(h.staff(), &pb.GetOfferFiguresRequest{OrganizationId: "111", Year: 2013})
	refused(t, "figures above the own grant", err, codes.NotFound, "UNKNOWN_ORGANIZATION")
	if f, err := h.match.GetOfferFigures(h.staff(), &pb.GetOfferFiguresRequest{OrganizationId: "C1", Year: 2013}); err != nil ||
		f.GetFigures().GetDeclined() != 1 || f.GetFigures().GetMade() != 2 {
		t.Error(f, err)
	}
}

func TestAvailability_IsTheMembersOwn(t *testing.T) {
	h := newMatchingHouse(t)
	a := evenings()
	a.Specialties = []*pb.Specialty{{Name: "电工", Qualification: "湘电43010077", QualifiedUntil: "2014-06-30"}, {Name: "书法"}}
	h.says(t, "m1", a)
	got, err := h.match.GetMyAvailability(h.member("m1"), &pb.GetMyAvailabilityRequest{})
	if err != nil || got.GetAvailability().GetEtag() != "1" {
		t.Fatal(got, err)
	}
	got.Availability.Etag = ""
	if !proto.Equal(got.GetAvailability(), a) {
		t.Errorf("said %v, kept %v", a, got)
	}
	if other, err := h.match.GetMyAvailability(h.member("m3"), &pb.GetMyAvailabilityRequest{}); err != nil || other.GetAvailability().GetConsent() {
		t.Error(other, err)
	}
	_, err = h.match.SetMyAvailability(h.member("m1"), &pb.SetMyAvailabilityRequest{Availability: a, Etag: "7"})
	refused(t, "a stale etag", err, codes.Aborted, "STALE_ETAG")
	_, err = h.match.SetMyAvailability(h.resident("r1"), &pb.SetMyAvailabilityRequest{Availability: a})
	refused(t, "a resident", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	for name, change := range map[string]func(*pb.Availability){
		"an eighth day":         func(a *pb.Availability) { a.FreeTimes[0].Weekday = 8 },
		"an end before":         func(a *pb.Availability) { a.FreeTimes[0].ToMinute = 1 },
		"no day":                func(a *pb.Availability) { a.Specialties[0].QualifiedUntil = "2014-02-30" },
		"a paper without a day": func(a *pb.Availability) { a.Specialties[0].QualifiedUntil = "" },
	} {
		wrong := proto.CloneOf(a)
		change(wrong)
		_, err := h.match.SetMyAvailability(h.member("m1"), &pb.SetMyAvailabilityRequest{Availability: wrong})
		refused(t, name, err, codes.InvalidArgument, "INVALID_FIELD")
	}
	var dump bytes.Buffer
	if err := h.engine.Backup(t.Context(), &dump); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(dump.Bytes(), []byte("湘电43010077")) {
		t.Error("the number of the qualification is stored in plain")
	}
}

// Two yeses of one member at once, for times that meet: one of them stands.
func TestOffer_TwoYesesAtOnce(t *testing.T) {
	h := newMatchingHouse(t)
	h.says(t, "m1", evenings())
	var offers []string
	for range 4 {
		request := h.post(h.resident("r1"), t, problem()).GetId()
		offers = append(offers, h.offered(t, request, "m1", "2013-09-03 19:00").GetId())
	}
	var wg sync.WaitGroup
	errs := make([]error, len(offers))
	for i, id := range offers {
		wg.Go(func() { errs[i] = h.accept("m1", id) })
	}
	wg.Wait()
	yeses := 0
	for _, err := range errs {
		if err == nil {
			yeses++
			continue
		}
		refused(t, "the second yes", err, codes.FailedPrecondition, "ENGAGEMENT_OVERLAPS")
	}
	if yeses != 1 {
		t.Errorf("%d yeses stand", yeses)
	}
}
