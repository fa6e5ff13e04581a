package demo

import (
	"context"
	"fmt"
	"net/http"

	"google.golang.org/protobuf/proto"

	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// Giver and amount are the article's; facts of the household that it does not
// tell are sample.
const (
	giver      = "合望达"
	amountYuan = "1000"
)

// help takes the hardship case from the visit to the recorded aid, in one
// morning: facts and consent at the visit, relief asked of the street, referral,
// and the aid that was given that day, confirmed by a second person.
func (r *run) help(ctx context.Context, p post, day string) error {
	var c requestsv1.HardshipCase
	open := "/v1/requests/" + r.notes.Requests[p.No] + ":openHardshipCase"
	err := r.client.call(ctx, r.committee(), http.MethodPost, open, fmt.Sprintf("demo-case-%d", p.No),
		&requestsv1.OpenHardshipCaseRequest{RequestId: r.notes.Requests[p.No]}, &c)
	if err != nil {
		return err
	}
	for _, s := range []struct {
		verb string
		in   proto.Message
	}{
		{"visit", &requestsv1.VisitHardshipCaseRequest{Id: c.GetId(), Facts: &requestsv1.HardshipFacts{
			People:  []*requestsv1.HouseholdPerson{{Name: "杨女士", Relation: "本人"}},
			Illness: "本人糖尿病,丈夫患癌症", Amounts: "医保报销后每年仍需自付数万元", Note: "下岗",
		}}},
		{"recordConsent", &requestsv1.RecordHardshipConsentRequest{
			Id: c.GetId(), Given: true, By: requestsv1.ConsentBy_CONSENT_BY_PERSON, Name: "杨女士"}},
		{"askRelief", &requestsv1.AskReliefRequest{Id: c.GetId()}},
		{"refer", &requestsv1.ReferHardshipCaseRequest{Id: c.GetId(), SkipReason: "急需用药,救助审批同时进行", Referral: &requestsv1.Referral{
			Kind: requestsv1.GiverKind_GIVER_KIND_SOCIAL_ORGANIZATION, Name: giver, Registration: "sample-0001", Paper: "转介单2013-12-30"}}},
	} {
		if err := r.client.call(ctx, r.committee(), http.MethodPost, "/v1/hardshipCases/"+c.GetId()+":"+s.verb, "demo-"+s.verb, s.in, nil); err != nil {
			return err
		}
	}
	var aid requestsv1.RecordAidResponse
	err = r.client.call(ctx, r.committee(), http.MethodPost, "/v1/hardshipCases/"+c.GetId()+"/aids", "demo-aid", &requestsv1.RecordAidRequest{
		CaseId: c.GetId(), Paper: "收据2013-12-30", Day: day, AmountYuan: amountYuan, Cause: requestsv1.AidCause_AID_CAUSE_ILLNESS,
		Giver: &requestsv1.AidGiver{Kind: requestsv1.GiverKind_GIVER_KIND_SOCIAL_ORGANIZATION, Name: giver, Registration: "sample-0001"},
	}, &aid)
	if err != nil {
		return err
	}
	second := as(typev1.Role_ROLE_COMMITTEE_STAFF, "demo-committee-2", r.records.path(circleID))
	id := aid.GetAid().GetId()
	err = r.client.call(ctx, second, http.MethodPost, "/v1/aids/"+id+":confirm", "demo-confirm-aid", &requestsv1.ConfirmAidRequest{Id: id}, nil)
	r.notes.Hardship.Case, r.notes.Hardship.Aid = c.GetId(), id
	return err
}

// checkHelp reads the aid as the committee may, and the case as everybody else
// does: the poster sees steps, the public nothing.
func (r *run) checkHelp(ctx context.Context, c *comparison) error {
	var facts requestsv1.AidFacts
	err := r.client.call(ctx, r.committee(), http.MethodPost, "/v1/aids/"+r.notes.Hardship.Aid+":reveal", "demo-reveal-aid",
		&requestsv1.RevealAidRequest{Id: r.notes.Hardship.Aid, Reason: "年终核对救助台账"}, &facts)
	if err != nil {
		return err
	}
	c.same("given by", "article", giver, facts.GetGiverName())
	c.same("yuan recorded", "article", amountYuan, facts.GetAmountYuan())
	c.same("recorded for", "article", "2013-12-30", facts.GetDay())
	var wanted requestsv1.ListHelpWantedResponse
	err = r.client.call(ctx, r.partyStaff(circleID), http.MethodGet, "/v1/organizations/"+circleID+"/helpWanted", "", nil, &wanted)
	c.count("of the family in public", "article", 0, int64(len(wanted.GetHelpWanted())))
	return err
}
