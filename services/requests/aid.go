package requests

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/hardship"
)

// aid is the service as it answers linli.requests.v1.AidService.
type aid struct {
	pb.UnsafeAidServiceServer
	*Service
}

var _ pb.AidServiceServer = aid{}

// OpenHardshipCase opens the case of a request.
func (a aid) OpenHardshipCase(ctx context.Context, req *pb.OpenHardshipCaseRequest) (*pb.OpenHardshipCaseResponse, error) {
	call, now, id := access.From(ctx), a.store.Civil().Now(), a.ids("hsc")
	return store.Do(ctx, a.store, req, func(tx *store.Tx) (*pb.OpenHardshipCaseResponse, error) {
		request, err := a.read(tx, staffScope(call), req.GetRequestId())
		if err != nil {
			return nil, err
		}
		r := request.Value.GetRequest()
		if r.GetKind() != pb.RequestKind_REQUEST_KIND_HARDSHIP && !r.GetOnBehalfOf() {
			return nil, rule.New(rule.Precondition, "NOT_A_HARDSHIP_REQUEST", "request_id")
		}
		if !requestOpen(r) {
			return nil, rule.New(rule.Precondition, "REQUEST_ENDED", "request_id")
		}
		due, err := a.limit(tx, request.Value.GetCommunityPath(), r.GetPostedAt().AsTime(), "requests.hardship_visit_days")
		if err != nil {
			return nil, err
		}
		row := &pb.HardshipCaseRow{
			HardshipCase: &pb.HardshipCase{
				Id: id, RequestId: r.GetId(), CommunityId: r.GetCommunityId(), State: pb.HardshipState(hardship.Opened),
				OpenedAt: timestamppb.New(now), VisitDueAt: due, VisitLimitMissing: due == nil,
			},
			CommunityPath: request.Value.GetCommunityPath(), Author: r.GetAuthor(),
		}
		addStep(row, hardship.Open, now)
		kept, err := a.aidTables.cases.Insert(tx, row)
		if err != nil {
			return nil, err
		}
		if err := a.announceCase(tx, hardship.Open, kept, 0, now); err != nil {
			return nil, err
		}
		return &pb.OpenHardshipCaseResponse{HardshipCase: caseProto(kept, now)}, nil
	})
}

// policyOf answers what holds at a community on a day.
func (s *Service) policyOf(r kv.Reader, community string, at time.Time) (policy.Policy, error) {
	return s.policies.For(r, scope.Path(community), at.In(clock.Shanghai()).Year())
}

// limit answers the end of a limit in working days that began at from; none
// where the year has no official calendar: help does not wait for one.
func (a aid) limit(r kv.Reader, community string, from time.Time, name string) (*timestamppb.Timestamp, error) {
	p, err := a.policyOf(r, community, from)
	if err != nil {
		return nil, err
	}
	end, err := p.AddWorkdays(from, p.Int(name))
	switch {
	case noCalendar(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return timestamppb.New(end), nil
}

// caseRow answers a case that the scope may see.
func (a aid) caseRow(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.HardshipCaseRow], error) {
	row, ok, err := a.aidTables.cases.Get(r, sc, key.Key(nil).String(id))
	if err == nil && !ok {
		err = rule.Absent("hardship_case", id)
	}
	return row, err
}

// caseProto is a case as the office sees it. Whether relief is late depends on
// the day of looking.
func caseProto(row table.Row[*pb.HardshipCaseRow], now time.Time) *pb.HardshipCase {
	out := proto.CloneOf(row.Value.GetHardshipCase())
	if due := out.GetReliefDueAt(); due != nil {
		at := now
		if out.GetReliefDecidedAt() != nil {
			at = out.GetReliefDecidedAt().AsTime()
		}
		out.ReliefLate = !at.Before(due.AsTime())
	}
	out.Etag = row.Etag()
	return out
}

// officesOf are the paths of a caller's grants with the roles: that a row is
// somebody's own opens nothing here.
func officesOf(call access.Call, roles ...typev1.Role) scope.Scope {
	return scope.Scope{Paths: call.ScopeOf(roles...).Paths}
}

// GetHardshipCase answers where a case stands.
func (a aid) GetHardshipCase(ctx context.Context, req *pb.GetHardshipCaseRequest) (*pb.GetHardshipCaseResponse, error) {
	call := access.From(ctx)
	var row table.Row[*pb.HardshipCaseRow]
	err := a.store.View(ctx, func(r kv.Reader) (err error) {
		row, err = a.caseRow(r, scope.Scope{Paths: call.Scope.Paths}, req.GetId())
		if err == nil && !mayLook(call, row.Value) {
			err = rule.Absent("hardship_case", req.GetId())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &pb.GetHardshipCaseResponse{HardshipCase: caseProto(row, a.store.Civil().Now())}, nil
}

// ListHardshipCases answers a community's cases, the newest first.
func (a aid) ListHardshipCases(ctx context.Context, req *pb.ListHardshipCasesRequest) (*pb.ListHardshipCasesResponse, error) {
	call, now, reply := access.From(ctx), a.store.Civil().Now(), &pb.ListHardshipCasesResponse{}
	err := a.store.View(ctx, func(r kv.Reader) error {
		community, err := a.community(r, req.GetCommunityId(), "community_id")
		if err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: call.Scope, Filter: []string{req.GetCommunityId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		q := table.Query{Index: byCommunity, Prefix: key.Key(nil).String(string(community))}
		rows, next, err := table.PageOf(a.pager, a.aidTables.cases, r, page, q,
			table.Keep(func(c *pb.HardshipCaseRow) bool { return mayLook(call, c) }))
		for _, row := range rows {
			reply.Cases = append(reply.Cases, caseProto(row, now))
		}
		reply.NextPageToken = next
		return err
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// GetHardshipSteps answers the steps of a request's case: to its author and to
// the office, not to the member it is dispatched to.
func (a aid) GetHardshipSteps(ctx context.Context, req *pb.GetHardshipStepsRequest) (*pb.GetHardshipStepsResponse, error) {
	call, reply := access.From(ctx), &pb.GetHardshipStepsResponse{}
	err := a.store.View(ctx, func(r kv.Reader) error {
		request, err := a.read(r, a.officeScope(call), req.GetRequestId())
		if err != nil {
			return err
		}
		office := call.ScopeOf(officeRoles()...).Covers(scope.Path(request.Value.GetCommunityPath()))
		if !office && request.Value.GetRequest().GetAuthor() != call.Person {
			return rule.Absent("request", req.GetRequestId())
		}
		row, ok, err := a.aidTables.cases.By(r, scope.All(), byRequest, key.Key(nil).String(req.GetRequestId()))
		if ok {
			reply.Steps = row.Value.GetSteps()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// Measures that are counted for each community and year.
const (
	measureOpened    = "opened"
	measureConsented = "consented"
	measureRefused   = "refused"
	measureRelieved  = "relieved"
	measureReferred  = "referred"
	measureMutual    = "mutual aid"
	measureEnded     = "closed"
	measureAids      = "aids"
)

// countHardship adds one to a count of a community.
func (a aid) countHardship(tx *store.Tx, path, measure string, now time.Time) error {
	year := int32(now.In(clock.Shanghai()).Year())
	row, ok, err := a.aidTables.figures.Get(tx, scope.All(), hardshipFigureKey(path, year, measure))
	if err != nil {
		return err
	}
	if !ok {
		_, err = a.aidTables.figures.Insert(tx, &pb.HardshipFigureRow{Path: path, Year: year, Measure: measure, Count: 1})
		return err
	}
	next := proto.CloneOf(row.Value)
	next.Count++
	_, err = a.aidTables.figures.Replace(tx, row, next)
	return err
}

// sumYear sums the counts of a year under an organization, by measure.
func (a aid) sumYear(ctx context.Context, organization string, year int32) (map[string]int64, error) {
	sums := map[string]int64{}
	err := a.store.View(ctx, func(r kv.Reader) error {
		o, ok, err := a.organizations.Get(r, organization)
		if err != nil {
			return err
		}
		if !ok {
			return rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "organization_id", "id", organization)
		}
		q := table.Query{Prefix: key.Key(nil).Prefix(string(o.Path)), Limit: sumPage}
		for {
			page, err := a.aidTables.figures.List(r, scope.All(), q)
			if err != nil {
				return err
			}
			for _, row := range page.Rows {
				if row.Value.GetYear() == year {
					sums[row.Value.GetMeasure()] += row.Value.GetCount()
				}
			}
			if q.After = page.Last; q.After == nil {
				return nil
			}
		}
	})
	return sums, err
}

// GetHardshipFigures answers the counts of a year's cases.
func (a aid) GetHardshipFigures(ctx context.Context, req *pb.GetHardshipFiguresRequest) (*pb.GetHardshipFiguresResponse, error) {
	sums, err := a.sumYear(ctx, req.GetOrganizationId(), req.GetYear())
	if err != nil {
		return nil, err
	}
	return &pb.GetHardshipFiguresResponse{Figures: &pb.HardshipFigures{
		Year: req.GetYear(), Opened: sums[measureOpened], Consented: sums[measureConsented], Refused: sums[measureRefused],
		Relieved: sums[measureRelieved], Referred: sums[measureReferred], MutualAid: sums[measureMutual],
		Closed: sums[measureEnded], Aids: sums[measureAids],
	}}, nil
}
