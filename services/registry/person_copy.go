package registry

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	projectsv1 "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/services/registry/internal/claim"
)

// Collector answers a page of what another service holds of the person of the
// token in ctx, and where the next one begins; empty at the end.
type Collector func(ctx context.Context, after []byte) (held []*typev1.HeldRows, next []byte, err error)

// Collectors are those of the other services, called over a connection.
func Collectors(conn grpc.ClientConnInterface) map[string]Collector {
	requests, projects := requestsv1.NewPersonServiceClient(conn), projectsv1.NewPersonServiceClient(conn)
	evaluation := evaluationv1.NewPersonServiceClient(conn)
	return map[string]Collector{
		"requests": func(ctx context.Context, after []byte) ([]*typev1.HeldRows, []byte, error) {
			r, err := requests.CollectPerson(ctx, &requestsv1.CollectPersonRequest{After: after})
			return r.GetHeld(), r.GetNext(), err
		},
		"projects": func(ctx context.Context, after []byte) ([]*typev1.HeldRows, []byte, error) {
			r, err := projects.CollectPerson(ctx, &projectsv1.CollectPersonRequest{After: after})
			return r.GetHeld(), r.GetNext(), err
		},
		"evaluation": func(ctx context.Context, after []byte) ([]*typev1.HeldRows, []byte, error) {
			r, err := evaluation.CollectPerson(ctx, &evaluationv1.CollectPersonRequest{After: after})
			return r.GetHeld(), r.GetNext(), err
		},
	}
}

// mostPages bounds what one service gives to one copy; with more the copy says
// that it is not complete.
const mostPages = 100

// RequestCopy puts together what is held of the caller. Nothing of it is kept.
func (s privacy) RequestCopy(ctx context.Context, _ *pb.RequestCopyRequest) (*pb.RequestCopyResponse, error) {
	call := access.From(ctx)
	out := &pb.PersonCopy{Person: call.Person, TakenAt: timestamppb.New(s.store.Civil().Now())}
	own := func(ctx context.Context, after []byte) ([]*typev1.HeldRows, []byte, error) {
		return s.keeper.Collect(ctx, call.Person, after)
	}
	first, err := s.collectAll(ctx, "registry", own)
	if err != nil {
		return nil, err // without the own part there is no copy
	}
	out.Parts = append(out.Parts, first)
	for _, name := range claim.Services() {
		if name == s.Name() {
			continue
		}
		part := &pb.CopyPart{Service: name, Missing: true}
		if from := s.others[name]; from != nil {
			got, err := s.collectAll(asCaller(ctx), name, from)
			if err == nil {
				part = got
			} else {
				s.log.WarnContext(ctx, "a service is missing in a person's copy", "from", name, "error", err)
			}
		}
		out.Parts = append(out.Parts, part)
	}
	for _, part := range out.Parts {
		if part.GetMissing() {
			out.Missing = append(out.Missing, part.GetService())
		}
	}
	return &pb.RequestCopyResponse{Copy: out}, nil
}

// collectAll reads all pages of one service.
func (s privacy) collectAll(ctx context.Context, name string, from Collector) (*pb.CopyPart, error) {
	part := &pb.CopyPart{Service: name, Missing: true}
	var after []byte
	for range mostPages {
		held, next, err := from(ctx, after)
		if err != nil {
			return nil, err
		}
		part.Held = append(part.Held, held...)
		if after = next; len(next) == 0 {
			part.Missing = false
			break
		}
	}
	return part, nil
}

// asCaller passes the caller's token on to another service.
func asCaller(ctx context.Context) context.Context {
	in, _ := metadata.FromIncomingContext(ctx)
	out := metadata.MD{}
	for _, k := range []string{"authorization", "accept-language", "traceparent"} {
		if v := in.Get(k); len(v) > 0 {
			out.Set(k, v...)
		}
	}
	return metadata.NewOutgoingContext(ctx, out)
}
