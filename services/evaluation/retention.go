package evaluation

import (
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/services/evaluation/internal/conduct"
)

// over says whether so many days of the policy of a place have passed since a
// time.
func (s *Service) over(r kv.Reader, place, key string, since, now time.Time) (bool, error) {
	p, err := s.policyAt(r, place, now)
	if err != nil {
		return false, err
	}
	return now.After(since.AddDate(0, 0, p.Int(key))), nil
}

// conductPast: what was written in a note of which nothing is reported any more.
func (s *Service) conductPast(r kv.Reader, row *pb.ConductNoteRow, now time.Time) (bool, error) {
	n := row.GetNote()
	written := len(row.GetSealedFacts()) + len(row.GetSealedEstablished()) + len(row.GetSealedAnswer()) + len(row.GetSealedOutcome()) +
		len(row.GetSealedAppeal()) + len(row.GetSealedAppealAnswer())
	since, settled := n.GetDecidedAt().AsTime(), true
	switch conduct.State(n.GetState()) {
	case conduct.Unfounded, conduct.Corrected:
	case conduct.Lifted:
		since = n.GetAppealAnsweredAt().AsTime()
	case conduct.Standing, conduct.Confirmed:
		lapses, err := time.ParseInLocation(time.DateOnly, n.GetLapsesOn(), clock.Shanghai())
		if err != nil {
			return false, err
		}
		since = lapses
	default:
		settled = false
	}
	if !settled || written == 0 {
		return false, nil
	}
	return s.over(r, row.GetCommunityPath(), "privacy.conduct_days", since, now)
}

// objectionPast: what was written in an objection to a sheet.
func (s *Service) objectionPast(r kv.Reader, row *pb.ObjectionRow, now time.Time) (bool, error) {
	o := row.GetObjection()
	written := len(row.GetSealedText()) + len(row.GetSealedAnswer()) + len(o.GetText()) + len(o.GetAnswer())
	if o.GetAnsweredAt() == nil || written == 0 {
		return false, nil
	}
	return s.over(r, row.GetCommunityPath(), "privacy.objection_days", o.GetAnsweredAt().AsTime(), now)
}

// honorObjectionPast: what was written in an objection to an honor.
func (s *Service) honorObjectionPast(r kv.Reader, row *pb.HonorObjectionRow, now time.Time) (bool, error) {
	o := row.GetObjection()
	if o.GetAnsweredAt() == nil || len(row.GetSealedText())+len(o.GetAnswer()) == 0 {
		return false, nil
	}
	return s.over(r, row.GetCommunityPath(), "privacy.objection_days", o.GetAnsweredAt().AsTime(), now)
}
