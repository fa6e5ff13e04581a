package registry

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

const (
	// keySigns is how long a key signs.
	keySigns = 7 * 24 * time.Hour
	// keyAhead is how long before it signs a key is shown: every process has asked
	// for keys again by then.
	keyAhead = time.Hour
	// keyHolds is how long after its last token a key is shown: the token's life,
	// and what clocks may be apart.
	keyHolds = access.TokenLife + time.Minute
	// keysAtOnce bounds a read; there are two, or three for a moment.
	keysAtOnce = 16
)

// GetKeys answers the public keys that hold now.
func (s sessions) GetKeys(ctx context.Context, _ *pb.GetKeysRequest) (*pb.GetKeysResponse, error) {
	reply, now := &pb.GetKeysResponse{}, s.store.Wall().Now()
	err := s.store.View(ctx, func(r kv.Reader) error {
		rows, err := s.keysOf(r)
		reply.Keys = nil
		for _, row := range rows {
			if !over(row.Value, now) {
				reply.Keys = append(reply.Keys, &pb.PublicKey{
					Kty: "OKP", Crv: "Ed25519", Alg: "EdDSA", Use: "sig", Kid: row.Value.GetId(),
					X: base64.RawURLEncoding.EncodeToString(row.Value.GetPublicKey()),
				})
			}
		}
		return err
	})
	return reply, err
}

func (s *Service) keysOf(r kv.Reader) ([]table.Row[*pb.SigningKeyRow], error) {
	page, err := s.signingKeys.List(r, scope.All(), table.Query{Limit: keysAtOnce})
	return page.Rows, err
}

// over says whether a key verifies nothing any more.
func over(k *pb.SigningKeyRow, now time.Time) bool {
	return k.GetHoldsUntil() != nil && !now.Before(k.GetHoldsUntil().AsTime())
}

// signer answers the key that signs now, and makes one where there is none: in a
// new house somebody may come before the job has. Where the clock went back behind
// all of them it is the first one: every process has that.
func (s *Service) signer(tx *store.Tx) (id string, private ed25519.PrivateKey, err error) {
	rows, err := s.keysOf(tx)
	if err != nil {
		return "", nil, err
	}
	var signs, first *pb.SigningKeyRow
	for _, row := range rows {
		k, from := row.Value, row.Value.GetSignsFrom().AsTime()
		switch {
		case over(k, tx.Wall()):
		case from.After(tx.Wall()):
			if first == nil || from.Before(first.GetSignsFrom().AsTime()) {
				first = k
			}
		case signs == nil || from.After(signs.GetSignsFrom().AsTime()):
			signs = k
		}
	}
	if signs == nil {
		signs = first
	}
	if signs == nil {
		if signs, err = s.makeKey(tx, tx.Wall()); err != nil {
			return "", nil, err
		}
	}
	seed, err := s.store.Keyring().Open(signs.GetSealedPrivateKey(), keyPlace(signs.GetId())...)
	if err != nil || len(seed) != ed25519.SeedSize {
		return "", nil, fmt.Errorf("%w: signing key %s: %w", kv.ErrCorrupt, signs.GetId(), err)
	}
	return signs.GetId(), ed25519.NewKeyFromSeed(seed), nil
}

func keyPlace(id string) []string { return []string{"signing key", id, "private"} }

func (s *Service) makeKey(tx *store.Tx, signsFrom time.Time) (*pb.SigningKeyRow, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	id := s.ids("key")
	row, err := s.signingKeys.Insert(tx, &pb.SigningKeyRow{
		Id: id, PublicKey: public, SealedPrivateKey: s.store.Keyring().Seal(private.Seed(), keyPlace(id)...),
		MadeAt: timestamppb.New(tx.Wall()), SignsFrom: timestamppb.New(signsFrom),
	})
	if err != nil {
		return nil, err
	}
	tx.Audit(store.Record{Rows: []string{id}, Outcome: "key made"})
	return row.Value, nil
}

// rotateKeys makes the next key an hour before it signs, and takes those away
// whose tokens have run out. After a long stop the old one signs until the new
// one was shown for an hour; nobody is signed out.
func (s *Service) rotateKeys(ctx context.Context) error {
	return s.store.Update(ctx, func(tx *store.Tx) error {
		rows, err := s.keysOf(tx)
		if err != nil {
			return err
		}
		slices.SortFunc(rows, func(a, b table.Row[*pb.SigningKeyRow]) int {
			return a.Value.GetSignsFrom().AsTime().Compare(b.Value.GetSignsFrom().AsTime())
		})
		if len(rows) == 0 {
			_, err := s.makeKey(tx, tx.Wall())
			return err
		}
		last, shown := rows[len(rows)-1].Value, tx.Wall().Add(keyAhead)
		next := last.GetSignsFrom().AsTime().Add(keySigns)
		if !next.After(shown) {
			if last, err = s.makeKey(tx, latest(next, shown)); err != nil {
				return err
			}
			rows = append(rows, table.Row[*pb.SigningKeyRow]{Value: last})
		}
		for i, row := range rows[:len(rows)-1] {
			if err := s.followKey(tx, row, rows[i+1].Value.GetSignsFrom().AsTime()); err != nil {
				return err
			}
		}
		return nil
	})
}

// followKey lets a key go: it holds until the tokens that it signed before the
// next one did have run out.
func (s *Service) followKey(tx *store.Tx, row table.Row[*pb.SigningKeyRow], nextSigns time.Time) error {
	if over(row.Value, tx.Wall()) {
		tx.Audit(store.Record{Rows: []string{row.Value.GetId()}, Outcome: "key withdrawn"})
		return s.signingKeys.Delete(tx, row)
	}
	if row.Value.GetHoldsUntil() != nil {
		return nil
	}
	next := proto.CloneOf(row.Value)
	next.HoldsUntil = timestamppb.New(nextSigns.Add(keyHolds))
	_, err := s.signingKeys.Replace(tx, row, next)
	return err
}
