package requests

import (
	"context"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// seeder answers SeedService.
type seeder struct {
	pb.UnsafeSeedServiceServer
	*Service
}

// SeedRequests posts many requests in one commit, through the way of one.
func (s seeder) SeedRequests(ctx context.Context, req *pb.SeedRequestsRequest) (*pb.SeedRequestsResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	rows := make([]*pb.RequestRow, len(req.GetRequests()))
	for i, one := range req.GetRequests() {
		var err error
		if rows[i], err = s.newRequest(call, one, now); err != nil {
			return nil, err
		}
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.SeedRequestsResponse, error) {
		out, ev := &pb.SeedRequestsResponse{}, &pb.RequestsSeeded{}
		for _, row := range rows {
			kept, first, err := s.post(tx, call, row, now)
			if err != nil {
				return nil, err
			}
			out.Ids = append(out.Ids, row.GetRequest().GetId())
			ev.Requests = append(ev.Requests, s.changed(request.Post, kept, pb.RequestState_REQUEST_STATE_UNSPECIFIED, first))
		}
		tx.Audit(store.Record{Rows: out.GetIds()})
		return out, tx.Emit(store.Event{
			Name: "request." + seededStep, EntityID: ev.GetRequests()[0].GetId(), Revision: ev.GetRequests()[0].GetRevision(), Data: ev,
		})
	})
}
