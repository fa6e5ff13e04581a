package store

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/linli-project/linli/pkg/access"
)

// DoUnremembered is Do for a method whose reply holds what is told once: a token,
// a password, a code. Nothing of the reply is kept, also when the call has an
// idempotency key: it would lie in the store for days, and whoever knows the key
// could have it told again. A repeated call is done again, or refused by the
// state that the first one left.
func DoUnremembered[R proto.Message](ctx context.Context, s *Store, req proto.Message, fn func(tx *Tx) (R, error)) (R, error) {
	var reply, none R
	memory, err := s.memoryOf(access.From(ctx), req)
	if err != nil {
		return none, err
	}
	err = s.update(ctx, memory.digest, func(tx *Tx) (err error) {
		reply, err = fn(tx)
		return err
	})
	if err != nil {
		return none, err // reply may be that of a run that lost its race
	}
	return reply, nil
}

// Wall is the wall time of this commit, taken once before the closure: another
// run after a conflict has the same.
func (tx *Tx) Wall() time.Time { return tx.wall }

// Civil is the time of the commit by the clock of people, taken before the closure
// runs for the first time.
func (tx *Tx) Civil() time.Time { return tx.civil }
