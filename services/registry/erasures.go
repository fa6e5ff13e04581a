package registry

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/claim"
)

// watchClaims begins accepted erasures whose days are over, until the context
// ends.
func (s *Service) watchClaims(ctx context.Context) error {
	tick := time.NewTicker(keepTick)
	defer tick.Stop()
	for {
		if err := s.beginErasures(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("begin erasures", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// beginErasures begins every erasure that is due by the clock of people.
func (s *Service) beginErasures(ctx context.Context) error {
	for {
		var due []table.Row[*pb.ClaimRow]
		now := s.store.Civil().Now()
		err := s.store.View(ctx, func(r kv.Reader) error {
			page, err := s.claims.List(r, scope.All(), table.Query{Index: byBegin, Limit: 1})
			due = page.Rows
			return err
		})
		if err != nil {
			return fmt.Errorf("look for erasures: %w", err)
		}
		if len(due) == 0 || due[0].Value.GetClaim().GetBeginsAt().AsTime().After(now) {
			return nil
		}
		err = s.store.Update(ctx, func(tx *store.Tx) error {
			row, err := s.claim(tx, scope.All(), due[0].Value.GetClaim().GetId(), "")
			if err != nil || claim.State(row.Value.GetClaim().GetState()) != claim.Accepted {
				return err // withdrawn meanwhile, or begun by another process
			}
			_, err = s.moveClaim(tx, row, claim.Begin, func(*pb.Claim) {})
			return err
		})
		if err != nil {
			return fmt.Errorf("begin an erasure: %w", err)
		}
	}
}

// erasedConsumers hear from every service that it holds nothing of a person any
// more.
func (s *Service) erasedConsumers() (out []events.Consumer) {
	for _, from := range claim.Services() {
		out = append(out, events.Consumer{
			Name: "registry-erased-" + from, From: from, Kind: events.Fact,
			Subjects: []string{"linli." + from + ".person.erased"}, Apply: s.applyErased,
		})
	}
	return out
}

// applyErased notes that a service is done; with the last one the claim is.
func (s *Service) applyErased(tx *store.Tx, e *typev1.EventRow) error {
	var ev typev1.PersonErased
	if err := events.Decode(e, &ev); err != nil {
		return err
	}
	row, ok, err := s.claims.Get(tx, scope.All(), idKey(ev.GetClaimId()))
	if err != nil || !ok {
		return err
	}
	services, all := claim.DoneIn(row.Value.GetClaim().GetErasedIn(), ev.GetService())
	if !all {
		next := withErasedIn(row.Value, services)
		_, err = s.claims.Replace(tx, row, next)
		return err
	}
	if claim.State(row.Value.GetClaim().GetState()) != claim.Erasing {
		return nil
	}
	_, err = s.moveClaim(tx, row, claim.End, func(c *pb.Claim) {
		c.ErasedIn, c.ErasedAt = services, timestamppb.New(e.GetCivilTime().AsTime())
	})
	return err
}

func withErasedIn(row *pb.ClaimRow, services []string) *pb.ClaimRow {
	next := proto.CloneOf(row)
	next.Claim.ErasedIn = services
	return next
}
