package registry

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/campaign"
)

// sealedNote is the field of an exclusion that can tell of an illness.
const sealedNote = "note"

// ProposeExclusion says that a member does not report in, and why.
func (s campaigns) ProposeExclusion(ctx context.Context, req *pb.ProposeExclusionRequest) (*pb.ProposeExclusionResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	if err := campaign.CheckUntil(campaign.Reason(req.GetReason()), req.GetUntil(), s.day(now)); err != nil {
		return nil, err
	}
	var note []byte
	if req.GetNote() != "" {
		note = s.store.Keyring().Seal([]byte(req.GetNote()), s.exclusions.Name(), req.GetCampaignId()+"/"+req.GetMemberId(), sealedNote)
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ProposeExclusionResponse, error) {
		c, err := s.campaign(tx, call.Scope, req.GetCampaignId())
		if err != nil {
			return nil, err
		}
		m, err := s.memberOfHome(tx, call.Scope, req.GetMemberId())
		if err != nil {
			return nil, err
		}
		if !isDue(c.Value, m.Value) {
			return nil, rule.New(rule.Precondition, "OUTSIDE_CAMPAIGN", "member_id")
		}
		row, err := s.putExclusion(tx, campaign.Propose, &pb.ExclusionRow{
			HomePath: m.Value.GetHomePath(), DistrictPath: c.Value.GetDistrictPath(), SealedNote: note, MemberRevision: m.Revision,
			Exclusion: &pb.Exclusion{
				CampaignId: req.GetCampaignId(), MemberId: req.GetMemberId(), HomeOrganizationId: m.Value.GetMember().GetHomeOrganizationId(),
				Reason: req.GetReason(), Until: req.GetUntil(), ProposedBy: call.Person, ProposedAt: timestamppb.New(now), HasNote: note != nil,
			},
		})
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetCampaignId(), req.GetMemberId()}})
		return &pb.ProposeExclusionResponse{Exclusion: exclusionProto(row)}, tx.Emit(exclusionChanged(row, s.day(now)))
	})
}

// isDue says whether a campaign is about a member.
func isDue(c *pb.CampaignRow, m *pb.MemberRow) bool {
	return scope.Path(c.GetDistrictPath()).Contains(scope.Path(m.GetHomePath())) &&
		slices.Contains(c.GetCampaign().GetKinds(), m.GetMember().GetKind())
}

// memberOfHome answers a member whose home organization lies in the scope, or
// NOT_FOUND: also to the member, who excuses nobody, and to the community that
// accepted the report-in.
func (s *Service) memberOfHome(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.MemberRow], error) {
	row, err := s.member(r, sc, id)
	if err == nil && !sc.Covers(scope.Path(row.Value.GetHomePath())) {
		err = rule.Absent(s.members.Name(), id)
	}
	return row, err
}

// putExclusion writes an exclusion, new or again, after a command.
func (s campaigns) putExclusion(tx *store.Tx, command string, next *pb.ExclusionRow) (table.Row[*pb.ExclusionRow], error) {
	e := next.GetExclusion()
	row, exists, err := s.exclusions.Get(tx, scope.All(), exclusionKey(e.GetCampaignId(), e.GetMemberId()))
	if err != nil {
		return row, err
	}
	state, err := campaign.Exclusions().Next(campaign.State(row.Value.GetExclusion().GetState()), command)
	if err != nil {
		return row, err
	}
	e.State = pb.ExclusionState(state)
	if !exists {
		return s.exclusions.Insert(tx, next)
	}
	return s.exclusions.Replace(tx, row, next)
}

// DecideExclusion approves an exclusion or rejects it.
func (s campaigns) DecideExclusion(ctx context.Context, req *pb.DecideExclusionRequest) (*pb.DecideExclusionResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	command := campaign.Reject
	if req.GetApprove() {
		command = campaign.Approve
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.DecideExclusionResponse, error) {
		row, err := s.exclusion(tx, call.Scope, req.GetCampaignId(), req.GetMemberId())
		if err != nil {
			return nil, err
		}
		if !call.Scope.Covers(scope.Path(row.Value.GetDistrictPath())) {
			return nil, rule.New(rule.Denied, "OUTSIDE_SCOPE", "")
		}
		if err := row.Match(req.GetEtag()); err != nil {
			return nil, err
		}
		if err := campaign.CheckApprover(call.Person, row.Value.GetExclusion().GetProposedBy(), req.GetMemberId()); err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.Exclusion.DecidedBy, next.Exclusion.DecidedAt = call.Person, timestamppb.New(now)
		if row, err = s.putExclusion(tx, command, next); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetCampaignId(), req.GetMemberId()}})
		return &pb.DecideExclusionResponse{Exclusion: exclusionProto(row)}, tx.Emit(exclusionChanged(row, s.day(now)))
	})
}

// exclusion answers an exclusion that the scope may see, or NOT_FOUND.
func (s campaigns) exclusion(r kv.Reader, sc scope.Scope, campaignID, memberID string) (table.Row[*pb.ExclusionRow], error) {
	row, ok, err := s.exclusions.Get(r, sc, exclusionKey(campaignID, memberID))
	if err == nil && !ok {
		err = rule.Absent(s.exclusions.Name(), memberID)
	}
	return row, err
}

// RevealExclusionNote opens the note. The answer is remembered nowhere; a
// repeat is another reading.
func (s campaigns) RevealExclusionNote(ctx context.Context, req *pb.RevealExclusionNoteRequest) (*pb.RevealExclusionNoteResponse, error) {
	call, reply := access.From(ctx), &pb.RevealExclusionNoteResponse{}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		row, err := s.exclusion(tx, call.Scope, req.GetCampaignId(), req.GetMemberId())
		if err != nil {
			return err
		}
		if err := tx.Reveal(store.Record{Rows: []string{req.GetCampaignId(), req.GetMemberId()}, Subjects: []string{req.GetMemberId()}, Reason: req.GetReason()}); err != nil {
			return err
		}
		if !row.Value.GetExclusion().GetHasNote() {
			reply.Note = ""
			return nil
		}
		plain, err := s.store.Keyring().Open(row.Value.GetSealedNote(), s.exclusions.Name(), req.GetCampaignId()+"/"+req.GetMemberId(), sealedNote)
		reply.Note = string(plain)
		return err
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// ListExclusions answers the exclusions of a campaign at an organization.
func (s campaigns) ListExclusions(ctx context.Context, req *pb.ListExclusionsRequest) (*pb.ListExclusionsResponse, error) {
	call, reply := access.From(ctx), &pb.ListExclusionsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		_, at, err := s.campaignAt(r, req.GetCampaignId(), req.GetOrganizationId())
		if err != nil {
			return err
		}
		rows, next, err := table.Page(s.pager, s.exclusions, r, table.PageCall{
			Method: call.Method, Person: call.Person, Scope: call.Scope, Filter: []string{req.GetCampaignId(), req.GetOrganizationId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}, table.Query{Index: byHome, Prefix: key.Key(nil).String(req.GetCampaignId()).Prefix(string(at))})
		reply.NextPageToken = next
		for _, row := range rows {
			reply.Exclusions = append(reply.Exclusions, exclusionProto(row))
		}
		return err
	})
	return reply, err
}

func exclusionProto(row table.Row[*pb.ExclusionRow]) *pb.Exclusion {
	e := proto.CloneOf(row.Value.GetExclusion())
	e.Etag = row.Etag()
	return e
}

// exclusionsOfMember bounds how many campaigns a member can be excluded from:
// one a year.
const exclusionsOfMember = 100

// followMoves lets exclusions and second places follow members whom a roster
// moved to another home or residence. The import itself does not: a slice of
// it would grow over the limits of a commit.
func (s campaigns) followMoves(tx *store.Tx, members []*pb.MemberState, day string) error {
	for _, m := range members {
		move := campaign.Move{Home: m.GetHomePath() != m.GetPreviousHomePath(), Residence: m.GetCommunityPath() != m.GetPreviousCommunityPath()}
		if m.GetPreviousKind() == pb.MemberKind_MEMBER_KIND_UNSPECIFIED || !move.Home && !move.Residence {
			continue
		}
		now, there, err := s.members.Get(tx, scope.All(), idKey(m.GetId()))
		if err != nil {
			return err
		}
		if !there {
			continue // erased since
		}
		if err := s.moveExclusions(tx, now.Value, move, m.GetRevision(), day); err != nil {
			return err
		}
		if err := s.movePlaces(tx, now.Value); err != nil {
			return err
		}
	}
	return nil
}

// moveExclusions takes a member's exclusions to the home of now, where they
// outlive the move. Events come in any order, so the home is that of the row,
// and what lapses follows from each move by itself: one that was proposed after
// the move, by the member's revision, rests on what is so now.
func (s campaigns) moveExclusions(tx *store.Tx, m *pb.MemberRow, move campaign.Move, revision uint64, day string) error {
	page, err := s.exclusions.List(tx, scope.All(), table.Query{
		Index: byMember, Prefix: idKey(m.GetMember().GetId()), Limit: exclusionsOfMember,
	})
	if err != nil {
		return err
	}
	for _, row := range page.Rows {
		next := proto.CloneOf(row.Value)
		next.HomePath, next.Exclusion.HomeOrganizationId = m.GetHomePath(), m.GetMember().GetHomeOrganizationId()
		move.Away = !scope.Path(row.Value.GetDistrictPath()).Contains(scope.Path(m.GetHomePath()))
		state, err := campaign.Exclusions().Next(campaign.State(row.Value.GetExclusion().GetState()), campaign.Lapse)
		lapses := err == nil && row.Value.GetMemberRevision() < revision && !campaign.Reason(row.Value.GetExclusion().GetReason()).Outlives(move)
		if lapses {
			next.Exclusion.State = pb.ExclusionState(state)
		}
		if proto.Equal(next, row.Value) {
			continue
		}
		kept, err := s.exclusions.Replace(tx, row, next)
		if err != nil {
			return err
		}
		if lapses {
			if err := tx.Emit(exclusionChanged(kept, day)); err != nil {
				return err
			}
		}
	}
	return nil
}
