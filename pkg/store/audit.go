package store

import (
	"fmt"

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

// Record is what a method adds to the audit line of its commit.
type Record struct {
	// Rows touched or read, by id.
	Rows []string
	// Reason given, where one is asked for. It is the officer's own text.
	Reason string
	// Outcome is "done" unless said otherwise ("revealed").
	Outcome string
}

// Audit adds to the audit line of this commit. A method that mutates has a
// line in any case; a job or reaction has one if it says something.
func (tx *Tx) Audit(r Record) {
	tx.said = true
	tx.rows = append(tx.rows, r.Rows...)
	if r.Reason != "" {
		tx.reason = r.Reason
	}
	if r.Outcome != "" {
		tx.outcome = r.Outcome
	}
}

func (tx *Tx) writeAudit() error {
	if tx.audited || !tx.call.Rule.GetMutates() && !tx.said {
		return nil
	}
	acting := tx.call.Acting()
	row := &typev1.AuditRow{
		Id:               tx.base,
		Time:             timestamppb.New(tx.wall),
		Person:           tx.call.Person,
		Method:           tx.call.Method,
		CallId:           tx.call.ID,
		Rows:             tx.rows,
		RequestDigest:    tx.requestID,
		Reason:           tx.reason,
		Outcome:          tx.outcome,
		OrganizationPath: string(acting.Path),
	}
	if acting.Role != 0 {
		row.Role = access.RoleName(acting.Role)
	}
	if row.Person == "" {
		row.Person = houseItself + tx.store.service // a job or a reaction
	}
	if row.Outcome == "" {
		row.Outcome = "done"
	}
	tx.keepReason(row)
	value, err := proto.Marshal(row)
	if err != nil {
		return fmt.Errorf("encode audit line: %w", err)
	}
	tx.Create(auditKey(row), value)
	return nil
}

func auditKey(row *typev1.AuditRow) []byte {
	return key.New(tableAudit).Time(row.GetTime().AsTime()).String(row.GetId())
}

// AuditRows answers up to limit audit lines, the oldest first.
func AuditRows(r kv.Reader, limit int) ([]*typev1.AuditRow, error) {
	prefix := key.New(tableAudit)
	items, err := r.Scan(kv.Range{From: prefix, To: prefix.End(), Limit: limit})
	if err != nil {
		return nil, err
	}
	rows := make([]*typev1.AuditRow, len(items))
	for i, it := range items {
		rows[i] = &typev1.AuditRow{}
		if err := proto.Unmarshal(it.Value, rows[i]); err != nil {
			return nil, fmt.Errorf("%w: audit line: %w", kv.ErrCorrupt, err)
		}
	}
	return rows, nil
}
