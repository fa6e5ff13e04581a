package evaluation

import (
	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// What the summing of a cycle writes. Numbers are never reused.
const (
	tableSummedPages = store.FirstServiceTable + 200 + iota // cycle, home path and id of the first member
)

func newSummedTable() *table.Table[*pb.SummedPageRow] {
	return table.New(table.Spec[*pb.SummedPageRow]{
		Number: tableSummedPages, Name: "summed_page",
		Key: func(r *pb.SummedPageRow) key.Key { return resultKey(r.GetCycleId(), r.GetHomePath(), r.GetMemberId()) },
	})
}

func resultKey(cycle, homePath, member string) key.Key {
	return homeKey(cycle, homePath).String(member)
}
