package requests

import (
	"context"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// ListRequests answers a community's requests, the newest first.
func (s *Service) ListRequests(ctx context.Context, req *pb.ListRequestsRequest) (*pb.ListRequestsResponse, error) {
	call := access.From(ctx)
	reply := &pb.ListRequestsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		community, err := s.community(r, req.GetCommunityId(), "community_id")
		if err != nil {
			return err
		}
		q := table.Query{Index: byCommunity, Prefix: key.Key(nil).String(string(community))}
		if req.GetState() != pb.RequestState_REQUEST_STATE_UNSPECIFIED {
			q = table.Query{Index: byState, Prefix: stateKey(string(community), req.GetState())}
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: call.Scope, Filter: []string{req.GetCommunityId(), req.GetState().String(), req.GetView().String()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		if req.GetView() == pb.RequestView_REQUEST_VIEW_WHOLE {
			reply.WholeRequests, reply.NextPageToken, err = s.whole(r, call, page, q, nil)
			return err
		}
		reply.Requests, reply.NextPageToken, err = s.summaries(r, page, q, nil)
		return err
	})
	return reply, err
}

// ListMyRequests answers what the caller posted or was dispatched.
func (s *Service) ListMyRequests(ctx context.Context, req *pb.ListMyRequestsRequest) (*pb.ListMyRequestsResponse, error) {
	call := access.From(ctx)
	reply := &pb.ListMyRequestsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) (err error) {
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Person: call.Person}, Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		q := table.Query{Index: byPerson, Prefix: key.Key(nil).String(call.Person)}
		reply.Requests, reply.NextPageToken, err = s.summaries(r, page, q, unhidden(call))
		return err
	})
	return reply, err
}

// whole answers the requests of a page as GetRequest does.
func (s *Service) whole(r kv.Reader, call access.Call, page table.PageCall, q table.Query, keep kept) ([]*pb.Request, string, error) {
	rows, next, err := table.PageOf(s.pager, s.tables.requests, r, page, q, keep)
	if err != nil {
		return nil, "", err
	}
	out := make([]*pb.Request, 0, len(rows))
	for _, row := range rows {
		one, err := s.showRead(call, row)
		if err != nil {
			return nil, "", err
		}
		out = append(out, one)
	}
	return out, next, nil
}

func (s *Service) summaries(r kv.Reader, page table.PageCall, q table.Query, keep kept) ([]*pb.RequestSummary, string, error) {
	q.Skim = s.tables.summary
	rows, next, err := table.PageOf(s.pager, s.tables.requests, r, page, q, keep)
	if err != nil {
		return nil, "", err
	}
	out := make([]*pb.RequestSummary, len(rows))
	for i, row := range rows {
		out[i] = summaryProto(row)
	}
	return out, next, nil
}

// kept says which rows of a page are answered; nil: all.
type kept = func([]table.Row[*pb.RequestRow]) ([]table.Row[*pb.RequestRow], error)

// unhidden keeps those of the caller's own requests that are not hidden.
func unhidden(call access.Call) kept {
	return table.Keep(func(r *pb.RequestRow) bool { return !hidden(call, r) })
}

// summarySkim leaves out of a request what neither its summary nor the rules on
// who may see it look at.
func summarySkim() *table.Skim {
	return table.NewSkim(&pb.RequestRow{}, map[string]int{
		"request.text": request.ExcerptBytes,
		"request.code": 0, "request.due_at": 0, "request.admitted_at": 0, "request.answer": 0,
		"sealed_text": 0, "sealed_words": 0, "exclusion": 0, "next_look": 0, "near_at": 0, "climb_at": 0, "answer_due": 0,
	})
}
