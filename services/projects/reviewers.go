package projects

import (
	"context"
	"strconv"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/call"
	"github.com/linli-project/linli/services/projects/internal/review"
)

// AddReviewers names further reviewers, for applications that nobody else may
// judge, or for a panel that falls into parts.
func (s checks) AddReviewers(ctx context.Context, req *pb.AddReviewersRequest) (*pb.AddReviewersResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AddReviewersResponse, error) {
		row, err := s.call(tx, sight(c), req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		there := row.Value.GetCall().GetReviewers()
		if _, err := call.Next(call.State(row.Value.GetCall().GetState()), call.AddReviewers, windowOf(row.Value.GetCall()), now); err != nil {
			return nil, err
		}
		if err := call.CheckReviewers(reviewersOf(there), reviewersOf(req.GetReviewers())); err != nil {
			return nil, err
		}
		for i, r := range req.GetReviewers() {
			if _, err := s.organization(tx, "reviewers["+strconv.Itoa(i)+"].organization_id", r.GetOrganizationId()); err != nil {
				return nil, err
			}
		}
		next := proto.CloneOf(row.Value)
		next.Call.Reviewers = append(next.Call.Reviewers, req.GetReviewers()...)
		if row, err = s.tables.calls.Replace(tx, row, next); err != nil {
			return nil, err
		}
		if err := s.showTo(tx, row.Value.GetCall()); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}, Reason: req.GetReason()})
		return &pb.AddReviewersResponse{Call: callProto(row)}, tx.Emit(reviewersAdded(row, req.GetReviewers()))
	})
}

// showTo shows what is in review to all reviewers of its call.
func (s *Service) showTo(tx *store.Tx, c *pb.Call) error {
	rows, err := s.applicationsIn(tx, c.GetId(), func(a application.State) bool { return a == application.InReview })
	if err != nil {
		return err
	}
	for _, row := range rows {
		next := proto.CloneOf(row.Value)
		next.Reviewers = persons(c.GetReviewers())
		if _, err := s.tables.applications.Replace(tx, row, next); err != nil {
			return err
		}
	}
	return nil
}

// reviewersAdded announces the reviewers who are new.
func reviewersAdded(row table.Row[*pb.CallRow], added []*pb.Reviewer) store.Event {
	e := callChanged(call.AddReviewers, row)
	if changed, ok := e.Data.(*pb.CallChanged); ok {
		changed.Reviewers = persons(added)
	}
	return e
}

// checkJudges answers NOBODY_MAY_JUDGE with the applications that no reviewer
// of their call may judge. Applicants stand where they stood when they applied:
// to look each of them up is more than one commit reads.
func (s *Service) checkJudges(tx *store.Tx, c *pb.Call) error {
	panel, err := s.panel(tx, c)
	if err != nil {
		return err
	}
	rows, err := s.applicationsIn(tx, c.GetId(), application.Waiting)
	if err != nil {
		return err
	}
	parties := make([]review.Party, len(rows))
	for i, row := range rows {
		parties[i] = review.Party{
			ID: row.Value.GetApplication().GetNumber(), Path: row.Value.GetApplicantPath(), With: row.Value.GetCoApplicantPaths(),
		}
	}
	return panel.CheckJudges(parties)
}
