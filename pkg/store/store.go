// Package store is one service's store: the closure in which a method reads,
// checks its rules, writes its rows, appends its event, its audit line and its
// remembered reply, all in one commit.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/seal"
)

// Table numbers of the house, the same in every store. Services begin at
// FirstServiceTable.
const (
	tablePending      uint16 = 1 // outbox: not yet acknowledged by the broker
	tableSent         uint16 = 2 // outbox: by day, kept 30 days
	tableInbox        uint16 = 3 // marks of events that were applied
	tableAudit        uint16 = 4 // lines that have no place in the log yet
	tableRemembered   uint16 = 5 // first answers, by day
	tableParked       uint16 = 7
	tableMeta         uint16 = 8
	TableOrganization uint16 = 9  // copies of organizations, pkg/copies
	TableMember       uint16 = 10 // copies of members, pkg/copies; its indexes are 11 and 12

	TablePolicy uint16 = 13 // copies of policies, pkg/copies

	tableAuditLog   uint16 = 14 // lines by their number in the log
	tableAuditHeads uint16 = 15 // what proves the log: heads, key, nodes; also what points into it

	FirstServiceTable uint16 = 16
)

// Config of a store.
type Config struct {
	// Service is the short name: "registry".
	Service string
	// DB is owned by the store: Close closes it.
	DB kv.DB
	// Master wraps the service's keys, which lie in the store.
	Master seal.Provider
	// Profile is that of the keys of a new store; unset, AES. A store that has
	// keys keeps theirs.
	Profile seal.Profile
	// Reveals is how many sealed facts one person opens in an hour; unset,
	// DefaultReveals.
	Reveals int
	// Civil dates what happens to people, Wall what the house does.
	Civil, Wall clock.Clock
	IDs         ids.Source
	Log         *slog.Logger
}

// Store is safe for concurrent use.
type Store struct {
	service     string
	db          kv.DB
	keyring     *seal.Keyring
	keys        *keys
	replies     *seal.Box
	audit       *seal.Box // addresses of audit lines; they stay as they were written
	signers     *seal.Box // the key that signs the heads of the audit log
	reasons     *seal.Box
	reveals     int // in an hour
	civil, wall clock.Clock
	ids         ids.Source
	log         *slog.Logger
	emitted     chan struct{}
	lined       chan struct{}
}

// Open makes the store over its database and opens its data key, or makes one
// in a new database. A master key that does not fit is an error.
func Open(ctx context.Context, c Config) (*Store, error) {
	keys, ring, err := openKeys(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open store of %s: %w", c.Service, err)
	}
	return &Store{
		service: c.Service, db: c.DB, keyring: ring, keys: keys, replies: ring.Box("remembered reply"),
		audit: ring.Lasting("audit address"), signers: ring.Lasting("signer of audit heads"),
		reasons: ring.Box(reasonBox), reveals: cmp.Or(c.Reveals, DefaultReveals), civil: c.Civil, wall: c.Wall,
		ids: c.IDs, log: c.Log, emitted: make(chan struct{}, 1), lined: make(chan struct{}, 1),
	}, nil
}

// Service answers the service's short name.
func (s *Store) Service() string { return s.service }

// Keyring seals the service's fields.
func (s *Store) Keyring() *seal.Keyring { return s.keyring }

// Civil is the clock of people.
func (s *Store) Civil() clock.Clock { return s.civil }

// Wall is the clock of the house.
func (s *Store) Wall() clock.Clock { return s.wall }

// DB is the database below, for backups and checks.
func (s *Store) DB() kv.DB { return s.db }

// Emitted is signalled after a commit that emitted events.
func (s *Store) Emitted() <-chan struct{} { return s.emitted }

// Lined is signalled after a commit that wrote audit lines.
func (s *Store) Lined() <-chan struct{} { return s.lined }

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// View runs fn on one snapshot.
func (s *Store) View(ctx context.Context, fn func(kv.Reader) error) error { return s.db.View(ctx, fn) }

// Tx is a transaction that can announce, audit and remember. It is bound to
// the context of its Update.
type Tx struct {
	kv.Tx
	store     *Store
	call      access.Call
	base      string    // id of this commit; ids of its rows derive from it
	wall      time.Time // taken once, before the closure
	civil     time.Time
	events    int
	lines     int    // of the audit
	line      Record // what was said for the audit line
	said      bool   // Audit was called
	audited   bool   // the first commit of a repeated call was
	requestID []byte // digest of the request, when there is one
}

// Update runs fn as one transaction, again after a conflict. It belongs to
// jobs and reactions; methods use Do.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	return s.update(ctx, nil, fn)
}

func (s *Store) update(ctx context.Context, digest []byte, fn func(*Tx) error) error {
	base, wall, civil, call := s.ids("cmt"), s.wall.Now(), s.civil.Now(), access.From(ctx)
	emitted, lined := false, false
	err := s.db.Update(ctx, func(raw kv.Tx) error {
		tx := &Tx{Tx: raw, store: s, call: call, base: base, wall: wall, civil: civil, requestID: digest}
		if err := fn(tx); err != nil {
			return err
		}
		emitted = tx.events > 0
		if err := tx.writeAudit(); err != nil {
			return err
		}
		lined = tx.lines > 0
		return nil
	})
	// A commit of unknown outcome may have happened: the relay had better look.
	if err == nil || errors.Is(err, kv.ErrUnknownOutcome) {
		signal(s.emitted, emitted)
		signal(s.lined, lined)
	}
	return err
}

// signal tells a channel of one place, unless it was told before.
func signal(to chan struct{}, happened bool) {
	if !happened {
		return
	}
	select {
	case to <- struct{}{}:
	default:
	}
}

// Do is the shape of a mutating method. It looks the call's idempotency key
// up, runs fn, remembers the reply and audits, all in one commit. The error of
// fn is returned as it is, with a zero reply, and nothing was written.
func Do[R proto.Message](ctx context.Context, s *Store, req proto.Message, fn func(tx *Tx) (R, error)) (R, error) {
	var reply, none R
	call := access.From(ctx)
	memory, err := s.memoryOf(call, req)
	if err != nil {
		return none, err
	}
	err = s.update(ctx, memory.digest, func(tx *Tx) error {
		known, err := recall[R](s, memory, tx)
		if err != nil {
			return err
		}
		if known.ok {
			reply = known.reply
			tx.audited = true // the first commit was
			return nil
		}
		if reply, err = fn(tx); err != nil {
			return err
		}
		return s.remember(tx, memory, reply)
	})
	if errors.Is(err, kv.ErrUnknownOutcome) && call.IdempotencyKey != "" {
		return recallAfter[R](ctx, s, memory, err)
	}
	if err != nil {
		return none, err // reply may be that of a run that lost its race
	}
	return reply, nil
}
