package registry

import (
	"cmp"
	"slices"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/texts"
	"github.com/linli-project/linli/services/registry/internal/roster"
)

// mergeFaults puts the faults of a row's form and of its content together, in
// column order, those of the whole row first. What is wrong with the form of a
// cell is said alone: what its content lacks follows from it.
func mergeFaults(columns []roster.Column, form, content []*rule.Error) []*rule.Error {
	all := slices.Clone(form)
	for _, c := range content {
		if !slices.ContainsFunc(form, func(f *rule.Error) bool { return f.Field == c.Field }) {
			all = append(all, c)
		}
	}
	place := func(f *rule.Error) int {
		return slices.IndexFunc(columns, func(c roster.Column) bool { return c.Name == f.Field })
	}
	slices.SortStableFunc(all, func(a, b *rule.Error) int { return cmp.Compare(place(a), place(b)) })
	return all
}

// refuse counts a row out and notes its faults.
func refuse(slice *pb.ImportSliceRow, line int, faults ...*rule.Error) {
	slice.Refused++
	for _, f := range faults {
		slice.Faults = append(slice.Faults, &pb.SliceFault{
			Line: int32(line), Column: f.Field, Reason: typev1.Reason(typev1.Reason_value["REASON_"+f.Reason]), Params: f.Params,
		})
	}
}

// rowFaults puts the faults into the caller's words.
func rowFaults(language string, faults []*pb.SliceFault) []*pb.RowFault {
	out := make([]*pb.RowFault, len(faults))
	for i, f := range faults {
		reason := domainReason(f.GetReason())
		out[i] = &pb.RowFault{Line: f.GetLine(), Column: f.GetColumn(), Reason: reason,
			Message: texts.Text(language, reason, faultParams(language, f)...)}
	}
	return out
}

func domainReason(r typev1.Reason) string { return r.String()[len("REASON_"):] }

// faultParams adds what a text may name: the column as it stands in the file
// and as the language calls it, and the word for a problem.
func faultParams(language string, f *pb.SliceFault) []string {
	params := slices.Clone(f.GetParams())
	for i := 0; i+1 < len(params); i += 2 {
		if params[i] == "problem" {
			params[i+1] = texts.Text(language, "problem."+params[i+1])
		}
	}
	name := texts.Text(language, "column."+f.GetColumn())
	if name == "column."+f.GetColumn() {
		name = f.GetColumn()
	}
	return append(params, "column", f.GetColumn(), "name", name)
}
