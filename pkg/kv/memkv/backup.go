package memkv

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tidwall/btree"

	"github.com/linli-project/linli/pkg/kv"
)

// Backup writes a copy that Restore reads: a line for each row, its key and its
// sealed value as hex, so that a test can search and compare.
func (e *Engine) Backup(ctx context.Context, w io.Writer) error {
	s, err := e.snapshot()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	s.tree.Scan(func(r row) bool {
		_, err = fmt.Fprintf(out, "%x %x\n", r.key, r.sealed)
		return err == nil && ctx.Err() == nil
	})
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return ctx.Err()
}

// Restore makes an engine of what Backup wrote. A backup that was changed is
// kv.ErrCorrupt.
func Restore(r io.Reader) (*Engine, error) {
	tree := btree.NewBTreeG(byKey)
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return &Engine{tree: tree}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: read backup: %w", kv.ErrCorrupt, err)
		}
		stored, err := parseRow(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, err
		}
		tree.Set(stored)
	}
}

func parseRow(line string) (row, error) {
	keyText, sealedText, _ := strings.Cut(line, " ")
	key, err := hex.DecodeString(keyText)
	if err != nil {
		return row{}, fmt.Errorf("%w: key in a backup: %w", kv.ErrCorrupt, err)
	}
	sealed, err := hex.DecodeString(sealedText)
	if err != nil {
		return row{}, fmt.Errorf("%w: value in a backup: %w", kv.ErrCorrupt, err)
	}
	if _, _, err := kv.Unseal(key, sealed); err != nil {
		return row{}, err
	}
	return row{key, sealed}, nil
}
