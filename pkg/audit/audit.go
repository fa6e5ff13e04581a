// Package audit answers for the audit of the stores of one process: who did
// what, and the log that proves it. Its jobs give lines their place in the log
// and remove those whose time is over; its consumer keeps the heads of another
// service's log.
package audit

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

const defaultPage = 50

// Service answers linli.ops.v1.AuditService. It is safe for concurrent use.
type Service struct {
	pb.UnsafeAuditServiceServer
	parts []part
}

// part is the audit of one store.
type part struct {
	store  *store.Store
	tokens *seal.Box
}

// New makes the service over at least one store.
func New(stores []*store.Store) (*Service, error) {
	if len(stores) == 0 {
		return nil, errors.New("audit: no service is here")
	}
	s := &Service{}
	for _, st := range stores {
		s.parts = append(s.parts, part{st, st.Keyring().Box("page token of the audit")})
	}
	return s, nil
}

// Name is the service's short name.
func (s *Service) Name() string { return "ops" }

// Register puts the service on a server.
func (s *Service) Register(r grpc.ServiceRegistrar) { pb.RegisterAuditServiceServer(r, s) }

// OrganizationPath knows no organizations: no method names one.
func (s *Service) OrganizationPath(context.Context, string) (scope.Path, bool, error) {
	return "", false, nil
}

func (s *Service) part(service string) (part, error) {
	i := slices.IndexFunc(s.parts, func(p part) bool { return p.store.Service() == service })
	if i < 0 {
		return part{}, rule.Absent("service", service)
	}
	return s.parts[i], nil
}

// read finds the store that is asked and writes into its audit that it was read,
// and about what. If that cannot be written, nothing is answered.
func (s *Service) read(ctx context.Context, service string, about ...string) (part, error) {
	p, err := s.part(service)
	if err != nil {
		return p, err
	}
	rows := slices.DeleteFunc(append([]string{"audit"}, about...), func(r string) bool { return r == "" })
	return p, p.store.Update(ctx, func(tx *store.Tx) error {
		tx.Audit(store.Record{Rows: rows, Outcome: "read"})
		return nil
	})
}

// ListAuditLines answers one page, the newest line first.
func (s *Service) ListAuditLines(ctx context.Context, req *pb.ListAuditLinesRequest) (*pb.ListAuditLinesResponse, error) {
	if o := req.GetOutcome(); o != "" && !slices.Contains(store.Outcomes(), o) {
		return nil, rule.New(rule.Invalid, "INVALID_FIELD", "outcome", "field", "outcome", "rule", strings.Join(store.Outcomes(), ", "))
	}
	p, err := s.read(ctx, req.GetService(), req.GetPerson(), req.GetRow())
	if err != nil {
		return nil, err
	}
	filter := store.AuditFilter{Person: req.GetPerson(), Row: req.GetRow(), Outcome: req.GetOutcome(), Method: req.GetMethod()}
	if req.GetAddress() != "" {
		filter.AddressHash = p.store.AddressHash(req.GetAddress())
	}
	if req.GetFrom() != nil {
		filter.From = req.GetFrom().AsTime()
	}
	if req.GetUntil() != nil {
		filter.Until = req.GetUntil().AsTime()
	}
	asked := proto.CloneOf(req)
	asked.PageToken, asked.PageSize = "", 0
	before, err := p.placeOf(ctx, asked, req.GetPageToken())
	if err != nil {
		return nil, err
	}
	reply := &pb.ListAuditLinesResponse{}
	err = p.store.View(ctx, func(r kv.Reader) error {
		lines, next, err := store.AuditLines(r, filter, before, pageSize(req.GetPageSize()))
		if err == nil {
			err = p.openReasons(r, lines)
		}
		if err != nil {
			return err
		}
		for _, l := range lines {
			reply.Lines = append(reply.Lines, p.toProto(l))
		}
		if next > 0 {
			reply.NextPageToken, err = p.token(ctx, asked, next)
		}
		return err
	})
	return reply, err
}

// ListMyReadings answers one page, the newest first.
func (s *Service) ListMyReadings(ctx context.Context, req *pb.ListMyReadingsRequest) (*pb.ListMyReadingsResponse, error) {
	p, err := s.part(req.GetService())
	if err != nil {
		return nil, err
	}
	asked := &pb.ListMyReadingsRequest{Service: req.GetService()}
	before, err := p.placeOf(ctx, asked, req.GetPageToken())
	if err != nil {
		return nil, err
	}
	reply := &pb.ListMyReadingsResponse{}
	err = p.store.View(ctx, func(r kv.Reader) error {
		lines, next, err := store.Readings(r, access.From(ctx).Person, before, pageSize(req.GetPageSize()))
		if err == nil {
			err = p.openReasons(r, lines)
		}
		if err != nil {
			return err
		}
		for _, l := range lines {
			row := l.Row
			reply.Readings = append(reply.Readings, &pb.Reading{
				Time: row.GetTime(), Role: row.GetRole(), OrganizationPath: row.GetOrganizationPath(), Method: row.GetMethod(),
				Rows: row.GetRows(), Reason: row.GetReason(), Outcome: row.GetOutcome(),
			})
		}
		if next > 0 {
			reply.NextPageToken, err = p.token(ctx, asked, next)
		}
		return err
	})
	return reply, err
}

// openReasons puts the reasons of lines where they were written.
func (p part) openReasons(r kv.Reader, lines []store.IndexedLine) error {
	rows := make([]*typev1.AuditRow, len(lines))
	for i, l := range lines {
		rows[i] = l.Row
	}
	return p.store.OpenReasons(r, rows)
}

func pageSize(asked int32) int {
	if asked == 0 {
		return defaultPage
	}
	return int(asked)
}

func (p part) toProto(l store.IndexedLine) *pb.AuditLine {
	row := l.Row
	return &pb.AuditLine{
		Index: l.Index, Id: row.GetId(), Time: row.GetTime(), Person: row.GetPerson(), Account: row.GetAccount(), Session: row.GetSession(),
		Role: row.GetRole(), OrganizationPath: row.GetOrganizationPath(), Address: p.store.AuditAddress(row), Method: row.GetMethod(),
		CallId: row.GetCallId(), Rows: row.GetRows(), Subjects: row.GetSubjects(), RequestDigest: row.GetRequestDigest(),
		BeforeDigest: row.GetBeforeDigest(), AfterDigest: row.GetAfterDigest(), Reason: row.GetReason(), Outcome: row.GetOutcome(),
		Refusal: row.GetRefusal(), Count: row.GetCount(),
	}
}

// token says where a list goes on: for this caller and these filters only.
func (p part) token(ctx context.Context, asked proto.Message, before uint64) (string, error) {
	place, err := sealedFor(ctx, asked)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(p.tokens.Seal(binary.BigEndian.AppendUint64(nil, before), place...)), nil
}

func (p part) placeOf(ctx context.Context, asked proto.Message, token string) (uint64, error) {
	if token == "" {
		return 0, nil
	}
	place, err := sealedFor(ctx, asked)
	if err != nil {
		return 0, err
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err == nil {
		sealed, err = p.tokens.Open(sealed, place...)
	}
	if err != nil || len(sealed) != 8 {
		return 0, rule.New(rule.Invalid, "BAD_PAGE_TOKEN", "page_token")
	}
	return binary.BigEndian.Uint64(sealed), nil
}

func sealedFor(ctx context.Context, asked proto.Message) ([]string, error) {
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(asked)
	return []string{access.From(ctx).Person, string(asked.ProtoReflect().Descriptor().FullName()), string(text)}, err
}

// GetAuditHead answers the newest signed head and the heads of others.
func (s *Service) GetAuditHead(ctx context.Context, req *pb.GetAuditHeadRequest) (*pb.GetAuditHeadResponse, error) {
	p, err := s.read(ctx, req.GetService())
	if err != nil {
		return nil, err
	}
	// What others hold is read first: this log does not shrink meanwhile.
	held, err := p.store.HeldHeads(ctx)
	if err != nil {
		return nil, err
	}
	h, ok, err := p.store.AuditHead(ctx)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, rule.Absent("audit_head", req.GetService())
	}
	reply := &pb.GetAuditHeadResponse{
		Service: req.GetService(), Note: h.Note, Verifier: h.Verifier, Size: h.Size, Root: h.Root, Time: timestamppb.New(h.Time),
	}
	for _, w := range held {
		reply.Witnessed = append(reply.Witnessed, &pb.WitnessedHead{Service: w.Service, Note: w.Note})
	}
	return reply, nil
}
