package requests

import (
	"encoding/hex"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// How many nuisance posts somebody has open is known under a keyed hash of the
// author: it has to be counted, not read.

func (s *Service) nuisanceOf(r kv.Reader, author string) (table.Row[*pb.NuisanceRow], string, bool, error) {
	hash := s.nuisanceHash(author)
	row, ok, err := s.tables.nuisance.Get(r, scope.All(), key.Key(nil).String(hash))
	return row, hash, ok, err
}

func postsOf(n *pb.NuisanceRow) request.Posts {
	out := request.Posts{Open: len(n.GetOpen()), Unfounded: int(n.GetUnfounded())}
	if n.GetPausedUntil() != nil {
		out.PausedUntil = n.GetPausedUntil().AsTime().In(clock.Shanghai())
	}
	return out
}

// openNuisance counts a new nuisance post on its author.
func (s *Service) openNuisance(tx *store.Tx, row *pb.RequestRow, now time.Time) error {
	if !anonymous(row.GetRequest()) {
		return nil
	}
	p, err := s.policy(tx, row)
	if err != nil {
		return err
	}
	kept, hash, ok, err := s.nuisanceOf(tx, row.GetRequest().GetAuthor())
	if err != nil {
		return err
	}
	if err := postsOf(kept.Value).CheckAnother(p.Int("requests.nuisance_open"), now); err != nil {
		return err
	}
	if !ok {
		_, err = s.tables.nuisance.Insert(tx, &pb.NuisanceRow{AuthorHash: hash, Open: []string{row.GetRequest().GetId()}})
		return err
	}
	next := proto.CloneOf(kept.Value)
	next.Open = append(next.Open, row.GetRequest().GetId())
	_, err = s.tables.nuisance.Replace(tx, kept, next)
	return err
}

// settleNuisance takes a post that has ended from its author's open ones.
func (s *Service) settleNuisance(tx *store.Tx, row *pb.RequestRow, unfounded bool) error {
	if !anonymous(row.GetRequest()) {
		return nil
	}
	kept, _, ok, err := s.nuisanceOf(tx, row.GetRequest().GetAuthor())
	if err != nil || !ok || !slices.Contains(kept.Value.GetOpen(), row.GetRequest().GetId()) {
		return err
	}
	p, err := s.policy(tx, row)
	if err != nil {
		return err
	}
	pause := request.Pause{After: p.Int("requests.nuisance_unfounded"), Months: p.Int("requests.nuisance_pause_months")}
	after := postsOf(kept.Value).Ended(unfounded, pause, s.store.Civil().Now())
	next := proto.CloneOf(kept.Value)
	next.Open = slices.DeleteFunc(next.Open, func(id string) bool { return id == row.GetRequest().GetId() })
	next.Unfounded = int32(after.Unfounded)
	if !after.PausedUntil.IsZero() {
		next.PausedUntil = timestamppb.New(after.PausedUntil)
	}
	_, err = s.tables.nuisance.Replace(tx, kept, next)
	return err
}

// nuisanceHash is the keyed hash under which an author's nuisance posts are counted.
func (s *Service) nuisanceHash(author string) string {
	return hex.EncodeToString(s.store.Keyring().Blind("nuisance author", author))
}
