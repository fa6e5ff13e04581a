package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	projectsv1 "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
)

const chunkBytes = 256 << 10

// files are the routes whose body is a file. They open a stream on the same
// connection as the generated ones, so the same chain stands before them.
type files struct {
	conn grpc.ClientConnInterface
	log  *slog.Logger
}

// importOrganizations: POST /v1/organizations:import?dryRun=true, body text/csv.
func (f *files) importOrganizations(w http.ResponseWriter, r *http.Request) {
	if !onlyParameters(w, r, "dryRun") {
		return
	}
	dryRun, ok := flag(w, r, "dryRun")
	if !ok {
		return
	}
	upload(w, r, []string{mediaCSV}, func(ctx context.Context) (uploadStream, error) {
		s, err := registryv1.NewRegistryServiceClient(f.conn).ImportOrganizations(ctx)
		return uploadStream{
			header: func() error {
				return s.Send(&registryv1.ImportOrganizationsRequest{Part: &registryv1.ImportOrganizationsRequest_Header{
					Header: &registryv1.ImportOrganizationsHeader{DryRun: dryRun}}})
			},
			chunk: func(b []byte) error {
				return s.Send(&registryv1.ImportOrganizationsRequest{Part: &registryv1.ImportOrganizationsRequest_Chunk{Chunk: b}})
			},
			end: func() (proto.Message, error) { return s.CloseAndRecv() },
		}, err
	})
}

// What files are. What a roster really is the service tells by its bytes.
const (
	mediaCSV  = "text/csv"
	mediaXLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
)

// importRoster: POST /v1/organizations/{id}/rosters:import?acceptReportIns=true
// &dryRun=true, body CSV or XLSX.
func (f *files) importRoster(w http.ResponseWriter, r *http.Request) {
	if !onlyParameters(w, r, "acceptReportIns", "dryRun") {
		return
	}
	accept, ok := flag(w, r, "acceptReportIns")
	if !ok {
		return
	}
	dryRun, ok := flag(w, r, "dryRun")
	if !ok {
		return
	}
	upload(w, r, []string{mediaCSV, mediaXLSX}, func(ctx context.Context) (uploadStream, error) {
		s, err := registryv1.NewRegistryServiceClient(f.conn).ImportRoster(ctx)
		return uploadStream{
			header: func() error {
				return s.Send(&registryv1.ImportRosterRequest{Part: &registryv1.ImportRosterRequest_Header{
					Header: &registryv1.ImportRosterHeader{OrganizationId: r.PathValue("id"), AcceptReportIns: accept, DryRun: dryRun}}})
			},
			chunk: func(b []byte) error {
				return s.Send(&registryv1.ImportRosterRequest{Part: &registryv1.ImportRosterRequest_Chunk{Chunk: b}})
			},
			end: func() (proto.Message, error) { return s.CloseAndRecv() },
		}, err
	})
}

// flag reads a boolean of the query; absent is false.
func flag(w http.ResponseWriter, r *http.Request, name string) (value, ok bool) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return false, true
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		writeProblem(w, r, problem{Status: http.StatusBadRequest, Reason: "INVALID_FIELD", Field: name,
			Params: []string{"field", name, "rule", "true | false"}})
	}
	return value, err == nil
}

// uploadStream is a client stream of an import.
type uploadStream struct {
	header func() error
	chunk  func([]byte) error
	end    func() (proto.Message, error)
}

func upload(w http.ResponseWriter, r *http.Request, taken []string, open func(context.Context) (uploadStream, error)) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(taken, mediaType) {
		writeProblem(w, r, problem{Status: http.StatusUnsupportedMediaType, Reason: "UNSUPPORTED_MEDIA_TYPE",
			Params: []string{"taken", strings.Join(taken, ", ")}})
		return
	}
	if r.ContentLength > largestUpload {
		writeProblem(w, r, *bodyProblem(&http.MaxBytesError{Limit: largestUpload}))
		return
	}
	ctx, cancel := context.WithCancel(outgoing(r))
	defer cancel()
	stream, err := open(ctx)
	if err != nil {
		writeProblem(w, r, problemOf(err))
		return
	}
	file := &beginning{Reader: http.MaxBytesReader(w, r.Body, largestUpload)}
	reply, err := pump(file, stream)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge), errors.Is(err, os.ErrDeadlineExceeded):
		writeProblem(w, r, *bodyProblem(err))
	case err != nil:
		writeProblem(w, r, fileProblem(err, mediaType, file.head))
	default:
		writeJSON(w, reply)
	}
}

// beginning remembers the first bytes that were read.
type beginning struct {
	io.Reader
	head []byte
}

func (b *beginning) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if left := len(zipMark) - len(b.head); left > 0 {
		b.head = append(b.head, p[:min(n, left)]...)
	}
	return n, err
}

// zipMark is what every workbook begins with.
const zipMark = "PK"

// fileProblem: of what was sent as a workbook and is none, the service says what
// is wrong with it as a CSV, which would lead nowhere.
func fileProblem(err error, mediaType string, head []byte) problem {
	p := problemOf(err)
	asText := []string{"UNSUPPORTED_ENCODING", "ROSTER_UNREADABLE", "ROSTER_COLUMN_MISSING"}
	if mediaType == mediaXLSX && string(head) != zipMark && slices.Contains(asText, p.Reason) {
		return problem{Status: p.Status, Reason: "WORKBOOK_UNREADABLE", CallID: p.CallID}
	}
	return p
}

// pump sends the header and the bytes. Only a body that came to its own end
// ends the stream: one that was cut off must not be taken for a whole file, so
// the caller cancels the stream instead. When the service has answered
// already, sending says io.EOF and the end has the reason.
func pump(body io.Reader, s uploadStream) (proto.Message, error) {
	if err := s.header(); err != nil {
		return answered(s, err)
	}
	for {
		buf := make([]byte, chunkBytes) // the stream keeps what it is given
		n, readErr := body.Read(buf)
		if n > 0 {
			if err := s.chunk(buf[:n]); err != nil {
				return answered(s, err)
			}
		}
		switch {
		case errors.Is(readErr, io.ErrUnexpectedEOF):
			return nil, fmt.Errorf("the body was cut off: %w", readErr)
		case errors.Is(readErr, io.EOF):
			return s.end()
		case readErr != nil:
			return nil, fmt.Errorf("read the body: %w", readErr)
		}
	}
}

// answered asks for the reason of a stream that took no more.
func answered(s uploadStream, err error) (proto.Message, error) {
	if errors.Is(err, io.EOF) {
		return s.end()
	}
	return nil, err
}

func writeJSON(w http.ResponseWriter, m proto.Message) {
	out, err := marshaler{}.Marshal(m)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(out) // the caller is gone when this fails
}

// letter: GET /v1/letters/{id}/csv and /xlsx, the letter as a file.
func (f *files) letter(format evaluationv1.LetterFormat) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		reply, err := evaluationv1.NewEvaluationServiceClient(f.conn).
			RenderLetter(outgoing(r), &evaluationv1.RenderLetterRequest{Id: r.PathValue("id"), Format: format})
		if err != nil {
			writeProblem(w, r, problemOf(err))
			return
		}
		attach(w, reply.GetContentType(), reply.GetFileName(), reply.GetContent())
	}
}

// ledgerExport: GET /v1/ledgerExports/{id}/csv and /xlsx, the services of an
// approved export as a file.
func (f *files) ledgerExport(format evaluationv1.LetterFormat) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		reply, err := evaluationv1.NewLedgerExportServiceClient(f.conn).
			RenderLedgerExport(outgoing(r), &evaluationv1.RenderLedgerExportRequest{Id: r.PathValue("id"), Format: format})
		if err != nil {
			writeProblem(w, r, problemOf(err))
			return
		}
		attach(w, reply.GetContentType(), reply.GetFileName(), reply.GetContent())
	}
}

// selection: GET /v1/calls/{id}/selection, what the decision of a call rests on.
func (f *files) selection(w http.ResponseWriter, r *http.Request) {
	reply, err := projectsv1.NewProjectsServiceClient(f.conn).
		ExportSelection(outgoing(r), &projectsv1.ExportSelectionRequest{CallId: r.PathValue("id")})
	if err != nil {
		writeProblem(w, r, problemOf(err))
		return
	}
	attach(w, "application/json", reply.GetFileName(), reply.GetContent())
}

// applicationLetter: GET /v1/applications/{id}/letter/xlsx, the latest letter to
// an applicant as a file.
func (f *files) applicationLetter(w http.ResponseWriter, r *http.Request) {
	reply, err := projectsv1.NewLetterServiceClient(f.conn).
		RenderApplicationLetter(outgoing(r), &projectsv1.RenderApplicationLetterRequest{ApplicationId: r.PathValue("id")})
	if err != nil {
		writeProblem(w, r, problemOf(err))
		return
	}
	attach(w, reply.GetContentType(), reply.GetFileName(), reply.GetContent())
}

func attach(w http.ResponseWriter, contentType, name string, content []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	_, _ = w.Write(content) // the caller is gone when this fails
}
