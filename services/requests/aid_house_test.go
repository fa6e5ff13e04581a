package requests_test

import (
	"context"
	"testing"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
)

// aidHouse is a house with the hardship side.
type aidHouse struct {
	house
	aid    pb.AidServiceClient
	engine *memkv.Engine
}

func newAidHouse(t *testing.T) aidHouse {
	t.Helper()
	engine := memkv.New()
	h := newHouse(t, kvtest.Rerun(kv.New(engine, kv.Options{})))
	return aidHouse{h, pb.NewAidServiceClient(h.Conn()), engine}
}

func (h aidHouse) street() context.Context {
	return h.as(typev1.Role_ROLE_STREET_OFFICER, "street", "/1/11/111/")
}

func (h aidHouse) second() context.Context {
	return h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "second", c1)
}

// shanghai is an instant of Shanghai's clock.
func shanghai(text string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", text, clock.Shanghai())
	if err != nil {
		panic(err)
	}
	return t
}

func hardshipPost() *pb.PostRequestRequest {
	in := problem()
	in.Kind, in.OnBehalfOf = pb.RequestKind_REQUEST_KIND_HARDSHIP, true
	in.Visibility, in.Text = pb.Visibility_VISIBILITY_STAFF_ONLY, "邻居金丝雀下岗,患糖尿病,丈夫患癌"
	return in
}

// canaries are what a family would not want to read anywhere.
func canaries() []string {
	return []string{
		"金丝雀", "糖尿病", "13874809991", "430103197207150032", "6222021999988887777", "三万六千", "百灵鸟", "1000.25",
		"邻居金丝雀下岗", "先行转介", "收据第0077号", "合望达第9号",
	}
}

func facts() *pb.HardshipFacts {
	return &pb.HardshipFacts{
		People: []*pb.HouseholdPerson{
			{Name: "金丝雀", IdNumber: "430103197207150032", Phone: "13874809991", Relation: "本人"},
			{Name: "百灵鸟", Relation: "丈夫"},
		},
		Household: "两人,均无工作", Illness: "糖尿病", Amounts: "报销后每年自付三万六千", Accounts: []string{"6222021999988887777"},
	}
}

func (h aidHouse) open(ctx context.Context, t *testing.T, requestID string) *pb.HardshipCase {
	t.Helper()
	r, err := h.aid.OpenHardshipCase(ctx, &pb.OpenHardshipCaseRequest{RequestId: requestID})
	if err != nil {
		t.Fatal(err)
	}
	return r.GetHardshipCase()
}

// consented takes a new case to consent and answers it.
func (h aidHouse) consented(t *testing.T) *pb.HardshipCase {
	t.Helper()
	c := h.open(h.staff(), t, h.post(h.resident("r1"), t, hardshipPost()).GetId())
	if _, err := h.aid.VisitHardshipCase(h.staff(), &pb.VisitHardshipCaseRequest{Id: c.GetId(), Facts: facts()}); err != nil {
		t.Fatal(err)
	}
	r, err := h.aid.RecordHardshipConsent(h.staff(), &pb.RecordHardshipConsentRequest{
		Id: c.GetId(), Given: true, By: pb.ConsentBy_CONSENT_BY_PERSON, Name: "金丝雀"})
	if err != nil {
		t.Fatal(err)
	}
	return r.GetHardshipCase()
}

func charity() *pb.Referral {
	return &pb.Referral{Kind: pb.GiverKind_GIVER_KIND_CHARITY, Name: "合望达", Registration: "湘民社证字第4301号", Paper: "转介函2013-01"}
}

func thousand(caseID string) *pb.RecordAidRequest {
	return &pb.RecordAidRequest{
		CaseId: caseID, Giver: &pb.AidGiver{Kind: pb.GiverKind_GIVER_KIND_CHARITY, Name: "合望达", Registration: "湘民社证字第4301号"},
		Paper: "收据第0077号", Day: "2013-12-30", AmountYuan: "1000.25", Cause: pb.AidCause_AID_CAUSE_ILLNESS,
	}
}
