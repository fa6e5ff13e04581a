package store

import (
	"bytes"
	"fmt"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
)

// A reason can name what it is about. So an audit line holds a keyed hash of it
// alone, and the reason lies sealed in a row of its own: the line stays what it
// was when it was written, while the key that seals its reason changes.

const reasonBox = "audit reason"

func reasonKey(line string) key.Key { return reasonsKey().String(line) }

func reasonsKey() key.Key { return key.New(tableMeta).String("reasons") }

func (s *Store) reasonDigest(line, reason string) []byte {
	return s.keyring.Digest(reasonBox, line, reason)
}

// keepReason takes the reason out of a line that is to be written, and seals it
// beside.
func (tx *Tx) keepReason(row *typev1.AuditRow) {
	if row.GetReason() == "" {
		return
	}
	s := tx.store
	row.ReasonDigest = s.reasonDigest(row.GetId(), row.GetReason())
	tx.Create(reasonKey(row.GetId()), s.reasons.Seal([]byte(row.GetReason()), row.GetId()))
	row.Reason = ""
}

// OpenReasons puts the reasons of audit lines where they were written. A reason
// that is not the one of its line is kv.ErrCorrupt; one that is gone stays away.
// Lines of before reasons were sealed have theirs.
func (s *Store) OpenReasons(r kv.Reader, lines []*typev1.AuditRow) error {
	keys := make([][]byte, len(lines))
	for i, l := range lines {
		keys[i] = reasonKey(l.GetId())
	}
	items, err := r.GetMany(keys)
	if err != nil {
		return fmt.Errorf("read reasons: %w", err)
	}
	for i, it := range items {
		if it.Version == 0 {
			continue
		}
		l := lines[i]
		plain, err := s.reasons.Open(it.Value, l.GetId())
		if err != nil || !bytes.Equal(s.reasonDigest(l.GetId(), string(plain)), l.GetReasonDigest()) {
			return fmt.Errorf("%w: the reason of an audit line", kv.ErrCorrupt)
		}
		l.Reason = string(plain)
	}
	return nil
}
