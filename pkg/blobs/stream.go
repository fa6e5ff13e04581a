package blobs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/linli-project/linli/pkg/rule"
)

// chunkBytes is how much of a file one message holds.
const chunkBytes = 256 << 10

// Part is a message of an upload: a header or a chunk.
type Part interface{ GetChunk() []byte }

// Receive reads the chunks of an upload, after its header, as one file of at most
// most bytes. A stream that breaks is an error, so that a torn file is never
// taken for a whole one.
func Receive[P Part](ctx context.Context, recv func() (P, error), isHeader func(P) bool, most int) ([]byte, error) {
	var file []byte
	for {
		m, err := recv()
		switch {
		case errors.Is(err, io.EOF) && ctx.Err() != nil: // a sender that broke off and closed its side
			return nil, ctx.Err()
		case errors.Is(err, io.EOF):
			return file, nil
		case err != nil:
			return nil, err
		case isHeader(m):
			return nil, headerError("first message only")
		case len(file)+len(m.GetChunk()) > most:
			return nil, rule.New(rule.Invalid, "FILE_TOO_LARGE", "chunk", "limit_bytes", fmt.Sprint(most))
		}
		file = append(file, m.GetChunk()...)
	}
}

// First receives the message in which the header must be.
func First[P Part](recv func() (P, error), isHeader func(P) bool) (P, error) {
	m, err := recv()
	if errors.Is(err, io.EOF) || err == nil && !isHeader(m) {
		err = headerError("first message")
	}
	return m, err
}

func headerError(rules string) error {
	return rule.New(rule.Invalid, "INVALID_FIELD", "header", "field", "header", "rule", rules)
}

// Chunks calls send with the pieces of a file.
func Chunks(file []byte, send func([]byte) error) error {
	for len(file) > 0 {
		n := min(len(file), chunkBytes)
		if err := send(file[:n]); err != nil {
			return fmt.Errorf("send a file: %w", err)
		}
		file = file[n:]
	}
	return nil
}
