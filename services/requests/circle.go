package requests

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/pkg/texts"
	"github.com/linli-project/linli/services/requests/internal/cover"
	"github.com/linli-project/linli/services/requests/internal/request"
	"github.com/linli-project/linli/services/requests/internal/similar"
)

// circle answers linli.requests.v1.CircleService.
type circle struct {
	pb.UnsafeCircleServiceServer
	*Service
}

var _ pb.CircleServiceServer = circle{}

const (
	// similarAmong is how many of the newest public requests are compared.
	similarAmong = 300
	similarShown = 5
	// similarFrom is the least score that is offered; sameBuilding adds to it.
	similarFrom  = 0.4
	sameBuilding = 0.15
)

// joinedKey is where a request remembers that somebody stands with it: under a
// keyed hash, since it only has to be counted once.
func (s *Service) joinedKey(id, person string) key.Key {
	return requestKey(id).String(hex.EncodeToString(s.store.Keyring().Blind("request joined", id, person)))
}

// PreviewRequest answers what the public would see, before it is posted.
func (s circle) PreviewRequest(ctx context.Context, req *pb.PreviewRequestRequest) (*pb.PreviewRequestResponse, error) {
	call := access.From(ctx)
	posting := postingOf(&pb.PostRequestRequest{
		Kind: req.GetKind(), Visibility: req.GetVisibility(), Text: req.GetText(), Building: req.GetBuilding(), OnBehalfOf: req.GetOnBehalfOf(),
	})
	if err := request.CheckAllegation(posting.Allegation, "text"); err != nil {
		return nil, err
	}
	out := &pb.Preview{MustBeStaffOnly: posting.MustBeStaffOnly(), EmergencyNumbers: request.Emergencies()}
	if out.GetMustBeStaffOnly() {
		out.Why = texts.Text(call.Language, "MUST_BE_STAFF_ONLY")
	} else if !posting.StaffOnly {
		out.PublicText, out.Covered = cover.Text(req.GetText()), coveredIn(req.GetText())
	}
	err := s.store.View(ctx, func(r kv.Reader) error {
		community, err := s.joinable(r, call, req.GetCommunityId())
		if err != nil {
			return err
		}
		out.Similar, err = s.similar(r, community, req.GetText(), req.GetBuilding())
		return err
	})
	return &pb.PreviewRequestResponse{Preview: out}, err
}

// coveredIn counts what is covered in a text, by kind.
func coveredIn(text string) (out []*pb.Covered) {
	for _, f := range cover.Find(text) {
		i := slices.IndexFunc(out, func(c *pb.Covered) bool { return c.GetWhat() == f.What })
		if i < 0 {
			out = append(out, &pb.Covered{What: f.What, Count: 1})
			continue
		}
		out[i].Count++
	}
	return out
}

// similar answers open public requests of a community about the same.
func (s circle) similar(r kv.Reader, community scope.Path, text, building string) ([]*pb.SimilarRequest, error) {
	page, err := s.tables.requests.List(r, scope.Scope{Paths: []scope.Path{community}}, table.Query{
		Index: byPublic, Prefix: key.Key(nil).String(string(community)), Limit: similarAmong,
	})
	if err != nil {
		return nil, err
	}
	type scored struct {
		score float64
		r     *pb.Request
	}
	var near []scored
	for _, row := range page.Rows {
		q := row.Value.GetRequest()
		score := similar.Score(text, q.GetText())
		if building != "" && building == q.GetBuilding() {
			score += sameBuilding
		}
		if request.Open(request.State(q.GetState())) && score >= similarFrom {
			near = append(near, scored{score, q})
		}
	}
	slices.SortStableFunc(near, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	var out []*pb.SimilarRequest
	for _, n := range near[:min(len(near), similarShown)] {
		out = append(out, &pb.SimilarRequest{
			Id: n.r.GetId(), Excerpt: request.Excerpt(n.r.GetText()), Building: n.r.GetBuilding(), Joined: n.r.GetJoined(), PostedAt: n.r.GetPostedAt(),
		})
	}
	return out, nil
}

// joinable answers the path of a community whose circle the caller belongs to:
// by living or working there, by the office, or as a member who reported in.
func (s circle) joinable(r kv.Reader, call access.Call, communityID string) (scope.Path, error) {
	community, err := s.community(r, communityID, "community_id")
	if err != nil {
		return "", err
	}
	if call.Scope.Covers(community) {
		return community, nil
	}
	if call.Has(typev1.Role_ROLE_MEMBER) {
		m, ok, err := s.members.Get(r, call.Person)
		if err != nil {
			return "", err
		}
		if ok && m.ReportedPath == community {
			return community, nil
		}
	}
	return "", rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "community_id", "id", communityID)
}

// BrowseRequests answers the public requests of a community.
func (s circle) BrowseRequests(ctx context.Context, req *pb.BrowseRequestsRequest) (*pb.BrowseRequestsResponse, error) {
	call := access.From(ctx)
	reply := &pb.BrowseRequestsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		community, err := s.joinable(r, call, req.GetCommunityId())
		if err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Paths: []scope.Path{community}}, Filter: []string{req.GetCommunityId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.tables.requests, r, page, table.Query{
			Index: byPublic, Prefix: key.Key(nil).String(string(community)),
		})
		for _, row := range rows {
			reply.Requests = append(reply.Requests, publicProto(row.Value.GetRequest()))
		}
		reply.NextPageToken = next
		return err
	})
	return reply, err
}

// publicProto is what everybody sees of a request.
func publicProto(r *pb.Request) *pb.PublicRequest {
	out := &pb.PublicRequest{
		Id: r.GetId(), Kind: r.GetKind(), Category: r.GetCategory(), State: r.GetState(), Text: r.GetText(),
		Building: r.GetBuilding(), PostedAt: r.GetPostedAt(), Answer: cover.Text(r.GetAnswer()), Joined: r.GetJoined(),
	}
	if r.GetVisibility() == pb.Visibility_VISIBILITY_PUBLIC && !anonymous(r) {
		out.Author = r.GetAuthor()
	}
	return out
}

// publicRequest answers what everybody of its community sees of a request.
func (s circle) publicRequest(r kv.Reader, call access.Call, id string) (*pb.Request, error) {
	row, err := s.read(r, scope.All(), id)
	if err != nil {
		return nil, err
	}
	if _, err := s.joinable(r, call, row.Value.GetRequest().GetCommunityId()); err != nil || !public(row.Value.GetRequest()) {
		return nil, rule.Absent("request", id)
	}
	p := publicProto(row.Value.GetRequest())
	return &pb.Request{
		Id: p.GetId(), CommunityId: row.Value.GetRequest().GetCommunityId(), Kind: p.GetKind(), Category: p.GetCategory(),
		Visibility: row.Value.GetRequest().GetVisibility(), State: p.GetState(), Text: p.GetText(), Building: p.GetBuilding(),
		PostedAt: p.GetPostedAt(), Answer: p.GetAnswer(), Joined: p.GetJoined(), Author: p.GetAuthor(),
	}, nil
}

// JoinRequest is a "me too", once a person.
func (s circle) JoinRequest(ctx context.Context, req *pb.JoinRequestRequest) (*pb.JoinRequestResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.JoinRequestResponse, error) {
		row, err := s.read(tx, scope.All(), req.GetId())
		if err != nil {
			return nil, err
		}
		r := row.Value.GetRequest()
		if _, err := s.joinable(tx, call, r.GetCommunityId()); err != nil || !public(r) {
			return nil, rule.Absent("request", req.GetId())
		}
		if r.GetAuthor() == call.Person {
			return nil, rule.New(rule.Precondition, "JOINS_OWN_REQUEST", "")
		}
		if !request.Open(request.State(r.GetState())) {
			return nil, rule.New(rule.Precondition, "NOT_OPEN_TO_ALL", "")
		}
		first, err := s.tables.joined.Set(tx, s.joinedKey(req.GetId(), call.Person))
		if err != nil || !first {
			return &pb.JoinRequestResponse{Joined: r.GetJoined()}, err
		}
		isNew, inYear, err := s.markParticipant(tx, row.Value.GetCommunityPath(), call.Person, now)
		if err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.Request.Joined++
		kept, err := s.tables.requests.Replace(tx, row, next)
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		return &pb.JoinRequestResponse{Joined: next.GetRequest().GetJoined()}, tx.Emit(store.Event{
			Name: "request.joined", EntityID: req.GetId(), Revision: kept.Revision,
			Data: &pb.RequestJoined{
				Id: req.GetId(), Revision: kept.Revision, CommunityPath: row.Value.GetCommunityPath(), ParticipantIsNew: isNew,
				ParticipantIsNewInYear: inYear,
			},
		})
	})
}

// readCode reads a code as people write it down: small letters, dashes, and the
// letters that look like digits (Crockford's base 32).
func readCode(code string) string {
	return strings.NewReplacer("O", "0", "I", "1", "L", "1", "-", "", " ", "").Replace(strings.ToUpper(code))
}

// LookUpRequest answers the steps of a request by its code.
func (s circle) LookUpRequest(ctx context.Context, req *pb.LookUpRequestRequest) (*pb.LookUpRequestResponse, error) {
	out := &pb.LookUpRequestResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, ok, err := s.tables.requests.By(r, scope.All(), byCode, key.Key(nil).String(readCode(req.GetCode())))
		if err == nil && !ok {
			err = rule.Absent("request", "")
		}
		q := row.Value.GetRequest()
		out.Steps = &pb.RequestSteps{
			State: q.GetState(), PostedAt: q.GetPostedAt(), AdmittedAt: q.GetAdmittedAt(), ResolvedAt: q.GetResolvedAt(),
			ClosedAt: q.GetClosedAt(), DueAt: q.GetDueAt(),
		}
		if err != nil || q.GetTextSealed() {
			return err
		}
		words, err := s.wordsOf(row.Value)
		out.Steps.ExtensionReason = cover.Text(words.GetClockReason())
		return err
	})
	return out, err
}
