package roster

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

const (
	// longestLine in bytes; what is longer is refused and skipped.
	longestLine = 16 << 10
	// longestRecord in lines; a quote that is never closed ends here.
	longestRecord = 8
)

// line is one line of the file without its end.
type line struct {
	number  int
	text    string
	tooLong bool
}

// lines reads a file line by line, and takes lines back.
type lines struct {
	in     *bufio.Reader
	number int
	back   []line // to be read again, the next one first
}

func newLines(r io.Reader) *lines { return &lines{in: bufio.NewReaderSize(r, longestLine)} }

// next answers the next line; io.EOF after the last.
func (l *lines) next() (line, error) {
	if len(l.back) > 0 {
		first := l.back[0]
		l.back = l.back[1:]
		return first, nil
	}
	text, err := l.in.ReadSlice('\n')
	if err != nil && len(text) == 0 {
		return line{}, err
	}
	l.number++
	out := line{number: l.number}
	if errors.Is(err, bufio.ErrBufferFull) {
		out.tooLong = true
		return out, l.skip()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return line{}, err
	}
	out.text = strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	return out, nil
}

// skip reads to the end of a line that is too long.
func (l *lines) skip() error {
	for {
		_, err := l.in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
}

// unread gives lines back.
func (l *lines) unread(again []line) { l.back = append(append([]line(nil), again...), l.back...) }
