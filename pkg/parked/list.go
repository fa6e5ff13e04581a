package parked

import (
	"bytes"
	"context"
	"encoding/base64"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/store"
)

const defaultPage = 50

// place is where a list goes on: beyond a key in a service. The zero place is
// the beginning.
type place struct {
	service string
	after   []byte
}

// ListParked answers one page, service by service in the order of the process.
func (s *Service) ListParked(ctx context.Context, req *pb.ListParkedRequest) (*pb.ListParkedResponse, error) {
	at, err := s.placeOf(ctx, req)
	if err != nil {
		return nil, err
	}
	size := int(req.GetPageSize())
	if size == 0 {
		size = defaultPage
	}
	reply := &pb.ListParkedResponse{Services: s.listening()}
	begun := at.service == ""
	for _, p := range s.parts {
		name := p.Store.Service()
		if begun = begun || name == at.service; !begun || req.GetService() != "" && name != req.GetService() {
			continue
		}
		var after []byte
		if name == at.service {
			after = at.after
		}
		rows, last, err := p.page(ctx, after, size-len(reply.GetParked()))
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			reply.Parked = append(reply.Parked, p.toProto(row))
		}
		if len(reply.GetParked()) == size {
			reply.NextPageToken = s.token(ctx, req, place{name, last})
			break
		}
	}
	return reply, nil
}

// listening names every part with its consumers, in the order of the process.
func (s *Service) listening() []*pb.ListeningService {
	out := make([]*pb.ListeningService, len(s.parts))
	for i, p := range s.parts {
		out[i] = &pb.ListeningService{Service: p.Store.Service()}
		for _, c := range p.Consumers {
			out[i].Consumers = append(out[i].Consumers, c.Name)
		}
	}
	return out
}

func (p Part) page(ctx context.Context, after []byte, limit int) (rows []*typev1.ParkedRow, last []byte, err error) {
	err = p.Store.View(ctx, func(r kv.Reader) (err error) {
		rows, last, err = store.ParkedAfter(r, after, limit)
		return err
	})
	return rows, last, err
}

// sealedFor is whose token it is, and of which list.
func sealedFor(ctx context.Context, req *pb.ListParkedRequest) []string {
	return []string{access.From(ctx).Person, req.GetService()}
}

func (s *Service) token(ctx context.Context, req *pb.ListParkedRequest, at place) string {
	plain := append([]byte(at.service+"\x00"), at.after...)
	return base64.RawURLEncoding.EncodeToString(s.tokens.Seal(plain, sealedFor(ctx, req)...))
}

func (s *Service) placeOf(ctx context.Context, req *pb.ListParkedRequest) (place, error) {
	if req.GetPageToken() == "" {
		return place{}, nil
	}
	bad := rule.New(rule.Invalid, "BAD_PAGE_TOKEN", "page_token")
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(req.GetPageToken())
	if err != nil {
		return place{}, bad
	}
	plain, err := s.tokens.Open(sealed, sealedFor(ctx, req)...)
	if err != nil {
		return place{}, bad
	}
	service, after, _ := bytes.Cut(plain, []byte{0})
	return place{service: string(service), after: after}, nil
}
