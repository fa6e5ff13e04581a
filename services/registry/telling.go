package registry

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
)

// tellAtOnce is how many messages one commit puts into inboxes: each writes its
// row, three index entries and what goes out, and a commit takes 1,000 writes.
const tellAtOnce = 100

// deliver puts an event's notices into the inboxes, and what is to go out by
// mail or webhook among the deliveries. What many are told of is left to a
// round.
func (s *Service) deliver(tx *store.Tx, e *typev1.EventRow) error {
	a, known := announcementOf(e)
	if !known {
		s.log.Warn("event that nobody has decided on whom to tell of", "type", e.GetType())
		return nil
	}
	notices, err := noticesOf(e, s.placesIn(tx))
	if err != nil {
		return err
	}
	if _, wide := a.walk(); wide || len(notices) > tellAtOnce {
		_, begun, err := s.rounds.Get(tx, scope.All(), idKey(e.GetId()))
		if err == nil && !begun {
			_, err = s.rounds.Insert(tx, &pb.RoundRow{Event: e})
		}
		return err
	}
	return s.tellAll(tx, e, notices)
}

// tellAll tells a slice of an event's notices.
func (s *Service) tellAll(tx *store.Tx, e *typev1.EventRow, notices []notice) error {
	for _, n := range notices {
		if err := s.tell(tx, e, n); err != nil {
			return err
		}
		if err := s.tellStandIn(tx, e, n); err != nil {
			return err
		}
	}
	return nil
}

// tell puts one message into its inbox, unless the fact was told before.
func (s *Service) tell(tx *store.Tx, e *typev1.EventRow, n notice) error {
	at := e.GetCivilTime().AsTime()
	row := &pb.MessageRow{
		Id: n.id(), Address: n.address, Topic: n.topic, About: n.about, Fact: n.fact, Params: n.params, Place: n.place,
		Time: timestamppb.New(latest(at, n.from)),
	}
	there, told, err := s.messages.By(tx, scope.All(), byMessageID, idKey(row.GetId()))
	if err != nil {
		return err
	}
	keep, err := s.keepDays(tx, n.place, row.GetTime().AsTime())
	if err != nil {
		return err
	}
	row.KeepUntil = timestamppb.New(row.GetTime().AsTime().AddDate(0, 0, keep))
	if n.withheld {
		if told && there.Value.GetAddress() == "" {
			return nil
		}
		if told {
			if err := s.messages.Delete(tx, there); err != nil {
				return err
			}
		}
		_, err := s.messages.Insert(tx, &pb.MessageRow{Id: row.GetId(), Time: row.GetTime(), KeepUntil: row.GetKeepUntil()})
		return err
	}
	if told {
		return nil
	}
	if _, err := s.messages.Insert(tx, row); err != nil {
		return err
	}
	if row.GetTime().AsTime().After(at) {
		_, err := s.waiting.Insert(tx, &pb.WaitingRow{Due: row.GetTime(), MessageId: row.GetId()})
		return err
	}
	return s.queue(tx, row, e.GetTime())
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// keepDays is how long messages of a place are kept, by its district's policy.
func (s *Service) keepDays(r kv.Reader, place string, at time.Time) (int, error) {
	p, err := s.policyAt(r, scope.Path(place), int32(at.In(clock.Shanghai()).Year()))
	return p.Int("inbox.keep_days"), err
}

// sendWaiting lets messages whose time has come out by mail and webhook, and
// answers how many those were.
func (s *Service) sendWaiting(tx *store.Tx, civil, wall time.Time) (int, error) {
	page, err := s.waiting.List(tx, scope.All(), listSome(tellAtOnce))
	if err != nil {
		return 0, err
	}
	n := 0
	for _, row := range page.Rows {
		if row.Value.GetDue().AsTime().After(civil) {
			break // the rest is due later still
		}
		n++
		if err := s.waiting.Delete(tx, row); err != nil {
			return 0, err
		}
		m, there, err := s.messages.By(tx, scope.All(), byMessageID, idKey(row.Value.GetMessageId()))
		if err != nil {
			return 0, err
		}
		if there && m.Value.GetAddress() != "" {
			if err := s.queue(tx, m.Value, timestamppb.New(wall)); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

// sweep takes away messages that were kept long enough, and answers how many.
func (s *Service) sweep(tx *store.Tx, civil time.Time) (int, error) {
	q := listSome(tellAtOnce)
	q.Index = byKeep
	page, err := s.messages.List(tx, scope.All(), q)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, row := range page.Rows {
		if row.Value.GetKeepUntil().AsTime().After(civil) {
			break
		}
		n++
		if err := s.messages.Delete(tx, row); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// roundNotices answers the next slice of a round and the row that remembers it;
// nil when the round is done.
func (s *Service) roundNotices(r kv.Reader, row *pb.RoundRow) ([]notice, *pb.RoundRow, error) {
	e, next := row.GetEvent(), proto.CloneOf(row)
	a, _ := announcementOf(e)
	if t, wide := a.walk(); wide {
		return s.walkOn(r, a, t, next)
	}
	all, err := noticesOf(e, s.placesIn(r))
	if err != nil {
		return nil, nil, err
	}
	from := min(int(row.GetTold()), len(all))
	to := min(from+tellAtOnce, len(all))
	if next.Told = int32(to); to == len(all) {
		next = nil
	}
	return all[from:to], next, nil
}
