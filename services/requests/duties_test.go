package requests_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

func (h house) duty(t *testing.T, category string, owner pb.Owner, name string, days int32) {
	t.Helper()
	ok[*pb.SetDutyResponse](t)(h.circle().SetDuty(h.districtOffice(), &pb.SetDutyRequest{
		DistrictId: "11", Category: category, Owner: owner, OwnerName: name, LimitDays: days, Basis: "职责清单第3条"}))
}

// The register is the district's; a category is set again, not twice.
func TestDuties_TheRegisterOfTheDistrict(t *testing.T) {
	h := newHouse(t, inMemory())
	h.duty(t, "停车秩序", pb.Owner_OWNER_STREET, "街道城管办", 0)
	h.duty(t, "停车秩序", pb.Owner_OWNER_DEPARTMENT, "区交警大队", 5)
	list := ok[*pb.ListDutiesResponse](t)(h.circle().ListDuties(h.resident("r1"), &pb.ListDutiesRequest{DistrictId: "11"})).GetDuties()
	if len(list) != 1 || list[0].GetOwner() != pb.Owner_OWNER_DEPARTMENT || list[0].GetOwnerName() != "区交警大队" || list[0].GetBasis() == "" {
		t.Errorf("the register: %v", list)
	}
	set := &pb.SetDutyRequest{DistrictId: "11", Category: "噪音", Owner: 1, OwnerName: "社区", Basis: "清单"}
	_, err := h.circle().SetDuty(h.staff(), set)
	refused(t, "set by a committee", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	set.DistrictId = "C1"
	_, err = h.circle().SetDuty(h.districtOffice(), set)
	refused(t, "set for a community", err, codes.InvalidArgument, "INVALID_FIELD")
}

// What is not the community's duty is not admitted by silence: it is passed on
// to its owner, whose clock runs, or admitted beyond duty.
func TestAdmit_ByTheRegister(t *testing.T) {
	h := newHouse(t, inMemory())
	h.duty(t, "停车秩序", pb.Owner_OWNER_DEPARTMENT, "区交警大队", 5)
	h.duty(t, "路灯", pb.Owner_OWNER_STREET, "街道办", 0)
	h.duty(t, "调解", pb.Owner_OWNER_COMMUNITY, "居委会", 2)
	of := func(category string) string {
		in := problem()
		in.Category = category
		return h.post(h.resident("r1"), t, in).GetId()
	}
	admit := func(in *pb.AdmitRequestRequest) (*pb.Request, error) {
		r, err := h.client.AdmitRequest(h.staff(), in)
		return r.GetRequest(), err
	}
	passOn := func(id string) (*pb.Request, error) {
		r, err := h.handling().PassOnRequest(h.staff(), &pb.PassOnRequestRequest{Id: id})
		return r.GetRequest(), err
	}
	parking := of("停车秩序")
	_, err := admit(&pb.AdmitRequestRequest{Id: parking})
	refused(t, "the department's", err, codes.FailedPrecondition, "NOT_COMMUNITY_DUTY")
	got, err := passOn(parking)
	if err != nil || got.GetState() != pb.RequestState_REQUEST_STATE_ESCALATED || got.GetEscalation() != 2 || got.GetOwnerName() != "区交警大队" ||
		got.GetAnsweredAt() == nil || !got.GetDueAt().AsTime().Equal(shanghai("2013-09-10 00:00")) { // five working days from Monday the 2nd
		t.Errorf("passed on: %v, %v", got, err)
	}
	if got, err := passOn(of("路灯")); err != nil || got.GetEscalation() != 1 || got.GetOwnerName() != "街道办" {
		t.Errorf("to the street: %v, %v", got, err)
	}
	for _, category := range []string{"调解", "", "没有登记的"} {
		id := of(category)
		_, err := passOn(id)
		refused(t, "passed on "+category, err, codes.FailedPrecondition, "NO_OTHER_OWNER")
		if got, err := admit(&pb.AdmitRequestRequest{Id: id}); err != nil || category == "调解" && got.GetOwnerName() != "居委会" {
			t.Errorf("admitted %s: %v, %v", category, got, err)
		}
	}
	if got, err := admit(&pb.AdmitRequestRequest{Id: of("停车秩序"), BeyondDuty: true}); err != nil || got.GetOwnerName() != "区交警大队" {
		t.Errorf("beyond duty: %v, %v", got, err)
	}
	if got, err := admit(&pb.AdmitRequestRequest{Id: of("停车秩序"), Category: "调解"}); err != nil || got.GetCategory() != "调解" || got.GetOwnerName() != "居委会" {
		t.Errorf("by the office's word: %v, %v", got, err)
	}
	_, err = admit(&pb.AdmitRequestRequest{Id: of("路灯"), Category: "找13812345678"})
	refused(t, "a phone for a category", err, codes.InvalidArgument, "INVALID_FIELD")
}

// Street, then department: each acts on what is with it, the community answers
// for it until the end, and nothing is pushed down that is not its duty.
func TestEscalate_EachOfficeOnWhatIsWithIt(t *testing.T) {
	h := newHouse(t, inMemory())
	h.duty(t, "停车秩序", pb.Owner_OWNER_DEPARTMENT, "区交警大队", 0)
	id := h.admitted(t, problem()).GetId()
	hand := func(who string) error {
		ctx := h.streetOffice()
		if who == "district" {
			ctx = h.districtOffice()
		}
		_, err := h.handling().HandBackRequest(ctx, &pb.HandBackRequestRequest{Id: id, Reason: "由社区办理"})
		return err
	}
	escalate := func(department string, staff bool) (*pb.Request, error) {
		ctx := h.streetOffice()
		if staff {
			ctx = h.staff()
		}
		r, err := h.handling().EscalateRequest(ctx, &pb.EscalateRequestRequest{Id: id, Reason: "需要上级协调", Department: department})
		return r.GetRequest(), err
	}
	resolve := func(who string) error {
		ctx := h.staff()
		switch who {
		case "street":
			ctx = h.streetOffice()
		case "district":
			ctx = h.districtOffice()
		}
		_, err := h.client.ResolveRequest(ctx, &pb.ResolveRequestRequest{Id: id, Answer: "已经解决"})
		return err
	}
	refused(t, "the street on what is the community's", resolve("street"), codes.PermissionDenied, "NOT_THE_DISPATCHED_MEMBER")
	_, err := h.handling().CloseUnsolved(h.streetOffice(), &pb.CloseUnsolvedRequest{Id: id, Answer: "没有办法"})
	refused(t, "closed by the street", err, codes.PermissionDenied, "NOT_WITH_THIS_OFFICE")
	_, err = escalate("", false)
	refused(t, "escalated by the street", err, codes.PermissionDenied, "NOT_WITH_THIS_OFFICE")
	if r, err := escalate("", true); err != nil || r.GetEscalation() != 1 {
		t.Fatal(r, err)
	}
	_, err = escalate("区住建局", true)
	refused(t, "the community past the street", err, codes.PermissionDenied, "NOT_WITH_THIS_OFFICE")
	refused(t, "the district on what is with the street", hand("district"), codes.PermissionDenied, "NOT_WITH_THIS_OFFICE")
	_, err = escalate("", false)
	refused(t, "to no department", err, codes.InvalidArgument, "INVALID_FIELD")
	if r, err := escalate("区住建局", false); err != nil || r.GetEscalation() != 2 || r.GetOwnerName() != "区住建局" {
		t.Fatal(r, err)
	}
	_, err = escalate("区住建局", false)
	refused(t, "higher than the department", err, codes.FailedPrecondition, "WRONG_STATE")
	refused(t, "the street on what is with the department", resolve("street"), codes.PermissionDenied, "NOT_THE_DISPATCHED_MEMBER")
	if err := hand("district"); err != nil {
		t.Fatal(err)
	}
	if r, err := escalate("", true); err != nil || r.GetEscalation() != 1 || r.GetReturns() != 0 {
		t.Fatal(r, err)
	}
	if err := resolve("street"); err != nil {
		t.Errorf("the street resolves what is with it: %v", err)
	}

	in := problem()
	in.Category = "停车秩序"
	id = h.post(h.resident("r1"), t, in).GetId()
	ok[*pb.PassOnRequestResponse](t)(h.handling().PassOnRequest(h.staff(), &pb.PassOnRequestRequest{Id: id}))
	refused(t, "pushed down", hand("district"), codes.FailedPrecondition, "NOT_COMMUNITY_DUTY")
	if err := resolve("staff"); err != nil {
		t.Errorf("the first receiver answers for it: %v", err)
	}
}

// A ticket of the 12345 line comes from the office; findings at a household go
// into its case; an office does not rate itself.
func TestOffice_TicketFindingsAndRatings(t *testing.T) {
	h := newHouse(t, inMemory())
	in := problem()
	in.Ticket = "12345-20130902-0007"
	_, err := h.client.PostRequest(h.resident("r1"), in)
	refused(t, "a resident's ticket", err, codes.InvalidArgument, "INVALID_FIELD")
	r := h.post(h.staff(), t, in)
	if r.GetTicket() != in.GetTicket() {
		t.Errorf("the ticket: %v", r)
	}
	ok[*pb.AdmitRequestResponse](t)(h.client.AdmitRequest(h.staff(), &pb.AdmitRequestRequest{Id: r.GetId()}))
	v := ok[*pb.VerifyRequestResponse](t)(h.handling().VerifyRequest(h.staff(), &pb.VerifyRequestRequest{Id: r.GetId(), Found: "石板松了三块"})).GetRequest()
	if v.GetState() != pb.RequestState_REQUEST_STATE_ADMITTED || v.GetVerifiedAt() == nil || v.GetFound() != "石板松了三块" {
		t.Errorf("verified: %v", v)
	}
	ok[*pb.ResolveRequestResponse](t)(h.client.ResolveRequest(h.staff(), &pb.ResolveRequestRequest{Id: r.GetId(), Answer: "修好了"}))
	rate := &pb.RateRequestRequest{Id: r.GetId(), Rating: 5, Solved: true}
	_, err = h.client.RateRequest(h.staff(), rate)
	refused(t, "rated by the office", err, codes.PermissionDenied, "RATES_OWN_OFFICE")

	sick := h.admitted(t, hardshipPost()).GetId()
	_, err = h.handling().VerifyRequest(h.staff(), &pb.VerifyRequestRequest{Id: sick, Found: "杨女士患糖尿病"})
	refused(t, "findings at a household", err, codes.FailedPrecondition, "FACTS_IN_CASE")
	for _, answer := range []string{"已资助1000元", "杨女士已领取药品", "请打13874801234"} {
		_, err = h.client.ResolveRequest(h.staff(), &pb.ResolveRequestRequest{Id: sick, Answer: answer})
		refused(t, answer, err, codes.InvalidArgument, "INVALID_FIELD")
	}
	_, err = h.handling().EscalateRequest(h.staff(), &pb.EscalateRequestRequest{Id: sick, Reason: "王大爷家需要钱"})
	refused(t, "a name in the reason", err, codes.InvalidArgument, "INVALID_FIELD")
	if _, err := h.client.ResolveRequest(h.staff(), &pb.ResolveRequestRequest{Id: sick, Answer: "已上门核实并转介"}); err != nil {
		t.Error(err)
	}
}

// What has ended opens no case and asks nobody.
func TestEnded_NoCaseAndNoOffer(t *testing.T) {
	h := newMatchingHouse(t)
	h.says(t, "m1", &pb.Availability{Consent: true})
	declined := h.post(h.resident("r1"), t, hardshipPost()).GetId()
	resolved := h.admitted(t, problem()).GetId()
	ok[*pb.DeclineRequestResponse](t)(h.handling().DeclineRequest(h.staff(), &pb.DeclineRequestRequest{Id: declined, Reason: "重复"}))
	ok[*pb.ResolveRequestResponse](t)(h.client.ResolveRequest(h.staff(), &pb.ResolveRequestRequest{Id: resolved, Answer: "修好了"}))
	_, err := pb.NewAidServiceClient(h.Conn()).OpenHardshipCase(h.staff(), &pb.OpenHardshipCaseRequest{RequestId: declined})
	refused(t, "the case of a declined one", err, codes.FailedPrecondition, "REQUEST_ENDED")
	_, err = h.match.MakeOffer(h.staff(), &pb.MakeOfferRequest{
		RequestId: resolved, MemberId: "m1", QuarterHours: 4, StartsAt: timestamppb.New(shanghai("2013-09-03 19:00"))})
	refused(t, "an offer for a resolved one", err, codes.FailedPrecondition, "REQUEST_ENDED")
}

func (h house) proposed(t *testing.T, change func(*pb.ProposeProviderRequest)) (*pb.Provider, error) {
	t.Helper()
	in := &pb.ProposeProviderRequest{
		CommunityId: "C1", Kind: pb.ProviderKind_PROVIDER_KIND_SHOP, Name: "便民五金店",
		Services:     []*pb.ProvidedService{{Category: "设施维修", What: "上门换锁,老人优先"}, {Category: "设施维修", What: "修水龙头"}},
		Registration: "430103600012345", PapersUntil: "2013-12-31", Person: "shop", Contact: "店主 13874801234",
	}
	change(in)
	r, err := h.providers().ProposeProvider(h.staff(), in)
	return r.GetProvider(), err
}

func (h house) providers() pb.ProviderServiceClient { return pb.NewProviderServiceClient(h.Conn()) }

func (h house) shown(t *testing.T, category string) int {
	t.Helper()
	return len(ok[*pb.ListProvidersResponse](t)(h.providers().ListProviders(h.resident("r1"), &pb.ListProvidersRequest{
		CommunityId: "C1", Category: category})).GetProviders())
}

// Providers come onto the register with papers and two pairs of eyes, are shown
// while these hold, and nothing is traded; how they are reached is sealed.
func TestProviders_TheRegister(t *testing.T) {
	h, everything := dumpHouse(t)
	for name, change := range map[string]func(*pb.ProposeProviderRequest){
		"no papers":       func(r *pb.ProposeProviderRequest) { r.Registration = "" },
		"no date":         func(r *pb.ProposeProviderRequest) { r.PapersUntil = "2013-13-01" },
		"a person's":      func(r *pb.ProposeProviderRequest) { r.Kind = pb.ProviderKind_PROVIDER_KIND_PERSON },
		"a price":         func(r *pb.ProposeProviderRequest) { r.Services[0].What = "换锁50元" },
		"payment":         func(r *pb.ProposeProviderRequest) { r.Services[0].What = "微信转账下单" },
		"a phone in text": func(r *pb.ProposeProviderRequest) { r.Services[0].What = "请打13874801234" },
	} {
		_, err := h.proposed(t, change)
		refused(t, name, err, codes.InvalidArgument, "INVALID_FIELD")
	}
	p, err := h.proposed(t, func(*pb.ProposeProviderRequest) {})
	if err != nil || p.GetState() != pb.ProviderState_PROVIDER_STATE_PROPOSED || h.shown(t, "") != 0 {
		t.Fatal(p, err)
	}
	approve := &pb.ApproveProviderRequest{Id: p.GetId()}
	_, err = h.providers().ApproveProvider(h.staff(), approve)
	refused(t, "one's own", err, codes.PermissionDenied, "APPROVES_OWN_PROVIDER")
	_, err = h.providers().ApproveProvider(h.otherStaff(), approve)
	refused(t, "another community's", err, codes.NotFound, "NOT_FOUND")
	party := h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "head", c1)
	ok[*pb.ApproveProviderResponse](t)(h.providers().ApproveProvider(party, approve))
	_, err = h.providers().ApproveProvider(party, approve)
	refused(t, "twice", err, codes.FailedPrecondition, "WRONG_STATE")
	if h.shown(t, "") != 1 || h.shown(t, "设施维修") != 1 || h.shown(t, "理发") != 0 {
		t.Error("what is approved is not shown, by category")
	}
	contact := ok[*pb.RevealProviderContactResponse](t)(h.providers().RevealProviderContact(h.staff(), &pb.RevealProviderContactRequest{Id: p.GetId(), Reason: "联系上门"}))
	if contact.GetContact() != "店主 13874801234" {
		t.Errorf("contact %v", contact)
	}
	notIn(t, everything(), "13874801234", "店主")
	h.Civil.Advance(shanghai("2014-01-01 09:00"))
	if h.shown(t, "") != 0 {
		t.Error("shown with papers that have run out")
	}
	list := ok[*pb.ListProviderRegisterResponse](t)(h.providers().ListProviderRegister(h.streetOffice(), &pb.ListProviderRegisterRequest{
		CommunityId: "C1", State: pb.ProviderState_PROVIDER_STATE_APPROVED}))
	if len(list.GetProviders()) != 1 || list.GetProviders()[0].GetRegistration() == "" {
		t.Errorf("the register: %v", list)
	}
	ok[*pb.WithdrawProviderResponse](t)(h.providers().WithdrawProvider(h.staff(), &pb.WithdrawProviderRequest{Id: p.GetId(), Reason: "已停业"}))
	_, err = h.providers().ListProviderRegister(h.resident("r1"), &pb.ListProviderRegisterRequest{CommunityId: "C1", State: 2})
	refused(t, "the register for a resident", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
}

// A person who serves is shown by name with consent only.
func TestProviders_APersonsNameNeedsConsent(t *testing.T) {
	h := newHouse(t, inMemory())
	for name, consents := range map[string]bool{"李师傅": true, "不愿留名": false} {
		p, err := h.proposed(t, func(r *pb.ProposeProviderRequest) {
			r.Kind, r.Name, r.Registration, r.PapersUntil, r.NameConsent = pb.ProviderKind_PROVIDER_KIND_PERSON, name, "", "", consents
		})
		if err != nil {
			t.Fatal(err)
		}
		ok[*pb.ApproveProviderResponse](t)(h.providers().ApproveProvider(
			h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "head", c1), &pb.ApproveProviderRequest{Id: p.GetId()}))
	}
	list := ok[*pb.ListProvidersResponse](t)(h.providers().ListProviders(h.resident("r1"), &pb.ListProvidersRequest{CommunityId: "C1"})).GetProviders()
	if len(list) != 2 || list[0].GetName()+list[1].GetName() != "李师傅" || len(list[0].GetServices()) == 0 || len(list[1].GetServices()) == 0 {
		t.Errorf("shown %v", list)
	}
}

// A request is handed to a provider of the register, who takes it on and
// resolves it; not to one that is not approved, or no longer.
func TestHandRequest_ToAProviderOfTheRegister(t *testing.T) {
	h := newHouse(t, inMemory())
	p, err := h.proposed(t, func(*pb.ProposeProviderRequest) {})
	if err != nil {
		t.Fatal(err)
	}
	id := h.admitted(t, problem()).GetId()
	hand := func(in *pb.HandRequestRequest) (*pb.Request, error) {
		in.Id = id
		r, err := h.handling().HandRequest(h.staff(), in)
		return r.GetRequest(), err
	}
	for name, in := range map[string]*pb.HandRequestRequest{
		"nobody": {}, "a person of nobody": {Person: "x"}, "both": {Person: "x", OrganizationId: "W1", ProviderId: p.GetId()},
	} {
		_, err := hand(in)
		refused(t, name, err, codes.InvalidArgument, "INVALID_FIELD")
	}
	_, err = hand(&pb.HandRequestRequest{ProviderId: p.GetId()})
	refused(t, "not approved", err, codes.FailedPrecondition, "PROVIDER_NOT_APPROVED")
	party := h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "head", c1)
	ok[*pb.ApproveProviderResponse](t)(h.providers().ApproveProvider(party, &pb.ApproveProviderRequest{Id: p.GetId()}))
	got, err := hand(&pb.HandRequestRequest{ProviderId: p.GetId()})
	if err != nil || got.GetHandedTo() != "shop" || got.GetProviderId() != p.GetId() {
		t.Fatal(got, err)
	}
	shop := h.as(typev1.Role_ROLE_PROVIDER, "shop", c1)
	ok[*pb.WithdrawProviderResponse](t)(h.providers().WithdrawProvider(party, &pb.WithdrawProviderRequest{Id: p.GetId(), Reason: "被投诉"}))
	_, err = h.handling().AnswerOffer(shop, &pb.AnswerOfferRequest{Id: id, TakeOn: true})
	refused(t, "withdrawn since", err, codes.FailedPrecondition, "PROVIDER_NOT_APPROVED")
	_, err = h.handling().AnswerOffer(shop, &pb.AnswerOfferRequest{Id: id})
	refused(t, "a no without a reason", err, codes.InvalidArgument, "INVALID_FIELD")
	ok[*pb.RecallRequestResponse](t)(h.handling().RecallRequest(h.staff(), &pb.RecallRequestRequest{Id: id}))

	again, err := h.proposed(t, func(r *pb.ProposeProviderRequest) { r.Kind, r.Registration, r.PapersUntil = 4, "", "" })
	if err != nil {
		t.Fatal(err)
	}
	ok[*pb.ApproveProviderResponse](t)(h.providers().ApproveProvider(party, &pb.ApproveProviderRequest{Id: again.GetId()}))
	if _, err := hand(&pb.HandRequestRequest{ProviderId: again.GetId()}); err != nil {
		t.Fatal(err)
	}
	ok[*pb.AnswerOfferResponse](t)(h.handling().AnswerOffer(shop, &pb.AnswerOfferRequest{Id: id, TakeOn: true}))
	done := ok[*pb.ResolveRequestResponse](t)(h.client.ResolveRequest(shop, &pb.ResolveRequestRequest{Id: id, Answer: "换了石板"})).GetRequest()
	if done.GetState() != pb.RequestState_REQUEST_STATE_RESOLVED || done.GetAuthor() != "r1" {
		t.Errorf("resolved by the provider: %v", done)
	}
	_, err = h.client.ResolveRequest(shop, &pb.ResolveRequestRequest{Id: h.admitted(t, problem()).GetId(), Answer: "没有接的单"})
	refused(t, "what was not handed to it", err, codes.NotFound, "NOT_FOUND")
}
