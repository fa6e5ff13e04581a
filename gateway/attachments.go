package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	projectsv1 "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
)

const (
	// largestFile is the most that a picture or a document may have; a form around
	// it has largestForm more.
	largestFile = 10 << 20
	largestForm = 64 << 10
)

// attached are the routes of pictures and documents: in as they are or in a
// form, out by an address.
type attached struct {
	conn grpc.ClientConnInterface
	wall clock.Clock
}

// addTo puts the routes on a mux.
func (a *attached) addTo(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/requests/{id}/pictures", a.addPicture)
	mux.HandleFunc("POST /v1/applications/{id}/documents", a.addDocument)
	mux.HandleFunc("POST /v1/keyProjects/{id}/proofs", a.addProof)
	mux.HandleFunc("GET /v1/blobs/{id}", a.blob)
}

// isFile says whether a request sends a file that is looked at, or asks for a
// whole one: both are bulk work.
func isFile(r *http.Request, path string) bool {
	if strings.HasPrefix(path, "blobs/") {
		size := r.URL.Query().Get("size")
		return size != "small" && size != "medium"
	}
	return r.Method == http.MethodPost &&
		(strings.HasSuffix(path, "/pictures") || strings.HasSuffix(path, "/documents") || strings.HasSuffix(path, "/proofs"))
}

// addPicture: POST /v1/requests/{id}/pictures?showsFace=true.
func (a *attached) addPicture(w http.ResponseWriter, r *http.Request) {
	if !onlyParameters(w, r, "showsFace") {
		return
	}
	face, ok := flag(w, r, "showsFace")
	if !ok {
		return
	}
	a.take(w, r, func(ctx context.Context, _ string) (uploadStream, error) {
		s, err := requestsv1.NewAttachmentServiceClient(a.conn).AddPicture(ctx)
		return uploadStream{
			header: func() error {
				return s.Send(&requestsv1.AddPictureRequest{Part: &requestsv1.AddPictureRequest_Header{
					Header: &requestsv1.AddPictureHeader{RequestId: r.PathValue("id"), ShowsFace: face}}})
			},
			chunk: func(b []byte) error {
				return s.Send(&requestsv1.AddPictureRequest{Part: &requestsv1.AddPictureRequest_Chunk{Chunk: b}})
			},
			end: func() (proto.Message, error) {
				reply, err := s.CloseAndRecv()
				return reply.GetPicture(), err
			},
		}, err
	})
}

// addDocument: POST /v1/applications/{id}/documents.
func (a *attached) addDocument(w http.ResponseWriter, r *http.Request) {
	if !onlyParameters(w, r) {
		return
	}
	a.take(w, r, func(ctx context.Context, name string) (uploadStream, error) {
		s, err := projectsv1.NewAttachmentServiceClient(a.conn).AddDocument(ctx)
		return uploadStream{
			header: func() error {
				return s.Send(&projectsv1.AddDocumentRequest{Part: &projectsv1.AddDocumentRequest_Header{
					Header: &projectsv1.AddDocumentHeader{ApplicationId: r.PathValue("id"), Name: name}}})
			},
			chunk: func(b []byte) error {
				return s.Send(&projectsv1.AddDocumentRequest{Part: &projectsv1.AddDocumentRequest_Chunk{Chunk: b}})
			},
			end: func() (proto.Message, error) {
				reply, err := s.CloseAndRecv()
				return reply.GetDocument(), err
			},
		}, err
	})
}

// addProof: POST /v1/keyProjects/{id}/proofs?of=PROOF_OF_SPENDING&ofId=….
func (a *attached) addProof(w http.ResponseWriter, r *http.Request) {
	if !onlyParameters(w, r, "of", "ofId") {
		return
	}
	q := r.URL.Query()
	of := projectsv1.ProofOf(projectsv1.ProofOf_value[q.Get("of")])
	a.take(w, r, func(ctx context.Context, name string) (uploadStream, error) {
		s, err := projectsv1.NewAttachmentServiceClient(a.conn).AddProof(ctx)
		return uploadStream{
			header: func() error {
				return s.Send(&projectsv1.AddProofRequest{Part: &projectsv1.AddProofRequest_Header{
					Header: &projectsv1.AddProofHeader{ProjectId: r.PathValue("id"), Of: of, OfId: q.Get("ofId"), Name: name}}})
			},
			chunk: func(b []byte) error {
				return s.Send(&projectsv1.AddProofRequest{Part: &projectsv1.AddProofRequest_Chunk{Chunk: b}})
			},
			end: func() (proto.Message, error) {
				reply, err := s.CloseAndRecv()
				return reply.GetProof(), err
			},
		}, err
	})
}

// take sends a body on: all of it, or of a form its first file. What the file is
// the service tells by its bytes; the Content-Type that came with it counts for
// nothing.
func (a *attached) take(w http.ResponseWriter, r *http.Request, open func(ctx context.Context, name string) (uploadStream, error)) {
	if r.ContentLength > largestFile+largestForm {
		writeProblem(w, r, *bodyProblem(&http.MaxBytesError{Limit: largestFile}))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, largestFile+largestForm)
	body, name, err := fileOf(r)
	if err != nil {
		writeProblem(w, r, *bodyProblem(err))
		return
	}
	ctx, cancel := context.WithCancel(outgoing(r))
	defer cancel()
	stream, err := open(ctx, name)
	if err != nil {
		writeProblem(w, r, problemOf(err))
		return
	}
	reply, err := pump(body, stream)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		writeProblem(w, r, *bodyProblem(&http.MaxBytesError{Limit: largestFile}))
	case errors.Is(err, os.ErrDeadlineExceeded):
		writeProblem(w, r, *bodyProblem(err))
	case err != nil:
		writeProblem(w, r, problemOf(err))
	default:
		writeJSON(w, reply)
	}
}

// fileOf answers the file of a body and what it is called.
func fileOf(r *http.Request) (body io.Reader, name string, err error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/form-data" {
		_, params, err := mime.ParseMediaType(r.Header.Get("Content-Disposition"))
		if err != nil { // a file without a name
			return r.Body, "", nil
		}
		return r.Body, fit(params["filename"]), nil
	}
	form, err := r.MultipartReader()
	if err != nil {
		return nil, "", fmt.Errorf("read the form: %w", err)
	}
	for {
		part, err := form.NextPart()
		if err != nil { // its end, too: a form without a file
			return nil, "", fmt.Errorf("read the form: %w", err)
		}
		if part.FileName() != "" || part.FormName() == "file" {
			return part, fit(part.FileName()), nil
		}
	}
}

// fit cuts a name to what a message holds; what is kept of it the service says.
func fit(name string) string {
	for i := range name {
		if i > 200 {
			return strings.ToValidUTF8(name[:i], "")
		}
	}
	return strings.ToValidUTF8(name, "")
}

// blob: GET /v1/blobs/{id}, with what the address has. What is shown is shown
// alone, in a sandbox; what is saved is saved under its name.
func (a *attached) blob(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	expires, _ := strconv.ParseInt(q.Get("expires"), 10, 64) // 0 opens nothing
	ctx, cancel := context.WithCancel(outgoing(r))
	defer cancel()
	head, file, err := a.read(ctx, r.PathValue("id"), q.Get("size"), expires, q.Get("reader"), q.Get("sig"))
	if err != nil {
		writeProblem(w, r, problemOf(err))
		return
	}
	h := w.Header()
	h.Set("Content-Type", head.GetMediaType())
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("ETag", head.GetEtag())
	h.Set("Content-Disposition", "inline")
	if head.GetFileName() != "" {
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": head.GetFileName()}))
	}
	left := int64(head.GetExpiresAt().AsTime().Sub(a.wall.Now()) / time.Second)
	h.Set("Cache-Control", "private, max-age="+strconv.FormatInt(max(left, 0), 10))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
}

// blobPart is a message of a file that is read.
type blobPart interface {
	GetHead() *typev1.BlobHead
	GetChunk() []byte
}

// read asks the service whose files have such ids. Of any other id it asks one
// of them, which does not have it: so that is answered in the same words.
func (a *attached) read(ctx context.Context, id, size string, expires int64, reader, signature string) (*typev1.BlobHead, []byte, error) {
	if strings.HasPrefix(id, "fil_") {
		s, err := projectsv1.NewAttachmentServiceClient(a.conn).ReadFile(ctx, &projectsv1.ReadFileRequest{
			Id: id, Expires: expires, Reader: reader, Signature: signature})
		if err != nil {
			return nil, nil, err
		}
		return collect(func() (blobPart, error) { return s.Recv() })
	}
	s, err := requestsv1.NewAttachmentServiceClient(a.conn).ReadPicture(ctx, &requestsv1.ReadPictureRequest{
		Id: id, Size: requestsv1.PictureSize(requestsv1.PictureSize_value["PICTURE_SIZE_"+strings.ToUpper(size)]),
		Expires: expires, Reader: reader, Signature: signature})
	if err != nil {
		return nil, nil, err
	}
	return collect(func() (blobPart, error) { return s.Recv() })
}

// errShort: the stream ended before the file did.
var errShort = errors.New("a file ended before its end")

// collect answers a file whole: what of it is asked for is cut out of it.
func collect(recv func() (blobPart, error)) (*typev1.BlobHead, []byte, error) {
	first, err := recv()
	if err != nil {
		return nil, nil, err
	}
	head := first.GetHead()
	file := make([]byte, 0, min(head.GetBytes(), largestFile))
	for {
		part, err := recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		file = append(file, part.GetChunk()...)
	}
	if int64(len(file)) != head.GetBytes() {
		return nil, nil, errShort
	}
	return head, file, nil
}
