package projects_test

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/store"
)

func TestBeginProject_OfAKeyProjectWithPeopleMoneyAndPolicy(t *testing.T) {
	y := newYard(t)
	id := y.selected(community, "2013-01")
	draft := y.draft(y.call.GetId(), community, "2013-09")
	_, err := y.delivery().BeginProject(y.officer(), plan(draft.GetId()))
	refused(t, "a sealed draft", err, codes.NotFound, "NOT_FOUND", "")
	y.on("2013-04-01")

	short := plan(id)
	short.Promises = short.GetPromises()[:3]
	_, err = y.delivery().BeginProject(y.officer(), short)
	refused(t, "without a policy", err, codes.InvalidArgument, "INVALID_FIELD", "promises")
	dear := plan(id)
	dear.Budget[0].AmountFen = 60001
	_, err = y.delivery().BeginProject(y.officer(), dear)
	refused(t, "more than the tranches", err, codes.FailedPrecondition, "BUDGET_OVER_SUPPORT", "budget")
	early := plan(id)
	early.Promises[1].Due = "2013-03-31"
	_, err = y.delivery().BeginProject(y.officer(), early)
	refused(t, "due before it begins", err, codes.InvalidArgument, "INVALID_FIELD", "promises[1].due")
	_, err = y.delivery().BeginProject(y.applicant(community), plan(id))
	refused(t, "by the applicant", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")

	p := must[*pb.BeginProjectResponse](y.house)(y.delivery().BeginProject(y.officer(), plan(id))).GetKeyProject()
	if p.GetState() != pb.KeyProjectState_KEY_PROJECT_STATE_RUNNING || p.GetBeganOn() != "2013-04-01" || len(p.GetPromises()) != 4 || p.GetNumber() != "2013-01" {
		t.Errorf("begun %v", p)
	}
	_, err = y.delivery().BeginProject(y.officer(), plan(id))
	refused(t, "twice", err, codes.AlreadyExists, "ALREADY_EXISTS", "")
	_, err = y.delivery().GetProject(y.applicant(otherPlace), &pb.GetProjectRequest{Id: p.GetId()})
	refused(t, "another applicant", err, codes.NotFound, "NOT_FOUND", "")
	city := y.As("city", access.Grant{Role: typev1.Role_ROLE_CITY_OFFICER, Path: "/430100/"})
	for _, ctx := range []func() (*pb.ListProjectsResponse, error){
		func() (*pb.ListProjectsResponse, error) {
			return y.delivery().ListProjects(city, &pb.ListProjectsRequest{CallId: y.call.GetId()})
		},
		func() (*pb.ListProjectsResponse, error) {
			return y.delivery().ListProjects(y.applicant(community), &pb.ListProjectsRequest{CallId: y.call.GetId()})
		},
	} {
		if got := must[*pb.ListProjectsResponse](y.house)(ctx()).GetKeyProjects(); len(got) != 1 {
			t.Errorf("listed %v", got)
		}
	}
	if got := must[*pb.ListProjectsResponse](y.house)(y.delivery().ListProjects(y.applicant(otherPlace), &pb.ListProjectsRequest{CallId: y.call.GetId()})); len(got.GetKeyProjects()) != 0 {
		t.Errorf("another applicant sees %v", got)
	}
}

// A tranche due on 15 April comes on 25 April: the clock stands still for ten
// days, the due day of each indicator moves by ten, and runs on from then.
func TestSupport_LateStopsTheProjectsClock(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "2013-01", manual(100, "2013-12-31"), manual(10, "2013-04-12"))
	y.deliver(p.GetId(), "p1", "2013-04-01")
	y.on("2013-04-16")
	if got := y.project(p.GetId()); got.GetPromises()[1].GetState() != pb.PromiseState_PROMISE_STATE_LATE || got.GetStandstill().GetDays() != 1 || !got.GetStandstill().GetNow() {
		t.Errorf("on the first late day: %v", got)
	}
	y.read(p, 1, 10, "2013-04-16")
	y.on("2013-04-25")
	_, err := y.delivery().DeliverPromise(y.officer(), &pb.DeliverPromiseRequest{Id: p.GetId(), PromiseId: "p2", DeliveredOn: "2013-04-26", Document: "d"})
	refused(t, "tomorrow", err, codes.InvalidArgument, "INVALID_FIELD", "delivered_on")
	_, err = y.delivery().DeliverPromise(y.officer(), &pb.DeliverPromiseRequest{Id: p.GetId(), PromiseId: "p9", Document: "d"})
	refused(t, "no such promise", err, codes.NotFound, "NOT_FOUND", "")
	got := y.deliver(p.GetId(), "p2", "")
	if got.GetReceivedFen() != 50000 || got.GetLeftFen() != 50000 || got.GetStandstill().GetDays() != 10 {
		t.Errorf("delivered %v", got)
	}
	_, err = y.delivery().DeliverPromise(y.officer(), &pb.DeliverPromiseRequest{Id: p.GetId(), PromiseId: "p2", Document: "d"})
	wrongState(t, "twice", err)
	y.deliver(p.GetId(), "p4", "2013-04-25")
	y.on("2013-04-30")
	got = y.project(p.GetId())
	span := got.GetStandstill().GetSpans()
	if got.GetStandstill().GetNow() || got.GetStandstill().GetDays() != 10 || len(span) != 1 || span[0].GetFrom() != "2013-04-16" || span[0].GetTo() != "2013-04-25" {
		t.Errorf("ran on: %v", got.GetStandstill())
	}
	stands := y.stands(p)
	if stands[0].GetMovedDue() != "2014-01-10" || stands[1].GetMovedDue() != "2013-04-12" {
		t.Errorf("due %s and %s", stands[0].GetMovedDue(), stands[1].GetMovedDue())
	}
	for name, want := range map[string]int{"promise.overdue": 1, "promise.delivered": 3, "key_project.begun": 1} {
		if n := y.told(name); n != want {
			t.Errorf("%s told %d times, want %d", name, n, want)
		}
	}
}

func spend(p *pb.KeyProject, line string, fen int64) *pb.RecordSpendingRequest {
	return &pb.RecordSpendingRequest{ProjectId: p.GetId(), Line: line, Kind: pb.SpendingKind_SPENDING_KIND_MATERIALS,
		AmountFen: fen, Day: "2013-04-02", Document: "发票0417"}
}

func TestSpending_NeverAboveLineOrTranchesAndConfirmedByAnother(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "2013-01")
	mine := y.applicant(community)
	other := y.As("another", access.Grant{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: y.paths[community]})
	y.on("2013-04-02")
	_, err := y.spending().RecordSpending(mine, spend(p, "materials", 1))
	refused(t, "before a tranche", err, codes.FailedPrecondition, "SPENDING_OVER_RECEIVED", "amount_fen")
	y.deliver(p.GetId(), "p2", "")
	_, err = y.spending().RecordSpending(mine, spend(p, "training", 40001))
	refused(t, "over the line", err, codes.FailedPrecondition, "SPENDING_OVER_LINE", "amount_fen")
	_, err = y.spending().RecordSpending(mine, spend(p, "materials", 50001))
	refused(t, "over the tranche", err, codes.FailedPrecondition, "SPENDING_OVER_RECEIVED", "amount_fen")
	_, err = y.spending().RecordSpending(mine, spend(p, "rent", 1))
	refused(t, "no such line", err, codes.NotFound, "UNKNOWN_BUDGET_LINE", "line")
	later := spend(p, "materials", 1)
	later.Day = "2013-04-03"
	_, err = y.spending().RecordSpending(mine, later)
	refused(t, "tomorrow", err, codes.InvalidArgument, "INVALID_FIELD", "day")
	for _, kind := range []pb.SpendingKind{8, 9, 10, 11, 12} {
		banned := spend(p, "materials", 1)
		banned.Kind = kind
		_, err = y.spending().RecordSpending(mine, banned)
		refused(t, kind.String(), err, codes.FailedPrecondition, "SPENDING_NOT_ALLOWED", "kind")
	}
	_, err = y.spending().RecordSpending(y.applicant(otherPlace), spend(p, "materials", 1))
	refused(t, "another applicant", err, codes.NotFound, "NOT_FOUND", "")

	e := must[*pb.RecordSpendingResponse](y.house)(y.spending().RecordSpending(mine, spend(p, "materials", 30000))).GetSpending()
	_, err = y.spending().ConfirmSpending(mine, &pb.ConfirmSpendingRequest{ProjectId: p.GetId(), Id: e.GetId()})
	refused(t, "by the recorder", err, codes.PermissionDenied, "CONFIRMED_BY_RECORDER", "")
	_, err = y.spending().RecordSpending(mine, spend(p, "training", 20001))
	refused(t, "what waits is held back", err, codes.FailedPrecondition, "SPENDING_OVER_RECEIVED", "amount_fen")
	e = must[*pb.ConfirmSpendingResponse](y.house)(y.spending().ConfirmSpending(other, &pb.ConfirmSpendingRequest{ProjectId: p.GetId(), Id: e.GetId()})).GetSpending()
	if e.GetState() != pb.SpendingState_SPENDING_STATE_CONFIRMED || e.GetConfirmedBy() != "another" {
		t.Errorf("confirmed %v", e)
	}
	second := must[*pb.RecordSpendingResponse](y.house)(y.spending().RecordSpending(mine, spend(p, "training", 20000))).GetSpending()
	must[*pb.TurnDownSpendingResponse](y.house)(y.spending().TurnDownSpending(y.officer(), &pb.TurnDownSpendingRequest{ProjectId: p.GetId(), Id: second.GetId(), Reason: "发票不符"}))
	if got := y.project(p.GetId()); got.GetSpentFen() != 30000 || got.GetPendingFen() != 0 || got.GetLeftFen() != 20000 {
		t.Errorf("sums %v", got)
	}
	if got := must[*pb.ListSpendingResponse](y.house)(y.spending().ListSpending(y.officer(), &pb.ListSpendingRequest{ProjectId: p.GetId()})).GetSpending(); len(got) != 2 || got[0].GetId() != e.GetId() {
		t.Errorf("listed %v", got)
	}
	_, err = y.spending().ListSpending(y.applicant(otherPlace), &pb.ListSpendingRequest{ProjectId: p.GetId()})
	refused(t, "another's ledger", err, codes.NotFound, "NOT_FOUND", "")
}

// What the district says is refused, with its document; and what it allows is not.
func TestSpending_KindsOfTheDistrictsPolicy(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "2013-01")
	y.deliver(p.GetId(), "p2", "")
	y.Announce("registry", store.Event{Name: "policy.published", EntityID: "p1", Revision: 1, Data: &registryv1.PolicyPublished{
		DistrictPath: string(district), Revision: 1, Policy: &registryv1.Policy{Year: 2013, Version: 1, Values: []*registryv1.PolicyValue{{
			Key: "projects.spending_not_allowed", Value: "equipment",
			Source: &registryv1.PolicySource{Title: "项目经费管理办法", Number: "天财〔2013〕5号", Article: "第九条"},
		}}}}})
	y.Drain()
	req := spend(p, "materials", 100)
	req.Day, req.Kind = "2013-04-01", pb.SpendingKind_SPENDING_KIND_EQUIPMENT
	_, err := y.spending().RecordSpending(y.applicant(community), req)
	refused(t, "by the district's document", err, codes.FailedPrecondition, "SPENDING_NOT_ALLOWED", "kind")
	if detail(err, "number") != "天财〔2013〕5号" || detail(err, "article") != "第九条" {
		t.Errorf("cites %v", err)
	}
	req.Kind = pb.SpendingKind_SPENDING_KIND_TRAVEL
	must[*pb.RecordSpendingResponse](y.house)(y.spending().RecordSpending(y.applicant(community), req))
}

// A correction is a second entry, which another confirms; the first is then
// reversed and its money free again.
func TestSpending_CorrectionsAreReversingEntries(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "2013-01")
	mine := y.applicant(community)
	y.on("2013-04-02")
	y.deliver(p.GetId(), "p2", "")
	e := must[*pb.RecordSpendingResponse](y.house)(y.spending().RecordSpending(mine, spend(p, "materials", 30000))).GetSpending()
	reverse := &pb.ReverseSpendingRequest{ProjectId: p.GetId(), Id: e.GetId(), Reason: "金额登记错误"}
	_, err := y.spending().ReverseSpending(mine, reverse)
	wrongState(t, "before it is confirmed", err)
	confirm := func(id string) *pb.Spending {
		t.Helper()
		return must[*pb.ConfirmSpendingResponse](y.house)(y.spending().ConfirmSpending(y.officer(), &pb.ConfirmSpendingRequest{ProjectId: p.GetId(), Id: id})).GetSpending()
	}
	confirm(e.GetId())
	r := must[*pb.ReverseSpendingResponse](y.house)(y.spending().ReverseSpending(mine, reverse)).GetSpending()
	if r.GetAmountFen() != -30000 || r.GetReverses() != e.GetId() || y.project(p.GetId()).GetLeftFen() != 20000 {
		t.Errorf("reversing %v", r)
	}
	_, err = y.spending().ReverseSpending(mine, reverse)
	refused(t, "twice", err, codes.FailedPrecondition, "ALREADY_REVERSED", "")
	must[*pb.TurnDownSpendingResponse](y.house)(y.spending().TurnDownSpending(y.officer(), &pb.TurnDownSpendingRequest{ProjectId: p.GetId(), Id: r.GetId(), Reason: "没有错"}))
	r = must[*pb.ReverseSpendingResponse](y.house)(y.spending().ReverseSpending(mine, reverse)).GetSpending()
	confirm(r.GetId())
	got := y.project(p.GetId())
	if got.GetSpentFen() != 0 || got.GetLeftFen() != 50000 || got.GetWaitingEntries() != 0 {
		t.Errorf("sums %v", got)
	}
	for _, v := range must[*pb.ListSpendingResponse](y.house)(y.spending().ListSpending(mine, &pb.ListSpendingRequest{ProjectId: p.GetId()})).GetSpending() {
		if v.GetId() == e.GetId() && v.GetState() != pb.SpendingState_SPENDING_STATE_REVERSED {
			t.Errorf("the first is %v", v)
		}
	}
	_, err = y.spending().ReverseSpending(mine, &pb.ReverseSpendingRequest{ProjectId: p.GetId(), Id: r.GetId(), Reason: "再改一次"})
	refused(t, "a reversing entry", err, codes.FailedPrecondition, "ALREADY_REVERSED", "")
}

// Two officers at once: ten entries of which two fit; never more go through.
func TestSpending_TwoOfficersAtOnce(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "2013-01")
	y.on("2013-04-02")
	y.deliver(p.GetId(), "p2", "")
	const officers = 10
	done := make(chan error, officers)
	for range officers {
		go func() {
			_, err := y.spending().RecordSpending(y.applicant(community), spend(p, "materials", 20000))
			done <- err
		}()
	}
	taken := 0
	for range officers {
		if err := <-done; err == nil {
			taken++
		}
	}
	if got := y.project(p.GetId()); taken != 2 || got.GetPendingFen() != 40000 {
		t.Errorf("%d entries taken, %d fen held", taken, got.GetPendingFen())
	}
}

// Two officers at once: the one who read the project before the other's step
// is told so.
func TestDelivery_TheSecondOfficerIsTold(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "2013-01")
	first := must[*pb.DeliverPromiseResponse](y.house)(y.delivery().DeliverPromise(y.officer(),
		&pb.DeliverPromiseRequest{Id: p.GetId(), PromiseId: "p1", Etag: p.GetEtag(), Document: "d"})).GetKeyProject()
	_, err := y.delivery().DeliverPromise(y.officer(), &pb.DeliverPromiseRequest{Id: p.GetId(), PromiseId: "p2", Etag: p.GetEtag(), Document: "d"})
	refused(t, "with the etag of before", err, codes.Aborted, "STALE_ETAG", "etag")
	must[*pb.DeliverPromiseResponse](y.house)(y.delivery().DeliverPromise(y.officer(),
		&pb.DeliverPromiseRequest{Id: p.GetId(), PromiseId: "p2", Etag: first.GetEtag(), Document: "d"}))
	done := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := y.delivery().DeliverPromise(y.officer(), &pb.DeliverPromiseRequest{Id: p.GetId(), PromiseId: "p3", Document: "d"})
			done <- err
		}()
	}
	if a, b := <-done, <-done; (a == nil) == (b == nil) || y.project(p.GetId()).GetReceivedFen() != 100000 {
		t.Errorf("the same tranche twice: %v, %v", a, b)
	}
}

// Events carry no amounts, papers, reasons or persons.
func TestDelivery_EventsCarryNothingPersonal(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "2013-01")
	y.on("2013-04-02")
	y.deliver(p.GetId(), "p2", "")
	e := must[*pb.RecordSpendingResponse](y.house)(y.spending().RecordSpending(y.applicant(community), spend(p, "materials", 30000))).GetSpending()
	must[*pb.TurnDownSpendingResponse](y.house)(y.spending().TurnDownSpending(y.officer(), &pb.TurnDownSpendingRequest{ProjectId: p.GetId(), Id: e.GetId(), Reason: "发票不符"}))
	all := y.Events("projects")
	for _, secret := range []string{"officer", "staff of", "发票", "天组", "社区服务场地减免", "materials"} {
		if bytes.Contains(all, []byte(secret)) {
			t.Errorf("an event holds %q", secret)
		}
	}
	if y.told("spending.turned_down") != 1 || y.told("spending.recorded") != 1 {
		t.Error("not told once")
	}
}
