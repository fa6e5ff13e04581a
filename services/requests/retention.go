package requests

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/held"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// over says whether so many days of the policy of a community have passed since a
// time.
func (s *Service) over(r kv.Reader, community, key string, since, now time.Time) (bool, error) {
	p, err := s.policyOf(r, community, now)
	if err != nil {
		return false, err
	}
	return now.After(since.AddDate(0, 0, p.Int(key))), nil
}

// lastStep is when something was done about a request last.
func lastStep(q *pb.Request) (last time.Time) {
	for _, at := range []*timestamppb.Timestamp{
		q.GetPostedAt(), q.GetAdmittedAt(), q.GetVerifiedAt(), q.GetDispatchedAt(), q.GetTakenOnAt(), q.GetBegunAt(), q.GetAnsweredAt(),
		q.GetResolvedAt(), q.GetRatedAt(), q.GetReopenedAt(), q.GetClosedAt(),
	} {
		if at != nil && at.AsTime().After(last) {
			last = at.AsTime()
		}
	}
	return last
}

// ended says whether the time of what was written about a request is over: nobody
// sees to it any more, and has not for long.
func (s *Service) ended(r kv.Reader, row *pb.RequestRow, now time.Time) (bool, error) {
	if requestOpen(row.GetRequest()) {
		return false, nil
	}
	return s.over(r, row.GetCommunityPath(), "privacy.request_days", lastStep(row.GetRequest()), now)
}

func (s *Service) requestPast(r kv.Reader, row *pb.RequestRow, now time.Time) (bool, error) {
	q := row.GetRequest()
	if q.GetText()+q.GetAnswer()+q.GetCode()+q.GetBuilding()+q.GetTicket() == "" && len(row.GetSealedText())+len(row.GetSealedWords()) == 0 {
		return false, nil // nothing is left
	}
	return s.ended(r, row, now)
}

// requestEnded is the same by a request's id, for what hangs on it.
func (s *Service) requestEnded(r kv.Reader, id string, now time.Time) (bool, error) {
	row, ok, err := s.tables.requests.Get(r, scope.All(), requestKey(id))
	if err != nil || !ok {
		return false, err
	}
	return s.ended(r, row.Value, now)
}

func (s *Service) messagePast(r kv.Reader, m *pb.MessageRow, now time.Time) (bool, error) {
	if len(m.GetSealedText()) == 0 {
		return false, nil
	}
	return s.requestEnded(r, m.GetRequestId(), now)
}

func (s *Service) picturePast(r kv.Reader, p *pb.PictureRow, now time.Time) (bool, error) {
	return s.requestEnded(r, p.GetRequestId(), now)
}

// casePast: the facts of a case that is closed.
func (s *Service) casePast(r kv.Reader, row *pb.HardshipCaseRow, now time.Time) (bool, error) {
	c := row.GetHardshipCase()
	if c.GetClosedAt() == nil || c.GetFactsErased() {
		return false, nil
	}
	return s.over(r, row.GetCommunityPath(), "privacy.hardship_days", c.GetClosedAt().AsTime(), now)
}

// expireCase takes the facts out, whoever's they are.
func expireCase(_ *store.Tx, _ table.Row[*pb.HardshipCaseRow], next *pb.HardshipCaseRow) (held.Effect, error) {
	next.People, next.HardshipCase.FactsErased, next.HardshipCase.FactsSealed = nil, true, false
	return held.Blank, nil
}
