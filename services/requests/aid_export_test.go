package requests

import (
	"context"
	"errors"
)

// CheckLimits is one look of the job at hardship and offers, for tests.
func CheckLimits(ctx context.Context, s *Service) error {
	return errors.Join(aid{Service: s}.announceOverdue(ctx), matcher{Service: s}.dropUnanswered(ctx))
}

// LookAtClocks is one look of the job at the clocks, until nothing is due, for
// tests.
func LookAtClocks(ctx context.Context, s *Service) error {
	for {
		if n, err := s.lookAtClocks(ctx); n == 0 || err != nil {
			return err
		}
	}
}
