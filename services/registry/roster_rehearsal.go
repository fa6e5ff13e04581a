package registry

import (
	"context"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
)

// rehearse checks a whole roster, slice by slice, and answers what it would
// have done. It only reads: nothing is written, announced or remembered.
func (i *rosterImport) rehearse(ctx context.Context, file *importing[*rosterRow]) (*pb.ImportSliceRow, error) {
	total, claimed := &pb.ImportSliceRow{}, map[string]bool{}
	for {
		rows, _, err := file.read(ctx)
		if err != nil || rows == nil {
			return total, err
		}
		err = i.store.View(ctx, func(r kv.Reader) error {
			done, err := i.foresee(r, rows, claimed)
			fold(total, done)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
}

// foresee answers what a slice would do. Claimed are the members that earlier
// rows speak of: a member known by name and phone alone becomes the person of
// the first row that brings an ID number, so that the next is somebody else.
func (i *rosterImport) foresee(r kv.Reader, rows []*rosterRow, claimed map[string]bool) (*pb.ImportSliceRow, error) {
	done := &pb.ImportSliceRow{Rows: int32(len(rows))}
	for _, row := range rows {
		if len(row.faults) > 0 {
			refuse(done, row.line, row.faults...)
			continue
		}
		f, err := i.find(r, row)
		if err != nil {
			return done, err
		}
		id := f.row.Value.GetMember().GetId()
		if f.ok && claimed[id] {
			f = found{taken: true}
		}
		claimed[id] = true
		if err := i.foreseeRow(r, done, f, row); err != nil {
			return done, err
		}
	}
	return done, nil
}

func (i *rosterImport) foreseeRow(r kv.Reader, done *pb.ImportSliceRow, f found, row *rosterRow) error {
	switch i.judge(f, row) {
	case creates:
		done.Created++
	case leaves:
		done.Unchanged++
	case changes:
		done.Updated++
	case contradicts:
		contradicted(done, f, row)
		return nil
	}
	if !i.takesDate(row) {
		return nil
	}
	known := false
	if f.ok {
		var err error
		if _, known, err = i.reportIns.By(r, scope.All(), byMember, idKey(f.row.Value.GetMember().GetId())); err != nil {
			return err
		}
	}
	if !known {
		done.ReportIns++
	}
	return nil
}
