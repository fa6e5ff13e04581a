package projects

import (
	"context"
	"math/big"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/review"
)

// letters answers linli.projects.v1.LetterService.
type letters struct {
	pb.UnsafeLetterServiceServer
	*Service
}

var _ pb.LetterServiceServer = letters{}

// owe notes that an applicant is owed a letter. It is written after the commit,
// which moves as many applications as one commit can.
func owe(a *pb.ApplicationRow, outcome pb.ApplicationState, reason string, now time.Time) {
	a.OwedLetters = append(a.OwedLetters, &pb.OwedLetter{Outcome: outcome, DecidedAt: timestamppb.New(now), Reason: reason})
}

// oweIneligible notes letters to those of a call who did not come to review.
func (s *Service) oweIneligible(tx *store.Tx, callID string, now time.Time) error {
	rows, err := s.applicationsIn(tx, callID, func(st application.State) bool { return st == application.Ineligible })
	if err != nil {
		return err
	}
	for _, row := range rows {
		next := proto.CloneOf(row.Value)
		owe(next, next.GetApplication().GetState(), next.GetApplication().GetCheck().GetReason(), now)
		if _, err := s.tables.applications.Replace(tx, row, next); err != nil {
			return err
		}
	}
	return nil
}

// write writes the first letter that an application is owed.
func (s letters) write(tx *store.Tx, applicationID, letterID string, now time.Time) error {
	row, err := s.application(tx, scope.All(), applicationID, "")
	if err != nil || len(row.Value.GetOwedLetters()) == 0 {
		return err // another writer was faster
	}
	a, owed := row.Value.GetApplication(), row.Value.GetOwedLetters()[0]
	round, err := s.call(tx, scope.All(), a.GetCallId(), "")
	if err != nil {
		return err
	}
	called := round.Value.GetCall()
	letter := &pb.ApplicationLetter{
		Id: letterID, ApplicationId: a.GetId(), CallId: called.GetId(), CallTitle: called.GetTitle(), Year: called.GetYear(),
		Issue: a.GetLetters() + 1, Number: a.GetNumber(), Title: a.GetTitle(), ApplicantId: a.GetApplicantId(),
		CoApplicantIds: a.GetCoApplicantIds(), Outcome: owed.GetOutcome(), DecidedAt: owed.GetDecidedAt(),
		WrittenAt: timestamppb.New(now), Rank: a.GetRank(), ScoreHundredths: a.GetScoreHundredths(), Reason: owed.GetReason(),
	}
	if application.UnderReview(application.State(a.GetState())) {
		if letter.Criteria, err = s.criterionMeans(tx, called, a.GetId()); err != nil {
			return err
		}
	}
	kept, err := s.tables.letters.Insert(tx, &pb.ApplicationLetterRow{
		Letter: letter, DistrictPath: row.Value.GetDistrictPath(), ApplicantPath: row.Value.GetApplicantPath(),
		CoApplicantPaths: row.Value.GetCoApplicantPaths(),
	})
	if err != nil {
		return err
	}
	next := proto.CloneOf(row.Value)
	next.OwedLetters = next.GetOwedLetters()[1:]
	next.Application.Letters++
	if _, err := s.tables.applications.Replace(tx, row, next); err != nil {
		return err
	}
	tx.Audit(store.Record{Rows: []string{letterID, a.GetId()}})
	return tx.Emit(letterIssued(kept))
}

// criterionMeans answers the means of an application's points by criterion, over
// the sheets that counted at the decision.
func (s letters) criterionMeans(r kv.Reader, called *pb.Call, applicationID string) ([]*pb.CriterionMean, error) {
	decision, _, err := s.tables.decisions.Get(r, scope.All(), idKey(called.GetId()))
	if err != nil {
		return nil, err
	}
	sheets, err := s.tables.sheets.List(r, scope.All(), table.Query{Prefix: idKey(called.GetId()).String(applicationID), Limit: mostReviewers})
	if err != nil {
		return nil, err
	}
	halves, counts := map[string]int64{}, map[string]int64{}
	for _, row := range sheets.Rows {
		if slices.Contains(decision.Value.GetSetAside(), row.Value.GetSheet().GetId()) {
			continue
		}
		for _, p := range row.Value.GetSheet().GetPoints() {
			if !p.GetNotApplicable() {
				halves[p.GetCriterion()] += int64(p.GetHalves())
				counts[p.GetCriterion()]++
			}
		}
	}
	var out []*pb.CriterionMean
	for _, k := range called.GetCriteria() {
		mean := &pb.CriterionMean{Key: k.GetKey(), Name: k.GetName(), Max: k.GetMax()}
		if n := counts[k.GetKey()]; n > 0 {
			mean.MeanHundredths = proto.Int32(int32(review.Hundredths(big.NewRat(halves[k.GetKey()], 2*n))))
		}
		out = append(out, mean)
	}
	return out, nil
}

// GetApplicationLetter answers a letter to an applicant, the latest unless
// another is asked for.
func (s letters) GetApplicationLetter(ctx context.Context, req *pb.GetApplicationLetterRequest) (*pb.GetApplicationLetterResponse, error) {
	letter, err := s.letter(ctx, req.GetApplicationId(), req.GetIssue())
	return &pb.GetApplicationLetterResponse{Letter: letter}, err
}

// letter answers a letter that the caller may read.
func (s letters) letter(ctx context.Context, applicationID string, issue int32) (letter *pb.ApplicationLetter, err error) {
	c := access.From(ctx)
	err = s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.application(r, sight(c), applicationID, "")
		if err != nil {
			return err
		}
		if issue == 0 {
			issue = row.Value.GetApplication().GetLetters()
		}
		kept, ok, err := s.tables.letters.Get(r, sight(c), letterKey(applicationID, issue))
		if err == nil && !ok {
			err = rule.Absent("letter", applicationID)
		}
		letter = proto.CloneOf(kept.Value.GetLetter())
		return err
	})
	return letter, err
}
