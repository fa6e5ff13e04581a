package projects

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/call"
	"github.com/linli-project/linli/services/projects/internal/review"
	"github.com/linli-project/linli/services/projects/selection"
)

func callProto(row table.Row[*pb.CallRow]) *pb.Call {
	out := proto.CloneOf(row.Value.GetCall())
	out.Etag = row.Etag()
	return out
}

func applicationProto(row table.Row[*pb.ApplicationRow]) *pb.Application {
	out := proto.CloneOf(row.Value.GetApplication())
	out.Etag = row.Etag()
	return out
}

// callFor answers a call as somebody may see it: the persons of its reviewers
// are its officers' business, and each reviewer's own.
func callFor(c access.Call, row table.Row[*pb.CallRow]) *pb.Call {
	out := callProto(row)
	district := scope.Path(row.Value.GetDistrictPath())
	if c.ScopeOf(typev1.Role_ROLE_DISTRICT_OFFICER, typev1.Role_ROLE_CITY_OFFICER).Covers(district) {
		return out
	}
	out.OverBudgetReason = ""
	for _, r := range out.GetReviewers() {
		if r.GetPerson() != c.Person {
			r.Person = ""
		}
	}
	return out
}

// applicationFor answers an application as somebody may see it: whoever reviews
// it does not learn who applies while the call hides that.
func applicationFor(c access.Call, row table.Row[*pb.ApplicationRow]) *pb.Application {
	out := applicationProto(row)
	if row.Value.GetHideApplicants() && application.State(out.GetState()) == application.InReview &&
		slices.Contains(row.Value.GetReviewers(), c.Person) {
		out.ApplicantId, out.CoApplicantIds = "", nil
	}
	return out
}

func windowOf(c *pb.Call) call.Window {
	return call.Window{Opens: c.GetOpensAt().AsTime().In(clock.Shanghai()), Closes: c.GetClosesAt().AsTime().In(clock.Shanghai())}
}

// reviewersOf answers the reviewers as the domain names them.
func reviewersOf(reviewers []*pb.Reviewer) []call.Reviewer {
	out := make([]call.Reviewer, len(reviewers))
	for i, r := range reviewers {
		out[i] = call.Reviewer{Person: r.GetPerson(), Organization: r.GetOrganizationId()}
	}
	return out
}

// formOf answers the sheet of a call; a weight of 0 is 1.
func formOf(criteria []*pb.Criterion) (review.Form, error) {
	out := make([]review.Criterion, len(criteria))
	for i, c := range criteria {
		out[i] = review.Criterion{Key: c.GetKey(), Max: int(c.GetMax()), Weight: max(1, int(c.GetWeight()))}
	}
	return review.NewForm(out)
}

// What a call says when it says nothing.
const (
	defaultTrimPercent  = 20
	defaultPerApplicant = 3
)

// draftCall answers the drafted call of a request that the domain agrees to.
func draftCall(id string, req *pb.CreateCallRequest) (*pb.Call, error) {
	if err := errors.Join(checkTime("opens_at", req.GetOpensAt()), checkTime("closes_at", req.GetClosesAt())); err != nil {
		return nil, err
	}
	c, err := call.New(call.Call{
		Title:     req.GetTitle(),
		Window:    call.Window{Opens: req.GetOpensAt().AsTime(), Closes: req.GetClosesAt().AsTime()},
		Reviewers: reviewersOf(req.GetReviewers()),
		Quota:     int(req.GetQuota()),
		Themes:    req.GetThemes(),
	})
	if err != nil {
		return nil, err
	}
	form, err := formOf(req.GetCriteria())
	if err != nil {
		return nil, err
	}
	if err := form.CheckLadder(req.GetTieLadder()); err != nil {
		return nil, err
	}
	for i, kind := range req.GetApplicantKinds() {
		if !slices.Contains(application.Kinds(), kind) {
			field := "applicant_kinds[" + strconv.Itoa(i) + "]"
			return nil, rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", strings.Join(application.Kinds(), ", "))
		}
	}
	return &pb.Call{
		Id: id, DistrictId: req.GetDistrictId(), Year: req.GetYear(), Title: c.Title,
		State: pb.CallState(call.Draft), OpensAt: req.GetOpensAt(), ClosesAt: req.GetClosesAt(),
		Criteria: req.GetCriteria(), Reviewers: req.GetReviewers(), Quota: req.GetQuota(), Aggregation: req.GetAggregation(),
		TrimPercent: cmp.Or(req.GetTrimPercent(), defaultTrimPercent), TieLadder: req.GetTieLadder(), Reserves: req.GetReserves(),
		MostPerApplicant: cmp.Or(req.GetMostPerApplicant(), defaultPerApplicant),
		Themes:           c.Themes, ApplicantKinds: req.GetApplicantKinds(), BudgetYuan: req.GetBudgetYuan(),
		HideApplicants: req.GetHideApplicants(),
	}, nil
}

func checkTime(field string, at *timestamppb.Timestamp) error {
	if at.IsValid() {
		return nil
	}
	return rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", "a time of the years 1 to 9999")
}

// draftApplication answers the drafted application of a request that the
// domain agrees to.
func draftApplication(id string, req *pb.DraftApplicationRequest) (*pb.Application, error) {
	a, err := domainOf(req.GetNumber(), req.GetTitle(), req.GetIndicators())
	if err != nil {
		return nil, err
	}
	return &pb.Application{
		Id: id, CallId: req.GetCallId(), Number: a.Number, Title: a.Title, ApplicantId: req.GetApplicantId(),
		CoApplicantIds: req.GetCoApplicantIds(), Category: req.GetCategory(), BudgetYuan: req.GetBudgetYuan(),
		StaffRequested: req.GetStaffRequested(), Indicators: req.GetIndicators(), State: pb.ApplicationState(application.Draft),
	}, nil
}

// domainOf answers an application as the domain agrees to it.
func domainOf(number, title string, indicators []*pb.Indicator) (application.Application, error) {
	out := make([]application.Indicator, len(indicators))
	for i, n := range indicators {
		if err := checkIndicator(i, n); err != nil {
			return application.Application{}, err
		}
		out[i] = application.Indicator{Baseline: n.GetBaseline(), Target: n.GetTarget(), Due: n.GetDue()}
	}
	return application.New(application.Application{Number: number, Title: title, Indicators: out})
}

// kindName is a kind of organization as the domain names it: "heart_home".
func kindName(k registryv1.OrganizationKind) string {
	return strings.ToLower(strings.TrimPrefix(k.String(), "ORGANIZATION_KIND_"))
}

func pointsOf(points []*pb.Points) []review.Points {
	out := make([]review.Points, len(points))
	for i, p := range points {
		out[i] = review.Points{Criterion: p.GetCriterion(), Halves: int(p.GetHalves()), NotApplicable: p.GetNotApplicable()}
	}
	return out
}

func pointsProto(points []review.Points) []*pb.Points {
	out := make([]*pb.Points, len(points))
	for i, p := range points {
		out[i] = &pb.Points{Criterion: p.Criterion, Halves: int32(p.Halves), NotApplicable: p.NotApplicable}
	}
	return out
}

// stateOf is the state of an application with an outcome of this name.
func stateOf(outcome string) pb.ApplicationState {
	return map[string]pb.ApplicationState{
		selection.OutcomeName(review.Selected):    pb.ApplicationState_APPLICATION_STATE_SELECTED,
		selection.OutcomeName(review.Reserve):     pb.ApplicationState_APPLICATION_STATE_RESERVE,
		selection.OutcomeName(review.NotSelected): pb.ApplicationState_APPLICATION_STATE_NOT_SELECTED,
	}[outcome]
}

// outcomeOf is the outcome of a decided application.
func outcomeOf(s pb.ApplicationState) review.Outcome {
	switch s {
	case pb.ApplicationState_APPLICATION_STATE_SELECTED:
		return review.Selected
	case pb.ApplicationState_APPLICATION_STATE_RESERVE:
		return review.Reserve
	default:
		return review.NotSelected
	}
}

// outcomeCommand is the step of an application that carries an outcome out.
func outcomeCommand(o review.Outcome) string {
	switch o {
	case review.Selected:
		return application.Select
	case review.Reserve:
		return application.Keep
	default:
		return application.TurnDown
	}
}
