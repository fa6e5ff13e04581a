package evaluation

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/poll"
)

// polls answers linli.evaluation.v1.PollService.
type polls struct {
	pb.UnsafePollServiceServer
	*Service
}

var _ pb.PollServiceServer = polls{}

// PreparePoll makes a poll over members.
func (s polls) PreparePoll(ctx context.Context, req *pb.PreparePollRequest) (*pb.PreparePollResponse, error) {
	call, id, now := access.From(ctx), s.ids("pol"), timestamppb.New(s.store.Civil().Now())
	members, labels := make([]string, len(req.GetLines())), make([][]byte, len(req.GetLines()))
	for i, l := range req.GetLines() {
		members[i], labels[i] = l.GetMemberId(), s.store.Keyring().Seal([]byte(l.GetLabel()), "poll", id, l.GetMemberId())
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.PreparePollResponse, error) {
		organization, ok, err := s.organizations.Get(tx, req.GetOrganizationId())
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "organization_id", "id", req.GetOrganizationId())
		}
		if err := poll.CheckMembers(members); err != nil {
			return nil, err
		}
		if err := poll.MayRun(call.Person, members); err != nil {
			return nil, err
		}
		if err := s.checkCommunityPoll(tx, organization.Path, req.GetKind(), members); err != nil {
			return nil, err
		}
		if err := s.refusePolled(tx, req.GetKind(), members, req.GetYear()); err != nil {
			return nil, err
		}
		if err := s.checkBranchPoll(tx, call, organization.Path, req, members); err != nil {
			return nil, err
		}
		row, err := s.pollTables.polls.Insert(tx, &pb.PollRow{
			Poll: &pb.Poll{
				Id: id, OrganizationId: req.GetOrganizationId(), Kind: req.GetKind(), Year: req.GetYear(),
				State: pb.PollState(poll.Prepared), MemberIds: members, Seats: req.GetSeats(), PreparedAt: now,
			},
			OrganizationPath: string(organization.Path), Labels: labels,
		})
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		return &pb.PreparePollResponse{Poll: pollProto(row, nil)}, tx.Emit(pollEvent("poll.prepared", row, nil, now.AsTime()))
	})
}

// checkCommunityPoll: a community polls those who reported in to it. As a member
// is in one poll of a kind and year, another community's poll would stand in the
// way of it. Other polls pass.
func (s polls) checkCommunityPoll(r kv.Reader, at scope.Path, kind pb.PollKind, members []string) error {
	if kind != pb.PollKind_POLL_KIND_COMMUNITY {
		return nil
	}
	for _, id := range members {
		m, _, err := s.members.Get(r, id)
		if err != nil {
			return err
		}
		if err := poll.CheckReported(id, m.ReportedPath == at); err != nil {
			return err
		}
	}
	return nil
}

// refusePolled refuses a member who is in a poll of the kind and year.
func (s polls) refusePolled(r kv.Reader, kind pb.PollKind, members []string, year int32) error {
	for _, m := range members {
		_, taken, err := s.pollTables.polls.By(r, scope.All(), byMember, pollMemberKey(kind, m, year))
		if err != nil {
			return err
		}
		if taken {
			return rule.New(rule.Exists, "POLL_EXISTS", "lines", "id", m)
		}
	}
	return nil
}

// IssueBallots makes the codes of a poll. It does not remember its reply, as
// that would keep the codes.
func (s polls) IssueBallots(ctx context.Context, req *pb.IssueBallotsRequest) (*pb.IssueBallotsResponse, error) {
	codes, now := newCodes(int(req.GetCodes())), s.store.Civil().Now()
	var reply *pb.IssueBallotsResponse
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		row, err := s.pollToRun(ctx, tx, req.GetId(), req.GetEtag())
		if err != nil {
			return err
		}
		if err := poll.CheckIssue(row.Value.GetPoll().GetSeats(), req.GetPapers(), req.GetCodes()); err != nil {
			return err
		}
		row, err = s.movePoll(tx, row, poll.Issue, func(r *pb.PollRow) {
			r.Issue++
			r.Poll.PapersIssued, r.Poll.CodesIssued = req.GetPapers(), req.GetCodes()
		})
		if err != nil {
			return err
		}
		for _, c := range codes {
			_, err := s.pollTables.codes.Insert(tx, &pb.PollCodeRow{
				PollId: req.GetId(), Hash: s.pollCodeHash(req.GetId(), c), Issue: row.Value.GetIssue(),
			})
			if err != nil {
				return err
			}
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		reply = &pb.IssueBallotsResponse{Poll: pollProto(row, nil), Codes: codes}
		return tx.Emit(pollEvent("poll.issued", row, nil, now))
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// OpenPoll puts up the empty box.
func (s polls) OpenPoll(ctx context.Context, req *pb.OpenPollRequest) (*pb.OpenPollResponse, error) {
	now := timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.OpenPollResponse, error) {
		row, err := s.pollToRun(ctx, tx, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		if row, err = s.movePoll(tx, row, poll.Begin, func(r *pb.PollRow) { r.Poll.OpenedAt = now }); err != nil {
			return nil, err
		}
		urn := &pb.UrnRow{PollId: req.GetId()}
		for range row.Value.GetPoll().GetMemberIds() {
			urn.Tallies = append(urn.Tallies, &pb.TallyRow{})
		}
		if _, err := s.pollTables.urns.Insert(tx, urn); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		return &pb.OpenPollResponse{Poll: pollProto(row, urn)}, tx.Emit(pollEvent("poll.opened", row, nil, now.AsTime()))
	})
}

// ClosePoll ends a poll that balances.
func (s polls) ClosePoll(ctx context.Context, req *pb.ClosePollRequest) (*pb.ClosePollResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ClosePollResponse, error) {
		row, err := s.pollToRun(ctx, tx, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		row, err = s.movePoll(tx, row, poll.Close, func(r *pb.PollRow) {
			r.Poll.ClosedAt, r.Poll.ClosedBy, r.Poll.Tellers = now, call.Person, proto.CloneOf(req.GetTellers())
		})
		if err != nil {
			return nil, err
		}
		urn, err := s.urn(tx, req.GetId())
		if err != nil {
			return nil, err
		}
		if err := urnOf(urn.Value).Balance(pollIssued(row.Value.GetPoll()), countsOf(req.GetTellers())); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		return &pb.ClosePollResponse{Poll: pollProto(row, urn.Value)}, tx.Emit(pollEvent("poll.closed", row, urn.Value, now.AsTime()))
	})
}

// AnnulPoll ends a poll without a result.
func (s polls) AnnulPoll(ctx context.Context, req *pb.AnnulPollRequest) (*pb.AnnulPollResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AnnulPollResponse, error) {
		row, err := s.pollToRun(ctx, tx, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		row, err = s.movePoll(tx, row, poll.Annul, func(r *pb.PollRow) { r.Poll.ClosedAt, r.Poll.ClosedBy = now, call.Person })
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}, Reason: req.GetReason()})
		return &pb.AnnulPollResponse{Poll: pollProto(row, nil)}, tx.Emit(pollEvent("poll.annulled", row, nil, now.AsTime()))
	})
}

// GetPoll answers a poll with its counts.
func (s polls) GetPoll(ctx context.Context, req *pb.GetPollRequest) (*pb.GetPollResponse, error) {
	reply := &pb.GetPollResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.poll(ctx, r, access.From(ctx).Scope, req.GetId())
		if err != nil {
			return err
		}
		urn, _, err := s.pollTables.urns.Get(r, scope.All(), pollKey(req.GetId()))
		reply.Poll = pollProto(row, urn.Value)
		return err
	})
	return reply, err
}

// ListPolls answers the polls of an organization.
func (s polls) ListPolls(ctx context.Context, req *pb.ListPollsRequest) (*pb.ListPollsResponse, error) {
	call, reply := access.From(ctx), &pb.ListPollsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		organization, ok, err := s.organizations.Get(r, req.GetOrganizationId())
		if err != nil {
			return err
		}
		if !ok {
			return rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "organization_id", "id", req.GetOrganizationId())
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: call.Scope, Filter: []string{req.GetOrganizationId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.PageOf(s.pager, s.pollTables.polls, r, page,
			table.Query{Index: byKeeper, Prefix: key.Key(nil).String(string(organization.Path))},
			table.Keep(func(p *pb.PollRow) bool { return !pollHidden(call, p) }))
		for _, row := range rows {
			reply.Polls = append(reply.Polls, pollProto(row, nil))
		}
		reply.NextPageToken = next
		return err
	})
	return reply, err
}

func (s *Service) poll(ctx context.Context, r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.PollRow], error) {
	row, ok, err := s.pollTables.polls.Get(r, sc, pollKey(id))
	if err == nil && (!ok || pollHidden(access.From(ctx), row.Value)) {
		err = rule.Absent("poll", id)
	}
	return row, err
}

// pollToRun reads a poll for somebody who acts on it, which none of those
// appraised does.
func (s polls) pollToRun(ctx context.Context, r kv.Reader, id, etag string) (table.Row[*pb.PollRow], error) {
	call := access.From(ctx)
	row, err := s.poll(ctx, r, scope.Scope{Paths: call.Scope.Paths}, id)
	if err != nil {
		return row, err
	}
	if err := poll.MayRun(call.Person, row.Value.GetPoll().GetMemberIds()); err != nil {
		return row, err
	}
	return row, row.Match(etag)
}

func (s polls) movePoll(tx *store.Tx, row table.Row[*pb.PollRow], command string, change func(*pb.PollRow)) (table.Row[*pb.PollRow], error) {
	state, err := s.pollWay.Next(poll.State(row.Value.GetPoll().GetState()), command)
	if err != nil {
		return row, err
	}
	next := proto.CloneOf(row.Value)
	next.Poll.State = pb.PollState(state)
	change(next)
	return s.pollTables.polls.Replace(tx, row, next)
}

func (s *Service) urn(r kv.Reader, id string) (table.Row[*pb.UrnRow], error) {
	row, ok, err := s.pollTables.urns.Get(r, scope.All(), pollKey(id))
	if err == nil && !ok {
		err = rule.Absent("urn", id)
	}
	return row, err
}
