package requests_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/blobs"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/testkit"
)

func folderOfFiles(t testing.TB) *blobs.Bucket {
	t.Helper()
	b, err := blobs.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// photo is a JPEG of some colour, with a comment that must not be kept.
func photo(t testing.TB, c color.Color) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 1700, 40))
	for x := range 1700 {
		for y := range 40 {
			m.Set(x, y, c)
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, nil); err != nil {
		t.Fatal(err)
	}
	file := out.Bytes()
	return append([]byte("\xff\xd8\xff\xfe\x00\x08canary"), file[2:]...)
}

func (h house) attachments() pb.AttachmentServiceClient {
	return pb.NewAttachmentServiceClient(h.Conn())
}

// sendPicture sends a picture in pieces.
func (h house) sendPicture(ctx context.Context, header *pb.AddPictureHeader, file []byte) (*pb.Picture, error) {
	s, err := h.attachments().AddPicture(ctx)
	if err != nil {
		return nil, err
	}
	err = s.Send(&pb.AddPictureRequest{Part: &pb.AddPictureRequest_Header{Header: header}})
	for len(file) > 0 && err == nil {
		n := min(len(file), 1000)
		err = s.Send(&pb.AddPictureRequest{Part: &pb.AddPictureRequest_Chunk{Chunk: file[:n]}})
		file = file[n:]
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	reply, err := s.CloseAndRecv()
	return reply.GetPicture(), err
}

func (h house) added(ctx context.Context, t *testing.T, requestID string, face bool) *pb.Picture {
	t.Helper()
	p, err := h.sendPicture(ctx, &pb.AddPictureHeader{RequestId: requestID, ShowsFace: face}, photo(t, color.White))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (h house) pictures(ctx context.Context, t *testing.T, requestID string) []*pb.Picture {
	t.Helper()
	reply, err := h.attachments().ListPictures(ctx, &pb.ListPicturesRequest{RequestId: requestID})
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetPictures()
}

// fetch reads what an address opens.
func (h house) fetch(ctx context.Context, t *testing.T, address string) (*typev1.BlobHead, []byte, error) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	expires, _ := strconv.ParseInt(q.Get("expires"), 10, 64) // 0 opens nothing
	s, err := h.attachments().ReadPicture(ctx, &pb.ReadPictureRequest{
		Id: strings.TrimPrefix(u.Path, "/v1/blobs/"), Size: pb.PictureSize(pb.PictureSize_value["PICTURE_SIZE_"+strings.ToUpper(q.Get("size"))]),
		Expires: expires, Reader: q.Get("reader"), Signature: q.Get("sig"),
	})
	if err != nil {
		return nil, nil, err
	}
	var head *typev1.BlobHead
	var file []byte
	for {
		m, err := s.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return head, file, nil
		case err != nil:
			return nil, nil, err
		case m.GetHead() != nil:
			head = m.GetHead()
		}
		file = append(file, m.GetChunk()...)
	}
}

func TestPicture_IsReadThroughItsAddress(t *testing.T) {
	h := newHouse(t, inMemory())
	id := h.post(h.resident("r1"), t, problem()).GetId()
	p := h.added(h.resident("r1"), t, id, false)
	if p.GetMediaType() != "image/jpeg" || p.GetWidth() != 1700 || p.GetStaffOnly() || p.GetFromOffice() {
		t.Errorf("%v", p)
	}
	for at, side := range map[string]int{p.GetAddresses().GetWhole(): 1700, p.GetAddresses().GetMedium(): 1600, p.GetAddresses().GetSmall(): 320} {
		for _, ctx := range []context.Context{h.resident("r1"), t.Context()} {
			head, file, err := h.fetch(ctx, t, at)
			if err != nil {
				t.Fatal(err)
			}
			c, err := jpeg.DecodeConfig(bytes.NewReader(file))
			if err != nil || c.Width != side || head.GetBytes() != int64(len(file)) || bytes.Contains(file, []byte("canary")) || head.GetFileName() != "" {
				t.Errorf("%d wide, want %d; %v, %v", c.Width, side, head, err)
			}
		}
		_, _, err := h.fetch(h.resident("r2"), t, at)
		refused(t, "the address of somebody else", err, codes.NotFound, "NOT_FOUND")
		_, _, err = h.fetch(h.resident("r1"), t, strings.Replace(at, "expires=1", "expires=2", 1))
		refused(t, "a later end", err, codes.NotFound, "NOT_FOUND")
		_, _, err = h.fetch(t.Context(), t, strings.Replace(at, "sig=", "sig=0", 1))
		refused(t, "another signature", err, codes.NotFound, "NOT_FOUND")
	}
	_, _, err := h.fetch(t.Context(), t, strings.Replace(p.GetAddresses().GetSmall(), "size=small", "size=whole", 1))
	refused(t, "another size", err, codes.NotFound, "NOT_FOUND")
	for _, who := range []context.Context{h.staff(), h.resident("r2"), h.member("m1")} { // it is public
		if all := h.pictures(who, t, id); len(all) != 1 || all[0].GetAddresses() == nil {
			t.Errorf("%v", all)
		}
	}
	if _, err := h.attachments().ListPictures(h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "other", c2), &pb.ListPicturesRequest{RequestId: id}); err == nil {
		t.Error("another community's staff sees the pictures")
	} else {
		refused(t, "another community", err, codes.NotFound, "NOT_FOUND")
	}
	if bytes.Contains(h.Events("requests"), []byte("canary")) {
		t.Error("an event holds what came")
	}
}

// TestPicture_WithAFaceIsForStaff: a face is seen by the author and, with a reason
// that stays in the audit, by staff of the community.
func TestPicture_WithAFaceIsForStaff(t *testing.T) {
	h := newHouse(t, inMemory())
	open := h.post(h.resident("r1"), t, problem())
	quiet := problem()
	quiet.Visibility = pb.Visibility_VISIBILITY_STAFF_ONLY
	closed := h.post(h.resident("r1"), t, quiet)
	for request, face := range map[string]bool{open.GetId(): true, closed.GetId(): false} {
		p := h.added(h.resident("r1"), t, request, face)
		if !p.GetStaffOnly() || p.GetAddresses() == nil {
			t.Errorf("%v", p)
		}
		if all := h.pictures(h.staff(), t, request); len(all) != 1 || all[0].GetAddresses() != nil {
			t.Errorf("staff sees it without a reason: %v", all)
		}
		if all := h.pictures(h.resident("r1"), t, request); len(all) != 1 || all[0].GetAddresses() == nil {
			t.Errorf("the author does not see it: %v", all)
		}
		reveal := &pb.RevealPictureRequest{RequestId: request, Id: p.GetId(), Reason: "看一下现场"}
		reply, err := h.attachments().RevealPicture(h.staff(), reveal)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.fetch(h.staff(), t, reply.GetPicture().GetAddresses().GetWhole()); err != nil {
			t.Error(err)
		}
		_, err = h.attachments().RevealPicture(h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "other", c2), reveal)
		refused(t, "another community", err, codes.NotFound, "NOT_FOUND")
		_, err = h.attachments().RevealPicture(h.resident("r2"), reveal)
		refused(t, "a resident", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	}
	if all := h.pictures(h.resident("r2"), t, open.GetId()); len(all) != 0 {
		t.Errorf("neighbours see a face: %v", all)
	}
	if all := h.pictures(h.member("m1"), t, open.GetId()); len(all) != 0 {
		t.Errorf("a member sees a face: %v", all)
	}
	if n := h.audited(t, "revealed", "看一下现场"); n != 2 {
		t.Errorf("%d lines of the audit", n)
	}
	shown := h.added(h.resident("r1"), t, open.GetId(), false)
	_, err := h.attachments().RevealPicture(h.staff(), &pb.RevealPictureRequest{RequestId: open.GetId(), Id: shown.GetId(), Reason: "看一下现场"})
	refused(t, "nothing to reveal", err, codes.FailedPrecondition, "NOTHING_SEALED")
}

// audited counts lines of the audit.
func (h house) audited(t *testing.T, outcome, reason string) (n int) {
	t.Helper()
	err := h.Store("requests").View(t.Context(), func(r kv.Reader) error {
		rows, err := store.AuditRows(r, 1000)
		err = errors.Join(err, h.Store("requests").OpenReasons(r, rows))
		for _, row := range rows {
			if row.GetOutcome() == outcome && row.GetReason() == reason {
				n++
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPicture_WhoMayAddOne(t *testing.T) {
	h := newHouse(t, inMemory())
	id := h.post(h.resident("r1"), t, problem()).GetId()
	if p := h.added(h.staff(), t, id, false); !p.GetFromOffice() {
		t.Errorf("%v", p)
	}
	for who, ctx := range map[string]context.Context{
		"a neighbour": h.resident("r2"), "a member": h.member("m1"), "another community's staff": h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "other", c2),
	} {
		_, err := h.sendPicture(ctx, &pb.AddPictureHeader{RequestId: id}, photo(t, color.White))
		refused(t, who, err, codes.NotFound, "NOT_FOUND")
	}
	_, err := h.sendPicture(h.resident("r1"), &pb.AddPictureHeader{RequestId: id}, []byte("GIF89a"))
	refused(t, "a GIF", err, codes.InvalidArgument, "PICTURE_TYPE")
	_, err = h.sendPicture(h.resident("r1"), &pb.AddPictureHeader{RequestId: id}, nil)
	refused(t, "nothing", err, codes.InvalidArgument, "FILE_EMPTY")
	_, err = h.sendPicture(h.resident("r1"), &pb.AddPictureHeader{RequestId: id}, make([]byte, 11<<20))
	refused(t, "too much", err, codes.InvalidArgument, "FILE_TOO_LARGE")
	for range 8 {
		h.added(h.resident("r1"), t, id, false)
	}
	_, err = h.sendPicture(h.resident("r1"), &pb.AddPictureHeader{RequestId: id}, photo(t, color.White))
	refused(t, "a tenth", err, codes.ResourceExhausted, "TOO_MANY_FILES")
	ended := h.walk(t).GetId()
	_, err = h.sendPicture(h.resident("r1"), &pb.AddPictureHeader{RequestId: ended}, photo(t, color.White))
	refused(t, "a closed request", err, codes.FailedPrecondition, "REQUEST_ENDED")
}

func TestPicture_SentTwiceIsOne(t *testing.T) {
	h := newHouse(t, inMemory())
	id := h.post(h.resident("r1"), t, problem()).GetId()
	again := func(header *pb.AddPictureHeader, c color.Color) (*pb.Picture, error) {
		return h.sendPicture(testkit.Keyed(h.resident("r1"), "one"), header, photo(t, c))
	}
	first, err := again(&pb.AddPictureHeader{RequestId: id}, color.White)
	if err != nil {
		t.Fatal(err)
	}
	second, err := again(&pb.AddPictureHeader{RequestId: id}, color.White)
	if err != nil || second.GetId() != first.GetId() || second.GetAddresses() == nil {
		t.Errorf("%v, %v", second, err)
	}
	_, err = again(&pb.AddPictureHeader{RequestId: id}, color.Black)
	refused(t, "another picture under one key", err, codes.InvalidArgument, "IDEMPOTENCY_KEY_REUSED")
	_, err = again(&pb.AddPictureHeader{RequestId: id, ShowsFace: true}, color.White)
	refused(t, "another header under one key", err, codes.InvalidArgument, "IDEMPOTENCY_KEY_REUSED")
	if all := h.pictures(h.resident("r1"), t, id); len(all) != 1 {
		t.Errorf("%d pictures", len(all))
	}
}

func TestPicture_IsTakenAway(t *testing.T) {
	h := newHouse(t, inMemory())
	id := h.post(h.resident("r1"), t, problem()).GetId()
	own, office := h.added(h.resident("r1"), t, id, false), h.added(h.staff(), t, id, false)
	remove := func(ctx context.Context, p *pb.Picture) error {
		_, err := h.attachments().RemovePicture(ctx, &pb.RemovePictureRequest{RequestId: id, Id: p.GetId()})
		return err
	}
	refused(t, "the office's by the author", remove(h.resident("r1"), office), codes.NotFound, "NOT_FOUND")
	refused(t, "by a neighbour", remove(h.resident("r2"), own), codes.NotFound, "NOT_FOUND")
	if err := remove(h.resident("r1"), own); err != nil {
		t.Error(err)
	}
	refused(t, "twice", remove(h.resident("r1"), own), codes.NotFound, "NOT_FOUND")
	_, _, err := h.fetch(t.Context(), t, own.GetAddresses().GetSmall())
	refused(t, "the address of what is gone", err, codes.NotFound, "NOT_FOUND")
	if all := h.pictures(h.staff(), t, id); len(all) != 1 || all[0].GetId() != office.GetId() {
		t.Errorf("%v", all)
	}
}

// TestPicture_OfANuisanceLeadsToNobody: neither the audit nor an event says who
// sent it.
func TestPicture_OfANuisanceLeadsToNobody(t *testing.T) {
	h := newHouse(t, inMemory())
	in := problem()
	in.Kind = pb.RequestKind_REQUEST_KIND_NUISANCE
	id := h.post(h.resident("resident-canary"), t, in).GetId()
	p := h.added(h.resident("resident-canary"), t, id, false)
	err := h.Store("requests").View(t.Context(), func(r kv.Reader) error {
		rows, err := store.AuditRows(r, 1000)
		err = errors.Join(err, h.Store("requests").OpenReasons(r, rows))
		for _, row := range rows {
			for _, touched := range row.GetRows() {
				if row.GetPerson() == "resident-canary" && (touched == id || touched == p.GetId()) {
					t.Errorf("%s leads to %s", row.GetMethod(), touched)
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	err = h.Store("requests").View(t.Context(), func(r kv.Reader) error {
		return store.EachEvent(r, func(row []byte) {
			if !bytes.Contains(row, []byte("picture.added")) {
				return
			}
			if seen++; bytes.Contains(row, []byte("resident-canary")) {
				t.Error("an event says who sent a picture")
			}
		})
	})
	if err != nil || seen != 1 {
		t.Errorf("%d events, %v", seen, err)
	}
}

// TestPicture_OfACaseThatIsErasedGoes: whose consent is refused leaves no picture.
func TestPicture_OfACaseThatIsErasedGoes(t *testing.T) {
	h := newAidHouse(t)
	id := h.post(h.resident("r1"), t, hardshipPost()).GetId()
	p := h.added(h.resident("r1"), t, id, false)
	c := h.open(h.staff(), t, id)
	if _, err := h.aid.VisitHardshipCase(h.staff(), &pb.VisitHardshipCaseRequest{Id: c.GetId(), Facts: facts()}); err != nil {
		t.Fatal(err)
	}
	if all := h.pictures(h.staff(), t, id); len(all) != 1 {
		t.Errorf("before: %v", all)
	}
	if _, err := h.aid.RecordHardshipConsent(h.staff(), &pb.RecordHardshipConsentRequest{Id: c.GetId(), By: pb.ConsentBy_CONSENT_BY_GUARDIAN, Name: "百灵鸟"}); err != nil {
		t.Fatal(err)
	}
	if all := h.pictures(h.staff(), t, id); len(all) != 0 {
		t.Errorf("afterwards: %v", all)
	}
	_, _, err := h.fetch(t.Context(), t, p.GetAddresses().GetWhole())
	refused(t, "its address", err, codes.NotFound, "NOT_FOUND")
}
