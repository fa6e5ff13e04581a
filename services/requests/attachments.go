package requests

import (
	"context"
	"crypto/sha256"
	"errors"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/blobs"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/pictures"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// attachments answers linli.requests.v1.AttachmentService.
type attachments struct {
	pb.UnsafeAttachmentServiceServer
	*Service
}

var _ pb.AttachmentServiceServer = attachments{}

// mostPictures is how many pictures a request has: as many as a screen shows in
// three rows.
const mostPictures = 9

// AddPicture takes a picture. Who may not add it is refused before its bytes are
// read; the files are stored before the row that names them is written.
func (s attachments) AddPicture(stream grpc.ClientStreamingServer[pb.AddPictureRequest, pb.AddPictureResponse]) error {
	ctx, call := stream.Context(), access.From(stream.Context())
	isHeader := func(m *pb.AddPictureRequest) bool { return m.GetHeader() != nil }
	first, err := blobs.First(stream.Recv, isHeader)
	if err != nil {
		return err
	}
	header := first.GetHeader()
	err = s.store.View(ctx, func(r kv.Reader) error {
		_, _, err := s.mayAdd(r, call, header.GetRequestId())
		return err
	})
	if err != nil {
		return err
	}
	if s.album.blobs == nil {
		return kv.ErrUnavailable
	}
	file, err := blobs.Receive(ctx, stream.Recv, isHeader, pictures.MostBytes)
	if err != nil {
		return err
	}
	picture, err := s.album.cleaner.Clean(ctx, file)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(file)
	sent := &pb.PictureSent{RequestId: header.GetRequestId(), ShowsFace: header.GetShowsFace(), Sha256: sum[:]}
	out, err := s.keepPicture(ctx, call, sent, picture)
	if err != nil {
		return err
	}
	if !out.GetStaffOnly() || !out.GetFromOffice() {
		s.address(call, out)
	}
	return stream.SendAndClose(&pb.AddPictureResponse{Picture: out})
}

// mayAdd answers the request to which the caller may add pictures, and whether
// for the office.
func (s attachments) mayAdd(r kv.Reader, call access.Call, id string) (row table.Row[*pb.RequestRow], fromOffice bool, err error) {
	row, fromOffice, err = handling{Service: s.Service}.talks(r, call, id)
	if err == nil && !requestOpen(row.Value.GetRequest()) {
		err = rule.New(rule.Precondition, "REQUEST_ENDED", "")
	}
	return row, fromOffice, err
}

// keepPicture stores a picture and writes its row, event and audit line.
func (s attachments) keepPicture(ctx context.Context, call access.Call, sent *pb.PictureSent, p pictures.Picture) (out *pb.Picture, err error) {
	id, now := s.ids("pic"), s.store.Civil().Now()
	err = s.album.blobs.With(ctx, [][]byte{p.Whole, p.Medium, p.Small}, func(staged []*blobs.Staged) error {
		reply, err := store.Do(ctx, s.store, sent, func(tx *store.Tx) (*pb.AddPictureResponse, error) {
			request, fromOffice, err := s.mayAdd(tx, call, sent.GetRequestId())
			if err != nil {
				return nil, err
			}
			if err := s.countPictures(tx, sent.GetRequestId(), 1); err != nil {
				return nil, err
			}
			if err := s.album.blobs.KeepAll(tx, staged); err != nil {
				return nil, err
			}
			row, err := s.album.pictures.Insert(tx, &pb.PictureRow{
				Id: id, RequestId: sent.GetRequestId(), ShowsFace: sent.GetShowsFace(), FromOffice: fromOffice,
				MediaType: p.MediaType, Width: int32(p.Width), Height: int32(p.Height), AddedAt: timestamppb.New(now),
				Whole: staged[0].Address, Medium: staged[1].Address, Small: staged[2].Address,
			})
			if err != nil {
				return nil, err
			}
			if err := s.announcePicture(tx, "picture.added", request.Value, row, now); err != nil {
				return nil, err
			}
			return &pb.AddPictureResponse{Picture: pictureProto(request.Value, row.Value)}, nil
		})
		out = reply.GetPicture()
		return err
	})
	return out, err
}

// countPictures counts pictures of a request; there are at most mostPictures.
func (s attachments) countPictures(tx *store.Tx, requestID string, more int32) error {
	row, ok, err := s.album.albums.Get(tx, scope.All(), requestKey(requestID))
	switch {
	case err != nil:
		return err
	case !ok:
		_, err = s.album.albums.Insert(tx, &pb.AlbumRow{RequestId: requestID, Pictures: more})
		return err
	case row.Value.GetPictures()+more > mostPictures:
		return rule.New(rule.Exhausted, "TOO_MANY_FILES", "", "most", strconv.Itoa(mostPictures))
	}
	next := proto.CloneOf(row.Value)
	next.Pictures += more
	_, err = s.album.albums.Replace(tx, row, next)
	return err
}

// announcePicture leaves a picture's line in the audit and its event.
func (s attachments) announcePicture(tx *store.Tx, name string, request *pb.RequestRow, row table.Row[*pb.PictureRow], now time.Time) error {
	p := row.Value
	if p.GetFromOffice() || !anonymous(request.GetRequest()) { // else the line would lead to who posted
		tx.Audit(store.Record{Rows: []string{p.GetId(), p.GetRequestId()}})
	}
	return tx.Emit(store.Event{Name: name, EntityID: p.GetId(), Revision: row.Revision, Data: &pb.PictureChanged{
		Id: p.GetId(), Revision: row.Revision, RequestId: p.GetRequestId(), CommunityPath: request.GetCommunityPath(),
		ShowsFace: p.GetShowsFace(), FromOffice: p.GetFromOffice(), Day: clock.Day(now),
	}})
}

// ListPictures answers the pictures of a request that the caller may see.
func (s attachments) ListPictures(ctx context.Context, req *pb.ListPicturesRequest) (*pb.ListPicturesResponse, error) {
	call, out := access.From(ctx), &pb.ListPicturesResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		request, own, office, err := s.seen(r, call, req.GetRequestId())
		if err != nil {
			return err
		}
		page, err := s.album.pictures.List(r, scope.All(), table.Query{Prefix: requestKey(req.GetRequestId()), Limit: mostPictures})
		for _, row := range page.Rows {
			p := pictureProto(request, row.Value)
			if p.GetStaffOnly() && !own && !office {
				continue
			}
			if !p.GetStaffOnly() || own {
				s.address(call, p)
			}
			out.Pictures = append(out.Pictures, p)
		}
		return err
	})
	return out, err
}

// seen answers a request that the caller may read, and whether as its author or
// as an office.
func (s attachments) seen(r kv.Reader, call access.Call, id string) (request *pb.RequestRow, own, office bool, err error) {
	row, ok, err := s.tables.requests.Get(r, s.officeScope(call), requestKey(id))
	if err != nil {
		return nil, false, false, err
	}
	if ok && !hidden(call, row.Value) {
		own = call.Person == row.Value.GetRequest().GetAuthor()
		return row.Value, own, call.ScopeOf(officeRoles()...).Covers(scope.Path(row.Value.GetCommunityPath())), nil
	}
	if _, err := (circle{Service: s.Service}).publicRequest(r, call, id); err != nil {
		return nil, false, false, err
	}
	row, err = s.read(r, scope.All(), id)
	return row.Value, false, false, err
}

// RevealPicture opens a picture that is for staff only, and leaves the reason in
// the audit. It answers only once that is stored, and is remembered nowhere.
func (s attachments) RevealPicture(ctx context.Context, req *pb.RevealPictureRequest) (*pb.RevealPictureResponse, error) {
	call, out := access.From(ctx), &pb.RevealPictureResponse{}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		request, err := s.read(tx, office(call), req.GetRequestId())
		if err != nil {
			return err
		}
		row, err := s.picture(tx, req.GetRequestId(), req.GetId())
		if err != nil {
			return err
		}
		out.Picture = pictureProto(request.Value, row.Value)
		if !out.GetPicture().GetStaffOnly() {
			return rule.New(rule.Precondition, "NOTHING_SEALED", "")
		}
		return tx.Reveal(store.Record{
			Rows: []string{req.GetId(), req.GetRequestId()}, Subjects: []string{request.Value.GetRequest().GetAuthor()}, Reason: req.GetReason(),
		})
	})
	if err != nil {
		return nil, err
	}
	s.address(call, out.GetPicture())
	return out, nil
}

// RemovePicture takes a picture away.
func (s attachments) RemovePicture(ctx context.Context, req *pb.RemovePictureRequest) (*pb.RemovePictureResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RemovePictureResponse, error) {
		request, fromOffice, err := handling{Service: s.Service}.talks(tx, call, req.GetRequestId())
		if err != nil {
			return nil, err
		}
		row, err := s.picture(tx, req.GetRequestId(), req.GetId())
		if err == nil && row.Value.GetFromOffice() && !fromOffice {
			err = rule.Absent("picture", req.GetId())
		}
		if err != nil {
			return nil, err
		}
		if err := s.removePicture(tx, request.Value, row, now); err != nil {
			return nil, err
		}
		return &pb.RemovePictureResponse{}, nil
	})
}

func (s attachments) picture(r kv.Reader, requestID, id string) (table.Row[*pb.PictureRow], error) {
	row, ok, err := s.album.pictures.Get(r, scope.All(), requestKey(requestID).String(id))
	if err == nil && !ok {
		err = rule.Absent("picture", id)
	}
	return row, err
}

func (s attachments) removePicture(tx *store.Tx, request *pb.RequestRow, row table.Row[*pb.PictureRow], now time.Time) error {
	if err := s.album.pictures.Delete(tx, row); err != nil {
		return err
	}
	return s.letGo(tx, request, row, now)
}

// letGo lets go of the files of a picture whose row goes in the same commit, and
// announces it.
func (s attachments) letGo(tx *store.Tx, request *pb.RequestRow, row table.Row[*pb.PictureRow], now time.Time) error {
	if s.album.blobs == nil {
		return kv.ErrUnavailable
	}
	p := row.Value
	if err := s.album.blobs.ReleaseAll(tx, p.GetWhole(), p.GetMedium(), p.GetSmall()); err != nil {
		return err
	}
	if err := s.countPictures(tx, p.GetRequestId(), -1); err != nil {
		return err
	}
	row.Revision++ // after its last one
	return s.announcePicture(tx, "picture.removed", request, row, now)
}

// forgetPictures takes all pictures of a request away.
func (s *Service) forgetPictures(tx *store.Tx, id string) error {
	page, err := s.album.pictures.List(tx, scope.All(), table.Query{Prefix: requestKey(id), Limit: mostPictures})
	if err != nil || len(page.Rows) == 0 {
		return err
	}
	request, err := s.read(tx, scope.All(), id)
	if err != nil {
		return err
	}
	for _, row := range page.Rows {
		if err := (attachments{Service: s}).removePicture(tx, request.Value, row, s.store.Civil().Now()); err != nil {
			return err
		}
	}
	return nil
}

// ReadPicture answers what an address opens. One that opens nothing, and one of a
// picture that is gone, look like that of a picture that never was.
func (s attachments) ReadPicture(req *pb.ReadPictureRequest, stream grpc.ServerStreamingServer[pb.ReadPictureResponse]) error {
	ctx, call := stream.Context(), access.From(stream.Context())
	absent := rule.Absent("picture", req.GetId())
	pass := blobs.Pass{Expires: req.GetExpires(), Reader: req.GetReader(), Signature: req.GetSignature()}
	if s.album.blobs == nil || !s.album.passes.Opens(pass, call.Person, s.store.Wall().Now(), req.GetId(), req.GetSize().String()) {
		return absent
	}
	var row *pb.PictureRow
	err := s.store.View(ctx, func(r kv.Reader) error {
		found, ok, err := s.album.pictures.By(r, scope.All(), byPictureID, requestKey(req.GetId()))
		if err == nil && !ok {
			err = absent
		}
		row = found.Value
		return err
	})
	if err != nil {
		return err
	}
	at := map[pb.PictureSize]string{
		pb.PictureSize_PICTURE_SIZE_WHOLE: row.GetWhole(), pb.PictureSize_PICTURE_SIZE_MEDIUM: row.GetMedium(), pb.PictureSize_PICTURE_SIZE_SMALL: row.GetSmall(),
	}[req.GetSize()]
	file, err := s.album.blobs.Read(ctx, at)
	if errors.Is(err, blobs.ErrMissing) { // the row says that it is there
		return kv.ErrCorrupt
	}
	if err != nil {
		return err
	}
	err = stream.Send(&pb.ReadPictureResponse{Part: &pb.ReadPictureResponse_Head{Head: &typev1.BlobHead{
		MediaType: row.GetMediaType(), Bytes: int64(len(file)), Etag: blobs.Etag(at), ExpiresAt: timestamppb.New(time.Unix(pass.Expires, 0)),
	}}})
	if err != nil {
		return err
	}
	return blobs.Chunks(file, func(b []byte) error {
		return stream.Send(&pb.ReadPictureResponse{Part: &pb.ReadPictureResponse_Chunk{Chunk: b}})
	})
}

// address puts into a picture where the caller can read it.
func (s attachments) address(call access.Call, p *pb.Picture) {
	at := func(size pb.PictureSize, name string) string {
		return s.album.passes.Give(call.Person, s.store.Wall().Now(), p.GetId(), size.String()).Path(p.GetId(), name)
	}
	p.Addresses = &pb.PictureAddresses{
		Whole: at(pb.PictureSize_PICTURE_SIZE_WHOLE, "whole"), Medium: at(pb.PictureSize_PICTURE_SIZE_MEDIUM, "medium"),
		Small: at(pb.PictureSize_PICTURE_SIZE_SMALL, "small"), ExpiresAt: timestamppb.New(s.store.Wall().Now().Add(blobs.AddressLasts)),
	}
}

func pictureProto(request *pb.RequestRow, p *pb.PictureRow) *pb.Picture {
	return &pb.Picture{
		Id: p.GetId(), RequestId: p.GetRequestId(), ShowsFace: p.GetShowsFace(), FromOffice: p.GetFromOffice(),
		StaffOnly: p.GetShowsFace() || !public(request.GetRequest()),
		MediaType: p.GetMediaType(), Width: p.GetWidth(), Height: p.GetHeight(), AddedAt: p.GetAddedAt(),
	}
}
