package registry

import (
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/held"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/claim"
)

// over says whether so many days of the policy of a place have passed since a
// time.
func (s *Service) over(r kv.Reader, place, key string, since, now time.Time) (bool, error) {
	p, err := s.policyAt(r, scope.Path(place), int32(now.In(clock.Shanghai()).Year()))
	if err != nil {
		return false, err
	}
	return now.After(since.AddDate(0, 0, p.Int(key))), nil
}

// claimPast: what was written in a claim that is settled.
func (s *Service) claimPast(r kv.Reader, row *pb.ClaimRow, now time.Time) (bool, error) {
	c := row.GetClaim()
	if claim.State(c.GetState()).Open() || c.GetValue()+c.GetWhy()+c.GetRefusal() == "" {
		return false, nil
	}
	since := c.GetRequestedAt().AsTime()
	if c.GetDecidedAt() != nil {
		since = c.GetDecidedAt().AsTime()
	}
	return s.over(r, row.GetOfficePath(), "privacy.claim_days", since, now)
}

// reportInPast: why a report-in was returned or ended.
func (s *Service) reportInPast(r kv.Reader, row *pb.ReportInRow, now time.Time) (bool, error) {
	if row.GetReportIn().GetReturnReason()+row.GetReportIn().GetEndReason() == "" {
		return false, nil
	}
	return s.over(r, row.GetCommunityPath(), "privacy.report_in_days", row.GetReportIn().GetDecidedAt().AsTime(), now)
}

// withoutReasons leaves a report-in and takes out why it was returned or ended.
func withoutReasons(*store.Tx, table.Row[*pb.ReportInRow], *pb.ReportInRow) (held.Effect, error) {
	return held.Blank, nil
}
