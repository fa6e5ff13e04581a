package projects_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/blobs"
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

// paper is a PDF of one page, with more in its catalog.
func paper(catalog string) []byte {
	out := bytes.NewBufferString("%PDF-1.7\n")
	var at []int
	for i, o := range []string{"<< /Type /Catalog /Pages 2 0 R " + catalog + " >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>", "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"} {
		at = append(at, out.Len())
		fmt.Fprintf(out, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	begin := out.Len()
	fmt.Fprint(out, "xref\n0 4\n0000000000 65535 f \n")
	for _, a := range at {
		fmt.Fprintf(out, "%010d 00000 n \n", a)
	}
	fmt.Fprintf(out, "trailer\n<< /Size 4 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", begin)
	return out.Bytes()
}

func (h *house) attachments() pb.AttachmentServiceClient {
	return pb.NewAttachmentServiceClient(h.Conn())
}

func (h *house) sendDocument(ctx context.Context, application, name string, file []byte) (*pb.AttachedFile, error) {
	s, err := h.attachments().AddDocument(ctx)
	if err != nil {
		return nil, err
	}
	err = s.Send(&pb.AddDocumentRequest{Part: &pb.AddDocumentRequest_Header{Header: &pb.AddDocumentHeader{ApplicationId: application, Name: name}}})
	if err == nil && len(file) > 0 {
		err = s.Send(&pb.AddDocumentRequest{Part: &pb.AddDocumentRequest_Chunk{Chunk: file}})
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	reply, err := s.CloseAndRecv()
	return reply.GetDocument(), err
}

func (h *house) sendProof(ctx context.Context, header *pb.AddProofHeader, file []byte) (*pb.AttachedFile, error) {
	s, err := h.attachments().AddProof(ctx)
	if err != nil {
		return nil, err
	}
	err = s.Send(&pb.AddProofRequest{Part: &pb.AddProofRequest_Header{Header: header}})
	if err == nil {
		err = s.Send(&pb.AddProofRequest{Part: &pb.AddProofRequest_Chunk{Chunk: file}})
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	reply, err := s.CloseAndRecv()
	return reply.GetProof(), err
}

// fetch reads what an address opens.
func (h *house) fetch(ctx context.Context, address string) (head *typev1.BlobHead, file []byte, err error) {
	h.t.Helper()
	u := must[*url.URL](h)(url.Parse(address))
	q := u.Query()
	expires, _ := strconv.ParseInt(q.Get("expires"), 10, 64) // 0 opens nothing
	s, err := h.attachments().ReadFile(ctx, &pb.ReadFileRequest{
		Id: strings.TrimPrefix(u.Path, "/v1/blobs/"), Expires: expires, Reader: q.Get("reader"), Signature: q.Get("sig"),
	})
	for err == nil {
		var m *pb.ReadFileResponse
		if m, err = s.Recv(); err != nil {
			break
		}
		if m.GetHead() != nil {
			head = m.GetHead()
		}
		file = append(file, m.GetChunk()...)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return head, file, err
}

func TestDocument_BesideAnApplication(t *testing.T) {
	h := start(t)
	a := h.draft(h.opened().GetId(), community, "17")
	mine := h.applicant(community)
	d := must[*pb.AttachedFile](h)(h.sendDocument(mine, a.GetId(), `C:\桌面\申报书.exe`, paper("")))
	if d.GetName() != "申报书.pdf" || d.GetMediaType() != "application/pdf" || d.GetBytes() == 0 {
		t.Errorf("%v", d)
	}
	for who, ctx := range map[string]context.Context{"its person": mine, "a browser": t.Context()} {
		head, file, err := h.fetch(ctx, d.GetAddress())
		if err != nil || !bytes.Equal(file, paper("")) || head.GetFileName() != "申报书.pdf" {
			t.Errorf("%s: %d bytes, %v, %v", who, len(file), head, err)
		}
	}
	_, _, err := h.fetch(h.officer(), d.GetAddress())
	refused(t, "somebody else's address", err, codes.NotFound, "NOT_FOUND", "")
	_, _, err = h.fetch(mine, strings.Replace(d.GetAddress(), "expires=1", "expires=2", 1))
	refused(t, "a later end", err, codes.NotFound, "NOT_FOUND", "")
	for reason, file := range map[string][]byte{"DOCUMENT_TYPE": []byte("\xff\xd8\xff"), "DOCUMENT_MACROS": paper("/OpenAction << /S /JavaScript /JS (x) >>"), "FILE_EMPTY": nil} {
		_, err := h.sendDocument(mine, a.GetId(), "x.pdf", file)
		refused(t, reason, err, codes.InvalidArgument, reason, "chunk")
	}
	_, err = h.sendDocument(h.applicant(foreignPlace), a.GetId(), "x.pdf", paper(""))
	refused(t, "another district", err, codes.NotFound, "NOT_FOUND", "")
	_, err = h.attachments().ListDocuments(h.applicant(otherPlace), &pb.ListDocumentsRequest{ApplicationId: a.GetId()})
	refused(t, "another applicant", err, codes.NotFound, "NOT_FOUND", "")
	if bytes.Contains(h.Events("projects"), []byte("申报书")) || strings.Contains(h.Log.String(), "申报书") {
		t.Error("the name of a file is in an event or the log")
	}
	keyed := func() *pb.AttachedFile {
		return must[*pb.AttachedFile](h)(h.sendDocument(testkit.Keyed(mine, "k"), a.GetId(), "b.pdf", paper("")))
	}
	if one, two := keyed(), keyed(); one.GetId() != two.GetId() {
		t.Error("sent twice, it is two")
	}
	listed := must[*pb.ListDocumentsResponse](h)(h.attachments().ListDocuments(mine, &pb.ListDocumentsRequest{ApplicationId: a.GetId()})).GetDocuments()
	if len(listed) != 2 || listed[0].GetId() != d.GetId() {
		t.Errorf("%v", listed)
	}
	must[*pb.RemoveDocumentResponse](h)(h.attachments().RemoveDocument(mine, &pb.RemoveDocumentRequest{ApplicationId: a.GetId(), Id: d.GetId()}))
	_, _, err = h.fetch(mine, d.GetAddress())
	refused(t, "what is gone", err, codes.NotFound, "NOT_FOUND", "")
	for range 9 {
		must[*pb.AttachedFile](h)(h.sendDocument(mine, a.GetId(), "c.pdf", paper("")))
	}
	_, err = h.sendDocument(mine, a.GetId(), "d.pdf", paper(""))
	refused(t, "an eleventh", err, codes.ResourceExhausted, "TOO_MANY_FILES", "")
	must[*pb.SubmitApplicationResponse](h)(h.SubmitApplication(mine, &pb.SubmitApplicationRequest{Id: a.GetId()}))
	_, err = h.attachments().RemoveDocument(mine, &pb.RemoveDocumentRequest{ApplicationId: a.GetId(), Id: listed[1].GetId()})
	wrongState(t, "handed in", err)
	// Who may read the application may read its documents, and nobody else.
	for who, ctx := range map[string]context.Context{"the district": h.officer(), "a reviewer": h.reviewer("E1", "W00001"), "the applicant": mine} {
		_, row := h.GetApplication(ctx, &pb.GetApplicationRequest{Id: a.GetId()})
		_, err := h.attachments().ListDocuments(ctx, &pb.ListDocumentsRequest{ApplicationId: a.GetId()})
		if status.Code(err) != status.Code(row) {
			t.Errorf("%s: documents %v, application %v", who, err, row)
		}
	}
}

func TestProof_UntilItIsDecided(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "17", manual(10, "2013-12-31"))
	y.deliver(p.GetId(), "p2", "")
	y.on("2013-04-02")
	mine := y.applicant(community)
	reading := must[*pb.RecordReadingResponse](y.house)(y.indicators().RecordReading(mine,
		&pb.RecordReadingRequest{ProjectId: p.GetId(), Indicator: 0, Value: proto.Float64(1), AsOf: "2013-04-01", Proof: "台账"})).GetReading()
	entry := must[*pb.RecordSpendingResponse](y.house)(y.spending().RecordSpending(mine, spend(p, "materials", 100))).GetSpending()
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 20, 20))); err != nil {
		t.Fatal(err)
	}
	header := func(of pb.ProofOf, id string) *pb.AddProofHeader {
		return &pb.AddProofHeader{ProjectId: p.GetId(), Of: of, OfId: id, Name: "发票.heic"}
	}
	receipt := must[*pb.AttachedFile](y.house)(y.sendProof(mine, header(pb.ProofOf_PROOF_OF_SPENDING, entry.GetId()), picture.Bytes()))
	if receipt.GetName() != "发票.jpg" || receipt.GetMediaType() != "image/jpeg" {
		t.Errorf("%v", receipt)
	}
	must[*pb.AttachedFile](y.house)(y.sendProof(mine, header(pb.ProofOf_PROOF_OF_READING, reading.GetId()), paper("")))
	list := func(ctx context.Context, of pb.ProofOf, id string) ([]*pb.AttachedFile, error) {
		reply, err := y.attachments().ListProofs(ctx, &pb.ListProofsRequest{ProjectId: p.GetId(), Of: of, OfId: id})
		return reply.GetProofs(), err
	}
	if all := must[[]*pb.AttachedFile](y.house)(list(y.officer(), pb.ProofOf_PROOF_OF_SPENDING, entry.GetId())); len(all) != 1 {
		t.Errorf("the district sees %d", len(all))
	} else if head, _, err := y.fetch(y.officer(), all[0].GetAddress()); err != nil || head.GetFileName() != "发票.jpg" {
		t.Errorf("%v, %v", head, err)
	}
	for name, of := range map[string]*pb.AddProofHeader{"another's entry": header(pb.ProofOf_PROOF_OF_SPENDING, reading.GetId()), "no such look": header(pb.ProofOf_PROOF_OF_ACCEPTANCE, "7"),
		"no number": header(pb.ProofOf_PROOF_OF_ACCEPTANCE, "x")} {
		_, err := y.sendProof(mine, of, paper(""))
		refused(t, name, err, codes.NotFound, "NOT_FOUND", "")
	}
	_, err := y.sendProof(y.applicant(otherPlace), header(pb.ProofOf_PROOF_OF_SPENDING, entry.GetId()), paper(""))
	refused(t, "another applicant", err, codes.NotFound, "NOT_FOUND", "")
	_, err = list(y.applicant(otherPlace), pb.ProofOf_PROOF_OF_SPENDING, entry.GetId())
	refused(t, "another applicant reads", err, codes.NotFound, "NOT_FOUND", "")
	must[*pb.ConfirmReadingResponse](y.house)(y.indicators().ConfirmReading(y.officer(), &pb.ConfirmReadingRequest{ProjectId: p.GetId(), Id: reading.GetId()}))
	_, err = y.sendProof(mine, header(pb.ProofOf_PROOF_OF_READING, reading.GetId()), paper(""))
	wrongState(t, "a proof of what is confirmed", err)
	must[*pb.ConfirmSpendingResponse](y.house)(y.spending().ConfirmSpending(y.officer(), &pb.ConfirmSpendingRequest{ProjectId: p.GetId(), Id: entry.GetId()}))
	_, err = y.attachments().RemoveProof(mine, &pb.RemoveProofRequest{ProjectId: p.GetId(), Id: receipt.GetId()})
	wrongState(t, "a proof of what is confirmed, taken away", err)
}

// TestProof_OfAnAcceptanceIsSeenByItsPanel: a member of the panel sees what the
// look rests on, and no other proofs.
func TestProof_OfAnAcceptanceIsSeenByItsPanel(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "17", manual(10, "2013-12-31"))
	y.deliverAll(p.GetId())
	must[*pb.OpenAcceptanceResponse](y.house)(y.acceptance().OpenAcceptance(y.officer(), &pb.OpenAcceptanceRequest{ProjectId: p.GetId(), Panel: panel()}))
	mine := y.applicant(community)
	header := &pb.AddProofHeader{ProjectId: p.GetId(), Of: pb.ProofOf_PROOF_OF_ACCEPTANCE, OfId: "1", Name: "总结.pdf"}
	proof := must[*pb.AttachedFile](y.house)(y.sendProof(mine, header, paper("")))
	member := y.As(panel()[0].GetPerson(), access.Grant{Role: typev1.Role_ROLE_REVIEWER, Path: y.paths[panel()[0].GetOrganizationId()]})
	all := must[*pb.ListProofsResponse](y.house)(y.attachments().ListProofs(member,
		&pb.ListProofsRequest{ProjectId: p.GetId(), Of: pb.ProofOf_PROOF_OF_ACCEPTANCE, OfId: "1"})).GetProofs()
	if len(all) != 1 || all[0].GetId() != proof.GetId() {
		t.Errorf("%v", all)
	}
	_, err := y.attachments().ListProofs(member, &pb.ListProofsRequest{ProjectId: p.GetId(), Of: pb.ProofOf_PROOF_OF_SPENDING, OfId: "x"})
	refused(t, "other proofs", err, codes.NotFound, "NOT_FOUND", "")
	stranger := y.As("nobody", access.Grant{Role: typev1.Role_ROLE_REVIEWER, Path: y.paths["W00001"]})
	_, err = y.attachments().ListProofs(stranger, &pb.ListProofsRequest{ProjectId: p.GetId(), Of: pb.ProofOf_PROOF_OF_ACCEPTANCE, OfId: "1"})
	refused(t, "another reviewer", err, codes.NotFound, "NOT_FOUND", "")
	must[*pb.RemoveProofResponse](y.house)(y.attachments().RemoveProof(mine, &pb.RemoveProofRequest{ProjectId: p.GetId(), Id: proof.GetId()}))
}
