package audit

import (
	"context"
	"errors"
	"fmt"
	"io"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/store"
)

// What is taken from one snapshot.
const (
	itemsAtOnce = 2000
	bytesAtOnce = 512 << 10
)

// ProveAuditLine answers the audit path of a line.
func (s *Service) ProveAuditLine(ctx context.Context, req *pb.ProveAuditLineRequest) (*pb.ProveAuditLineResponse, error) {
	p, err := s.read(ctx, req.GetService())
	if err != nil {
		return nil, err
	}
	proof, err := p.store.ProveLine(ctx, req.GetIndex(), req.GetSize())
	if err != nil {
		return nil, notProved(err, req.GetService())
	}
	return &pb.ProveAuditLineResponse{Line: proof.Line, LeafHash: proof.Leaf, Size: proof.Size, Path: proof.Path}, nil
}

// ProveAuditGrowth answers the consistency proof between two sizes.
func (s *Service) ProveAuditGrowth(ctx context.Context, req *pb.ProveAuditGrowthRequest) (*pb.ProveAuditGrowthResponse, error) {
	p, err := s.read(ctx, req.GetService())
	if err != nil {
		return nil, err
	}
	path, to, err := p.store.ProveGrowth(ctx, req.GetFromSize(), req.GetToSize())
	if err != nil {
		return nil, notProved(err, req.GetService())
	}
	return &pb.ProveAuditGrowthResponse{FromSize: req.GetFromSize(), ToSize: to, Proof: path}, nil
}

func notProved(err error, service string) error {
	if errors.Is(err, store.ErrNoProof) {
		return rule.Absent("audit_proof", service)
	}
	return err
}

// ReadAuditLog hands out the log as it is stored, a bounded part of it from each
// snapshot: who reads slowly holds no snapshot open.
func (s *Service) ReadAuditLog(req *pb.ReadAuditLogRequest, stream pb.AuditService_ReadAuditLogServer) error {
	ctx := stream.Context()
	p, err := s.read(ctx, req.GetService())
	if err != nil {
		return err
	}
	begin, err := p.begin(ctx)
	if err != nil {
		return err
	}
	err = stream.Send(&pb.ReadAuditLogResponse{Part: &pb.ReadAuditLogResponse_Begin{Begin: &pb.AuditLogBegin{
		First: begin.First, Hashes: begin.Hashes, RemovedHeadDigest: begin.Removed, Verifier: begin.Verifier,
	}}})
	for at := (store.AuditPlace{Line: begin.First}); err == nil; {
		taken := &taking{at: at}
		if err = p.store.View(ctx, func(r kv.Reader) error { return taken.from(r, at) }); err != nil {
			return err
		}
		for _, part := range taken.parts {
			if err := stream.Send(part); err != nil {
				return err
			}
		}
		if at = taken.at; len(taken.parts) == 0 {
			break
		}
	}
	if err != nil {
		return err
	}
	now, err := p.begin(ctx)
	if err == nil && now.First != begin.First {
		err = fmt.Errorf("%w: old lines were removed meanwhile, read again", kv.ErrConflict)
	}
	return err
}

func (p part) begin(ctx context.Context) (b store.AuditLogBegin, err error) {
	err = p.store.View(ctx, func(r kv.Reader) error { b, err = p.store.BeginAuditLog(r); return err })
	return b, err
}

// taking gathers a bounded part of the log into messages.
type taking struct {
	at    store.AuditPlace // where the next part begins
	parts []*pb.ReadAuditLogResponse
	items int
	bytes int
}

var errEnough = errors.New("audit: a part is full")

func (t *taking) from(r kv.Reader, at store.AuditPlace) error {
	*t = taking{at: at}
	err := store.WalkAuditLog(r, at, t.line, t.head)
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// full says whether something of so many bytes has to wait for the next part.
func (t *taking) full(more int) bool {
	if t.items > 0 && (t.items == itemsAtOnce || t.bytes+more > bytesAtOnce) {
		return true
	}
	t.items, t.bytes = t.items+1, t.bytes+more
	return false
}

func (t *taking) line(index uint64, value []byte) error {
	if t.full(len(value)) {
		return errEnough
	}
	var lines *pb.AuditLogLines
	if n := len(t.parts); n > 0 {
		lines = t.parts[n-1].GetLines()
	}
	if lines == nil || lines.GetFrom()+uint64(len(lines.GetLines())) != index {
		lines = &pb.AuditLogLines{From: index}
		t.parts = append(t.parts, &pb.ReadAuditLogResponse{Part: &pb.ReadAuditLogResponse_Lines{Lines: lines}})
	}
	lines.Lines, t.at.Line = append(lines.Lines, value), index+1
	return nil
}

func (t *taking) head(size uint64, signed string) error {
	if t.full(len(signed)) {
		return errEnough
	}
	t.parts = append(t.parts, &pb.ReadAuditLogResponse{Part: &pb.ReadAuditLogResponse_Head{Head: &pb.AuditLogHead{Note: signed}}})
	t.at.Head = size + 1
	return nil
}

// Verify reads the log of a service from a server and checks it as
// store.VerifyAudit does. trusted is the key to verify with, as it was kept
// elsewhere; empty takes the server's own. held are heads that others hold.
func Verify(ctx context.Context, api pb.AuditServiceClient, service, trusted string, held ...store.HeldHead) (store.AuditReport, error) {
	stream, err := api.ReadAuditLog(ctx, &pb.ReadAuditLogRequest{Service: service})
	if err != nil {
		return store.AuditReport{}, err
	}
	first, err := stream.Recv()
	if err != nil {
		return store.AuditReport{}, err
	}
	begin := first.GetBegin()
	if begin == nil {
		return store.AuditReport{}, fmt.Errorf("read the audit of %s: it does not begin", service)
	}
	if trusted == "" {
		trusted = begin.GetVerifier()
	}
	v := store.NewAuditVerifier(service, trusted, begin.GetFirst(), begin.GetHashes(), begin.GetRemovedHeadDigest())
	for _, h := range held {
		if h.Service == service {
			v.Expect(h.Note, h.Holder)
		}
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return v.End(), nil
		}
		if err != nil {
			return store.AuditReport{}, err
		}
		for i, line := range part.GetLines().GetLines() {
			v.Line(part.GetLines().GetFrom()+uint64(i), line)
		}
		if h := part.GetHead(); h != nil {
			v.Head(h.GetNote())
		}
	}
}
