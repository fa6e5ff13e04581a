package requests

import (
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// The persistent layout of suggestions and offers. Numbers are never reused.
const (
	tableAvailability    = store.FirstServiceTable + 70 + iota // member id
	tableOffers                                                // id
	indexOffersByRequest                                       // request id, member id; unique
	indexOffersByMember                                        // member id, from when it reaches the member
	tableEngagements                                           // member id
	indexOffersByStart                                         // when the work starts, while unanswered
)

// Names of the indexes.
const (
	byMember = "member"
	byStart  = "start"
)

type matchingTables struct {
	availability *table.Table[*pb.AvailabilityRow]
	offers       *table.Table[*pb.OfferRow]
	engagements  *table.Table[*pb.EngagementsRow]
}

func (t matchingTables) all() []table.Checker {
	return []table.Checker{t.availability, t.offers, t.engagements}
}

func newMatchingTables() matchingTables {
	return matchingTables{
		availability: table.New(table.Spec[*pb.AvailabilityRow]{
			Number: tableAvailability, Name: "availability",
			Sealed: availabilitySealed,
			Key:    func(r *pb.AvailabilityRow) key.Key { return key.Key(nil).String(r.GetMemberId()) },
			Owners: func(r *pb.AvailabilityRow) []string { return []string{r.GetMemberId()} },
		}),
		offers: table.New(table.Spec[*pb.OfferRow]{
			Number: tableOffers, Name: "offer",
			Key:    func(r *pb.OfferRow) key.Key { return key.Key(nil).String(r.GetOffer().GetId()) },
			Paths:  func(r *pb.OfferRow) []scope.Path { return []scope.Path{scope.Path(r.GetCommunityPath())} },
			Owners: func(r *pb.OfferRow) []string { return []string{r.GetOffer().GetMemberId()} },
			Indexes: []table.Index[*pb.OfferRow]{
				{Number: indexOffersByRequest, Name: byRequest, Unique: true, Keys: func(r *pb.OfferRow) []key.Key {
					return []key.Key{key.Key(nil).String(r.GetOffer().GetRequestId()).String(r.GetOffer().GetMemberId())}
				}},
				{Number: indexOffersByMember, Name: byMember, Keys: func(r *pb.OfferRow) []key.Key {
					return []key.Key{key.Key(nil).String(r.GetOffer().GetMemberId()).Time(r.GetOffer().GetReachesAt().AsTime())}
				}},
				{Number: indexOffersByStart, Name: byStart, Keys: func(r *pb.OfferRow) []key.Key {
					if r.GetOffer().GetState() != pb.OfferState_OFFER_STATE_OFFERED {
						return nil
					}
					return []key.Key{key.Key(nil).Time(r.GetOffer().GetStartsAt().AsTime())}
				}},
			},
		}),
		engagements: table.New(table.Spec[*pb.EngagementsRow]{
			Number: tableEngagements, Name: "engagements",
			Key:    func(r *pb.EngagementsRow) key.Key { return key.Key(nil).String(r.GetMemberId()) },
			Owners: func(r *pb.EngagementsRow) []string { return []string{r.GetMemberId()} },
		}),
	}
}
