package projects

import (
	"context"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/call"
	"github.com/linli-project/linli/services/projects/internal/review"
)

// DecideCall stores the ranking by the call's aggregation and cuts it at the
// quota. The sheets are counted before the transaction, since there can be
// more of them than one commit checks: they are never changed, and when none
// was missing then, none can come in later.
func (s *Service) DecideCall(ctx context.Context, req *pb.DecideCallRequest) (*pb.DecideCallResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	counted, err := s.count(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.DecideCallResponse, error) {
		row, err := s.call(tx, sight(c), req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		row, err = s.moveCall(tx, row, call.Decide, now)
		if err != nil {
			return nil, err
		}
		called := row.Value.GetCall()
		rows, err := s.applicationsIn(tx, called.GetId(), application.UnderReview)
		if err != nil {
			return nil, err
		}
		if err := counted.checkComplete(rows); err != nil {
			return nil, err
		}
		places := counted.rank(called.GetAggregation(), called.GetQuota(), rows)
		if err := s.decide(tx, rows, places); err != nil {
			return nil, err
		}
		ranking, err := rankingProto(called, called.GetAggregation(), places)
		return &pb.DecideCallResponse{Ranking: ranking}, err
	})
}

// decide stores the place of each application and announces it.
func (s *Service) decide(tx *store.Tx, rows []table.Row[*pb.ApplicationRow], places []review.Place) error {
	byID := map[string]review.Place{}
	for _, p := range places {
		byID[p.ID] = p
	}
	for _, row := range rows {
		place := byID[row.Value.GetApplication().GetId()]
		next := proto.CloneOf(row.Value)
		next.Application.Rank, next.Application.ScoreHundredths = int32(place.Rank), review.Hundredths(place.Score)
		kept, err := s.moveApplication(tx, row, next, outcomeCommand(place.Outcome))
		if err != nil {
			return err
		}
		if err := tx.Emit(applicationChanged(kept)); err != nil {
			return err
		}
	}
	return nil
}

// RankApplications computes a ranking without storing it.
func (s *Service) RankApplications(ctx context.Context, req *pb.RankApplicationsRequest) (*pb.RankApplicationsResponse, error) {
	c := access.From(ctx)
	var out pb.RankApplicationsResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.call(r, sight(c), req.GetCallId(), "")
		if err != nil {
			return err
		}
		called := row.Value.GetCall()
		if err := call.CheckRankable(call.State(called.GetState())); err != nil {
			return err
		}
		counted, err := s.countIn(r, called)
		if err != nil {
			return err
		}
		rows, err := s.applicationsIn(r, called.GetId(), application.UnderReview)
		if err != nil {
			return err
		}
		method := req.GetAggregation()
		if method == pb.Aggregation_AGGREGATION_UNSPECIFIED {
			method = called.GetAggregation()
		}
		out.Ranking, err = rankingProto(called, method, counted.rank(method, called.GetQuota(), rows))
		return err
	})
	return &out, err
}
