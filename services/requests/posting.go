package requests

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/cover"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// sealedText names the place of a sealed text for the keyring.
func sealedText(id string) []string { return []string{"request", id, "text"} }

// PostRequest posts what is wrong or needed in a community.
func (s *Service) PostRequest(ctx context.Context, req *pb.PostRequestRequest) (*pb.PostRequestResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	row, err := s.newRequest(call, req, now)
	if err != nil {
		return nil, err
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.PostRequestResponse, error) {
		kept, first, err := s.post(tx, call, row, now)
		if err != nil {
			return nil, err
		}
		if err := s.announce(tx, request.Post, kept, pb.RequestState_REQUEST_STATE_UNSPECIFIED, first); err != nil {
			return nil, err
		}
		out, err := s.requestProto(call, kept)
		return &pb.PostRequestResponse{Request: out}, err
	})
}

// newRequest answers the row of what somebody posts, with an id and a code of
// its own, as far as it can be made before the transaction.
func (s *Service) newRequest(call access.Call, req *pb.PostRequestRequest, now time.Time) (*pb.RequestRow, error) {
	posting := postingOf(req)
	if err := posting.Check(); err != nil {
		return nil, err
	}
	row := &pb.RequestRow{Request: &pb.Request{
		Id: s.ids("req"), Code: newCode(), CommunityId: req.GetCommunityId(), Kind: req.GetKind(), Category: posting.Kind,
		Visibility: req.GetVisibility(), State: pb.RequestState(request.Posted), Building: posting.Place,
		OnBehalfOf: req.GetOnBehalfOf(), Author: call.Person, PostedAt: timestamppb.New(now), Ticket: req.GetTicket(),
	}}
	s.putText(row, req.GetText(), posting.Sealed())
	return row, nil
}

// post writes the row of newRequest, and says what its author does for the
// first time. It may run again on the same row.
func (s *Service) post(tx *store.Tx, call access.Call, row *pb.RequestRow, now time.Time) (kept table.Row[*pb.RequestRow], first firstTime, err error) {
	community, err := s.community(tx, row.GetRequest().GetCommunityId(), "community_id")
	if err != nil {
		return kept, first, err
	}
	row.CommunityPath = string(community)
	if row.GetRequest().GetTicket() != "" && !staffScope(call).Covers(community) {
		return kept, first, invalid("ticket", "committee staff")
	}
	if err := s.startClock(tx, row, admitLimit); err != nil {
		return kept, first, err
	}
	if err := s.setAnswerLimit(tx, row); err != nil {
		return kept, first, err
	}
	if err := s.openNuisance(tx, row, now); err != nil {
		return kept, first, err
	}
	if first, err = s.markAuthor(tx, string(community), call.Person, now); err != nil {
		return kept, first, err
	}
	kept, err = s.tables.requests.Insert(tx, row)
	return kept, first, err
}

// postingOf answers what the domain looks at in a new request.
func postingOf(req *pb.PostRequestRequest) request.Posting {
	return request.Posting{
		Hardship:   req.GetKind() == pb.RequestKind_REQUEST_KIND_HARDSHIP,
		OnBehalfOf: req.GetOnBehalfOf(),
		StaffOnly:  req.GetVisibility() == pb.Visibility_VISIBILITY_STAFF_ONLY,
		Household:  cover.Household(req.GetText()),
		Allegation: cover.Allegation(req.GetText()),
		Nuisance:   req.GetKind() == pb.RequestKind_REQUEST_KIND_NUISANCE,
		Place:      strings.TrimSpace(req.GetBuilding()), Kind: strings.TrimSpace(req.GetCategory()),
		PlacePrivate: len(cover.Find(req.GetBuilding())) > 0, KindPrivate: len(cover.Find(req.GetCategory())) > 0,
	}
}

// putText keeps a text: sealed for staff, else with private things covered and,
// if there were any, the original sealed beside it.
func (s *Service) putText(row *pb.RequestRow, text string, staffOnly bool) {
	covered := cover.Text(text)
	row.Request.TextSealed, row.Request.TextCovered = staffOnly, !staffOnly && covered != text
	if !staffOnly {
		row.Request.Text = covered
	}
	if staffOnly || covered != text {
		row.SealedText = s.store.Keyring().Seal([]byte(text), sealedText(row.GetRequest().GetId())...)
	}
}

// codeLetters have no two that look alike (Crockford's base 32).
const codeLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newCode answers twelve letters, 60 bits: with a million codes given out, a
// thousand guesses a second find one in some forty years, and then the days of
// its steps.
func newCode() string {
	random := make([]byte, 12)
	_, _ = rand.Read(random) // never fails
	for i, b := range random {
		random[i] = codeLetters[int(b)%len(codeLetters)]
	}
	return string(random)
}

// community answers the path of a community; another organization is refused.
func (s *Service) community(r kv.Reader, id, field string) (scope.Path, error) {
	o, ok, err := s.organizations.Get(r, id)
	switch {
	case err != nil:
		return "", err
	case !ok:
		return "", rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", field, "id", id)
	case o.Kind != registryv1.OrganizationKind_ORGANIZATION_KIND_COMMUNITY:
		return "", rule.New(rule.Invalid, "NOT_A_COMMUNITY", field, "id", id)
	}
	return o.Path, nil
}

// markAuthor says whether somebody posts, and takes part, in a community for the
// first time.
func (s *Service) markAuthor(tx *store.Tx, communityPath, author string, now time.Time) (first firstTime, err error) {
	if first.author, err = s.tables.authors.Set(tx, s.authorKey(communityPath, author)); err != nil {
		return first, err
	}
	first.participant, first.inYear, err = s.markParticipant(tx, communityPath, author, now)
	return first, err
}

// markParticipant says whether somebody takes part in a community for the first
// time, ever and in this year.
func (s *Service) markParticipant(tx *store.Tx, communityPath, person string, now time.Time) (ever, inYear bool, err error) {
	if ever, err = s.tables.participants.Set(tx, s.authorKey(communityPath, person)); err != nil {
		return ever, false, err
	}
	inYear, err = s.tables.participants.Set(tx, s.yearKey(communityPath, person, clock.Day(now)[:4]))
	return ever, inYear, err
}

// GetRequest answers one request, without a sealed text: to those whom it is
// for as they see it, to everybody else of the community what is public of it.
func (s *Service) GetRequest(ctx context.Context, req *pb.GetRequestRequest) (*pb.GetRequestResponse, error) {
	call := access.From(ctx)
	var out *pb.Request
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, ok, err := s.tables.requests.Get(r, s.officeScope(call), requestKey(req.GetId()))
		if err == nil && ok && !hidden(call, row.Value) {
			out, err = s.showRead(call, row)
			return err
		}
		if err == nil {
			out, err = circle{Service: s}.publicRequest(r, call, req.GetId())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &pb.GetRequestResponse{Request: out}, nil
}

// officeScope is what a caller may read: as an office, or as author or helper.
// A grant to live or to work somewhere opens nobody's requests.
func (s *Service) officeScope(call access.Call) scope.Scope {
	return call.ScopeOf(officeRoles()...)
}

// read answers a request that the scope may see.
func (s *Service) read(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.RequestRow], error) {
	row, ok, err := s.tables.requests.Get(r, sc, requestKey(id))
	if err == nil && !ok {
		err = rule.Absent("request", id)
	}
	return row, err
}

// RevealRequestText opens a sealed text for staff and leaves the reason in the
// audit. It answers only once that is stored. The answer is remembered nowhere:
// what is erased must not be had by asking again.
func (s *Service) RevealRequestText(ctx context.Context, req *pb.RevealRequestTextRequest) (*pb.RevealRequestTextResponse, error) {
	call, out := access.From(ctx), &pb.RevealRequestTextResponse{}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		row, err := s.read(tx, scope.Scope{Paths: call.Scope.Paths}, req.GetId())
		if err != nil {
			return err
		}
		if !row.Value.GetRequest().GetTextSealed() && !row.Value.GetRequest().GetTextCovered() {
			return rule.New(rule.Precondition, "NOTHING_SEALED", "")
		}
		text, err := s.store.Keyring().Open(row.Value.GetSealedText(), sealedText(req.GetId())...)
		if err != nil {
			return err
		}
		out.Text = string(text)
		return tx.Reveal(store.Record{Rows: []string{req.GetId()}, Subjects: []string{row.Value.GetRequest().GetAuthor()}, Reason: req.GetReason()})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
