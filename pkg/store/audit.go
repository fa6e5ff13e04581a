package store

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
)

// houseItself leads the name of a service where an audit line names who acted
// and nobody called. No person has such a name.
const houseItself = "house/"

const (
	outcomeDone    = "done"
	outcomeRefused = "refused"
)

// Outcomes are the words for what came of a call, as they stand in the lines.
func Outcomes() []string {
	return []string{
		outcomeDone, outcomeRefused, "failed", "revealed", "exported", "read", "removed", "expired", "erased", "backed up",
		"signed in", "refreshed", "signed out", "session ended", "code asked for", "sent to the provider", "came back from the provider",
		"key made", "key withdrawn", "retired",
	}
}

// Record is what a method adds to the audit line of its commit.
type Record struct {
	// Rows touched or read, by id.
	Rows []string
	// Subjects are the persons whose sealed facts were read, by their ids: at
	// most MostSubjects. Each of them sees the line among the readings.
	Subjects []string
	// Reason given, where one is asked for. It is the officer's own text.
	Reason string
	// Refusal is why the call was refused, where its commit keeps what it counted:
	// a wrong password. Whoever answers such a refusal says so by access.Recorded.
	Refusal string
	// Outcome is "done" unless said otherwise ("revealed", "exported", "signed in").
	Outcome string
	// Person, Account and Session say who acted where the call came from nobody
	// and shows it: a sign-in. A known caller stays who it is.
	Person, Account, Session string
}

// MostSubjects is how many persons one line can be about. Who reads the facts of
// more does so in several commits.
const MostSubjects = 500

// Audit adds to the audit line of this commit. A method that mutates has a
// line in any case; a job or reaction has one if it says something.
func (tx *Tx) Audit(r Record) {
	tx.said = true
	tx.line.Rows = append(tx.line.Rows, r.Rows...)
	for _, person := range r.Subjects {
		if person != "" && !slices.Contains(tx.line.Subjects, person) {
			tx.line.Subjects = append(tx.line.Subjects, person)
		}
	}
	tx.line.Reason = cmp.Or(r.Reason, tx.line.Reason)
	tx.line.Refusal = cmp.Or(r.Refusal, tx.line.Refusal)
	tx.line.Outcome = cmp.Or(r.Outcome, tx.line.Outcome)
	tx.line.Person = cmp.Or(r.Person, tx.line.Person)
	tx.line.Account = cmp.Or(r.Account, tx.line.Account)
	tx.line.Session = cmp.Or(r.Session, tx.line.Session)
}

// writeAudit writes the line of this commit. It comes last: what the commit
// writes is in it.
func (tx *Tx) writeAudit() error {
	if tx.audited || !tx.call.Rule.GetMutates() && !tx.said {
		return nil
	}
	if n := len(tx.line.Subjects); n > MostSubjects {
		return fmt.Errorf("audit line about %d persons: %w", n, kv.ErrTooLarge)
	}
	row := tx.store.auditRow(tx.base, tx.wall, tx.call, tx.line)
	row.RequestDigest = tx.requestID
	if row.Person == "" && row.Method == "" {
		row.Person = houseItself + tx.store.service // a job or a reaction
	}
	switch {
	case row.GetRefusal() != "":
		row.Outcome = outcomeRefused
	case row.GetOutcome() == "":
		row.Outcome = outcomeDone
	}
	var err error
	if row.BeforeDigest, row.AfterDigest, err = tx.changed(); err != nil {
		return err
	}
	return tx.createAudit(row)
}

func (tx *Tx) createAudit(row *typev1.AuditRow) error {
	tx.keepReason(row)
	value, err := proto.Marshal(row)
	if err != nil {
		return fmt.Errorf("encode audit line: %w", err)
	}
	tx.Create(auditKey(row), value)
	tx.lines++
	return nil
}

// auditRow is a line about a call.
func (s *Store) auditRow(id string, at time.Time, call access.Call, r Record) *typev1.AuditRow {
	row := &typev1.AuditRow{
		Id:       id,
		Time:     timestamppb.New(at),
		Person:   cmp.Or(call.Person, r.Person),
		Account:  cmp.Or(call.Account, r.Account),
		Session:  cmp.Or(call.Session, r.Session),
		Method:   call.Method,
		CallId:   call.ID,
		Rows:     r.Rows,
		Subjects: r.Subjects,
		Reason:   r.Reason,
		Refusal:  r.Refusal,
		Outcome:  r.Outcome,
	}
	if acting := call.Acting(); acting.Role != 0 {
		row.Role, row.OrganizationPath = access.RoleName(acting.Role), string(acting.Path)
	}
	if call.Address != "" {
		row.AddressHash = s.AddressHash(call.Address)
		row.SealedAddress = s.audit.Seal([]byte(call.Address), id)
	}
	return row
}

// AddressHash is what the lines of calls from one address have in common.
func (s *Store) AddressHash(address string) []byte { return s.keyring.Blind("audit address", address) }

// AuditAddress opens the address of a line; empty when there is none, or when it
// cannot be opened any more.
func (s *Store) AuditAddress(row *typev1.AuditRow) string {
	if len(row.GetSealedAddress()) == 0 {
		return ""
	}
	plain, err := s.audit.Open(row.GetSealedAddress(), row.GetId())
	if err != nil {
		return ""
	}
	return string(plain)
}

// changed answers keyed hashes of the service's rows that this commit writes, as
// they were and as they will be; none when it writes none.
func (tx *Tx) changed() (before, after []byte, err error) {
	changes, err := tx.Changes(key.New(FirstServiceTable))
	if err != nil || len(changes) == 0 {
		return nil, nil, err
	}
	was, is := sha256.New(), sha256.New()
	var length [8]byte
	add := func(to hash.Hash, parts ...[]byte) {
		for _, p := range parts {
			binary.BigEndian.PutUint64(length[:], uint64(len(p)))
			_, _ = to.Write(length[:]) // a hash never fails
			_, _ = to.Write(p)
		}
	}
	for _, c := range changes {
		if c.Before != nil {
			add(was, c.Key, c.Before)
		}
		if c.After != nil {
			add(is, c.Key, c.After)
		}
	}
	k := tx.store.keyring
	return k.Digest("audited rows", string(was.Sum(nil))), k.Digest("audited rows", string(is.Sum(nil))), nil
}

func auditKey(row *typev1.AuditRow) []byte {
	return key.New(tableAudit).Time(row.GetTime().AsTime()).String(row.GetId())
}

// AuditRows answers up to limit audit lines, the oldest first: those in the log,
// then those that have no place in it yet.
func AuditRows(r kv.Reader, limit int) ([]*typev1.AuditRow, error) {
	var rows []*typev1.AuditRow
	for _, prefix := range []key.Key{key.New(tableAuditLog), key.New(tableAudit)} {
		if limit -= len(rows); limit <= 0 {
			break
		}
		items, err := r.Scan(kv.Range{From: prefix, To: prefix.End(), Limit: limit})
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			row, err := auditRowOf(it.Value)
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// EachAuditRow calls fn with every audit line, in the order of AuditRows.
func EachAuditRow(r kv.Reader, fn func(*typev1.AuditRow)) error {
	for _, prefix := range []key.Key{key.New(tableAuditLog), key.New(tableAudit)} {
		err := Walk(r, kv.Range{From: prefix, To: prefix.End()}, func(it kv.Item) error {
			row, err := auditRowOf(it.Value)
			if err == nil {
				fn(row)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func auditRowOf(value []byte) (*typev1.AuditRow, error) {
	row := &typev1.AuditRow{}
	if err := proto.Unmarshal(value, row); err != nil {
		return nil, fmt.Errorf("%w: audit line: %w", kv.ErrCorrupt, err)
	}
	return row, nil
}
