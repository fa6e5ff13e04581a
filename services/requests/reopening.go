package requests

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/requests/internal/cover"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// ReopenRequest is the author's word that it is not solved.
func (s handling) ReopenRequest(ctx context.Context, req *pb.ReopenRequestRequest) (*pb.ReopenRequestResponse, error) {
	call := access.From(ctx)
	own := scope.Scope{Paths: staffScope(call).Paths, Person: call.Person}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ReopenRequestResponse, error) {
		out, err := s.take(tx, call, step{
			command: request.Reopen, id: req.GetId(), etag: req.GetEtag(), scope: own,
			change: func(tx *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error {
				if err := request.MayReopen(actorOf(call, row), row.GetRequest().GetAuthor()); err != nil {
					return err
				}
				return s.reopen(tx, row, req.GetReason(), now.AsTime())
			},
		})
		return &pb.ReopenRequestResponse{Request: out}, err
	})
}

// reopen takes a request back to the community, as if nobody had seen to it
// yet. A nuisance counts among its author's open ones again.
func (s handling) reopen(tx *store.Tx, row *pb.RequestRow, reason string, now time.Time) error {
	r := row.GetRequest()
	p, err := s.policy(tx, row)
	if err != nil {
		return err
	}
	if err := request.CheckReopen(endOf(r), now, p.Int("requests.reopen_days")); err != nil {
		return err
	}
	if err := request.CheckAllegation(cover.Allegation(reason), "reason"); err != nil {
		return err
	}
	if err := s.openNuisance(tx, row, now); err != nil {
		return err
	}
	giveBack(row)
	r.ReopenedAt = timestamppb.New(now)
	if err := s.say(row, func(w *pb.SaidWords) { w.Reason = cover.Text(reason) }); err != nil {
		return err
	}
	r.Escalation, r.Returns, r.ResolvedAt = request.WithCommunity, 0, nil
	r.RatedAt, r.Rating, r.Solved, r.ClosedAt, r.QuarterHours = nil, 0, false, nil, 0
	if r.GetAdmittedAt() == nil {
		r.AdmittedAt = r.GetReopenedAt()
	}
	return s.startClock(tx, row, solveLimit)
}

// endOf is when a request got its answer.
func endOf(r *pb.Request) time.Time {
	if r.GetResolvedAt() != nil {
		return r.GetResolvedAt().AsTime()
	}
	return r.GetClosedAt().AsTime()
}
