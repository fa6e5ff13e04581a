package projects_test

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/services/projects"
)

// yard is a house with key projects.
type yard struct {
	*house
	svc  *projects.Service
	call *pb.Call
}

func newYard(t *testing.T) *yard {
	t.Helper()
	h := start(t)
	svc, err := projects.New(projects.Deps{Store: h.Store("projects"), IDs: ids.New, Log: h.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	return &yard{house: h, svc: svc, call: h.opened()}
}

func (y *yard) delivery() pb.DeliveryServiceClient    { return pb.NewDeliveryServiceClient(y.Conn()) }
func (y *yard) spending() pb.SpendingServiceClient    { return pb.NewSpendingServiceClient(y.Conn()) }
func (y *yard) indicators() pb.IndicatorServiceClient { return pb.NewIndicatorServiceClient(y.Conn()) }
func (y *yard) acceptance() pb.AcceptanceServiceClient {
	return pb.NewAcceptanceServiceClient(y.Conn())
}
func (y *yard) models() pb.ModelServiceClient { return pb.NewModelServiceClient(y.Conn()) }

// on moves the clock to the morning of a day and has the job look.
func (y *yard) on(d string) {
	y.t.Helper()
	y.Drain()
	y.advance(day(d))
	if err := projects.LookAtAll(y.t.Context(), y.svc); err != nil {
		y.t.Fatal(err)
	}
}

// told counts the events of one name.
func (y *yard) told(name string) int {
	return bytes.Count(y.Events("projects"), []byte("linli.projects."+name+".v1"))
}

// manual is an indicator that the applicant records.
func manual(target float64, due string) *pb.Indicator {
	return &pb.Indicator{Name: "开展活动", Unit: "场", Target: target, Due: due, Source: "manual"}
}

// selected makes an application that a key project can begin from.
func (y *yard) selected(applicant, number string, indicators ...*pb.Indicator) string {
	y.t.Helper()
	req := application(y.call.GetId(), applicant, number)
	if len(indicators) > 0 {
		req.Indicators = indicators
	}
	a := must[*pb.DraftApplicationResponse](y.house)(y.DraftApplication(y.applicant(applicant), req)).GetApplication()
	must[*pb.SubmitApplicationResponse](y.house)(y.SubmitApplication(y.applicant(applicant), &pb.SubmitApplicationRequest{Id: a.GetId()}))
	if err := projects.MakeKeyProject(y.t.Context(), y.svc, a.GetId()); err != nil {
		y.t.Fatal(err)
	}
	return a.GetId()
}

// plan is a support plan that is taken: two people, two tranches of 500 yuan, a
// policy.
func plan(applicationID string) *pb.BeginProjectRequest {
	return &pb.BeginProjectRequest{
		ApplicationId: applicationID,
		Promises: []*pb.Promise{
			{Kind: pb.PromiseKind_PROMISE_KIND_PEOPLE, People: 2, Due: "2013-04-10"},
			{Kind: pb.PromiseKind_PROMISE_KIND_MONEY, AmountFen: 50000, Due: "2013-04-15"},
			{Kind: pb.PromiseKind_PROMISE_KIND_MONEY, AmountFen: 50000, Due: "2013-09-01"},
			{Kind: pb.PromiseKind_PROMISE_KIND_POLICY, Title: "社区服务场地减免", Due: "2013-05-01"},
		},
		Budget: []*pb.BudgetLine{{Key: "materials", Name: "材料费", AmountFen: 60000}, {Key: "training", Name: "培训费", AmountFen: 40000}},
	}
}

// begun begins a key project on 1 April 2013.
func (y *yard) begun(applicant, number string, indicators ...*pb.Indicator) *pb.KeyProject {
	y.t.Helper()
	id := y.selected(applicant, number, indicators...)
	if y.Civil.Now().Before(day("2013-04-01")) {
		y.on("2013-04-01")
	}
	return must[*pb.BeginProjectResponse](y.house)(y.delivery().BeginProject(y.officer(), plan(id))).GetKeyProject()
}

func (y *yard) deliver(id, promise, on string) *pb.KeyProject {
	y.t.Helper()
	return must[*pb.DeliverPromiseResponse](y.house)(y.delivery().DeliverPromise(y.officer(),
		&pb.DeliverPromiseRequest{Id: id, PromiseId: promise, DeliveredOn: on, Document: "天组〔2013〕7号"})).GetKeyProject()
}

// deliverAll keeps every promise today.
func (y *yard) deliverAll(id string) {
	for _, p := range []string{"p1", "p2", "p3", "p4"} {
		y.deliver(id, p, "")
	}
}

func (y *yard) project(id string) *pb.KeyProject {
	y.t.Helper()
	return must[*pb.GetProjectResponse](y.house)(y.delivery().GetProject(y.officer(), &pb.GetProjectRequest{Id: id})).GetKeyProject()
}

// read records a value and has the district confirm it.
func (y *yard) read(p *pb.KeyProject, indicator int32, value float64, asOf string) {
	y.t.Helper()
	v := must[*pb.RecordReadingResponse](y.house)(y.indicators().RecordReading(y.applicant(p.GetApplicantId()),
		&pb.RecordReadingRequest{ProjectId: p.GetId(), Indicator: indicator, Value: proto.Float64(value), AsOf: asOf, Proof: "台账2013-4"})).GetReading()
	must[*pb.ConfirmReadingResponse](y.house)(y.indicators().ConfirmReading(y.officer(), &pb.ConfirmReadingRequest{ProjectId: p.GetId(), Id: v.GetId()}))
}

func (y *yard) stands(p *pb.KeyProject) []*pb.TrackedIndicator {
	y.t.Helper()
	return must[*pb.ListIndicatorsResponse](y.house)(y.indicators().ListIndicators(y.applicant(p.GetApplicantId()),
		&pb.ListIndicatorsRequest{ProjectId: p.GetId()})).GetIndicators()
}

func (y *yard) letters(p *pb.KeyProject) []*pb.SupervisionLetter {
	y.t.Helper()
	return must[*pb.ListSupervisionLettersResponse](y.house)(y.indicators().ListSupervisionLetters(y.officer(),
		&pb.ListSupervisionLettersRequest{ProjectId: p.GetId()})).GetSupervisionLetters()
}

// wrongState checks that a step was refused by its machine.
func wrongState(t *testing.T, what string, err error) {
	t.Helper()
	refused(t, what, err, codes.FailedPrecondition, "WRONG_STATE", "")
}
