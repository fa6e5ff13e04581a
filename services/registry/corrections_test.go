package registry

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

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
	if !slices.Equal(c.GetMissing(), []string{"evaluation", "projects"}) || missing["registry"] || missing["requests"] || !missing["projects"] || !missing["evaluation"] {
		t.Errorf("missing: %v, %v", c.GetMissing(), missing)
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
