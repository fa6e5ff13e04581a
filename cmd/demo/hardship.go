package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

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
	err := r.client.call(ctx, r.head(), http.MethodPost, open, fmt.Sprintf("demo-case-%d", p.No),
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
		if err := r.client.call(ctx, r.head(), http.MethodPost, "/v1/hardshipCases/"+c.GetId()+":"+s.verb, "demo-"+s.verb, s.in, nil); err != nil {
			return err
		}
	}
	var aid requestsv1.RecordAidResponse
	err = r.client.call(ctx, r.head(), http.MethodPost, "/v1/hardshipCases/"+c.GetId()+"/aids", "demo-aid", &requestsv1.RecordAidRequest{
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
	if err := r.checkPoster(ctx, c); err != nil {
		return err
	}
	var wanted requestsv1.ListHelpWantedResponse
	err = r.client.call(ctx, r.partyStaff(circleID), http.MethodGet, "/v1/organizations/"+circleID+"/helpWanted", "", nil, &wanted)
	c.count("of the family in public", "article", 0, int64(len(wanted.GetHelpWanted())))
	return errors.Join(err, r.checkReadings(ctx, c))
}

// head of the committee, 熊娜 of the article.
func (r *run) head() who {
	return as(typev1.Role_ROLE_COMMITTEE_STAFF, "demo-xiongna", r.records.path(circleID))
}

// postInTheEvening posts for a neighbour at the hour of the records, as a member
// of the name that the article gives who had reported in here (sample).
func (r *run) postInTheEvening(ctx context.Context, p post) error {
	at, err := time.Parse(time.RFC3339, p.PostedAt)
	if err != nil {
		return fmt.Errorf("the hour of post %d: %w", p.No, err)
	}
	if err := r.advance(ctx, at); err != nil {
		return err
	}
	i := slices.IndexFunc(r.records.members, func(m member) bool {
		return strings.HasPrefix(m.name, "王") && m.community == circleID && m.reportedOn != "" && m.reportedOn < p.day()
	})
	if i < 0 {
		return errors.New("no member of the name has reported in to the circle's community")
	}
	if r.notes.Hardship.Poster, err = r.memberID(ctx, r.records.members[i]); err != nil {
		return err
	}
	return r.post(ctx, p)
}

// decideRelief is the street's word on the relief that was asked, within its
// limit; the case ends a day later (sample).
func (r *run) decideRelief(ctx context.Context, _ string) error {
	id := r.notes.Hardship.Case
	return r.client.call(ctx, r.streetOf(circleID), http.MethodPost, "/v1/hardshipCases/"+id+":decideRelief", "demo-relief",
		&requestsv1.DecideReliefRequest{Id: id, Decision: requestsv1.ReliefDecision_RELIEF_DECISION_PARTLY, Document: "sample-2014-1"}, nil)
}

func (r *run) endCase(ctx context.Context, _ string) error {
	id := r.notes.Hardship.Case
	return r.client.call(ctx, r.head(), http.MethodPost, "/v1/hardshipCases/"+id+":close", "demo-end-case",
		&requestsv1.CloseHardshipCaseRequest{Id: id}, nil)
}

// checkPoster compares what the poster sees: the steps of the morning and their
// days, and nothing else.
func (r *run) checkPoster(ctx context.Context, c *comparison) error {
	poster := as(typev1.Role_ROLE_MEMBER, r.notes.Hardship.Poster, r.records.path(circleID))
	var id string
	for _, p := range r.records.posts {
		if p.OnBehalfOf {
			id = r.notes.Requests[p.No]
		}
	}
	var steps requestsv1.GetHardshipStepsResponse
	if err := r.client.call(ctx, poster, http.MethodGet, "/v1/requests/"+id+"/hardshipSteps", "", nil, &steps); err != nil {
		return err
	}
	var seen []string
	for _, s := range steps.GetSteps() {
		if s.GetDay() == r.notes.Hardship.Day {
			seen = append(seen, strings.ToLower(strings.TrimPrefix(s.GetState().String(), "HARDSHIP_STATE_")))
		}
	}
	c.same("steps of that day the poster sees", "article", "opened visited consented relief referred", strings.Join(seen, " "))
	for _, closed := range []struct{ what, method, path string }{
		{"the case for the poster", http.MethodGet, "/v1/hardshipCases/" + r.notes.Hardship.Case},
		{"the facts for the poster", http.MethodPost, "/v1/hardshipCases/" + r.notes.Hardship.Case + ":revealFacts"},
	} {
		err := r.client.call(ctx, poster, closed.method, closed.path, "", &requestsv1.RevealHardshipFactsRequest{Reason: "想了解"}, nil)
		var no *refused
		if !errors.As(err, &no) {
			return fmt.Errorf("%s was answered: %w", closed.what, err)
		}
		c.same(closed.what, "article", "refused", "refused")
	}
	var looked requestsv1.RequestSteps
	err := r.client.call(ctx, nobody(), http.MethodPost, "/v1/requests:lookUp", "", &requestsv1.LookUpRequestRequest{Code: r.notes.Hardship.Code}, &looked)
	c.same("by its code, without an account", "sample", "REQUEST_STATE_CLOSED", looked.GetState().String())
	return err
}

// checkReadings compares who read what is sealed.
func (r *run) checkReadings(ctx context.Context, c *comparison) error {
	var list requestsv1.ListHardshipReadingsResponse
	err := r.client.call(ctx, r.partyStaff(circleID), http.MethodGet, "/v1/organizations/"+circleID+"/hardshipReadings", "", nil, &list)
	if err != nil {
		return err
	}
	of, reasoned := 0, 0
	for _, reading := range list.GetReadings() {
		if reading.GetCaseId() != r.notes.Hardship.Case {
			continue
		}
		if of++; reading.GetPerson() != "" && reading.GetReason() != "" {
			reasoned++
		}
	}
	// Each report reads it once more.
	c.count("readings of what was given, with person and reason", "sample", max(1, int64(of)), int64(reasoned))
	return nil
}
