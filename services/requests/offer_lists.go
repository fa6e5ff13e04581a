package requests

import (
	"context"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// ListRequestOffers answers who is asked for a request and who accepted.
func (m matcher) ListRequestOffers(ctx context.Context, req *pb.ListRequestOffersRequest) (*pb.ListRequestOffersResponse, error) {
	call, reply := access.From(ctx), &pb.ListRequestOffersResponse{}
	err := m.store.View(ctx, func(r kv.Reader) error {
		if _, err := m.read(r, staffScope(call), req.GetRequestId()); err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: staffScope(call), Filter: []string{req.GetRequestId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(m.pager, m.matchingTables.offers, r, page,
			table.Query{Index: byRequest, Prefix: key.Key(nil).String(req.GetRequestId())})
		for _, row := range rows {
			reply.Offers = append(reply.Offers, offerProto(row))
		}
		reply.NextPageToken = next
		return err
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// ListMyOffers answers what may reach the caller by now.
func (m matcher) ListMyOffers(ctx context.Context, req *pb.ListMyOffersRequest) (*pb.ListMyOffersResponse, error) {
	call, now, reply := access.From(ctx), m.store.Civil().Now(), &pb.ListMyOffersResponse{}
	err := m.store.View(ctx, func(r kv.Reader) error {
		page := table.PageCall{Method: call.Method, Person: call.Person, Scope: own(call), Size: req.GetPageSize(), Token: req.GetPageToken()}
		rows, next, err := table.PageOf(m.pager, m.matchingTables.offers, r, page, table.Query{Index: byMember, Prefix: memberKey(call.Person)},
			table.Keep(func(o *pb.OfferRow) bool { return !o.GetOffer().GetReachesAt().AsTime().After(now) }))
		for _, row := range rows {
			reply.Offers = append(reply.Offers, offerProto(row))
		}
		reply.NextPageToken = next
		return err
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// GetOfferFigures sums a year's offers under an organization.
func (m matcher) GetOfferFigures(ctx context.Context, req *pb.GetOfferFiguresRequest) (*pb.GetOfferFiguresResponse, error) {
	sums, err := aid{Service: m.Service}.sumYear(ctx, req.GetOrganizationId(), req.GetYear())
	if err != nil {
		return nil, err
	}
	return &pb.GetOfferFiguresResponse{Figures: &pb.OfferFigures{
		Year: req.GetYear(), Made: sums[measureOffered], Accepted: sums[measureAccepted], Declined: sums[measureDeclined], Unanswered: sums[measureUnanswered],
	}}, nil
}

// dropUnanswered lets offers go that nobody answered before the work began.
// Silence is no more kept by person than a no.
func (m matcher) dropUnanswered(ctx context.Context) error {
	now := m.store.Civil().Now()
	for {
		var due []string
		more := false
		err := m.store.View(ctx, func(r kv.Reader) error {
			page, err := m.matchingTables.offers.List(r, scope.All(), table.Query{Index: byStart, Limit: watchSlice})
			for _, row := range page.Rows {
				if row.Value.GetOffer().GetStartsAt().AsTime().After(now) {
					return err
				}
				due = append(due, row.Value.GetOffer().GetId())
			}
			more = page.Last != nil
			return err
		})
		if err != nil {
			return err
		}
		for _, id := range due {
			if err := m.dropOne(ctx, id, now); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

func (m matcher) dropOne(ctx context.Context, id string, now time.Time) error {
	return m.store.Update(ctx, func(tx *store.Tx) error {
		row, ok, err := m.matchingTables.offers.Get(tx, scope.All(), key.Key(nil).String(id))
		if err != nil || !ok || row.Value.GetOffer().GetState() != pb.OfferState_OFFER_STATE_OFFERED {
			return err // answered in the meantime
		}
		if err := m.matchingTables.offers.Delete(tx, row); err != nil {
			return err
		}
		return m.countOffer(tx, row.Value.GetCommunityPath(), measureUnanswered, now)
	})
}
