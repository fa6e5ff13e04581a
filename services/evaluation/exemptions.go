package evaluation

import (
	"context"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/sheet"
)

// exemptions answers linli.evaluation.v1.ExemptionService.
type exemptions struct {
	pb.UnsafeExemptionServiceServer
	*Service
}

var _ pb.ExemptionServiceServer = exemptions{}

// ExemptMember exempts a member from service in a year.
func (s exemptions) ExemptMember(ctx context.Context, req *pb.ExemptMemberRequest) (*pb.ExemptMemberResponse, error) {
	call, today := access.From(ctx), clock.Day(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ExemptMemberResponse, error) {
		community, err := s.communityOf(tx, req.GetCommunityId())
		if err != nil {
			return nil, err
		}
		if err := s.mayExempt(tx, call, community.Path, req.GetMemberId()); err != nil {
			return nil, err
		}
		_, exists, err := s.surveyTables.exemptions.Get(tx, scope.All(), exemptionKey(req.GetMemberId(), req.GetYear()))
		if err == nil && exists {
			err = rule.New(rule.Exists, "EXEMPTION_EXISTS", "year", "year", text(req.GetYear()))
		}
		if err != nil {
			return nil, err
		}
		row, err := s.surveyTables.exemptions.Insert(tx, &pb.ExemptionRow{
			MemberId: req.GetMemberId(), Year: req.GetYear(), CommunityPath: string(community.Path),
			Document: req.GetDocument(), ExemptedBy: call.Person, Day: today,
		})
		tx.Audit(store.Record{Rows: []string{req.GetMemberId()}})
		return &pb.ExemptMemberResponse{Exemption: exemptionProto(row.Value)}, err
	})
}

// mayExempt refuses who does not belong here, and the caller's own unit.
func (s *Service) mayExempt(r kv.Reader, call access.Call, at scope.Path, member string) error {
	m, ok, err := s.members.Get(r, member)
	if err != nil {
		return err
	}
	if !ok || m.ReportedPath != at {
		return rule.New(rule.Precondition, "NOT_OF_THIS_COMMUNITY", "member_id")
	}
	who, err := s.confirmer(r, call)
	if err != nil {
		return err
	}
	return sheet.MayExempt(call.Person, member, string(m.HomePath), who.Grants, who.Home)
}

// EndExemption takes an exemption back.
func (s exemptions) EndExemption(ctx context.Context, req *pb.EndExemptionRequest) (*pb.EndExemptionResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.EndExemptionResponse, error) {
		row, ok, err := s.surveyTables.exemptions.Get(tx, scope.Scope{Paths: call.Scope.Paths}, exemptionKey(req.GetMemberId(), req.GetYear()))
		if err != nil {
			return nil, err
		}
		at := scope.Path(row.Value.GetCommunityPath())
		if !ok || at.ID() != req.GetCommunityId() {
			return nil, rule.Absent("exemption", req.GetMemberId())
		}
		if err := s.mayExempt(tx, call, at, req.GetMemberId()); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetMemberId()}})
		return &pb.EndExemptionResponse{}, s.surveyTables.exemptions.Delete(tx, row)
	})
}

// ListExemptions answers who is exempt in a community and year.
func (s exemptions) ListExemptions(ctx context.Context, req *pb.ListExemptionsRequest) (*pb.ListExemptionsResponse, error) {
	call, reply := access.From(ctx), &pb.ListExemptionsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		community, err := s.communityOf(r, req.GetCommunityId())
		if err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Paths: call.Scope.Paths}, Filter: []string{req.GetCommunityId(), text(req.GetYear())},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.surveyTables.exemptions, r, page,
			table.Query{Index: byCommunity, Prefix: placeYearKey(string(community.Path), req.GetYear())})
		for _, row := range rows {
			reply.Exemptions = append(reply.Exemptions, exemptionProto(row.Value))
		}
		reply.NextPageToken = next
		return err
	})
	return reply, err
}

func exemptionProto(row *pb.ExemptionRow) *pb.Exemption {
	return &pb.Exemption{
		MemberId: row.GetMemberId(), CommunityId: scope.Path(row.GetCommunityPath()).ID(), Year: row.GetYear(),
		Document: row.GetDocument(), ExemptedBy: row.GetExemptedBy(), Day: row.GetDay(),
	}
}
