package projects

import (
	"context"
	"crypto/rand"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/call"
	"github.com/linli-project/linli/services/projects/selection"
)

// CreateCall drafts the yearly call of a district.
func (s *Service) CreateCall(ctx context.Context, req *pb.CreateCallRequest) (*pb.CreateCallResponse, error) {
	id, seed := s.ids("cal"), newSeed()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.CreateCallResponse, error) {
		drafted, err := draftCall(id, req)
		if err != nil {
			return nil, err
		}
		drafted.DrawSeedHash = selection.SeedHash(seed)
		district, err := s.callers(tx, req)
		if err != nil {
			return nil, err
		}
		row, err := s.tables.calls.Insert(tx, &pb.CallRow{Call: drafted, DistrictPath: string(district), DrawSeed: seed})
		if err != nil {
			return nil, err
		}
		if _, err := s.tables.rolls.Insert(tx, &pb.RollRow{CallId: id}); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		return &pb.CreateCallResponse{Call: callProto(row)}, nil
	})
}

// newSeed answers 32 random bytes for the draw of a call.
func newSeed() []byte {
	seed := make([]byte, 32)
	_, _ = rand.Read(seed) // never fails
	return seed
}

// callers checks the organizations that a new call names, and answers where
// the district stands.
func (s *Service) callers(tx *store.Tx, req *pb.CreateCallRequest) (scope.Path, error) {
	district, err := s.organization(tx, "district_id", req.GetDistrictId())
	if err != nil {
		return "", err
	}
	if district.Kind != registryv1.OrganizationKind_ORGANIZATION_KIND_DISTRICT {
		return "", rule.New(rule.Invalid, "INVALID_FIELD", "district_id", "field", "district_id", "rule", "a district")
	}
	for i, r := range req.GetReviewers() {
		if _, err := s.organization(tx, "reviewers["+strconv.Itoa(i)+"].organization_id", r.GetOrganizationId()); err != nil {
			return "", err
		}
	}
	return district.Path, nil
}

// organization answers the copy of an organization that a field names.
func (s *Service) organization(r kv.Reader, field, id string) (copies.Organization, error) {
	o, ok, err := s.organizations.Get(r, id)
	if err == nil && !ok {
		err = rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", field, "id", id)
	}
	return o, err
}

// OpenCall publishes a drafted call.
func (s *Service) OpenCall(ctx context.Context, req *pb.OpenCallRequest) (*pb.OpenCallResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.OpenCallResponse, error) {
		row, err := s.call(tx, sight(c), req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		row, err = s.moveCall(tx, row, call.Open, now)
		if err != nil {
			return nil, err
		}
		return &pb.OpenCallResponse{Call: callProto(row)}, nil
	})
}

// StartReview hands the submitted applications of a call to its reviewers.
func (s *Service) StartReview(ctx context.Context, req *pb.StartReviewRequest) (*pb.StartReviewResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.StartReviewResponse, error) {
		row, err := s.call(tx, sight(c), req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		row, err = s.moveCall(tx, row, call.StartReview, now)
		if err != nil {
			return nil, err
		}
		if err := s.checkJudges(tx, row.Value.GetCall()); err != nil {
			return nil, err
		}
		if err := s.handOver(tx, row.Value.GetCall()); err != nil {
			return nil, err
		}
		return &pb.StartReviewResponse{Call: callProto(row)}, nil
	})
}

// handOver moves what was submitted, or found eligible, into review, where the
// reviewers see it.
func (s *Service) handOver(tx *store.Tx, c *pb.Call) error {
	pending, err := s.applicationsIn(tx, c.GetId(), application.Pending)
	if err != nil {
		return err
	}
	if err := application.CheckDone(len(pending)); err != nil {
		return err
	}
	return s.moveAll(tx, c, application.StartReview, func(next *pb.ApplicationRow) {
		next.Reviewers, next.HideApplicants = persons(c.GetReviewers()), c.GetHideApplicants()
	})
}

// moveAll takes what waits one step further with its call. The roll is read so
// that a draft that comes in meanwhile is not missed.
func (s *Service) moveAll(tx *store.Tx, c *pb.Call, command string, change func(*pb.ApplicationRow)) error {
	if _, err := s.roll(tx, c.GetId()); err != nil {
		return err
	}
	rows, err := s.applicationsIn(tx, c.GetId(), application.Waiting)
	if err != nil {
		return err
	}
	for _, row := range rows {
		next := proto.CloneOf(row.Value)
		change(next)
		if _, err := s.moveApplication(tx, row, next, command); err != nil {
			return err
		}
	}
	return nil
}

// call answers a call that the scope sees and the etag names.
func (s *Service) call(r kv.Reader, sees scope.Scope, id, etag string) (table.Row[*pb.CallRow], error) {
	row, ok, err := s.tables.calls.Get(r, sees, idKey(id))
	if err == nil && !ok {
		err = rule.Absent("call", id)
	}
	if err != nil {
		return row, err
	}
	return row, row.Match(etag)
}

// moveCall takes a call one step further and announces it.
func (s *Service) moveCall(tx *store.Tx, row table.Row[*pb.CallRow], command string, now time.Time) (table.Row[*pb.CallRow], error) {
	c := row.Value.GetCall()
	state, err := call.Next(call.State(c.GetState()), command, windowOf(c), now)
	if err != nil {
		return row, err
	}
	next := proto.CloneOf(row.Value)
	next.Call.State = pb.CallState(state)
	kept, err := s.tables.calls.Replace(tx, row, next)
	if err != nil {
		return row, err
	}
	tx.Audit(store.Record{Rows: []string{c.GetId()}})
	return kept, tx.Emit(callChanged(command, kept))
}

// GetCall answers one call.
func (s *Service) GetCall(ctx context.Context, req *pb.GetCallRequest) (*pb.GetCallResponse, error) {
	c := access.From(ctx)
	var out pb.GetCallResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.call(r, sight(c), req.GetId(), "")
		if err != nil {
			return err
		}
		out.Call = callFor(c, row)
		return nil
	})
	return &out, err
}

// ListCalls answers the calls of a district, the latest year first.
func (s *Service) ListCalls(ctx context.Context, req *pb.ListCallsRequest) (*pb.ListCallsResponse, error) {
	c := access.From(ctx)
	page := table.PageCall{
		Method: c.Method, Person: c.Person, Scope: sight(c), Filter: []string{req.GetDistrictId()},
		Size: req.GetPageSize(), Token: req.GetPageToken(),
	}
	var out pb.ListCallsResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		rows, next, err := table.Page(s.pager, s.tables.calls, r, page, table.Query{
			Index: byDistrict, Prefix: idKey(req.GetDistrictId()),
		})
		for _, row := range rows {
			out.Calls = append(out.Calls, callProto(row))
		}
		out.NextPageToken = next
		return err
	})
	return &out, err
}
