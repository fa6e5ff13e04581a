package registry

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/reportin"
)

// movers are the grants that move or end report-ins. A member's grant is not
// among them: a member acts for nobody else.
func movers(call access.Call) scope.Scope {
	return call.ScopeOf(typev1.Role_ROLE_WORKPLACE_OFFICER, typev1.Role_ROLE_BRANCH_OFFICER, typev1.Role_ROLE_COMMUNITY_PARTY_STAFF)
}

// TransferReportIn moves an accepted report-in to another community.
func (s campaigns) TransferReportIn(ctx context.Context, req *pb.TransferReportInRequest) (*pb.TransferReportInResponse, error) {
	sc, now := movers(access.From(ctx)), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.TransferReportInResponse, error) {
		row, err := s.reportIn(tx, sc, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		r := row.Value.GetReportIn()
		if !sc.Owns(r.GetMemberId()) && !sc.Covers(scope.Path(row.Value.GetHomePath())) {
			return nil, rule.New(rule.Denied, "OUTSIDE_SCOPE", "") // the community sees it too
		}
		if err := reportin.CheckTransfer(r.GetCommunityId(), req.GetCommunityId()); err != nil {
			return nil, err
		}
		community, err := s.community(tx, req.GetCommunityId())
		if err != nil {
			return nil, err
		}
		row, err = s.step(tx, row, reportin.Transfer, now, func(next *pb.ReportInRow) {
			leave(next, timestamppb.New(now))
			submitTo(next, community, now)
		})
		return &pb.TransferReportInResponse{ReportIn: reportInProto(row)}, err
	})
}

// mostPast is how many former communities a report-in remembers.
const mostPast = 50

// leave puts where an accepted report-in was into its history; the oldest part
// of a very long one goes.
func leave(r *pb.ReportInRow, now *timestamppb.Timestamp) {
	past := append(r.ReportIn.History, &pb.PastReportIn{
		CommunityId: r.GetReportIn().GetCommunityId(), AcceptedAt: r.GetReportIn().GetDecidedAt(), LeftAt: now,
	})
	r.ReportIn.History = past[max(0, len(past)-mostPast):]
}

// EndReportIn ends an accepted report-in.
func (s campaigns) EndReportIn(ctx context.Context, req *pb.EndReportInRequest) (*pb.EndReportInResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	reason, err := reportin.CheckEndReason(req.GetReason())
	if err != nil {
		return nil, err
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.EndReportInResponse, error) {
		row, err := s.reportIn(tx, movers(call), req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		row, err = s.step(tx, row, reportin.End, now, func(next *pb.ReportInRow) {
			leave(next, timestamppb.New(now))
			decidedBy(call.Person, now)(next)
			next.ReportIn.EndReason = reason
		})
		if err != nil {
			return nil, err
		}
		told, err := s.reportInTold(tx, call, row)
		return &pb.EndReportInResponse{ReportIn: told}, err
	})
}

// ListReceipts answers the accepted report-ins of the members of a home
// organization: of each page of members, so that a page can be short. An index
// of its own would make a bulk acceptance write more than a commit takes.
func (s campaigns) ListReceipts(ctx context.Context, req *pb.ListReceiptsRequest) (*pb.ListReceiptsResponse, error) {
	call, reply := access.From(ctx), &pb.ListReceiptsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		path, err := s.pathOf(r, req.GetHomeOrganizationId())
		if err != nil {
			return err
		}
		rows, next, err := table.Page(s.pager, s.members, r, table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Paths: call.Scope.Paths}, Filter: []string{req.GetHomeOrganizationId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}, table.Query{Index: byHome, Prefix: key.Key(nil).Prefix(string(path))})
		if err != nil {
			return err
		}
		reply.NextPageToken = next
		for _, m := range rows {
			row, ok, err := s.reportIns.By(r, scope.All(), byMember, idKey(m.Value.GetMember().GetId()))
			if err != nil {
				return err
			}
			if ok && reportInState(row.Value.GetReportIn().GetState()) == reportin.Accepted {
				reply.ReportIns = append(reply.ReportIns, reportInProto(row))
			}
		}
		return nil
	})
	return reply, err
}
