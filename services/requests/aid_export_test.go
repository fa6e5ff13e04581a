package requests

import "context"

// CheckReliefLimits is one look of the job, for tests.
func CheckReliefLimits(ctx context.Context, s *Service) error {
	return aid{Service: s}.announceOverdue(ctx)
}
