package requests

import (
	"context"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/pkg/texts"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// GetForm answers what the form shows before anything is typed.
func (s circle) GetForm(ctx context.Context, req *pb.GetFormRequest) (*pb.GetFormResponse, error) {
	language := access.From(ctx).Language
	form := &pb.Form{
		Emergencies: publicNumbers(language, "EMERGENCY_", request.Emergencies()),
		Allegations: publicNumbers(language, "TURN_TO_", request.WhereToTurn()),
	}
	err := s.store.View(ctx, func(r kv.Reader) error {
		community, err := s.community(r, req.GetCommunityId(), "community_id")
		if err != nil {
			return err
		}
		_, shown, err := s.organizations.Shown(r, req.GetCommunityId(), access.From(ctx).Caller.Scope())
		if err != nil {
			return err
		}
		if !shown {
			return rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "community_id", "id", req.GetCommunityId())
		}
		p, err := s.policies.For(r, community, s.store.Civil().Now().In(clock.Shanghai()).Year())
		if err != nil {
			return err
		}
		form.Limits = &pb.FormLimits{
			Admit: int32(p.Int("requests.admit_days")), Inquiry: int32(p.Int("requests.inquiry_days")),
			Problem: int32(p.Int("requests.problem_days")), HardshipVisit: int32(p.Int("requests.hardship_visit_days")),
		}
		form.Duties, err = s.register(r, community)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &pb.GetFormResponse{Form: form}, nil
}

func publicNumbers(language, what string, numbers []string) (out []*pb.PublicNumber) {
	for _, n := range numbers {
		out = append(out, &pb.PublicNumber{Number: n, What: texts.Text(language, what+n)})
	}
	return out
}

// register answers the register of the nearest organization above a community
// that has one.
func (s *Service) register(r kv.Reader, community scope.Path) (out []*pb.Duty, err error) {
	for path := community; path != "" && path != scope.Root && len(out) == 0; path = path.Parent() {
		page, err := s.tables.duties.List(r, scope.All(), table.Query{Prefix: key.Key(nil).String(string(path)), Limit: mostDuties})
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			out = append(out, proto.CloneOf(row.Value.GetDuty()))
		}
	}
	return out, nil
}
