package requests

import (
	"context"
	"errors"
)

// CheckLimits is one look of the job at hardship and offers, for tests.
func CheckLimits(ctx context.Context, s *Service) error {
	return errors.Join(aid{Service: s}.announceOverdue(ctx), matcher{Service: s}.dropUnanswered(ctx))
}
