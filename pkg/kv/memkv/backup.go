package memkv

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/tidwall/btree"

	"github.com/linli-project/linli/pkg/kv"
)

// A backup is each row's key and sealed value, both with their length before
// them, so that a test can look for bytes in it.

// Backup writes a copy that Restore reads.
func (e *Engine) Backup(ctx context.Context, w io.Writer) error {
	s, err := e.Snapshot(ctx)
	if err != nil {
		return err
	}
	var werr error
	s.(*snapshot).tree.Scan(func(r row) bool {
		for _, part := range [][]byte{r.key, r.sealed} {
			if _, werr = w.Write(append(binary.AppendUvarint(nil, uint64(len(part))), part...)); werr != nil {
				return false
			}
		}
		return true
	})
	if werr != nil {
		return fmt.Errorf("write backup: %w", werr)
	}
	return ctx.Err()
}

// Restore makes an engine of what Backup wrote. A backup that was cut or
// changed is kv.ErrCorrupt.
func Restore(r io.Reader) (*Engine, error) {
	in := bufio.NewReader(r)
	tree := btree.NewBTreeG(byKey)
	for {
		key, err := part(in)
		if errors.Is(err, io.EOF) {
			return &Engine{tree: tree}, nil
		}
		if err != nil {
			return nil, err
		}
		sealed, err := part(in)
		if err != nil {
			return nil, fmt.Errorf("%w: backup ends in a row: %w", kv.ErrCorrupt, err)
		}
		if _, _, err := kv.Unseal(key, sealed); err != nil {
			return nil, err
		}
		tree.Set(row{key, sealed})
	}
}

// part reads one length and what follows it. io.EOF means that nothing did.
func part(in *bufio.Reader) ([]byte, error) {
	n, err := binary.ReadUvarint(in)
	if err != nil {
		return nil, err
	}
	if longest := uint64(kv.DefaultLimits.ValueBytes + kv.EnvelopeBytes); n > longest {
		return nil, fmt.Errorf("%w: backup has a part of %d bytes", kv.ErrCorrupt, n)
	}
	out := make([]byte, n)
	if _, err := io.ReadFull(in, out); err != nil {
		return nil, fmt.Errorf("%w: backup ends within a part", kv.ErrCorrupt)
	}
	return out, nil
}
