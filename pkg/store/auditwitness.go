package store

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
)

func witnessPrefix() key.Key { return key.New(tableAuditHeads).String("witness") }

// KeepHead keeps the newest head of another service's log, which an event told
// of. The key of the first one is the only one that is taken; a head that it
// does not verify is HEAD_NOT_SIGNED.
func (tx *Tx) KeepHead(told *typev1.AuditHeadSigned) error {
	at := witnessPrefix().String(told.GetService())
	it, err := tx.Get(at)
	if err != nil {
		return err
	}
	kept := &typev1.AuditWitnessRow{}
	if err := proto.Unmarshal(it.Value, kept); err != nil {
		return fmt.Errorf("%w: head of another service: %w", kv.ErrCorrupt, err)
	}
	if it.Version == 0 {
		kept.Verifier = told.GetVerifier()
	}
	h, err := OpenAuditHead(told.GetNote(), kept.GetVerifier())
	if err != nil || h.Service != told.GetService() {
		return rule.New(rule.Denied, "HEAD_NOT_SIGNED", "", "service", told.GetService())
	}
	if h.Size < kept.GetSize() || it.Version != 0 && h.Size == kept.GetSize() {
		return nil
	}
	kept.Note, kept.Size = told.GetNote(), h.Size
	value, err := proto.Marshal(kept)
	if err != nil {
		return fmt.Errorf("encode head of another service: %w", err)
	}
	tx.Put(at, value)
	return nil
}

// HeldHeads answers the newest heads of other services that this store holds.
func (s *Store) HeldHeads(ctx context.Context) (held []HeldHead, err error) {
	err = s.View(ctx, func(r kv.Reader) error {
		held = nil
		prefix := witnessPrefix()
		return Walk(r, kv.Range{From: prefix, To: prefix.End()}, func(it kv.Item) error {
			var row typev1.AuditWitnessRow
			service, _, err := key.TakeString(it.Key[len(prefix):])
			if err == nil {
				err = proto.Unmarshal(it.Value, &row)
			}
			if err != nil {
				return fmt.Errorf("%w: head of another service: %w", kv.ErrCorrupt, err)
			}
			held = append(held, HeldHead{Service: service, Note: row.GetNote(), Holder: s.service})
			return nil
		})
	})
	return held, err
}
