package registry

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/transform"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/services/registry/internal/roster"
)

// part is a message of an import stream: a header or a chunk.
type part interface {
	GetChunk() []byte
}

// upload reads the chunks of an import stream as one file. The file ends where
// the sender closes the stream; a stream that breaks is an error, so that a
// torn file is never taken for a whole one.
type upload[P part] struct {
	recv     func() (P, error)
	isHeader func(P) bool
	left     []byte
}

func (u *upload[P]) Read(p []byte) (int, error) {
	for len(u.left) == 0 {
		m, err := u.recv()
		if err != nil {
			return 0, err
		}
		if u.isHeader(m) {
			return 0, rule.New(rule.Invalid, "INVALID_FIELD", "header", "field", "header", "rule", "first message only")
		}
		u.left = m.GetChunk()
	}
	n := copy(p, u.left)
	u.left = u.left[n:]
	return n, nil
}

// unbroken answers a stream's Recv that takes an end for the end of the file
// only while the call goes on. A sender that breaks off must not close its side
// as well, since that says that the file is whole; this refuses the end of one
// that does, where the end of the call was heard of first.
func unbroken[P part](ctx context.Context, recv func() (P, error)) func() (P, error) {
	return func() (P, error) {
		m, err := recv()
		if errors.Is(err, io.EOF) && ctx.Err() != nil {
			err = ctx.Err()
		}
		return m, err
	}
}

// firstMessage receives the message in which the header must be.
func firstMessage[P part](recv func() (P, error)) (P, error) {
	m, err := recv()
	if errors.Is(err, io.EOF) {
		err = errNoHeader()
	}
	return m, err
}

// errNoHeader: the first message of a stream must be the header.
func errNoHeader() error {
	return rule.New(rule.Invalid, "INVALID_FIELD", "header", "field", "header", "rule", "first message")
}

// openRows tells what a file is by its beginning and reads its header. A
// workbook is held packed, since its table of contents stands at its end; CSV is
// read as it comes.
func openRows(file io.Reader, columns []roster.Column) (roster.Rows, roster.Encoding, error) {
	in, head, err := sniff(file)
	if err != nil {
		return nil, "", err
	}
	if !roster.IsWorkbook(head) {
		return openText(in, head, columns)
	}
	limits := roster.DefaultLimits()
	packed, err := io.ReadAll(io.LimitReader(in, limits.Packed+1))
	if err != nil {
		return nil, "", err
	}
	book, err := roster.NewWorkbook(packed, columns, limits)
	return book, roster.XLSX, err
}

// openCSV tells a file's encoding and reads its header.
func openCSV(file io.Reader, columns []roster.Column) (roster.Rows, roster.Encoding, error) {
	in, head, err := sniff(file)
	if err != nil {
		return nil, "", err
	}
	return openText(in, head, columns)
}

// sniff answers the beginning of a file, which is still to be read.
func sniff(file io.Reader) (*bufio.Reader, []byte, error) {
	in := bufio.NewReaderSize(file, roster.SniffBytes)
	head, err := in.Peek(roster.SniffBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	if len(head) == 0 {
		return nil, nil, rule.New(rule.Invalid, "FILE_EMPTY", "chunk")
	}
	return in, head, nil
}

func openText(in *bufio.Reader, head []byte, columns []roster.Column) (roster.Rows, roster.Encoding, error) {
	encoding, mark, err := roster.Detect(head)
	if err != nil {
		return nil, "", err
	}
	if _, err := in.Discard(mark); err != nil {
		return nil, "", fmt.Errorf("skip the byte order mark: %w", err)
	}
	var text io.Reader = in
	if encoding == roster.GB18030 {
		text = transform.NewReader(in, simplifiedchinese.GB18030.NewDecoder())
	}
	reader, err := roster.NewReader(text, columns)
	return reader, encoding, err
}
