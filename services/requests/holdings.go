package requests

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/held"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// tableErasures is by person; the one after it by when it is to be gone on with.
const tableErasures = store.FirstServiceTable + 170

// person answers linli.requests.v1.PersonService.
type person struct {
	pb.UnsafePersonServiceServer
	*Service
}

var _ pb.PersonServiceServer = person{}

// CollectPerson answers a page of what is held of the person of the token.
func (s person) CollectPerson(ctx context.Context, req *pb.CollectPersonRequest) (*pb.CollectPersonResponse, error) {
	rows, next, err := s.keeper.Collect(ctx, access.From(ctx).Person, req.GetAfter())
	if err != nil {
		return nil, err
	}
	return &pb.CollectPersonResponse{Held: rows, Next: next}, nil
}

// Holdings are the tables with rows of persons.
func (s *Service) Holdings() []held.Holding { return s.keeper.Holdings() }

// holdings are what the service holds of persons, in the order in which it is
// erased: what hangs on a request before the request.
func (s *Service) holdings() []held.Holding {
	return []held.Holding{
		held.Of[*pb.MessageRow]{
			Rows: s.tables.messages, Key: func(m *pb.MessageRow) key.Key { return requestKey(m.GetRequestId()).Uint(uint64(m.GetSequence())) },
			Whose: func(r kv.Reader, m *pb.MessageRow) (string, error) { return s.authorOf(r, m.GetRequestId()) },
			Opens: map[string]proto.Message{"sealed_text": nil},
			Erase: held.Blanked[*pb.MessageRow],
			Kept:  "that something was said, by whom of the office and when",
		},
		held.Of[*pb.PictureRow]{
			Rows: s.album.pictures, Key: func(p *pb.PictureRow) key.Key { return requestKey(p.GetRequestId()).String(p.GetId()) },
			Whose: func(r kv.Reader, p *pb.PictureRow) (string, error) { return s.authorOf(r, p.GetRequestId()) },
			Hide: func(_ kv.Reader, p *pb.PictureRow, _ string) error {
				p.Whole, p.Medium, p.Small = "", "", "" // addresses in the house's own store; the picture is read over the request
				return nil
			},
			Erase: s.erasePicture,
		},
		s.caseHolding(),
		s.requestHolding(),
		held.Of[*pb.AvailabilityRow]{
			Rows: s.matchingTables.availability, Key: func(r *pb.AvailabilityRow) key.Key { return requestKey(r.GetMemberId()) },
			Near:   func(person string) table.Query { return table.Query{Prefix: requestKey(person)} },
			Copied: func(r *pb.AvailabilityRow, person string) bool { return r.GetMemberId() == person },
			Opens:  map[string]proto.Message{"sealed_qualifications": nil},
			Erase:  held.Removed[*pb.AvailabilityRow],
		},
		held.Of[*pb.OfferRow]{
			Rows: s.matchingTables.offers, Key: func(r *pb.OfferRow) key.Key { return requestKey(r.GetOffer().GetId()) },
			Near:   func(person string) table.Query { return table.Query{Index: byMember, Prefix: requestKey(person)} },
			Copied: func(r *pb.OfferRow, person string) bool { return r.GetOffer().GetMemberId() == person },
			Erase:  held.Removed[*pb.OfferRow],
		},
		held.Of[*pb.EngagementsRow]{
			Rows: s.matchingTables.engagements, Key: func(r *pb.EngagementsRow) key.Key { return requestKey(r.GetMemberId()) },
			Near:   func(person string) table.Query { return table.Query{Prefix: requestKey(person)} },
			Copied: func(r *pb.EngagementsRow, person string) bool { return r.GetMemberId() == person },
			Erase:  held.Removed[*pb.EngagementsRow],
		},
		held.Of[*pb.ProviderRow]{
			Rows: s.providers, Key: func(r *pb.ProviderRow) key.Key { return requestKey(r.GetProvider().GetId()) },
			Copied: func(r *pb.ProviderRow, person string) bool { return r.GetProvider().GetPerson() == person },
			Opens:  map[string]proto.Message{"sealed_contact": nil},
			Erase:  eraseProvider,
			Kept:   "that there was a provider, of which kind, and who approved it",
		},
		held.Of[*pb.NuisanceRow]{
			Rows: s.tables.nuisance, Key: func(r *pb.NuisanceRow) key.Key { return requestKey(r.GetAuthorHash()) },
			Near:    func(person string) table.Query { return table.Query{Prefix: requestKey(s.nuisanceHash(person))} },
			Touches: func(r *pb.NuisanceRow, person string) bool { return r.GetAuthorHash() == s.nuisanceHash(person) },
			Erase:   held.Removed[*pb.NuisanceRow],
		},
		held.Of[*typev1.MemberCopyRow]{
			Rows: s.members.Rows(), Key: func(r *typev1.MemberCopyRow) key.Key { return requestKey(r.GetId()) },
			Near:   func(person string) table.Query { return table.Query{Prefix: requestKey(person)} },
			Copied: func(r *typev1.MemberCopyRow, person string) bool { return r.GetId() == person },
			Erase:  held.Removed[*typev1.MemberCopyRow],
		},
	}
}

// requestHolding: the author has the whole request, who helped that they did. What
// is left of an erased author's is for the rates: category, steps and days.
func (s *Service) requestHolding() held.Holding {
	return held.Of[*pb.RequestRow]{
		Rows: s.tables.requests, Key: func(r *pb.RequestRow) key.Key { return requestKey(r.GetRequest().GetId()) },
		Near:   func(person string) table.Query { return table.Query{Index: byPerson, Prefix: requestKey(person)} },
		Copied: func(*pb.RequestRow, string) bool { return true }, // the index is of author and helper
		Hide: func(_ kv.Reader, r *pb.RequestRow, person string) error {
			if r.GetRequest().GetAuthor() == person {
				return nil
			}
			s.tables.requests.Blank(r)
			q := r.GetRequest()
			q.Author, q.Text, q.Answer, q.Code, q.Ticket, q.Building, q.Rating = "", "", "", "", "", "", 0
			return nil
		},
		Opens:   map[string]proto.Message{"sealed_text": nil, "sealed_words": &pb.SaidWords{}},
		Touches: func(r *pb.RequestRow, person string) bool { return r.GetRequest().GetAuthor() == person },
		Erase: func(_ *store.Tx, _ table.Row[*pb.RequestRow], next *pb.RequestRow, _ string) (held.Effect, error) {
			q := next.GetRequest()
			q.Text, q.TextSealed, q.TextCovered, q.Answer = "", false, false, ""
			q.Code, q.Ticket, q.Building = "", "", ""
			q.Visibility = pb.Visibility_VISIBILITY_STAFF_ONLY
			return held.Blank, nil
		},
		Kept: "category, steps, days and rating, for the rates of the community",
	}
}

// caseHolding: the facts of a household are the author's where the author asked for
// oneself. Facts of somebody else, who agreed to them at the visit, stay.
func (s *Service) caseHolding() held.Holding {
	return held.Of[*pb.HardshipCaseRow]{
		Rows: s.aidTables.cases, Key: func(r *pb.HardshipCaseRow) key.Key { return requestKey(r.GetHardshipCase().GetId()) },
		Copied: func(r *pb.HardshipCaseRow, person string) bool { return r.GetAuthor() == person },
		Opens: map[string]proto.Message{
			"sealed_facts": &pb.HardshipFacts{}, "sealed_consent": &pb.ConsentFacts{}, "sealed_skipped": &pb.SkippedRungs{},
		},
		Hide: func(r kv.Reader, c *pb.HardshipCaseRow, _ string) error {
			own, err := s.forOneself(r, c)
			if err == nil && !own {
				s.aidTables.cases.Blank(c)
			}
			return err
		},
		Erase: func(tx *store.Tx, row table.Row[*pb.HardshipCaseRow], next *pb.HardshipCaseRow, _ string) (held.Effect, error) {
			own, err := s.forOneself(tx, row.Value)
			if err != nil || !own {
				return held.Leave, err
			}
			next.People, next.HardshipCase.FactsErased, next.HardshipCase.FactsSealed = nil, true, false
			return held.Blank, s.eraseAids(tx, row.Value.GetHardshipCase().GetId())
		},
		Kept: "steps and days; the facts of a household that somebody else asked help for and that agreed to it",
	}
}

// eraseAids takes out of the records of aid what was given to whom.
func (s *Service) eraseAids(tx *store.Tx, caseID string) error {
	page, err := s.aidTables.aids.List(tx, scope.All(), table.Query{Index: byCase, Prefix: requestKey(caseID), Limit: mostAidsErased})
	if err != nil {
		return err
	}
	for _, row := range page.Rows {
		next := proto.CloneOf(row.Value)
		next.SealedFacts, next.Causes = nil, nil
		if _, err := s.aidTables.aids.Replace(tx, row, next); err != nil {
			return err
		}
	}
	return s.eraseReadings(tx, caseID)
}

// eraseReadings takes out why the facts of a case were read: it can say what they
// were. That they were read stays.
func (s *Service) eraseReadings(tx *store.Tx, caseID string) error {
	return s.eachReading(tx, caseID, func(row table.Row[*pb.HardshipReadingRow]) error {
		next := proto.CloneOf(row.Value)
		next.SealedReason = nil
		_, err := s.aidTables.readings.Replace(tx, row, next)
		return err
	})
}

// mostAidsErased is more than one case has.
const mostAidsErased = 200

// eachReading calls fn with the readings of a case, which stand under its
// community.
func (s *Service) eachReading(tx *store.Tx, caseID string, fn func(table.Row[*pb.HardshipReadingRow]) error) error {
	c, ok, err := s.aidTables.cases.Get(tx, scope.All(), requestKey(caseID))
	if err != nil || !ok {
		return err
	}
	q := table.Query{Index: byCommunity, Prefix: requestKey(c.Value.GetCommunityPath()), Limit: mostAidsErased}
	for {
		page, err := s.aidTables.readings.List(tx, scope.All(), q)
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			if row.Value.GetReading().GetCaseId() != caseID {
				continue
			}
			if err := fn(row); err != nil {
				return err
			}
		}
		if q.After = page.Last; page.Last == nil {
			return nil
		}
	}
}

// erasePicture lets go of a picture's files and announces that it is gone.
func (s *Service) erasePicture(tx *store.Tx, row table.Row[*pb.PictureRow], _ *pb.PictureRow, _ string) (held.Effect, error) {
	request, err := s.read(tx, scope.All(), row.Value.GetRequestId())
	if err != nil {
		return held.Leave, err
	}
	return held.Remove, attachments{Service: s}.letGo(tx, request.Value, row, tx.Civil())
}

// eraseProvider takes a person off the register: nobody is shown whom it was.
func eraseProvider(_ *store.Tx, _ table.Row[*pb.ProviderRow], next *pb.ProviderRow, _ string) (held.Effect, error) {
	p := next.GetProvider()
	p.Name, p.Registration, p.NameConsent, p.Services = "", "", false, nil
	p.State = pb.ProviderState_PROVIDER_STATE_WITHDRAWN
	return held.Blank, nil
}

// authorOf answers who posted a request; empty for one that is gone.
func (s *Service) authorOf(r kv.Reader, requestID string) (string, error) {
	row, err := s.read(r, scope.All(), requestID)
	var refused *rule.Error
	if errors.As(err, &refused) {
		return "", nil
	}
	return row.Value.GetRequest().GetAuthor(), err
}

// forOneself says whether a case came from a request for the author's own
// household.
func (s *Service) forOneself(r kv.Reader, c *pb.HardshipCaseRow) (bool, error) {
	row, err := s.read(r, scope.All(), c.GetHardshipCase().GetRequestId())
	return err == nil && !row.Value.GetRequest().GetOnBehalfOf(), err
}
