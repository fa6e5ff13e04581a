package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
)

const (
	longestIdempotencyKey = 128
	lookUpAfterLoss       = 2 * time.Second
	// replyPart is how much of a sealed reply one row holds: less than the
	// limit of a value, with room for the rest of the row. A call that works
	// without an idempotency key must not fail with one.
	replyPart = 32 << 10
	// mostReplyParts is more than a transaction can write.
	mostReplyParts = 1000
)

// memory is where the reply of a call is kept, and what it must be the reply to.
type memory struct {
	digest []byte
	// keys where the reply may lie, the one to write first; empty without an
	// idempotency key.
	keys [][]byte
}

// memoryOf answers where a call's reply lies. The day of wall time leads the
// key, so that expiry is a range; a look-up reads today's, yesterday's and
// tomorrow's: a repeat that came after midnight may be through before the
// first try is, and a clock may have been set back since.
func (s *Store) memoryOf(call access.Call, req proto.Message) (memory, error) {
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return memory{}, fmt.Errorf("encode request: %w", err)
	}
	m := memory{digest: s.keyring.Digest("request", call.Method, string(text))}
	if call.IdempotencyKey == "" || call.Person == "" { // nobody's replies would be everybody's
		return m, nil
	}
	if err := CheckIdempotencyKey(call.IdempotencyKey); err != nil {
		return m, err
	}
	now := s.wall.Now().UTC()
	for _, days := range []int{0, -1, 1} {
		m.keys = append(m.keys, rememberedKey(now.AddDate(0, 0, days), call))
	}
	return m, nil
}

func rememberedKey(day time.Time, c access.Call) []byte {
	return key.New(tableRemembered).String(day.Format(time.DateOnly)).
		String(c.Person).String(c.Method).String(c.IdempotencyKey)
}

// CheckIdempotencyKey refuses a key that is too long or holds other than
// visible ASCII characters with BAD_IDEMPOTENCY_KEY. Do asks it; a stream that
// keeps its own account of what it has done asks it too.
func CheckIdempotencyKey(k string) error {
	bad := len(k) > longestIdempotencyKey
	for i := range len(k) {
		bad = bad || k[i] < '!' || k[i] > '~'
	}
	if bad {
		return rule.New(rule.Invalid, "BAD_IDEMPOTENCY_KEY", "Idempotency-Key", "longest", "128")
	}
	return nil
}

type recalled[R proto.Message] struct {
	ok    bool
	reply R
}

// recall answers the first reply to a repeated call. Another payload under the
// same key is IDEMPOTENCY_KEY_REUSED.
func recall[R proto.Message](s *Store, m memory, r kv.Reader) (recalled[R], error) {
	var none recalled[R]
	if m.keys == nil {
		return none, nil
	}
	items, err := r.GetMany(m.keys)
	if err != nil {
		return none, err
	}
	for _, it := range items {
		if it.Version == 0 {
			continue
		}
		var row typev1.RememberedRow
		if err := proto.Unmarshal(it.Value, &row); err != nil {
			return none, fmt.Errorf("%w: remembered reply: %w", kv.ErrCorrupt, err)
		}
		if !bytes.Equal(row.GetRequestDigest(), m.digest) {
			return none, rule.New(rule.Invalid, "IDEMPOTENCY_KEY_REUSED", "Idempotency-Key")
		}
		text, err := s.openReply(r, it.Key, &row)
		if err != nil {
			return none, err
		}
		reply := none.reply.ProtoReflect().New().Interface().(R)
		if err := proto.Unmarshal(text, reply); err != nil {
			return none, fmt.Errorf("%w: remembered reply: %w", kv.ErrCorrupt, err)
		}
		return recalled[R]{ok: true, reply: reply}, nil
	}
	return none, nil
}

func (s *Store) remember(tx *Tx, m memory, reply proto.Message) error {
	if m.keys == nil {
		return nil
	}
	text, err := proto.Marshal(reply)
	if err != nil {
		return fmt.Errorf("encode reply: %w", err)
	}
	name := string(reply.ProtoReflect().Descriptor().FullName())
	parts := slices.Collect(slices.Chunk(s.replies.Seal(text, name), replyPart))
	row, err := proto.Marshal(&typev1.RememberedRow{
		RequestDigest: m.digest,
		ReplyType:     name,
		SealedReply:   parts[0],
		More:          uint32(len(parts) - 1),
	})
	if err != nil {
		return fmt.Errorf("encode remembered reply: %w", err)
	}
	tx.Create(m.keys[0], row)
	for i, part := range parts[1:] {
		tx.Create(replyPartKey(m.keys[0], i), part)
	}
	return nil
}

// replyPartKey is where the reply kept at a key goes on.
func replyPartKey(at []byte, i int) []byte { return key.Key(at).Uint(uint64(i)) }

// openReply answers the reply that begins in row, whose key is at.
func (s *Store) openReply(r kv.Reader, at []byte, row *typev1.RememberedRow) ([]byte, error) {
	if row.GetMore() > mostReplyParts {
		return nil, fmt.Errorf("%w: remembered reply of %d parts", kv.ErrCorrupt, row.GetMore())
	}
	keys := make([][]byte, row.GetMore())
	for i := range keys {
		keys[i] = replyPartKey(at, i)
	}
	items, err := r.GetMany(keys)
	if err != nil {
		return nil, fmt.Errorf("read remembered reply: %w", err)
	}
	sealed := row.GetSealedReply()
	for _, it := range items {
		sealed = append(sealed, it.Value...)
	}
	text, err := s.replies.Open(sealed, row.GetReplyType())
	if err != nil {
		return nil, fmt.Errorf("%w: remembered reply: %w", kv.ErrCorrupt, err)
	}
	return text, nil
}

// recallAfter asks once what became of a commit whose answer was lost. The
// caller's context may be over; the question has a short time of its own.
func recallAfter[R proto.Message](ctx context.Context, s *Store, m memory, lost error) (R, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookUpAfterLoss)
	defer cancel()
	var found recalled[R]
	err := s.db.View(ctx, func(r kv.Reader) (err error) {
		found, err = recall[R](s, m, r)
		return err
	})
	if err == nil && found.ok {
		return found.reply, nil
	}
	var none R
	return none, errors.Join(lost, err)
}
