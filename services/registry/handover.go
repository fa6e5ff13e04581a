package registry

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/account"
	"github.com/linli-project/linli/services/registry/internal/session"
)

// HandOver moves the open work of somebody who leaves or is away to a colleague.
// The services move what they hold when they hear of it.
func (s accounts) HandOver(ctx context.Context, req *pb.HandOverRequest) (*pb.HandOverResponse, error) {
	call := access.From(ctx)
	if until := req.GetAwayUntil(); until != nil && !until.AsTime().After(s.store.Civil().Now()) {
		return nil, rule.New(rule.Invalid, "INVALID_FIELD", "away_until", "field", "away_until", "rule", "in the future")
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.HandOverResponse, error) {
		toRow, to, err := s.accountAt(tx, call, req.GetToAccountId())
		if err != nil {
			return nil, err
		}
		var offices []scope.Path
		out, err := s.change(tx, call, changing{
			id: req.GetId(), reason: req.GetReason(),
			do: func(tx *store.Tx, before account.Account, next *pb.AccountRow) (account.Account, error) {
				if err := before.MayKeep(actorIn(call)); err != nil {
					return before, err
				}
				if offices, err = account.SharedOffices(before, to, s.away(toRow.Value)); err != nil {
					return before, err
				}
				next.HandedTo, next.Account.AwayUntil = to.ID, req.GetAwayUntil()
				if req.GetAwayUntil() != nil || before.State != account.Active {
					return before, nil
				}
				after, err := before.Move(actorIn(call), account.Lock)
				if err != nil {
					return after, err
				}
				s.stands(next, after.State)
				return after, s.endSessions(tx, before.ID, "", session.Close)
			},
			tells: func(kept table.Row[*pb.AccountRow]) store.Event { return workHandedOver(kept, to.Person, offices) },
		})
		return &pb.HandOverResponse{Account: out}, err
	})
}

func workHandedOver(row table.Row[*pb.AccountRow], to string, offices []scope.Path) store.Event {
	a := row.Value.GetAccount()
	ev := &pb.WorkHandedOver{AccountId: a.GetId(), FromPerson: a.GetPerson(), ToPerson: to, Until: a.GetAwayUntil()}
	for _, path := range offices {
		ev.OrganizationPaths = append(ev.OrganizationPaths, string(path))
	}
	return store.Event{Name: "work.handed_over", EntityID: a.GetId(), Revision: row.Revision, Data: ev}
}

// away says whether somebody is away by the clock of people.
func (s *Service) away(row *pb.AccountRow) bool {
	until := row.GetAccount().GetAwayUntil()
	return until != nil && until.AsTime().After(s.store.Civil().Now())
}

// mostStandIns bounds how often somebody's stand-in has one: then the last of
// them is told.
const mostStandIns = 4

// standIn answers who reads the messages of an officer who has left or is away,
// besides the officer; empty when nobody does.
func (s *Service) standIn(r kv.Reader, person string) (string, error) {
	if !strings.HasPrefix(person, "per_") { // members and residents have none
		return "", nil
	}
	row, ok, err := s.accounts.By(r, scope.All(), byAccountPerson, idKey(person))
	found := ""
	for range mostStandIns {
		gone := accountState(row.Value.GetAccount()) != account.Active || s.away(row.Value)
		if err != nil || !ok || row.Value.GetHandedTo() == "" || !gone {
			break
		}
		row, ok, err = s.accounts.Get(r, scope.All(), idKey(row.Value.GetHandedTo()))
		found = row.Value.GetAccount().GetPerson()
	}
	return found, err
}

// tellStandIn tells a notice to who stands in for its person.
func (s *Service) tellStandIn(tx *store.Tx, e *typev1.EventRow, n notice) error {
	person, ok := personOf(n.address)
	if !ok {
		return nil
	}
	other, err := s.standIn(tx, person)
	if err != nil || other == "" || other == person {
		return err
	}
	n.address = toPerson(other)
	return s.tell(tx, e, n)
}

// applyHandOver gives the colleague the messages that the other has not read,
// the newest of them: what is older than as many has waited for somebody else.
func (s *Service) applyHandOver(tx *store.Tx, e *typev1.EventRow) error {
	var ev pb.WorkHandedOver
	if err := events.Decode(e, &ev); err != nil {
		return err
	}
	q := inbox{Service: s}.messagesTo(toPerson(ev.GetFromPerson()), true)
	q.Limit = tellAtOnce
	page, err := s.messages.List(tx, scope.All(), q)
	if err != nil {
		return err
	}
	for _, row := range page.Rows {
		next := proto.CloneOf(row.Value)
		next.Address = toPerson(ev.GetToPerson())
		// As if it had been told to the colleague, so that it is told once.
		next.Id = notice{address: next.GetAddress(), topic: next.GetTopic(), about: next.GetAbout(), fact: next.GetFact()}.id()
		_, there, err := s.messages.By(tx, scope.All(), byMessageID, idKey(next.GetId()))
		if err == nil && !there {
			_, err = s.messages.Insert(tx, next)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// handOverFacts tell the colleague. Whose work it was stands in the account, and
// in no message.
func handOverFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev pb.WorkHandedOver
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	f := facts{
		about: ev.GetAccountId(), fact: revision(e.GetRevision()),
		whom:   map[who][]string{theColleague: persons(ev.GetToPerson())},
		params: map[string]string{"day": dayOf(e, "")},
		kinds:  []string{handOverForGood},
	}
	if len(ev.GetOrganizationPaths()) > 0 {
		f.place = ev.GetOrganizationPaths()[0]
		f.params["organization"] = leaf(f.place)
	}
	if until := ev.GetUntil(); until != nil && until.AsTime().After(e.GetCivilTime().AsTime()) {
		f.kinds, f.params["until"] = []string{handOverForAWhile}, clock.Day(until.AsTime())
	}
	return one(f), nil
}

// What a hand-over is for.
const (
	handOverForGood   = "leaves"
	handOverForAWhile = "is away"
)
