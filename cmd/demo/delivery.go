package demo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"

	"google.golang.org/protobuf/proto"

	projectsv1 "github.com/linli-project/linli/proto/gen/linli/projects/v1"
)

// That the twelve get staff, funds and policy is the article's; how many and
// how much is the records'; days, papers, values recorded by hand and points
// are sample.
const (
	supportDay       = "2013-04-26"
	lateTrancheDay   = "2013-05-10" // ten days after it was due
	policyDay        = "2013-05-27"
	spendDay         = "2013-06-03"
	reverseDay       = "2013-06-05"
	askTargetDay     = "2013-09-10"
	approveTargetDay = "2013-09-16"
	secondDay        = "2013-09-27"
	lastSpendDay     = "2013-11-04"
	stoppedDay       = "2013-12-12"
	caughtUpDay      = "2013-12-20"
	freedDay         = "2013-12-24"
	panelDay         = "2014-01-06"
	secondLook       = "2014-01-14"
	settleDay        = "2014-01-15"
	modelDay         = "2014-01-16"

	lateNumber    = "2013-05" // whose first tranche comes late
	behindNumber  = "2013-07" // which gets a letter of supervision
	homesNumber   = "2013-02" // whose target is changed
	circleNumber  = "2013-01"
	remedyNumber  = "2013-23"
	changedTarget = 130
	districtFloat = "registry.floating"
)

func (r *run) planDelivery(on func(string, task)) {
	on(keyProjectDay, r.eachKeyProject(r.beginProject))
	on(supportDay, r.eachKeyProject(r.giveStaffAndFunds))
	on(lateTrancheDay, func(ctx context.Context, _ string) error { return r.keepPromise(ctx, lateNumber, "p2") })
	on(policyDay, r.eachKeyProject(func(ctx context.Context, a application, _ string) error { return r.keepPromise(ctx, a.Number, "p4") }))
	on(spendDay, r.eachKeyProject(r.spend))
	on(reverseDay, r.correctSpending)
	on(askTargetDay, r.askForTarget)
	on(approveTargetDay, r.approveTarget)
	on(secondDay, r.eachKeyProject(func(ctx context.Context, a application, _ string) error {
		if a.Number == behindNumber {
			return nil // is due in December
		}
		return r.keepPromise(ctx, a.Number, "p3")
	}))
	on(lastSpendDay, r.eachKeyProject(func(ctx context.Context, a application, day string) error {
		if a.Number == behindNumber {
			return nil // waits for the second tranche
		}
		return r.spend(ctx, a, day)
	}))
	for _, day := range readingDays() {
		on(day, r.eachKeyProject(r.recordValues))
	}
	on(stoppedDay, r.supervised)
	on(freedDay, r.freed)
	on(panelDay, r.eachKeyProject(r.assess))
	on(secondLook, r.assessAgain)
	on(settleDay, r.settle)
	on(modelDay, r.publishModels)
}

// readingDays are days on which values are recorded by hand.
func readingDays() []string {
	return []string{"2013-04-28", "2013-05-28", "2013-06-28", "2013-07-28", "2013-08-28", "2013-09-28", "2013-10-28", "2013-11-25", caughtUpDay}
}

// eachKeyProject runs a task for each of the twelve.
func (r *run) eachKeyProject(do func(ctx context.Context, a application, day string) error) task {
	return func(ctx context.Context, day string) error {
		for _, a := range r.records.round.Applications {
			if !slices.Contains(r.notes.Twelve["decided"], a.Number) {
				continue
			}
			if err := do(ctx, a, day); err != nil {
				return fmt.Errorf("key project %s: %w", a.Number, err)
			}
		}
		return nil
	}
}

// applicationOf answers an application of the records by its number.
func (r *run) applicationOf(number string) application {
	i := slices.IndexFunc(r.records.round.Applications, func(a application) bool { return a.Number == number })
	return r.records.round.Applications[i]
}

// keyProject is the path of a key project, with a command or a list behind it.
func (r *run) keyProject(number, rest string) string {
	return "/v1/keyProjects/" + r.notes.Delivery.Projects[number] + rest
}

const fenOfYuan = 100

// beginProject promises the staff and the funds that were asked for, in two
// tranches, and a policy.
func (r *run) beginProject(ctx context.Context, a application, _ string) error {
	fen := a.Budget * fenOfYuan
	first := fen * 60 / 100
	second := "2013-09-30"
	if a.Number == behindNumber {
		second = "2013-12-15"
	}
	in := &projectsv1.BeginProjectRequest{
		ApplicationId: r.notes.Applications[a.Number],
		Promises: []*projectsv1.Promise{
			{Kind: projectsv1.PromiseKind_PROMISE_KIND_PEOPLE, People: a.Staff, Due: "2013-04-30"},
			{Kind: projectsv1.PromiseKind_PROMISE_KIND_MONEY, AmountFen: first, Due: "2013-04-30"},
			{Kind: projectsv1.PromiseKind_PROMISE_KIND_MONEY, AmountFen: fen - first, Due: second},
			{Kind: projectsv1.PromiseKind_PROMISE_KIND_POLICY, Title: "重点项目场地与审批便利", Due: "2013-05-31"},
		},
	}
	for _, l := range budgetLines() {
		in.Budget = append(in.Budget, &projectsv1.BudgetLine{Key: l.key, Name: l.name, AmountFen: fen * l.percent / 100})
	}
	var out projectsv1.KeyProject
	err := r.district(ctx, "/v1/applications/"+in.GetApplicationId()+":begin", "demo-begin-"+a.Number, in, &out)
	r.notes.Delivery.Projects[a.Number] = out.GetId()
	return err
}

type budgetLine struct {
	key, name string
	percent   int64
	kind      projectsv1.SpendingKind
}

func budgetLines() []budgetLine {
	return []budgetLine{
		{"materials", "材料费", 40, projectsv1.SpendingKind_SPENDING_KIND_MATERIALS},
		{"training", "培训费", 30, projectsv1.SpendingKind_SPENDING_KIND_TRAINING},
		{"publicity", "宣传费", 30, projectsv1.SpendingKind_SPENDING_KIND_PUBLICITY},
	}
}

func (r *run) keepPromise(ctx context.Context, number, promise string) error {
	return r.district(ctx, r.keyProject(number, "/promises/"+promise+":deliver"), "demo-deliver-"+number+"-"+promise,
		&projectsv1.DeliverPromiseRequest{Id: r.notes.Delivery.Projects[number], PromiseId: promise, Document: "天组〔2013〕" + number[5:] + "号"}, nil)
}

func (r *run) giveStaffAndFunds(ctx context.Context, a application, _ string) error {
	if err := r.keepPromise(ctx, a.Number, "p1"); err != nil || a.Number == lateNumber {
		return err
	}
	return r.keepPromise(ctx, a.Number, "p2")
}

// spend records a part of each line and has the district confirm it. In June
// somebody tries a dinner.
func (r *run) spend(ctx context.Context, a application, day string) error {
	for _, l := range budgetLines() {
		in := &projectsv1.RecordSpendingRequest{
			ProjectId: r.notes.Delivery.Projects[a.Number], Line: l.key, Kind: l.kind,
			AmountFen: a.Budget * fenOfYuan * l.percent * 45 / 10000, Day: day, Document: "发票" + a.Number[5:] + day,
		}
		if day == spendDay && a.Number == circleNumber && l.key == "publicity" {
			dinner := proto.CloneOf(in)
			dinner.Kind = projectsv1.SpendingKind_SPENDING_KIND_BANQUET
			err := r.recordSpending(ctx, a, dinner, "dinner", nil)
			if !isRefused(err, "SPENDING_NOT_ALLOWED") {
				return fmt.Errorf("a dinner was not refused: %w", err)
			}
			r.notes.Delivery.Dinners++
		}
		var out projectsv1.Spending
		if err := r.recordSpending(ctx, a, in, l.key+day, &out); err != nil {
			return err
		}
		if err := r.confirmSpending(ctx, a.Number, out.GetId()); err != nil {
			return err
		}
		r.notes.Delivery.Entry = out.GetId()
	}
	return nil
}

func (r *run) recordSpending(ctx context.Context, a application, in *projectsv1.RecordSpendingRequest, key string, out proto.Message) error {
	return r.client.call(ctx, r.applicant(a.Applicant), http.MethodPost, r.keyProject(a.Number, "/spending"), "demo-spend-"+a.Number+"-"+key, in, out)
}

func (r *run) confirmSpending(ctx context.Context, number, id string) error {
	return r.district(ctx, r.keyProject(number, "/spending/"+id+":confirm"), "demo-confirm-spending-"+id,
		&projectsv1.ConfirmSpendingRequest{ProjectId: r.notes.Delivery.Projects[number], Id: id}, nil)
}

func isRefused(err error, reason string) bool {
	var no *refused
	return errors.As(err, &no) && no.Reason == reason
}

// correctSpending takes the last entry of June out again.
func (r *run) correctSpending(ctx context.Context, _ string) error {
	number := r.notes.Twelve["decided"][len(r.notes.Twelve["decided"])-1]
	var out projectsv1.Spending
	err := r.client.call(ctx, r.applicant(r.applicationOf(number).Applicant), http.MethodPost,
		r.keyProject(number, "/spending/"+r.notes.Delivery.Entry+":reverse"), "demo-reverse-spending",
		&projectsv1.ReverseSpendingRequest{ProjectId: r.notes.Delivery.Projects[number], Id: r.notes.Delivery.Entry, Reason: "发票重复登记"}, &out)
	if err != nil {
		return err
	}
	return r.confirmSpending(ctx, number, out.GetId())
}

// recordValues records every value that linli does not count itself: as the
// plan has it, and the whole of it once less than two weeks are left.
func (r *run) recordValues(ctx context.Context, a application, day string) error {
	for i, n := range a.Indicators {
		if n.Source != "manual" || a.Number == behindNumber && i == 0 && day > lateTrancheDay && day < caughtUpDay {
			continue
		}
		part := math.Min(1, days(keyProjectDay, day)/days(keyProjectDay, n.Due))
		if later(day, 14) > n.Due {
			part = 1
		}
		path := r.keyProject(a.Number, fmt.Sprintf("/indicators/%d/readings", i))
		in := &projectsv1.RecordReadingRequest{
			ProjectId: r.notes.Delivery.Projects[a.Number], Indicator: int32(i),
			Value: proto.Float64(math.Ceil(n.Baseline + (n.Target-n.Baseline)*part)), AsOf: day, Proof: "台账" + a.Number[5:] + day,
		}
		var out projectsv1.Reading
		err := r.client.call(ctx, r.applicant(a.Applicant), http.MethodPost, path, fmt.Sprintf("demo-reading-%s-%d-%s", a.Number, i, day), in, &out)
		if err != nil {
			return err
		}
		err = r.district(ctx, r.keyProject(a.Number, "/readings/"+out.GetId()+":confirm"), "demo-confirm-"+out.GetId(),
			&projectsv1.ConfirmReadingRequest{ProjectId: in.GetProjectId(), Id: out.GetId()}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

func days(from, to string) float64 { return morning(to).Sub(morning(from)).Hours() / 24 }

// askForTarget: the street counted floating members who work there, linli
// those who live there; so it asks for another target.
func (r *run) askForTarget(ctx context.Context, _ string) error {
	a := r.applicationOf(homesNumber)
	i := slices.IndexFunc(a.Indicators, func(n indicator) bool { return n.Source == districtFloat })
	var out projectsv1.TargetChange
	err := r.client.call(ctx, r.applicant(a.Applicant), http.MethodPost, r.keyProject(a.Number, fmt.Sprintf("/indicators/%d/targetChanges", i)),
		"demo-ask-target", &projectsv1.AskTargetChangeRequest{
			ProjectId: r.notes.Delivery.Projects[a.Number], Indicator: int32(i), Target: changedTarget, Reason: "原指标按从业地统计,现按居住地登记",
		}, &out)
	r.notes.Delivery.Change = out.GetId()
	return err
}

func (r *run) approveTarget(ctx context.Context, _ string) error {
	id := r.notes.Delivery.Change
	return r.district(ctx, r.keyProject(homesNumber, "/targetChanges/"+id+":decide"), "demo-approve-target",
		&projectsv1.DecideTargetChangeRequest{ProjectId: r.notes.Delivery.Projects[homesNumber], Id: id, Approve: true, Document: "天组复〔2013〕3号"}, nil)
}

// lettersTo answers the letters of supervision to a project.
func (r *run) lettersTo(ctx context.Context, number string) ([]*projectsv1.SupervisionLetter, error) {
	var out projectsv1.ListSupervisionLettersResponse
	err := r.client.call(ctx, r.districtOfficer(), http.MethodGet, r.keyProject(number, "/supervisionLetters"), "", nil, &out)
	return out.GetSupervisionLetters(), err
}

// supervised tries the second tranche while the letter is open, and has the
// applicant answer it.
func (r *run) supervised(ctx context.Context, _ string) error {
	if err := r.keepPromise(ctx, behindNumber, "p3"); !isRefused(err, "SUPERVISION_OPEN") {
		return fmt.Errorf("a tranche was not stopped: %w", err)
	}
	r.notes.Delivery.Stopped++
	all, err := r.lettersTo(ctx, behindNumber)
	if err != nil || len(all) != 1 {
		return fmt.Errorf("%d letters of supervision: %w", len(all), err)
	}
	r.notes.Delivery.Letter = all[0].GetId()
	return r.client.call(ctx, r.applicant(r.applicationOf(behindNumber).Applicant), http.MethodPost,
		r.keyProject(behindNumber, "/supervisionLetters/"+all[0].GetId()+":answer"), "demo-answer-supervision",
		&projectsv1.AnswerSupervisionRequest{ProjectId: r.notes.Delivery.Projects[behindNumber], Id: all[0].GetId(), Answer: "十二月加开四次,二十日前补齐"}, nil)
}

// freed closes the letter once the value is there; the tranche flows again.
func (r *run) freed(ctx context.Context, _ string) error {
	id := r.notes.Delivery.Letter
	err := r.district(ctx, r.keyProject(behindNumber, "/supervisionLetters/"+id+":close"), "demo-close-supervision",
		&projectsv1.CloseSupervisionRequest{ProjectId: r.notes.Delivery.Projects[behindNumber], Id: id, Document: "督办销号2013-1"}, nil)
	if err != nil {
		return err
	}
	return r.client.call(ctx, r.districtOfficer(), http.MethodPost, r.keyProject(behindNumber, "/promises/p3:deliver"), "demo-deliver-freed",
		&projectsv1.DeliverPromiseRequest{Id: r.notes.Delivery.Projects[behindNumber], PromiseId: "p3", Document: "天组〔2013〕72号"}, nil)
}
