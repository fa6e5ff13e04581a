package registry

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/testkit"
)

// claimsHouse is a house with a client of the claims.
type claimsHouse struct {
	*house
	pb.PrivacyServiceClient
}

func startClaims(t testing.TB) claimsHouse {
	t.Helper()
	h := &house{House: testkit.New(t), t: t}
	h.Civil.Advance(lastDay)
	h.store = h.Store("registry")
	for _, other := range []string{"requests", "projects", "evaluation"} {
		h.Store(other) // each has a relay, to say that it is done
	}
	var err error
	h.service, err = New(Deps{Store: h.store, IDs: ids.New, Log: h.Logger()})
	must(t, err)
	h.Start(h.service)
	h.RegistryServiceClient, h.CampaignServiceClient = pb.NewRegistryServiceClient(h.Conn()), pb.NewCampaignServiceClient(h.Conn())
	h.withDistrict()
	return claimsHouse{h, pb.NewPrivacyServiceClient(h.Conn())}
}

func (h claimsHouse) resident(id string) context.Context {
	return h.as(id, grant(typev1.Role_ROLE_RESIDENT, communityA))
}

func (h claimsHouse) committee(path string) context.Context {
	return h.as("committee of "+path, grant(typev1.Role_ROLE_COMMITTEE_STAFF, path))
}

// withResident makes a resident's account, as who enters by phone has one.
func (h claimsHouse) withResident(id string) {
	h.t.Helper()
	err := h.store.Update(h.t.Context(), func(tx *store.Tx) error {
		_, err := h.service.accounts.Insert(tx, &pb.AccountRow{
			Account: &pb.Account{Id: "acc_" + id, Person: id, State: pb.AccountState_ACCOUNT_STATE_ACTIVE, CreatedAt: timestamppb.New(tx.Wall()),
				Grants: []*pb.RoleGrant{{Id: "g1", Role: typev1.Role_ROLE_RESIDENT, OrganizationId: communityID, OrganizationPath: communityA}}},
			PhoneHash: h.service.phoneHash("13800001111"),
		})
		return err
	})
	must(h.t, err)
}

// erases asks for the erasure of somebody and answers the claim.
func (h claimsHouse) erases(ctx context.Context) *pb.Claim {
	h.t.Helper()
	reply, err := h.RequestErasure(ctx, &pb.RequestErasureRequest{Why: "我已搬走"})
	must(h.t, err)
	return reply.GetClaim()
}

// othersSay announces for the services that are not there.
func (h claimsHouse) othersSay(c *pb.Claim, services ...string) {
	h.t.Helper()
	for _, s := range services {
		h.Announce(s, store.Event{Name: "person.erased", EntityID: c.GetPerson(), Revision: 1,
			Data: &typev1.PersonErased{Service: s, Person: c.GetPerson(), ClaimId: c.GetId()}})
	}
}

func (h claimsHouse) stateOf(id string) pb.ClaimState {
	h.t.Helper()
	var state pb.ClaimState
	err := h.store.View(h.t.Context(), func(r kv.Reader) error {
		row, err := h.service.claim(r, scope.All(), id, "")
		state = row.Value.GetClaim().GetState()
		return err
	})
	must(h.t, err)
	return state
}

// TestErasure_TheWholeWay: the member asks, the home organization accepts, the
// days to think again pass, everything goes, and the claim ends with the last
// service.
func TestErasure_TheWholeWay(t *testing.T) {
	h := startClaims(t)
	members := h.withMembers(2)
	gone, stays := members[0], members[1]
	accepted := h.submit(gone)
	_, err := h.AcceptReportIn(h.staff(communityA), &pb.AcceptReportInRequest{Id: accepted.GetId()})
	must(t, err)
	h.submit(stays)
	h.Drain()
	name, facts := h.nameOf(gone), h.factsOf(gone)

	c := h.erases(h.member(gone))
	if c.GetState() != pb.ClaimState_CLAIM_STATE_REQUESTED || c.GetOrganizationId() != "W00005" || c.GetWhy() == "" || c.GetResident() {
		t.Fatalf("%v", c)
	}
	_, err = h.RequestErasure(h.member(gone), &pb.RequestErasureRequest{})
	wantReason(t, err, "CLAIM_OPEN")
	list, err := h.ListClaims(h.officer(workplace), &pb.ListClaimsRequest{OrganizationId: "W00005"})
	must(t, err)
	if len(list.GetClaims()) != 1 || list.GetClaims()[0].GetWhy() != "" || list.GetClaims()[0].GetId() != c.GetId() {
		t.Errorf("%v", list)
	}
	said, err := h.AcceptClaim(h.officer(workplace), &pb.AcceptClaimRequest{Id: c.GetId(), Etag: c.GetEtag()})
	must(t, err)
	if at := said.GetClaim().GetBeginsAt().AsTime(); !at.Equal(h.Civil.Now().AddDate(0, 0, 7)) && at.Sub(h.Civil.Now()) > 7*24*time.Hour {
		t.Errorf("begins at %s", at)
	}
	must(t, h.service.beginErasures(t.Context()))
	if s := h.stateOf(c.GetId()); s != pb.ClaimState_CLAIM_STATE_ACCEPTED {
		t.Errorf("%s before its days are over", s)
	}
	h.Civil.Advance(h.Civil.Now().AddDate(0, 0, 8))
	must(t, h.service.beginErasures(t.Context()))
	h.Drain()
	must(t, h.service.keeper.Work(t.Context()))
	h.othersSay(c, "requests", "projects", "projects")
	h.Drain()
	if s := h.stateOf(c.GetId()); s != pb.ClaimState_CLAIM_STATE_ERASING {
		t.Errorf("%s before the last service", s)
	}
	h.othersSay(c, "evaluation")
	h.Drain()
	if s := h.stateOf(c.GetId()); s != pb.ClaimState_CLAIM_STATE_ERASED {
		t.Errorf("%s after the last service", s)
	}

	_, err = h.GetMember(h.officer(workplace), &pb.GetMemberRequest{Id: gone})
	wantReason(t, err, "NOT_FOUND")
	h.holdsNot(name, "我已搬走", facts.GetPhone(), facts.GetIdNumber())
	counts, err := h.GetCompletion(h.officer(workplace), &pb.GetCompletionRequest{OrganizationId: "W00005"})
	must(t, err)
	if total := counts.GetCompletion().GetTotal(); total.GetMembers() != 1 || total.GetAccepted() != 0 || total.GetSubmitted() != 1 {
		t.Errorf("counts after: %v", total)
	}
	if bytes.Contains(h.Events("registry"), []byte(name)) {
		t.Error("an event holds the name")
	}
}

func (h claimsHouse) factsOf(id string) *pb.RevealMemberFactsResponse {
	h.t.Helper()
	f, err := pb.NewMemberFactsServiceClient(h.Conn()).RevealMemberFacts(h.officer(workplace), &pb.RevealMemberFactsRequest{Id: id, Reason: "核对"})
	must(h.t, err)
	return f
}

func (h claimsHouse) nameOf(id string) string {
	h.t.Helper()
	m, err := h.GetMember(h.officer(workplace), &pb.GetMemberRequest{Id: id})
	must(h.t, err)
	return m.GetMember().GetName()
}

// holdsNot looks through everything that the store has, opened.
func (h claimsHouse) holdsNot(texts ...string) {
	h.t.Helper()
	seen := 0
	for _, tbl := range h.service.Tables() {
		e, ok := tbl.(interface {
			Each(view func(func(kv.Reader) error) error, fn func(string) error) error
		})
		if !ok {
			continue
		}
		err := e.Each(func(fn func(kv.Reader) error) error { return h.store.View(h.t.Context(), fn) }, func(row string) error {
			seen++
			for _, text := range texts {
				if strings.Contains(row, text) {
					h.t.Errorf("%s holds %q", tbl.Name(), text)
				}
			}
			return nil
		})
		must(h.t, err)
	}
	if seen == 0 {
		h.t.Error("looked at nothing")
	}
}

// TestErasure_IsTheKeepersAlone: neither another workplace nor the community nor
// the committee nor the person decides, and to strangers there is no such claim.
func TestErasure_IsTheKeepersAlone(t *testing.T) {
	h := startClaims(t)
	id := h.withMembers(1)[0]
	c := h.erases(h.member(id))
	for who, ctx := range map[string]context.Context{
		"another workplace": h.officer(district + "W00006/"), "community": h.staff(communityA), "committee": h.committee(communityA),
		"somebody's committee": h.committee(communityB),
	} {
		for what, err := range map[string]error{
			"accept": errOf(h.AcceptClaim(ctx, &pb.AcceptClaimRequest{Id: c.GetId()})),
			"refuse": errOf(h.RefuseClaim(ctx, &pb.RefuseClaimRequest{Id: c.GetId(), Reason: "不同意"})),
			"reveal": errOf(h.RevealClaim(ctx, &pb.RevealClaimRequest{Id: c.GetId(), Reason: "看看"})),
		} {
			t.Run(who+" "+what, func(t *testing.T) { wantReason(t, err, "NOT_FOUND") })
		}
	}
	oneself := h.as(id, grant(typev1.Role_ROLE_MEMBER, workplace), grant(typev1.Role_ROLE_WORKPLACE_OFFICER, workplace))
	_, err := h.AcceptClaim(oneself, &pb.AcceptClaimRequest{Id: c.GetId()})
	wantReason(t, err, "CLAIM_OF_ONESELF")
	_, err = h.ListClaims(h.staff(communityA), &pb.ListClaimsRequest{OrganizationId: "W00005"})
	wantReason(t, err, "UNKNOWN_ORGANIZATION")
	_, err = h.WithdrawClaim(h.member("somebody"), &pb.WithdrawClaimRequest{Id: c.GetId()})
	wantReason(t, err, "NOT_FOUND")
	refused, err := h.RefuseClaim(h.officer(workplace), &pb.RefuseClaimRequest{Id: c.GetId(), Reason: "组织关系尚未转出"})
	must(t, err)
	if refused.GetClaim().GetRefusal() != "" {
		t.Error("the office's list shows the reason")
	}
	mine, err := h.ListMyClaims(h.member(id), &pb.ListMyClaimsRequest{})
	must(t, err)
	if len(mine.GetClaims()) != 1 || mine.GetClaims()[0].GetRefusal() != "组织关系尚未转出" {
		t.Errorf("the person does not see why: %v", mine)
	}
}

func errOf[T any](_ T, err error) error { return err }

// TestErasure_OfAResident: the committee decides, and the account goes.
func TestErasure_OfAResident(t *testing.T) {
	h := startClaims(t)
	h.withResident("res_1")
	c := h.erases(h.resident("res_1"))
	_, err := h.AcceptClaim(h.staff(communityA), &pb.AcceptClaimRequest{Id: c.GetId()})
	wantReason(t, err, "NOT_FOUND") // the party staff keep no residents
	list, err := h.ListClaims(h.committee(communityA), &pb.ListClaimsRequest{OrganizationId: communityID, Residents: true})
	must(t, err)
	if len(list.GetClaims()) != 1 {
		t.Errorf("%v", list)
	}
	opened, err := h.RevealClaim(h.committee(communityA), &pb.RevealClaimRequest{Id: c.GetId(), Reason: "办理申请"})
	must(t, err)
	if opened.GetClaim().GetWhy() != "我已搬走" {
		t.Errorf("%v", opened)
	}
	_, err = h.AcceptClaim(h.committee(communityA), &pb.AcceptClaimRequest{Id: c.GetId()})
	must(t, err)
	h.Civil.Advance(h.Civil.Now().AddDate(0, 0, 8))
	must(t, h.service.beginErasures(t.Context()))
	h.Drain()
	must(t, h.service.keeper.Work(t.Context()))
	err = h.store.View(t.Context(), func(r kv.Reader) error {
		if _, known, err := h.service.accounts.By(r, scope.All(), byAccountPerson, idKey("res_1")); known || err != nil {
			t.Errorf("the account is there, %v", err)
		}
		return nil
	})
	must(t, err)
	_, err = h.RequestErasure(h.resident("res_2"), &pb.RequestErasureRequest{})
	wantReason(t, err, "NO_RECORD_KEPT")
}

// TestErasure_CanBeWithdrawnUntilItBegins.
func TestErasure_CanBeWithdrawnUntilItBegins(t *testing.T) {
	h := startClaims(t)
	id := h.withMembers(1)[0]
	c := h.erases(h.member(id))
	_, err := h.AcceptClaim(h.officer(workplace), &pb.AcceptClaimRequest{Id: c.GetId()})
	must(t, err)
	_, err = h.WithdrawClaim(h.member(id), &pb.WithdrawClaimRequest{Id: c.GetId()})
	must(t, err)
	h.Civil.Advance(h.Civil.Now().AddDate(0, 1, 0))
	must(t, h.service.beginErasures(t.Context()))
	h.Drain()
	must(t, h.service.keeper.Work(t.Context()))
	h.nameOf(id)

	c = h.erases(h.member(id))
	_, err = h.AcceptClaim(h.officer(workplace), &pb.AcceptClaimRequest{Id: c.GetId()})
	must(t, err)
	h.Civil.Advance(h.Civil.Now().AddDate(0, 1, 0))
	must(t, h.service.beginErasures(t.Context()))
	_, err = h.WithdrawClaim(h.member(id), &pb.WithdrawClaimRequest{Id: c.GetId()})
	wantReason(t, err, "WRONG_STATE")
}

// TestCorrection_IsWrittenWithItsHashes: what is corrected is masked, sealed and
// found again as if a roster had said it.
func TestCorrection_IsWrittenWithItsHashes(t *testing.T) {
	h := startClaims(t)
	members := h.withMembers(2)
	number := idNumber(77)
	for _, c := range []struct {
		fact  pb.MemberFact
		value string
		read  func(*pb.Member, *pb.RevealMemberFactsResponse) string
	}{
		{pb.MemberFact_MEMBER_FACT_NAME, "王改名", func(m *pb.Member, _ *pb.RevealMemberFactsResponse) string { return m.GetName() }},
		{pb.MemberFact_MEMBER_FACT_SEX, "male", func(m *pb.Member, _ *pb.RevealMemberFactsResponse) string { return m.GetSex() }},
		{pb.MemberFact_MEMBER_FACT_PHONE, "13711112222", func(_ *pb.Member, f *pb.RevealMemberFactsResponse) string { return f.GetPhone() }},
		{pb.MemberFact_MEMBER_FACT_ID_NUMBER, number, func(_ *pb.Member, f *pb.RevealMemberFactsResponse) string { return f.GetIdNumber() }},
		{pb.MemberFact_MEMBER_FACT_JOINED_ON, "1999-07-01", func(_ *pb.Member, f *pb.RevealMemberFactsResponse) string { return f.GetJoinedOn() }},
		{pb.MemberFact_MEMBER_FACT_BUILDING, "3栋", func(m *pb.Member, _ *pb.RevealMemberFactsResponse) string { return m.GetBuilding() }},
		{pb.MemberFact_MEMBER_FACT_UNIT, "2单元401", func(_ *pb.Member, f *pb.RevealMemberFactsResponse) string { return f.GetUnit() }},
	} {
		asked, err := h.RequestCorrection(h.member(members[0]), &pb.RequestCorrectionRequest{Fact: c.fact, Value: c.value, Why: "登记有误"})
		must(t, err)
		done, err := h.AcceptClaim(h.officer(workplace), &pb.AcceptClaimRequest{Id: asked.GetClaim().GetId()})
		must(t, err)
		if done.GetClaim().GetState() != pb.ClaimState_CLAIM_STATE_CORRECTED {
			t.Errorf("%v", done)
		}
		m, err := h.GetMember(h.member(members[0]), &pb.GetMemberRequest{Id: members[0]})
		must(t, err)
		if got := c.read(m.GetMember(), h.factsOf(members[0])); got != c.value {
			t.Errorf("%s is %q", c.fact, got)
		}
	}
	// Found again by the new ID number: a roster with it is the same person.
	h.sends("W00005", workplace, false, "0 1 0 0 |", person(1, "姓名", "王改名", "身份证号", number, "手机号", "13711112222"))
	_, err := h.RequestCorrection(h.member(members[1]), &pb.RequestCorrectionRequest{Fact: pb.MemberFact_MEMBER_FACT_ID_NUMBER, Value: number})
	must(t, err)
	mine, err := h.ListMyClaims(h.member(members[1]), &pb.ListMyClaimsRequest{})
	must(t, err)
	_, err = h.AcceptClaim(h.officer(workplace), &pb.AcceptClaimRequest{Id: mine.GetClaims()[0].GetId()})
	wantReason(t, err, "ALREADY_EXISTS")
}

// TestClaims_RandomCommands: whoever tries what in whatever order, a claim goes the
// way of its machine, and a member is gone exactly when an erasure has begun.
func TestClaims_RandomCommands(t *testing.T) {
	h := startClaims(t)
	members := h.withMembers(40)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		if n == len(members) {
			return
		}
		id, claimID, begun := members[n], "", false
		n++
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"request", "accept", "refuse", "withdraw", "days", "stranger"}).Draw(rt, "step") {
			case "request":
				if reply, err := h.RequestErasure(h.member(id), &pb.RequestErasureRequest{}); err == nil {
					if claimID != "" && open(h.stateOf(claimID)) {
						rt.Fatal("two open claims")
					}
					claimID = reply.GetClaim().GetId()
				}
			case "accept":
				_, _ = h.AcceptClaim(h.officer(workplace), &pb.AcceptClaimRequest{Id: claimID})
			case "refuse":
				_, _ = h.RefuseClaim(h.officer(workplace), &pb.RefuseClaimRequest{Id: claimID, Reason: "暂不删除"})
			case "withdraw":
				_, _ = h.WithdrawClaim(h.member(id), &pb.WithdrawClaimRequest{Id: claimID})
			case "stranger":
				if _, err := h.AcceptClaim(h.committee(communityA), &pb.AcceptClaimRequest{Id: claimID}); err == nil {
					rt.Fatal("a stranger decided")
				}
			case "days":
				h.Civil.Advance(h.Civil.Now().AddDate(0, 0, 8))
				must(t, h.service.beginErasures(t.Context()))
				h.Drain()
				must(t, h.service.keeper.Work(t.Context()))
			}
			if claimID != "" {
				begun = begun || h.stateOf(claimID) == pb.ClaimState_CLAIM_STATE_ERASING
			}
			_, err := h.GetMember(h.officer(workplace), &pb.GetMemberRequest{Id: id})
			if (err != nil) != begun {
				rt.Fatalf("begun: %v, and the member: %v", begun, err)
			}
		}
	})
}

func open(s pb.ClaimState) bool {
	return s == pb.ClaimState_CLAIM_STATE_REQUESTED || s == pb.ClaimState_CLAIM_STATE_ACCEPTED || s == pb.ClaimState_CLAIM_STATE_ERASING
}

// TestCopy_SaysWhatIsMissing: the own part is there with what lies sealed, and a
// service that does not answer is named.
func TestCopy_SaysWhatIsMissing(t *testing.T) {
	h := startClaims(t)
	id := h.withMembers(1)[0]
	h.service.others = map[string]Collector{
		"requests": func(context.Context, []byte) ([]*typev1.HeldRows, []byte, error) {
			return []*typev1.HeldRows{{Table: "request"}}, nil, nil
		},
		"projects": func(context.Context, []byte) ([]*typev1.HeldRows, []byte, error) {
			return nil, nil, fmt.Errorf("away")
		},
	}
	reply, err := h.RequestCopy(h.member(id), &pb.RequestCopyRequest{})
	must(t, err)
	c := reply.GetCopy()
	missing := map[string]bool{}
	for _, p := range c.GetParts() {
		missing[p.GetService()] = p.GetMissing()
	}
	if c.GetComplete() || missing["registry"] || missing["requests"] || !missing["projects"] || !missing["evaluation"] {
		t.Errorf("complete: %v, missing: %v", c.GetComplete(), missing)
	}
	said := fmt.Sprint(c)
	for _, want := range []string{h.nameOf(id), "sealed_id_number", h.factsOf(id).GetIdNumber(), "2001-07-01"} {
		if !strings.Contains(said, want) {
			t.Errorf("the copy lacks %q", want)
		}
	}
	for _, other := range []string{"facts_hash", "name_phone_hash"} {
		if strings.Contains(said, other) {
			t.Errorf("the copy holds %s", other)
		}
	}
}

// TestRetention_ClaimsAndReasons: what was written goes a year after it was
// decided, and what waits keeps its words.
func TestRetention_ClaimsAndReasons(t *testing.T) {
	h := startClaims(t)
	members := h.withMembers(2)
	refused := h.erases(h.member(members[0]))
	_, err := h.RefuseClaim(h.officer(workplace), &pb.RefuseClaimRequest{Id: refused.GetId(), Reason: "组织关系尚未转出"})
	must(t, err)
	waits := h.erases(h.member(members[1]))
	r := h.submit(members[0])
	_, err = h.ReturnReportIn(h.staff(communityA), &pb.ReturnReportInRequest{Id: r.GetId(), Reason: "住址与登记不符"})
	must(t, err)
	words := func() (claim, report string) {
		mine, err := h.ListMyClaims(h.member(members[0]), &pb.ListMyClaimsRequest{})
		must(t, err)
		got, err := h.GetReportIn(h.member(members[0]), &pb.GetReportInRequest{Id: r.GetId()})
		must(t, err)
		return mine.GetClaims()[0].GetRefusal() + mine.GetClaims()[0].GetWhy(), got.GetReportIn().GetReturnReason()
	}
	for _, c := range []struct {
		days int
		kept bool
	}{{364, true}, {2, false}} {
		h.Civil.Advance(h.Civil.Now().AddDate(0, 0, c.days))
		if _, err := h.service.keeper.Expire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if claim, report := words(); (claim != "") != c.kept || (report != "") != c.kept {
			t.Errorf("after %d days more: %q, %q", c.days, claim, report)
		}
	}
	opened, err := h.RevealClaim(h.officer(workplace), &pb.RevealClaimRequest{Id: waits.GetId(), Reason: "办理申请"})
	must(t, err)
	if opened.GetClaim().GetWhy() == "" {
		t.Error("a claim that waits lost its words")
	}
	if n, err := h.service.keeper.Expire(t.Context()); n != 0 || err != nil {
		t.Errorf("a second look took %d rows, %v", n, err)
	}
}
