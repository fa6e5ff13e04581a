package registry

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/organization"
	"github.com/linli-project/linli/services/registry/internal/reportin"
)

// homeOffices are the roles that may report a member of their own in. A
// member's grant is not among them: a member acts for nobody else.
func homeOffices(call access.Call) scope.Scope {
	return call.ScopeOf(typev1.Role_ROLE_WORKPLACE_OFFICER, typev1.Role_ROLE_BRANCH_OFFICER, typev1.Role_ROLE_COMMUNITY_PARTY_STAFF,
		typev1.Role_ROLE_DISTRICT_OFFICER)
}

// partyOffices are the roles that see report-ins by grant.
func partyOffices(call access.Call) scope.Scope {
	return call.ScopeOf(
		typev1.Role_ROLE_DISTRICT_OFFICER, typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, typev1.Role_ROLE_WORKPLACE_OFFICER,
		typev1.Role_ROLE_BRANCH_OFFICER)
}

// SubmitReportIn registers a member with a community.
func (s *Service) SubmitReportIn(ctx context.Context, req *pb.SubmitReportInRequest) (*pb.SubmitReportInResponse, error) {
	call, now, id := access.From(ctx), s.store.Civil().Now(), s.ids("rpt")
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.SubmitReportInResponse, error) {
		m, err := s.memberToReportIn(tx, homeOffices(call), req.GetMemberId())
		if err != nil {
			return nil, err
		}
		communityID := req.GetCommunityId()
		if communityID == "" {
			communityID = m.Value.GetMember().GetCommunityId()
		}
		community, err := s.community(tx, communityID)
		if err != nil {
			return nil, err
		}
		if err := s.refuseSecond(tx, req.GetMemberId()); err != nil {
			return nil, err
		}
		state, err := reportin.Machine().Next(reportin.None, reportin.Submit)
		if err != nil {
			return nil, err
		}
		fresh := newReportIn(id, m.Value, community, state)
		fresh.ReportIn.SubmittedAt = timestamppb.New(now)
		row, err := s.reportIns.Insert(tx, fresh)
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		changes := []*pb.ReportInStateChange{reportInChange(row, m.Value, nil, s.day(now))}
		return &pb.SubmitReportInResponse{ReportIn: reportInProto(row)}, emitReportIns(tx, "submitted", changes)
	})
}

// ResubmitReportIn submits a returned or ended report-in again, to another
// community if one is named.
func (s *Service) ResubmitReportIn(ctx context.Context, req *pb.ResubmitReportInRequest) (*pb.ResubmitReportInResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ResubmitReportInResponse, error) {
		row, err := s.reportIn(tx, homeOffices(call), req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		if sc := homeOffices(call); !sc.Owns(row.Value.GetReportIn().GetMemberId()) && !sc.Covers(scope.Path(row.Value.GetHomePath())) {
			return nil, rule.New(rule.Denied, "OUTSIDE_SCOPE", "") // the community sees it too
		}
		where, err := s.communityOr(tx, req.GetCommunityId(), row.Value)
		if err != nil {
			return nil, err
		}
		row, err = s.step(tx, row, reportin.Resubmit, now, func(r *pb.ReportInRow) {
			submitTo(r, where, now)
			r.ReportIn.EndReason = ""
		})
		return &pb.ResubmitReportInResponse{ReportIn: reportInProto(row)}, err
	})
}

// AcceptReportIn accepts a submitted report-in.
func (s *Service) AcceptReportIn(ctx context.Context, req *pb.AcceptReportInRequest) (*pb.AcceptReportInResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AcceptReportInResponse, error) {
		row, err := s.reportInOfCommunity(tx, call.Scope, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		if row, err = s.step(tx, row, reportin.Accept, now, decidedBy(call.Person, now)); err != nil {
			return nil, err
		}
		told, err := s.reportInTold(tx, call, row)
		return &pb.AcceptReportInResponse{ReportIn: told}, err
	})
}

// AcceptReportIns accepts many report-ins of one community, all or none.
func (s *Service) AcceptReportIns(ctx context.Context, req *pb.AcceptReportInsRequest) (*pb.AcceptReportInsResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AcceptReportInsResponse, error) {
		community, err := s.pathOf(tx, req.GetCommunityId())
		if err != nil {
			return nil, err
		}
		reply := &pb.AcceptReportInsResponse{}
		var changes []*pb.ReportInStateChange
		for _, id := range req.GetIds() {
			row, ok, err := s.reportIns.Get(tx, call.Scope, idKey(id))
			if err != nil {
				return nil, err
			}
			if !ok || row.Value.GetCommunityPath() != string(community) {
				return nil, rule.Absent(s.reportIns.Name(), id)
			}
			next, change, err := s.change(tx, row, reportin.Accept, now, decidedBy(call.Person, now))
			if err != nil {
				return nil, err
			}
			told, err := s.reportInTold(tx, call, next)
			if err != nil {
				return nil, err
			}
			reply.ReportIns = append(reply.ReportIns, told)
			changes = append(changes, change)
		}
		tx.Audit(store.Record{Rows: req.GetIds()})
		return reply, emitReportIns(tx, "accepted", changes)
	})
}

// ReturnReportIn sends a submitted report-in back with a reason.
func (s *Service) ReturnReportIn(ctx context.Context, req *pb.ReturnReportInRequest) (*pb.ReturnReportInResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	reason, err := reportin.CheckReturnReason(req.GetReason())
	if err != nil {
		return nil, err
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ReturnReportInResponse, error) {
		row, err := s.reportInOfCommunity(tx, call.Scope, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		row, err = s.step(tx, row, reportin.Return, now, func(r *pb.ReportInRow) {
			decidedBy(call.Person, now)(r)
			r.ReportIn.ReturnReason = reason
		})
		if err != nil {
			return nil, err
		}
		told, err := s.reportInTold(tx, call, row)
		return &pb.ReturnReportInResponse{ReportIn: told}, err
	})
}

// GetReportIn answers one report-in.
func (s *Service) GetReportIn(ctx context.Context, req *pb.GetReportInRequest) (*pb.GetReportInResponse, error) {
	call, reply := access.From(ctx), &pb.GetReportInResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.reportIn(r, partyOffices(call), req.GetId(), "")
		if err != nil {
			return err
		}
		reply.ReportIn, err = s.reportInSeen(r, call, row)
		return err
	})
	return reply, err
}

// ListReportIns answers the report-ins to the communities in an organization.
func (s *Service) ListReportIns(ctx context.Context, req *pb.ListReportInsRequest) (*pb.ListReportInsResponse, error) {
	call, reply := access.From(ctx), &pb.ListReportInsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		path, err := s.pathOf(r, req.GetOrganizationId())
		if err != nil {
			return err
		}
		q := table.Query{Index: byCommunity, Prefix: key.Key(nil).Prefix(string(path))}
		if state := req.GetState(); state != pb.ReportInState_REPORT_IN_STATE_UNSPECIFIED {
			q = table.Query{Index: byState, Prefix: key.Key(nil).Uint(uint64(state)).Prefix(string(path))}
		}
		rows, next, err := table.Page(s.pager, s.reportIns, r, table.PageCall{
			Method: call.Method, Person: call.Person, Scope: call.Scope, Filter: []string{req.GetOrganizationId(), req.GetState().String()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}, q)
		reply.NextPageToken = next
		for _, row := range rows {
			seen, err := s.reportInSeen(r, call, row)
			if err != nil {
				return err
			}
			reply.ReportIns = append(reply.ReportIns, seen)
		}
		return err
	})
	return reply, err
}

// reportIn answers a report-in that the scope may see, at the etag.
func (s *Service) reportIn(r kv.Reader, sc scope.Scope, id, etag string) (table.Row[*pb.ReportInRow], error) {
	row, ok, err := s.reportIns.Get(r, sc, idKey(id))
	if err != nil {
		return row, err
	}
	if !ok {
		return row, rule.Absent(s.reportIns.Name(), id)
	}
	return row, row.Match(etag)
}

// reportInOfCommunity answers a report-in to a community inside the scope. The
// home organization and the member see it as well, and may not decide.
func (s *Service) reportInOfCommunity(r kv.Reader, sc scope.Scope, id, etag string) (table.Row[*pb.ReportInRow], error) {
	row, err := s.reportIn(r, sc, id, etag)
	if err == nil && !sc.Covers(scope.Path(row.Value.GetCommunityPath())) {
		err = rule.New(rule.Denied, "OUTSIDE_SCOPE", "")
	}
	return row, err
}

// memberToReportIn answers a member whom the scope may report in: the member,
// or one whose home organization lies in it. The community that accepted sees
// the member too, and is answered NOT_FOUND like anybody else.
func (s *Service) memberToReportIn(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.MemberRow], error) {
	row, err := s.member(r, sc, id)
	if err == nil && !sc.Owns(id) && !sc.Covers(scope.Path(row.Value.GetHomePath())) {
		err = rule.Absent(s.members.Name(), id)
	}
	return row, err
}

// community answers the organization, which must be a community.
func (s *Service) community(r kv.Reader, id string) (*pb.Organization, error) {
	row, ok, err := s.organizations.Get(r, scope.All(), idKey(id))
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "community_id", "id", id)
	case organizationKind(row.Value.GetKind()) != organization.Community:
		return nil, rule.New(rule.Invalid, "NOT_A_COMMUNITY", "community_id", "id", id)
	}
	return row.Value, nil
}

// communityOr answers the named community, or where the report-in is.
func (s *Service) communityOr(r kv.Reader, id string, row *pb.ReportInRow) (*pb.Organization, error) {
	if id == "" {
		id = row.GetReportIn().GetCommunityId()
	}
	return s.community(r, id)
}

// submitTo makes a report-in one that waits for a community.
func submitTo(r *pb.ReportInRow, community *pb.Organization, now time.Time) {
	r.CommunityPath, r.ReportIn.CommunityId = community.GetPath(), community.GetId()
	r.ReportIn.SubmittedAt, r.ReportIn.DecidedAt, r.ReportIn.DecidedBy, r.ReportIn.ReturnReason = timestamppb.New(now), nil, "", ""
}

// refuseSecond: a member has one report-in; a returned one is submitted again
// by its id.
func (s *Service) refuseSecond(tx *store.Tx, memberID string) error {
	row, ok, err := s.reportIns.By(tx, scope.All(), byMember, idKey(memberID))
	if err != nil || !ok {
		return err
	}
	r := row.Value.GetReportIn()
	return rule.New(rule.Precondition, "REPORT_IN_ACTIVE", "member_id",
		"id", r.GetId(), "state", string(reportInState(r.GetState())))
}

func newReportIn(id string, m *pb.MemberRow, community *pb.Organization, state reportin.State) *pb.ReportInRow {
	return &pb.ReportInRow{
		ReportIn: &pb.ReportIn{
			Id: id, MemberId: m.GetMember().GetId(), CommunityId: community.GetId(),
			HomeOrganizationId: m.GetMember().GetHomeOrganizationId(), State: reportInStateProto(state),
		},
		CommunityPath: community.GetPath(), HomePath: m.GetHomePath(), MemberKind: m.GetMember().GetKind(),
	}
}

func decidedBy(person string, now time.Time) func(*pb.ReportInRow) {
	return func(r *pb.ReportInRow) { r.ReportIn.DecidedAt, r.ReportIn.DecidedBy = timestamppb.New(now), person }
}

// announced is the past tense of a command: the state it leads to, but for a
// transfer, which others must not take for a first submission.
func announced(command string, state reportin.State) string {
	if command == reportin.Transfer {
		return "transferred"
	}
	return string(state)
}

// step leads one report-in a step on, announces and audits it.
func (s *Service) step(tx *store.Tx, row table.Row[*pb.ReportInRow], command string, now time.Time, set func(*pb.ReportInRow)) (table.Row[*pb.ReportInRow], error) {
	next, change, err := s.change(tx, row, command, now, set)
	if err != nil {
		return row, err
	}
	tx.Audit(store.Record{Rows: []string{change.GetId()}})
	return next, emitReportIns(tx, announced(command, reportInState(change.GetState())), []*pb.ReportInStateChange{change})
}

// change writes one step of a report-in. Accepting opens the member's row to
// the staff of the community; leaving closes it.
func (s *Service) change(tx *store.Tx, row table.Row[*pb.ReportInRow], command string, now time.Time, set func(*pb.ReportInRow)) (table.Row[*pb.ReportInRow], *pb.ReportInStateChange, error) {
	from, before := row.Value, row.Value.GetReportIn()
	state, err := reportin.Machine().Next(reportInState(before.GetState()), command)
	if err != nil {
		return row, nil, naming(err, before.GetId())
	}
	next := proto.CloneOf(row.Value)
	next.ReportIn.State = reportInStateProto(state)
	next.ReportIn.CountedOn = reportin.CountedOn(command, before.GetCountedOn(), s.day(before.GetSubmittedAt().AsTime()))
	set(next)
	if row, err = s.reportIns.Replace(tx, row, next); err != nil {
		return row, nil, err
	}
	m, err := s.member(tx, scope.All(), before.GetMemberId())
	if err != nil {
		return row, nil, err
	}
	if wasIn := reportInState(before.GetState()) == reportin.Accepted; state == reportin.Accepted || wasIn {
		opened := proto.CloneOf(m.Value)
		if opened.ReportedPath = ""; state == reportin.Accepted {
			opened.ReportedPath = next.GetCommunityPath()
		}
		if m, err = s.members.Replace(tx, m, opened); err != nil {
			return row, nil, err
		}
	}
	return row, reportInChange(row, m.Value, from, s.day(now)), nil
}

// naming adds to a refused step which report-in refused it; in a bulk step the
// caller could not tell.
func naming(err error, id string) error {
	var broken *rule.Error
	if errors.As(err, &broken) {
		broken.Params = append(broken.Params, "id", id)
	}
	return err
}
