package requests

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/held"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
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
			Past:  s.messagePast,
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
			Past:  s.picturePast,
		},
		s.aidHolding(), s.readingHolding(), s.caseHolding(),
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
		Past: s.requestPast,
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
			return expireCase(tx, row, next)
		},
		Past: s.casePast, Expire: expireCase,
		Kept: "steps and days; the facts of a household that somebody else asked help for and that agreed to it",
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

// aidHolding: what was given is told of with the facts, and goes with them.
func (s *Service) aidHolding() held.Holding {
	return held.Of[*pb.AidRow]{
		Rows: s.aidTables.aids, Key: func(r *pb.AidRow) key.Key { return requestKey(r.GetAid().GetId()) },
		Whose: func(r kv.Reader, a *pb.AidRow) (string, error) { return s.helped(r, a.GetAid().GetCaseId()) },
		Opens: map[string]proto.Message{"sealed_facts": &pb.AidFacts{}},
		Erase: func(_ *store.Tx, _ table.Row[*pb.AidRow], next *pb.AidRow, _ string) (held.Effect, error) {
			next.Causes = nil
			return held.Blank, nil
		},
		Past: func(r kv.Reader, a *pb.AidRow, _ time.Time) (bool, error) {
			return s.withoutFacts(r, a.GetAid().GetCaseId(), len(a.GetSealedFacts()) > 0)
		},
		Kept: "that something was given, of which cause, by what kind of giver, and who recorded it",
	}
}

// readingHolding: why the facts were read can say what they were. That they were
// read stays.
func (s *Service) readingHolding() held.Holding {
	return held.Of[*pb.HardshipReadingRow]{
		Rows: s.aidTables.readings, Key: func(r *pb.HardshipReadingRow) key.Key { return requestKey(r.GetReading().GetId()) },
		Whose: func(r kv.Reader, g *pb.HardshipReadingRow) (string, error) {
			return s.helped(r, g.GetReading().GetCaseId())
		},
		Erase: held.Blanked[*pb.HardshipReadingRow],
		Past: func(r kv.Reader, g *pb.HardshipReadingRow, _ time.Time) (bool, error) {
			return s.withoutFacts(r, g.GetReading().GetCaseId(), len(g.GetSealedReason()) > 0)
		},
		Kept: "who read the facts, and when",
	}
}

// helped answers whose the facts of a case are: the author's, who asked for the
// own household; empty where somebody else's are kept.
func (s *Service) helped(r kv.Reader, caseID string) (string, error) {
	row, ok, err := s.aidTables.cases.Get(r, scope.All(), requestKey(caseID))
	if err != nil || !ok {
		return "", err
	}
	own, err := s.forOneself(r, row.Value)
	if err != nil || !own {
		return "", err
	}
	return row.Value.GetAuthor(), nil
}

// withoutFacts says whether something is left of a case whose facts are erased.
func (s *Service) withoutFacts(r kv.Reader, caseID string, left bool) (bool, error) {
	if !left {
		return false, nil
	}
	row, _, err := s.aidTables.cases.Get(r, scope.All(), requestKey(caseID))
	return row.Value.GetHardshipCase().GetFactsErased(), err
}

// authorOf answers who posted a request; empty for one that is gone.
func (s *Service) authorOf(r kv.Reader, requestID string) (string, error) {
	row, _, err := s.tables.requests.Get(r, scope.All(), requestKey(requestID))
	return row.Value.GetRequest().GetAuthor(), err
}

// forOneself says whether a case came from a request for the author's own
// household.
func (s *Service) forOneself(r kv.Reader, c *pb.HardshipCaseRow) (bool, error) {
	row, ok, err := s.tables.requests.Get(r, scope.All(), requestKey(c.GetHardshipCase().GetRequestId()))
	return ok && !row.Value.GetRequest().GetOnBehalfOf(), err
}
