package requests

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/matching"
)

// Measures of offers that are counted for each community and year.
const (
	measureOffered  = "offer made"
	measureAccepted = "offer accepted"
	measureDeclined = "offer declined"

	measureUnanswered = "offer unanswered"
)

// engagementsKept is how long past engagements are kept for the load: longer
// than any policy looks back.
const engagementsKept = 62 * 24 * time.Hour

// MakeOffer asks a member for a time.
func (m matcher) MakeOffer(ctx context.Context, req *pb.MakeOfferRequest) (*pb.MakeOfferResponse, error) {
	call, now, id := access.From(ctx), m.store.Civil().Now(), m.ids("ofr")
	return store.Do(ctx, m.store, req, func(tx *store.Tx) (*pb.MakeOfferResponse, error) {
		request, err := m.read(tx, staffScope(call), req.GetRequestId())
		if err != nil {
			return nil, err
		}
		r := request.Value.GetRequest()
		if !requestOpen(r) {
			return nil, rule.New(rule.Precondition, "REQUEST_ENDED", "request_id")
		}
		j, err := m.newJob(tx, request.Value, req.GetSpecialty(), req.GetStartsAt().AsTime(), req.GetQuarterHours())
		if err != nil {
			return nil, err
		}
		said, err := m.mayAsk(tx, j, req.GetMemberId())
		if err != nil {
			return nil, err
		}
		reaches, err := m.reaches(tx, string(j.community), now, said.GetInvitesWorkingHours())
		if err != nil {
			return nil, err
		}
		row, err := m.matchingTables.offers.Insert(tx, &pb.OfferRow{
			Offer: &pb.Offer{
				Id: id, RequestId: r.GetId(), CommunityId: r.GetCommunityId(), MemberId: req.GetMemberId(),
				State: pb.OfferState_OFFER_STATE_OFFERED, Specialty: req.GetSpecialty(),
				StartsAt: req.GetStartsAt(), EndsAt: timestamppb.New(j.work.Slot.To), QuarterHours: req.GetQuarterHours(),
				MadeAt: timestamppb.New(now), ReachesAt: timestamppb.New(reaches),
			},
			CommunityPath: string(j.community),
		})
		if err != nil {
			return nil, err
		}
		if err := m.announceOffer(tx, "offer.made", measureOffered, row, now); err != nil {
			return nil, err
		}
		return &pb.MakeOfferResponse{Offer: offerProto(row)}, nil
	})
}

// mayAsk refuses to ask who did not consent, lives elsewhere, cannot do the
// work, is engaged, or did not invite offers for working hours.
func (m matcher) mayAsk(r kv.Reader, j job, member string) (*pb.Availability, error) {
	c, ok, err := m.members.Get(r, member)
	if err != nil {
		return nil, err
	}
	if !ok || c.ReportedPath == "" {
		return nil, matching.CheckFit(matching.Far)
	}
	row, ok, err := m.matchingTables.availability.Get(r, scope.All(), memberKey(member))
	if err != nil {
		return nil, err
	}
	said := row.Value.GetAvailability()
	if !ok || !said.GetConsent() {
		return nil, rule.New(rule.Precondition, "MEMBER_NOT_AVAILABLE", "member_id")
	}
	engaged, _, err := m.matchingTables.engagements.Get(r, scope.All(), memberKey(member))
	if err != nil {
		return nil, err
	}
	_, out := matching.Suggest(j.work, j.candidate(c, said, engaged.Value), j.weights, j.working)
	return said, matching.CheckFit(out)
}

// reaches answers when an offer made now may be shown to the member.
func (m matcher) reaches(r kv.Reader, community string, now time.Time, invited bool) (time.Time, error) {
	p, err := m.policyOf(r, community, now)
	if err != nil {
		return time.Time{}, err
	}
	return hoursOf(p).Reaches(now.In(clock.Shanghai()), invited, p.Workday)
}

func offerProto(row table.Row[*pb.OfferRow]) *pb.Offer {
	out := proto.CloneOf(row.Value.GetOffer())
	out.Etag = row.Etag()
	return out
}

// announceOffer audits, counts and emits a step of an offer. measure is empty
// where nothing is counted.
func (m matcher) announceOffer(tx *store.Tx, name, measure string, row table.Row[*pb.OfferRow], now time.Time) error {
	o := row.Value.GetOffer()
	tx.Audit(store.Record{Rows: []string{o.GetId()}})
	if measure != "" {
		if err := m.countOffer(tx, row.Value.GetCommunityPath(), measure, now); err != nil {
			return err
		}
	}
	return tx.Emit(store.Event{
		Name: name, EntityID: o.GetId(), Revision: row.Revision,
		Data: &pb.OfferChanged{
			Id: o.GetId(), Revision: row.Revision, CommunityPath: row.Value.GetCommunityPath(), RequestId: o.GetRequestId(),
			Asked: o.GetMemberId(), State: o.GetState(), StartsAt: o.GetStartsAt(), QuarterHours: o.GetQuarterHours(),
			ReachesAt: o.GetReachesAt(),
		},
	})
}

func (m matcher) countOffer(tx *store.Tx, path, measure string, now time.Time) error {
	return aid{Service: m.Service}.countHardship(tx, path, measure, now)
}

// offerRow answers an offer that the scope may see.
func (m matcher) offerRow(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.OfferRow], error) {
	row, ok, err := m.matchingTables.offers.Get(r, sc, key.Key(nil).String(id))
	if err == nil && !ok {
		err = rule.Absent("offer", id)
	}
	return row, err
}

// AcceptOffer is the member's yes; the time is the member's from now on.
func (m matcher) AcceptOffer(ctx context.Context, req *pb.AcceptOfferRequest) (*pb.AcceptOfferResponse, error) {
	call, now := access.From(ctx), m.store.Civil().Now()
	return store.Do(ctx, m.store, req, func(tx *store.Tx) (*pb.AcceptOfferResponse, error) {
		row, err := m.offerRow(tx, own(call), req.GetId())
		if err != nil {
			return nil, err
		}
		if err := row.Match(req.GetEtag()); err != nil {
			return nil, err
		}
		o := row.Value.GetOffer()
		if _, err := m.offerWay.Next(matching.State(o.GetState()), matching.Accept); err != nil {
			return nil, err
		}
		if !o.GetStartsAt().AsTime().After(now) {
			return nil, rule.New(rule.Precondition, "OFFER_IN_THE_PAST", "")
		}
		if err := m.engage(tx, o, now); err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.Offer.State, next.Offer.AcceptedAt = pb.OfferState_OFFER_STATE_ACCEPTED, timestamppb.New(now)
		kept, err := m.matchingTables.offers.Replace(tx, row, next)
		if err != nil {
			return nil, err
		}
		if err := m.announceOffer(tx, "offer.accepted", measureAccepted, kept, now); err != nil {
			return nil, err
		}
		return &pb.AcceptOfferResponse{Offer: offerProto(kept)}, nil
	})
}

// engage puts an offer's time into the member's row. All yeses of a member
// read and write this one row, so that two at once do not both succeed.
func (m matcher) engage(tx *store.Tx, o *pb.Offer, now time.Time) error {
	row, ok, err := m.matchingTables.engagements.Get(tx, scope.All(), memberKey(o.GetMemberId()))
	if err != nil {
		return err
	}
	slot := matching.Span{From: o.GetStartsAt().AsTime(), To: o.GetEndsAt().AsTime()}
	if err := matching.CheckEngagement(slot, spans(row.Value)); err != nil {
		return err
	}
	next := &pb.EngagementsRow{MemberId: o.GetMemberId()}
	for _, e := range row.Value.GetEngagements() {
		if now.Sub(e.GetEndsAt().AsTime()) < engagementsKept {
			next.Engagements = append(next.Engagements, e)
		}
	}
	next.Engagements = append(next.Engagements, &pb.Engagement{
		OfferId: o.GetId(), StartsAt: o.GetStartsAt(), EndsAt: o.GetEndsAt(), QuarterHours: o.GetQuarterHours(),
	})
	if !ok {
		_, err = m.matchingTables.engagements.Insert(tx, next)
		return err
	}
	_, err = m.matchingTables.engagements.Replace(tx, row, next)
	return err
}

// DeclineOffer is the member's no: the offer goes, a sum grows, and nothing
// says who it was.
func (m matcher) DeclineOffer(ctx context.Context, req *pb.DeclineOfferRequest) (*pb.DeclineOfferResponse, error) {
	call, now := access.From(ctx), m.store.Civil().Now()
	return store.Do(ctx, m.store, req, func(tx *store.Tx) (*pb.DeclineOfferResponse, error) {
		row, err := m.offerRow(tx, own(call), req.GetId())
		if err != nil {
			return nil, err
		}
		if _, err := m.offerWay.Next(matching.State(row.Value.GetOffer().GetState()), matching.Decline); err != nil {
			return nil, err
		}
		if err := m.matchingTables.offers.Delete(tx, row); err != nil {
			return nil, err
		}
		return &pb.DeclineOfferResponse{}, m.countOffer(tx, row.Value.GetCommunityPath(), measureDeclined, now)
	})
}

// WithdrawOffer takes an offer back and frees the member.
func (m matcher) WithdrawOffer(ctx context.Context, req *pb.WithdrawOfferRequest) (*pb.WithdrawOfferResponse, error) {
	call, now := access.From(ctx), m.store.Civil().Now()
	return store.Do(ctx, m.store, req, func(tx *store.Tx) (*pb.WithdrawOfferResponse, error) {
		row, err := m.offerRow(tx, staffScope(call), req.GetId())
		if err != nil {
			return nil, err
		}
		o := row.Value.GetOffer()
		if _, err := m.offerWay.Next(matching.State(o.GetState()), matching.Withdraw); err != nil {
			return nil, err
		}
		if err := m.release(tx, o); err != nil {
			return nil, err
		}
		if err := m.matchingTables.offers.Delete(tx, row); err != nil {
			return nil, err
		}
		gone := table.Row[*pb.OfferRow]{Value: proto.CloneOf(row.Value), Revision: row.Revision + 1}
		gone.Value.Offer.State = pb.OfferState_OFFER_STATE_UNSPECIFIED
		return &pb.WithdrawOfferResponse{}, m.announceOffer(tx, "offer.withdrawn", "", gone, now)
	})
}

// release gives a member the time back.
func (m matcher) release(tx *store.Tx, o *pb.Offer) error {
	row, ok, err := m.matchingTables.engagements.Get(tx, scope.All(), memberKey(o.GetMemberId()))
	if err != nil || !ok || o.GetState() != pb.OfferState_OFFER_STATE_ACCEPTED {
		return err
	}
	next := proto.CloneOf(row.Value)
	next.Engagements = slices.DeleteFunc(next.Engagements, func(e *pb.Engagement) bool { return e.GetOfferId() == o.GetId() })
	_, err = m.matchingTables.engagements.Replace(tx, row, next)
	return err
}
