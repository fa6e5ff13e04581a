package evaluation

import (
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/table"
)

func entryProto(row table.Row[*pb.EntryRow]) *pb.Entry {
	out := proto.CloneOf(row.Value.GetEntry())
	out.Etag = row.Etag()
	return out
}

func entryProtos(rows []table.Row[*pb.EntryRow]) []*pb.Entry {
	out := make([]*pb.Entry, len(rows))
	for i, row := range rows {
		out[i] = entryProto(row)
	}
	return out
}

func cycleProto(row table.Row[*pb.CycleRow]) *pb.Cycle {
	out := proto.CloneOf(row.Value.GetCycle())
	out.Etag = row.Etag()
	return out
}
