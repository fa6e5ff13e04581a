package projects

import (
	"errors"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/call"
	"github.com/linli-project/linli/services/projects/internal/review"
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

func windowOf(c *pb.Call) call.Window {
	return call.Window{Opens: c.GetOpensAt().AsTime(), Closes: c.GetClosesAt().AsTime()}
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
	})
	if err != nil {
		return nil, err
	}
	if _, err := formOf(req.GetCriteria()); err != nil {
		return nil, err
	}
	return &pb.Call{
		Id: id, DistrictId: req.GetDistrictId(), Year: req.GetYear(), Title: c.Title,
		State: pb.CallState(call.Draft), OpensAt: req.GetOpensAt(), ClosesAt: req.GetClosesAt(),
		Criteria: req.GetCriteria(), Reviewers: req.GetReviewers(), Quota: req.GetQuota(), Aggregation: req.GetAggregation(),
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
	indicators := make([]application.Indicator, len(req.GetIndicators()))
	for i, n := range req.GetIndicators() {
		indicators[i] = application.Indicator{Baseline: n.GetBaseline(), Target: n.GetTarget(), Due: n.GetDue()}
	}
	a, err := application.New(application.Application{Number: req.GetNumber(), Title: req.GetTitle(), Indicators: indicators})
	if err != nil {
		return nil, err
	}
	return &pb.Application{
		Id: id, CallId: req.GetCallId(), Number: a.Number, Title: a.Title, ApplicantId: req.GetApplicantId(),
		Category: req.GetCategory(), BudgetYuan: req.GetBudgetYuan(), StaffRequested: req.GetStaffRequested(),
		Indicators: req.GetIndicators(), State: pb.ApplicationState(application.Draft),
	}, nil
}

// kindName is a kind of organization as the domain names it: "heart_home".
func kindName(k registryv1.OrganizationKind) string {
	return strings.ToLower(strings.TrimPrefix(k.String(), "ORGANIZATION_KIND_"))
}

func pointsOf(points []*pb.Points) []review.Points {
	out := make([]review.Points, len(points))
	for i, p := range points {
		out[i] = review.Points{Criterion: p.GetCriterion(), Halves: int(p.GetHalves())}
	}
	return out
}

func pointsProto(points []review.Points) []*pb.Points {
	out := make([]*pb.Points, len(points))
	for i, p := range points {
		out[i] = &pb.Points{Criterion: p.Criterion, Halves: int32(p.Halves)}
	}
	return out
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

// rankingProto is a ranking of a call's applications by a method.
func rankingProto(c *pb.Call, method pb.Aggregation, places []review.Place) (*pb.Ranking, error) {
	out := &pb.Ranking{CallId: c.GetId(), Aggregation: method, Quota: c.GetQuota()}
	for _, p := range places {
		outcome, err := application.Machine().Next(application.InReview, outcomeCommand(p.Outcome))
		if err != nil {
			return nil, err
		}
		out.Applications = append(out.Applications, &pb.RankedApplication{
			ApplicationId: p.ID, Number: p.Number, Rank: int32(p.Rank),
			ScoreHundredths: review.Hundredths(p.Score), Sheets: int32(p.Sheets), Outcome: pb.ApplicationState(outcome),
		})
	}
	return out, nil
}
