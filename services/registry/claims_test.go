package registry

import (
	"bytes"
	"context"
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
	_, err = h.RequestErasure(h.member("mem_nobody"), &pb.RequestErasureRequest{})
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
