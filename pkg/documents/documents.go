// Package documents says whether a file that somebody sent is a document that
// may be kept: a PDF, DOCX or XLSX, told by its content, whole, of one kind,
// and without anything that acts when it is opened: macros, scripts, actions,
// embedded files, parts that are fetched from elsewhere. A document is kept as
// it came; it is not written anew.
package documents

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/linli-project/linli/pkg/rule"
)

// Limits of what is taken.
const (
	// MostBytes is the largest file that is taken.
	MostBytes = 10 << 20

	// mostUnpacked is how much all packed parts of a document may hold together.
	mostUnpacked = 128 << 20
	// atOnce is how many documents are looked at at once, patience how long a
	// look may take.
	atOnce   = 2
	patience = 20 * time.Second
)

// Kind is what a document is.
type Kind struct {
	MediaType string
	// Ending of its file name, with the dot.
	Ending string
}

// The kinds that are taken.
func kindPDF() Kind { return Kind{"application/pdf", ".pdf"} }
func kindDOCX() Kind {
	return Kind{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx"}
}
func kindXLSX() Kind {
	return Kind{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx"}
}

// Inspector looks at documents, a few at once. It is safe for concurrent use.
type Inspector struct{ room *semaphore.Weighted }

// NewInspector makes an inspector.
func NewInspector() *Inspector { return &Inspector{room: semaphore.NewWeighted(atOnce)} }

// Inspect answers what a document is. It refuses with FILE_EMPTY,
// FILE_TOO_LARGE, DOCUMENT_TYPE, FILE_TWO_KINDS, DOCUMENT_ENCRYPTED,
// DOCUMENT_UNREADABLE, DOCUMENT_TOO_LARGE, DOCUMENT_MACROS, DOCUMENT_EMBEDS and
// DOCUMENT_LINKS. Any other error is that of the context.
func (i *Inspector) Inspect(ctx context.Context, file []byte) (Kind, error) {
	switch {
	case len(file) == 0:
		return Kind{}, rule.New(rule.Invalid, "FILE_EMPTY", "chunk")
	case len(file) > MostBytes:
		return Kind{}, rule.New(rule.Invalid, "FILE_TOO_LARGE", "chunk", "limit_bytes", fmt.Sprint(MostBytes))
	}
	look := inspectorOf(file)
	if look == nil {
		return Kind{}, refused("DOCUMENT_TYPE", "taken", "PDF, DOCX, XLSX")
	}
	if err := i.room.Acquire(ctx, 1); err != nil {
		return Kind{}, fmt.Errorf("wait to look at a document: %w", err)
	}
	type answer struct {
		kind Kind
		err  error
	}
	// A look that does not end keeps its place, so that no more than a few of
	// them are ever under way, and does not keep its caller.
	ended := make(chan answer, 1)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	go func() {
		defer i.room.Release(1)
		kind, err := guarded(ctx, file, look)
		ended <- answer{kind, err}
	}()
	select {
	case a := <-ended:
		if a.err != nil && ctx.Err() != nil {
			return Kind{}, late(ctx)
		}
		if a.err != nil {
			return Kind{}, a.err
		}
		return a.kind, nil
	case <-ctx.Done():
		return Kind{}, late(ctx)
	}
}

// late: what takes too long to look at is refused; a caller that went is not.
func late(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return refused("DOCUMENT_UNREADABLE")
	}
	return ctx.Err()
}

type look func(ctx context.Context, file []byte) (Kind, error)

// inspectorOf tells by its beginning what a file is; nil for what is not taken.
func inspectorOf(file []byte) look {
	switch {
	case bytes.HasPrefix(file, []byte("%PDF-")):
		return inspectPDF
	case bytes.HasPrefix(file, []byte(localMark)):
		return inspectOffice
	}
	return nil
}

// guarded takes a panic of a library over a broken file for what it is: the
// file cannot be read.
func guarded(ctx context.Context, file []byte, look look) (kind Kind, err error) {
	defer func() {
		if recover() != nil {
			kind, err = Kind{}, refused("DOCUMENT_UNREADABLE")
		}
	}()
	return look(ctx, file)
}

func refused(reason string, params ...string) error {
	return rule.New(rule.Invalid, reason, "chunk", params...)
}

// isArchive says whether an unpacker opens a file, wherever in it the archive
// begins.
func isArchive(file []byte) bool {
	_, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	return err == nil || errors.Is(err, zip.ErrInsecurePath)
}
