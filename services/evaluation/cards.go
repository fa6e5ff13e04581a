package evaluation

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/card"
)

// cards answers linli.evaluation.v1.CardService.
type cards struct {
	pb.UnsafeCardServiceServer
	*Service
}

var _ pb.CardServiceServer = cards{}

// mostCards is how many cards somebody has had.
const mostCards = 50

// IssueCard gives a card to a member who has reported in.
func (s cards) IssueCard(ctx context.Context, req *pb.IssueCardRequest) (*pb.IssueCardResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.IssueCardResponse, error) {
		if err := card.CheckHand(call.Person, req.GetMemberId()); err != nil {
			return nil, err
		}
		o, _, err := s.organizations.Get(tx, req.GetCommunityId())
		if err != nil {
			return nil, err
		}
		m, known, err := s.members.Get(tx, req.GetMemberId())
		if err != nil {
			return nil, err
		}
		if !known || m.ReportedPath != o.Path {
			return nil, rule.New(rule.Precondition, "NOT_OF_THIS_COMMUNITY", "member_id")
		}
		if err := s.noActiveCard(tx, req.GetMemberId()); err != nil {
			return nil, err
		}
		year := now.In(clock.Shanghai()).Year()
		n, err := s.nextCard(tx, o, int32(year))
		if err != nil {
			return nil, err
		}
		row, err := s.sheetTables.cards.Insert(tx, &pb.CardRow{
			Card: &pb.Card{
				Number: card.Number(req.GetCommunityId(), year, n), MemberId: req.GetMemberId(), CommunityId: req.GetCommunityId(),
				State: pb.CardState(card.Active), IssuedAt: timestamppb.New(now),
			},
			CommunityPath: string(o.Path),
		})
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{row.Value.GetCard().GetNumber()}})
		return &pb.IssueCardResponse{Card: cardProto(row)}, tx.Emit(cardEvent("card.issued", row, now, 0))
	})
}

func (s cards) noActiveCard(tx *store.Tx, member string) error {
	row, ok, err := s.sheetTables.cards.By(tx, scope.All(), byActive, key.Key(nil).String(member))
	if err == nil && ok {
		err = rule.New(rule.Exists, "CARD_EXISTS", "member_id", "number", row.Value.GetCard().GetNumber())
	}
	return err
}

// nextCard counts a community's card of a year; two at once do not get the same
// number, since both write the count.
func (s cards) nextCard(tx *store.Tx, o copies.Organization, year int32) (int, error) {
	row, ok, err := s.sheetTables.cardCounts.Get(tx, scope.All(), cardCountKey(string(o.Path), year))
	if err != nil {
		return 0, err
	}
	if !ok {
		_, err := s.sheetTables.cardCounts.Insert(tx, &pb.CardCountRow{CommunityPath: string(o.Path), Year: year, Given: 1})
		return 1, err
	}
	next := proto.CloneOf(row.Value)
	next.Given++
	_, err = s.sheetTables.cardCounts.Replace(tx, row, next)
	return int(next.GetGiven()), err
}

func cardProto(row table.Row[*pb.CardRow]) *pb.Card {
	out := proto.CloneOf(row.Value.GetCard())
	out.Etag = row.Etag()
	return out
}

// ListCards answers the cards of a community, by number.
func (s cards) ListCards(ctx context.Context, req *pb.ListCardsRequest) (*pb.ListCardsResponse, error) {
	call := access.From(ctx)
	out := &pb.ListCardsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		o, _, err := s.organizations.Get(r, req.GetCommunityId())
		if err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Paths: call.Scope.Paths}, Filter: []string{req.GetCommunityId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.sheetTables.cards, r, page, table.Query{
			Index: byCommunity, Prefix: key.Key(nil).String(string(o.Path)),
		})
		for _, row := range rows {
			out.Cards = append(out.Cards, cardProto(row))
		}
		out.NextPageToken = next
		return err
	})
	return out, err
}

// GetMyCards answers the caller's own cards.
func (s cards) GetMyCards(ctx context.Context, _ *pb.GetMyCardsRequest) (*pb.GetMyCardsResponse, error) {
	call := access.From(ctx)
	out := &pb.GetMyCardsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		page, err := s.sheetTables.cards.List(r, scope.Scope{Person: call.Person}, table.Query{
			Index: byMember, Prefix: key.Key(nil).String(call.Person), Limit: mostCards,
		})
		for _, row := range page.Rows {
			out.Cards = append(out.Cards, cardProto(row))
		}
		return err
	})
	return out, err
}

// InspectCard notes the yearly inspection.
func (s cards) InspectCard(ctx context.Context, req *pb.InspectCardRequest) (*pb.InspectCardResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.InspectCardResponse, error) {
		out, err := s.move(tx, call, step{req.GetNumber(), req.GetEtag(), card.Inspect, req.GetYear()}, func(c *pb.Card) error {
			var years []int32
			for _, i := range c.GetInspections() {
				years = append(years, i.GetYear())
			}
			c.Inspections = append(c.Inspections, &pb.Inspection{
				Year: req.GetYear(), Passed: req.GetPassed(), Note: req.GetNote(), InspectedBy: call.Person, InspectedAt: now,
			})
			return card.CheckInspection(years, req.GetYear(), civilYear(c.GetIssuedAt()), civilYear(now))
		})
		return &pb.InspectCardResponse{Card: out}, err
	})
}

// EndCard ends a card; another can be given then.
func (s cards) EndCard(ctx context.Context, req *pb.EndCardRequest) (*pb.EndCardResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.EndCardResponse, error) {
		out, err := s.move(tx, call, step{req.GetNumber(), req.GetEtag(), card.End, 0}, func(c *pb.Card) error {
			c.EndReason, c.EndedAt = req.GetReason(), now
			return nil
		})
		return &pb.EndCardResponse{Card: out}, err
	})
}

// step is what is done with a card; year is that of an inspection.
type step struct {
	number, etag, command string
	year                  int32
}

// move takes a card one step further; not the caller's own.
func (s cards) move(tx *store.Tx, call access.Call, do step, change func(*pb.Card) error) (*pb.Card, error) {
	row, ok, err := s.sheetTables.cards.Get(tx, scope.Scope{Paths: call.Scope.Paths}, key.Key(nil).String(do.number))
	if err == nil && !ok {
		err = rule.Absent("card", do.number)
	}
	if err != nil {
		return nil, err
	}
	if err := card.CheckHand(call.Person, row.Value.GetCard().GetMemberId()); err != nil {
		return nil, err
	}
	if err := row.Match(do.etag); err != nil {
		return nil, err
	}
	state, err := card.Machine().Next(card.State(row.Value.GetCard().GetState()), do.command)
	if err != nil {
		return nil, err
	}
	next := proto.CloneOf(row.Value)
	next.Card.State = pb.CardState(state)
	if err := change(next.GetCard()); err != nil {
		return nil, err
	}
	kept, err := s.sheetTables.cards.Replace(tx, row, next)
	if err != nil {
		return nil, err
	}
	tx.Audit(store.Record{Rows: []string{do.number}})
	name := map[string]string{card.Inspect: "card.inspected", card.End: "card.ended"}[do.command]
	return cardProto(kept), tx.Emit(cardEvent(name, kept, s.store.Civil().Now(), do.year))
}
