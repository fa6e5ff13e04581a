package projects

import (
	"context"
	"crypto/sha256"
	"errors"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/blobs"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/documents"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// attachments answers linli.projects.v1.AttachmentService.
type attachments struct {
	pb.UnsafeAttachmentServiceServer
	*Service
}

var _ pb.AttachmentServiceServer = attachments{}

// mostFiles is how many files stand beside one thing.
const mostFiles = 10

// holder is what a file belongs to, where it is seen from.
type holder struct{ applicantPath, districtPath string }

// opening answers what a file belongs to, if the caller may add one there now.
type opening func(r kv.Reader) (holder, error)

func sealedFileName(id string) []string { return []string{"file", id, "name"} }

// AddDocument takes a document of an application.
func (s attachments) AddDocument(stream grpc.ClientStreamingServer[pb.AddDocumentRequest, pb.AddDocumentResponse]) error {
	ctx, c := stream.Context(), access.From(stream.Context())
	isHeader := func(m *pb.AddDocumentRequest) bool { return m.GetHeader() != nil }
	first, err := blobs.First(stream.Recv, isHeader)
	if err != nil {
		return err
	}
	header := first.GetHeader()
	open := s.ownDocument(c, header.GetApplicationId())
	if err := s.mayReceive(ctx, open); err != nil {
		return err
	}
	file, err := blobs.Receive(ctx, stream.Recv, isHeader, documents.MostBytes)
	if err != nil {
		return err
	}
	kind, err := s.files.inspector.Inspect(ctx, file)
	if err != nil {
		return err
	}
	out, err := s.keepFile(ctx, file, kind, &pb.FileSent{OwnerId: header.GetApplicationId(), Name: header.GetName(), Sha256: digestOf(file)}, open)
	if err != nil {
		return err
	}
	s.address(c, out)
	return stream.SendAndClose(&pb.AddDocumentResponse{Document: out})
}

func digestOf(file []byte) []byte {
	sum := sha256.Sum256(file)
	return sum[:]
}

// ownDocument opens an application of the caller's that may be changed.
func (s attachments) ownDocument(c access.Call, id string) opening {
	now := s.store.Civil().Now()
	return func(r kv.Reader) (holder, error) {
		row, _, err := s.editable(r, c, id, "", now)
		return holder{row.Value.GetApplicantPath(), row.Value.GetDistrictPath()}, err
	}
}

// mayReceive refuses who may not add a file before its bytes are read.
func (s attachments) mayReceive(ctx context.Context, open opening) error {
	err := s.store.View(ctx, func(r kv.Reader) error {
		_, err := open(r)
		return err
	})
	if err == nil && s.files.blobs == nil {
		err = kv.ErrUnavailable
	}
	return err
}

// keepFile stores a file and writes its row, event and audit line.
func (s attachments) keepFile(ctx context.Context, file []byte, kind documents.Kind, sent *pb.FileSent, open opening) (out *pb.AttachedFile, err error) {
	c, id, now := access.From(ctx), s.ids("fil"), s.store.Civil().Now()
	name := documents.CleanName(sent.GetName(), id, kind.Ending)
	err = s.files.blobs.With(ctx, [][]byte{file}, func(staged []*blobs.Staged) error {
		reply, err := store.Do(ctx, s.store, sent, func(tx *store.Tx) (*pb.AddDocumentResponse, error) {
			in, err := open(tx)
			if err != nil {
				return nil, err
			}
			if err := s.countFiles(tx, sent.GetOwnerId(), sent.GetOf(), sent.GetOfId(), 1); err != nil {
				return nil, err
			}
			if err := s.files.blobs.KeepAll(tx, staged); err != nil {
				return nil, err
			}
			row, err := s.files.rows.Insert(tx, &pb.AttachedFileRow{
				Id: id, OwnerId: sent.GetOwnerId(), Of: sent.GetOf(), OfId: sent.GetOfId(), MediaType: kind.MediaType, Bytes: int64(len(file)),
				SealedName: s.store.Keyring().Seal([]byte(name), sealedFileName(id)...), AddedBy: c.Person, AddedAt: timestamppb.New(now),
				Blob: staged[0].Address, ApplicantPath: in.applicantPath, DistrictPath: in.districtPath,
			})
			if err != nil {
				return nil, err
			}
			if err := s.announceFile(tx, "added", row, now); err != nil {
				return nil, err
			}
			shown, err := s.fileProto(row.Value)
			return &pb.AddDocumentResponse{Document: shown}, err
		})
		out = reply.GetDocument()
		return err
	})
	return out, err
}

// countFiles counts the files of one thing; there are at most mostFiles.
func (s attachments) countFiles(tx *store.Tx, owner string, of pb.ProofOf, ofID string, more int32) error {
	row, ok, err := s.files.counts.Get(tx, scope.All(), fileKey(owner, of, ofID))
	switch {
	case err != nil:
		return err
	case !ok:
		_, err = s.files.counts.Insert(tx, &pb.FileCountRow{OwnerId: owner, Of: of, OfId: ofID, Files: more})
		return err
	case row.Value.GetFiles()+more > mostFiles:
		return rule.New(rule.Exhausted, "TOO_MANY_FILES", "", "most", strconv.Itoa(mostFiles))
	}
	next := proto.CloneOf(row.Value)
	next.Files += more
	_, err = s.files.counts.Replace(tx, row, next)
	return err
}

// announceFile leaves a file's line in the audit and its event.
func (s attachments) announceFile(tx *store.Tx, what string, row table.Row[*pb.AttachedFileRow], now time.Time) error {
	f, entity := row.Value, "document."
	if f.GetOf() != pb.ProofOf_PROOF_OF_UNSPECIFIED {
		entity = "proof."
	}
	tx.Audit(store.Record{Rows: []string{f.GetId(), f.GetOwnerId()}})
	return tx.Emit(store.Event{Name: entity + what, EntityID: f.GetId(), Revision: row.Revision, Data: &pb.AttachedFileChanged{
		Id: f.GetId(), Revision: row.Revision, OwnerId: f.GetOwnerId(), Of: f.GetOf(), OfId: f.GetOfId(),
		ApplicantPath: f.GetApplicantPath(), DistrictPath: f.GetDistrictPath(), Day: clock.Day(now),
	}})
}

// ListDocuments answers the documents of an application that the caller may read.
func (s attachments) ListDocuments(ctx context.Context, req *pb.ListDocumentsRequest) (*pb.ListDocumentsResponse, error) {
	c, out := access.From(ctx), &pb.ListDocumentsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		if _, err := s.application(r, sight(c), req.GetApplicationId(), ""); err != nil {
			return err
		}
		var err error
		out.Documents, err = s.list(r, c, req.GetApplicationId(), pb.ProofOf_PROOF_OF_UNSPECIFIED, "")
		return err
	})
	return out, err
}

// list answers the files of one thing, in the order in which they came.
func (s attachments) list(r kv.Reader, c access.Call, owner string, of pb.ProofOf, ofID string) (out []*pb.AttachedFile, err error) {
	page, err := s.files.rows.List(r, scope.All(), table.Query{Prefix: fileKey(owner, of, ofID), Limit: mostFiles})
	if err != nil {
		return nil, err
	}
	for _, row := range page.Rows {
		f, err := s.fileProto(row.Value)
		if err != nil {
			return nil, err
		}
		s.address(c, f)
		out = append(out, f)
	}
	return out, nil
}

// RemoveDocument takes a document away.
func (s attachments) RemoveDocument(ctx context.Context, req *pb.RemoveDocumentRequest) (*pb.RemoveDocumentResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	open := s.ownDocument(c, req.GetApplicationId())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RemoveDocumentResponse, error) {
		if _, err := open(tx); err != nil {
			return nil, err
		}
		row, err := s.file(tx, req.GetId())
		if err == nil && (row.Value.GetOwnerId() != req.GetApplicationId() || row.Value.GetOf() != pb.ProofOf_PROOF_OF_UNSPECIFIED) {
			err = rule.Absent("file", req.GetId())
		}
		if err != nil {
			return nil, err
		}
		return &pb.RemoveDocumentResponse{}, s.removeFile(tx, row, now)
	})
}

func (s attachments) file(r kv.Reader, id string) (table.Row[*pb.AttachedFileRow], error) {
	row, ok, err := s.files.rows.By(r, scope.All(), byID, idKey(id))
	if err == nil && !ok {
		err = rule.Absent("file", id)
	}
	return row, err
}

func (s attachments) removeFile(tx *store.Tx, row table.Row[*pb.AttachedFileRow], now time.Time) error {
	if s.files.blobs == nil {
		return kv.ErrUnavailable
	}
	if err := s.files.rows.Delete(tx, row); err != nil {
		return err
	}
	f := row.Value
	if err := s.files.blobs.ReleaseAll(tx, f.GetBlob()); err != nil {
		return err
	}
	if err := s.countFiles(tx, f.GetOwnerId(), f.GetOf(), f.GetOfId(), -1); err != nil {
		return err
	}
	row.Revision++ // after its last one
	return s.announceFile(tx, "removed", row, now)
}

// ReadFile answers what an address opens. One that opens nothing, and one of a
// file that is gone, look like that of a file that never was.
func (s attachments) ReadFile(req *pb.ReadFileRequest, stream grpc.ServerStreamingServer[pb.ReadFileResponse]) error {
	ctx, c := stream.Context(), access.From(stream.Context())
	pass := blobs.Pass{Expires: req.GetExpires(), Reader: req.GetReader(), Signature: req.GetSignature()}
	if s.files.blobs == nil || !s.files.passes.Opens(pass, c.Person, s.store.Wall().Now(), req.GetId()) {
		return rule.Absent("file", req.GetId())
	}
	var row *pb.AttachedFileRow
	err := s.store.View(ctx, func(r kv.Reader) error {
		found, err := s.file(r, req.GetId())
		row = found.Value
		return err
	})
	if err != nil {
		return err
	}
	shown, err := s.fileProto(row)
	if err != nil {
		return err
	}
	file, err := s.files.blobs.Read(ctx, row.GetBlob())
	if errors.Is(err, blobs.ErrMissing) { // the row says that it is there
		return kv.ErrCorrupt
	}
	if err != nil {
		return err
	}
	err = stream.Send(&pb.ReadFileResponse{Part: &pb.ReadFileResponse_Head{Head: &typev1.BlobHead{
		MediaType: row.GetMediaType(), Bytes: int64(len(file)), FileName: shown.GetName(), Etag: blobs.Etag(row.GetBlob()),
		ExpiresAt: timestamppb.New(time.Unix(pass.Expires, 0)),
	}}})
	if err != nil {
		return err
	}
	return blobs.Chunks(file, func(b []byte) error {
		return stream.Send(&pb.ReadFileResponse{Part: &pb.ReadFileResponse_Chunk{Chunk: b}})
	})
}

// address puts into a file where the caller can read it.
func (s attachments) address(c access.Call, f *pb.AttachedFile) {
	now := s.store.Wall().Now()
	f.Address = s.files.passes.Give(c.Person, now, f.GetId()).Path(f.GetId(), "")
	f.ExpiresAt = timestamppb.New(now.Add(blobs.AddressLasts))
}

func (s attachments) fileProto(f *pb.AttachedFileRow) (*pb.AttachedFile, error) {
	name, err := s.store.Keyring().Open(f.GetSealedName(), sealedFileName(f.GetId())...)
	return &pb.AttachedFile{
		Id: f.GetId(), Name: string(name), MediaType: f.GetMediaType(), Bytes: f.GetBytes(), AddedBy: f.GetAddedBy(), AddedAt: f.GetAddedAt(),
	}, err
}
