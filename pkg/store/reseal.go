package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/table"
)

// Reseal brings the sealed values of the tables under the newest data key, in
// small commits, each of which also says how far it has come: broken off, it
// goes on from there. A pass that found nothing more to seal anew, begun when no
// call could still seal under an older key, takes away the keys under which
// nothing is left. done says that there is one data key.
func (s *Store) Reseal(ctx context.Context, tables []table.Checker) (done bool, err error) {
	sealed := table.Sealers(tables)
	if err := s.AfterKeys(ctx); err != nil { // one that a commit of unknown outcome left
		return false, err
	}
	for {
		var row *typev1.ResealRow
		err := s.Update(ctx, func(tx *Tx) error {
			row, err = tx.reseal(sealed)
			return err
		})
		if err != nil {
			return false, fmt.Errorf("seal %s anew: %w", s.service, err)
		}
		if row.GetEndedAt() != nil {
			break
		}
	}
	if err := s.AfterKeys(ctx); err != nil {
		return false, err
	}
	return len(s.Keys().GetDataKeys()) == 1, nil
}

// reseal does one slice of a pass, which it begins if none goes on.
func (tx *Tx) reseal(sealed []table.Sealer) (*typev1.ResealRow, error) {
	keys, err := tx.keysRow()
	if err != nil {
		return nil, err
	}
	row, err := readReseal(tx)
	if err != nil {
		return nil, err
	}
	newest := seal.Newest(keys)
	if newest != tx.store.keyring.Newest() {
		return nil, fmt.Errorf("%w: another data key was made at this moment", kv.ErrUnavailable)
	}
	if row.GetEndedAt() != nil || row.GetVersion() != newest {
		row = &typev1.ResealRow{Version: newest, BeganAt: timestamppb.New(tx.wall)}
	}
	if i := slices.IndexFunc(sealed, func(t table.Sealer) bool { return uint32(t.Numbers()[0]) >= row.GetTable() }); i >= 0 {
		err = tx.resealTable(row, sealed, i)
	} else if err = tx.resealReasons(row); err == nil && row.GetAt() == nil {
		if err = tx.keptReplies(row); err == nil {
			err = tx.endPass(row, keys)
		}
	}
	if err != nil {
		return nil, err
	}
	value, err := proto.Marshal(row)
	if err != nil {
		return nil, fmt.Errorf("encode reseal: %w", err)
	}
	tx.Put(resealKey(), value)
	return row, nil
}

func (tx *Tx) resealTable(row *typev1.ResealRow, sealed []table.Sealer, i int) error {
	t := sealed[i]
	if uint32(t.Numbers()[0]) != row.GetTable() {
		row.Table, row.At = uint32(t.Numbers()[0]), nil
	}
	slice, err := t.Reseal(tx, tx.store.keyring, row.GetAt())
	if err != nil {
		return err
	}
	row.Resealed += uint64(slice.Resealed)
	keep(row, slice.Kept, slice.KeptVersion)
	if row.At = slice.Next; slice.Next == nil {
		row.Table++ // of the next table there is
	}
	return nil
}

// keep counts values that stay under an older key.
func keep(row *typev1.ResealRow, n int, lowest uint32) {
	row.Kept += uint64(n)
	if n > 0 && (row.GetKeptVersion() == 0 || lowest < row.GetKeptVersion()) {
		row.KeptVersion = lowest
	}
}

// keptReplies counts the remembered replies under older keys. They are swept
// within days, so that nothing is sealed anew that nobody may ask for again.
func (tx *Tx) keptReplies(row *typev1.ResealRow) error {
	prefix := key.New(tableRemembered)
	rng := kv.Range{From: prefix, To: prefix.End(), Limit: checkPage}
	return tx.store.View(context.Background(), func(r kv.Reader) error {
		for {
			items, err := r.Scan(rng)
			if err != nil {
				return err
			}
			for _, it := range items {
				var reply typev1.RememberedRow
				if proto.Unmarshal(it.Value, &reply) != nil {
					continue // the rest of a longer one
				}
				if v := seal.Version(reply.GetSealedReply()); v != 0 && v < row.GetVersion() {
					keep(row, 1, v)
				}
			}
			if len(items) < checkPage {
				return nil
			}
			rng.From = append(bytes.Clone(items[len(items)-1].Key), 0)
		}
	})
}

// endPass ends a pass, and takes away the keys under which nothing is left if
// the pass can tell.
func (tx *Tx) endPass(row *typev1.ResealRow, keys *typev1.KeysRow) error {
	row.EndedAt = timestamppb.New(tx.wall)
	all := keys.GetDataKeys()
	since := all[len(all)-1].GetMadeAt().AsTime()
	if adopted := time.Unix(0, tx.store.keys.adopted.Load()); adopted.After(since) {
		since = adopted
	}
	if row.GetResealed() > 0 || row.GetBeganAt().AsTime().Before(since.Add(settled)) {
		return nil
	}
	least := row.GetVersion()
	if row.GetKept() > 0 {
		least = row.GetKeptVersion()
	}
	next := seal.WithoutBefore(keys, least)
	if len(next.GetDataKeys()) == len(all) {
		return nil
	}
	for _, k := range all[:len(all)-len(next.GetDataKeys())] {
		tx.Audit(Record{Rows: []string{dataKeyID(k.GetVersion())}, Outcome: "retired"})
	}
	return tx.putKeys(next)
}

// reasonsTable stands for the reasons of audit lines behind every table there is.
const reasonsTable = 1 << 16

// resealReasons does one slice of the reasons of audit lines.
func (tx *Tx) resealReasons(row *typev1.ResealRow) error {
	prefix := reasonsKey()
	if row.GetTable() != reasonsTable {
		row.Table, row.At = reasonsTable, prefix
	}
	items, err := tx.Scan(kv.Range{From: row.GetAt(), To: prefix.End(), Limit: resealReasonsAtOnce})
	if err != nil {
		return fmt.Errorf("read reasons: %w", err)
	}
	for _, it := range items {
		line, _, err := key.TakeString(it.Key[len(prefix):])
		if err != nil {
			return fmt.Errorf("%w: reason of an audit line: %w", kv.ErrCorrupt, err)
		}
		done, err := tx.store.keyring.Reseal(seal.InBox(reasonBox, &it.Value, line))
		if err != nil {
			return fmt.Errorf("%w: reason of an audit line: %w", kv.ErrCorrupt, err)
		}
		if done {
			tx.Put(it.Key, it.Value)
			row.Resealed++
		}
	}
	row.At = nil
	if len(items) == resealReasonsAtOnce {
		row.At = append(bytes.Clone(items[len(items)-1].Key), 0)
	}
	return nil
}

const resealReasonsAtOnce = 100
