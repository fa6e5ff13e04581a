package registry

import (
	"context"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/member"
)

// The two ways in which a member counts: where the membership is held, and
// where the member lives.
const (
	dimensionHome      = "home"
	dimensionResidence = "residence"
)

// figurePage is how many figures one read of a sum takes.
const figurePage = 500

// GetCompletion answers how many members of an organization have reported in.
// It sums the figures of the leaf organizations in its path range.
func (s *Service) GetCompletion(ctx context.Context, req *pb.GetCompletionRequest) (*pb.GetCompletionResponse, error) {
	sums := map[pb.MemberKind]*pb.CompletionOfKind{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, ok, err := s.organizations.Get(r, scope.All(), idKey(req.GetOrganizationId()))
		if err == nil && !ok {
			err = rule.Absent(s.organizations.Name(), req.GetOrganizationId())
		}
		if err != nil {
			return err
		}
		dimension := dimensionResidence
		if organizationKind(row.Value.GetKind()).CountsByHome() {
			dimension = dimensionHome
		}
		return s.sumFigures(r, key.Key(nil).String(dimension).Prefix(row.Value.GetPath()), sums)
	})
	if err != nil {
		return nil, err
	}
	return &pb.GetCompletionResponse{Completion: completion(req.GetOrganizationId(), sums)}, nil
}

func (s *Service) sumFigures(r kv.Reader, prefix key.Key, sums map[pb.MemberKind]*pb.CompletionOfKind) error {
	return eachRow(r, s.figures, table.Query{Prefix: prefix}, func(rows []table.Row[*pb.FigureRow]) error {
		for _, row := range rows {
			f := row.Value
			sum, ok := sums[f.GetKind()]
			if !ok {
				sum = &pb.CompletionOfKind{Kind: f.GetKind()}
				sums[f.GetKind()] = sum
			}
			add(sum, f)
		}
		return nil
	})
}

// eachRow walks a range on one snapshot, page by page.
func eachRow[T proto.Message](r kv.Reader, t *table.Table[T], q table.Query, do func([]table.Row[T]) error) error {
	q.Limit = figurePage
	for {
		page, err := t.List(r, scope.All(), q)
		if err != nil {
			return err
		}
		if err := do(page.Rows); err != nil {
			return err
		}
		if q.After = page.Last; q.After == nil {
			return nil
		}
	}
}

func add(sum *pb.CompletionOfKind, f interface {
	GetMembers() int64
	GetSubmitted() int64
	GetAccepted() int64
	GetReturned() int64
}) {
	sum.Members += f.GetMembers()
	sum.Submitted += f.GetSubmitted()
	sum.Accepted += f.GetAccepted()
	sum.Returned += f.GetReturned()
}

// completion answers the kinds that occur, in their order, and the total.
func completion(id string, sums map[pb.MemberKind]*pb.CompletionOfKind) *pb.Completion {
	out := &pb.Completion{OrganizationId: id, Total: &pb.CompletionOfKind{}}
	for _, k := range member.Kinds() {
		sum, ok := sums[memberKindProto(k)]
		if !ok || sum.GetMembers()|sum.GetSubmitted()|sum.GetAccepted()|sum.GetReturned() == 0 {
			continue
		}
		out.Kinds = append(out.Kinds, sum)
		add(out.Total, sum)
	}
	return out
}
