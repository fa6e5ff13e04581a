package registry

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/organization"
	"github.com/linli-project/linli/services/registry/internal/roster"
)

func organizationColumns() []roster.Column {
	return []roster.Column{
		{Name: organization.ColumnCode, Longest: 32},
		{Name: organization.ColumnName, Longest: 60, Text: true},
		{Name: organization.ColumnKind, Longest: 32},
		{Name: organization.ColumnParent, Longest: 32},
		{Name: organization.ColumnDisplayed, Longest: 8},
	}
}

// ImportOrganizations registers the organizations of a file.
func (s *Service) ImportOrganizations(stream grpc.ClientStreamingServer[pb.ImportOrganizationsRequest, pb.ImportOrganizationsResponse]) error {
	ctx, call := stream.Context(), access.From(stream.Context())
	first, err := firstMessage(stream.Recv)
	if err != nil {
		return err
	}
	if first.GetHeader() == nil {
		return errNoHeader()
	}
	id, err := s.importID(call)
	if err != nil {
		return err
	}
	reader, _, err := openCSV(&upload[*pb.ImportOrganizationsRequest]{
		recv:     unbroken(ctx, stream.Recv),
		isHeader: func(m *pb.ImportOrganizationsRequest) bool { return m.GetHeader() != nil },
	}, organizationColumns())
	if err != nil {
		return err
	}
	rows := &organizationImport{Service: s, call: call, lines: map[string]int{}, planned: map[string]*pb.Organization{}}
	file := &importing[*organizationRow]{
		service: s, id: id, reader: reader, workers: 1, check: rows.check, apply: rows.apply, under: []string{"organizations"},
	}
	var total *pb.ImportSliceRow
	if first.GetHeader().GetDryRun() {
		total, err = rows.rehearse(ctx, file)
	} else {
		total, err = file.run(ctx, "")
	}
	if err != nil {
		return err
	}
	return stream.SendAndClose(&pb.ImportOrganizationsResponse{
		Rows: total.GetRows(), Created: total.GetCreated(), Updated: total.GetUpdated(), Unchanged: total.GetUnchanged(),
		Refused: total.GetRefused(), Faults: rowFaults(call.Language, total.GetFaults()),
	})
}

type organizationRow struct {
	line   int
	facts  organization.Facts
	faults []*rule.Error
}

// organizationImport registers the rows of one file, one slice after the
// other, since parents stand before children.
type organizationImport struct {
	*Service
	call  access.Call
	lines map[string]int // line by code
	// planned is what a rehearsal would have registered so far.
	planned map[string]*pb.Organization
}

func (i *organizationImport) check(_ context.Context, rec roster.Record) (*organizationRow, error) {
	row := &organizationRow{line: rec.Line, faults: rec.Faults}
	if !rec.Readable() {
		return row, nil
	}
	var faults []*rule.Error
	row.facts, faults = organization.Parse(rec.Cell)
	if line, twice := i.lines[row.facts.Code]; twice {
		faults = append(faults, duplicate(organization.ColumnCode, line)...)
	} else if organization.WellFormed(row.facts.Code) {
		i.lines[row.facts.Code] = rec.Line
	}
	row.faults = mergeFaults(organizationColumns(), rec.Faults, faults)
	return row, nil
}

// apply registers the good rows of a slice and announces each.
func (i *organizationImport) apply(tx *store.Tx, _ int, rows []*organizationRow) (*pb.ImportSliceRow, error) {
	return i.each(tx, rows, func(p plan) error {
		var err error
		row := p.before
		if row.Value == nil {
			row, err = i.organizations.Insert(tx, p.next)
		} else {
			row, err = i.organizations.Replace(tx, row, p.next)
		}
		if err != nil {
			return err
		}
		return tx.Emit(organizationEvent(row))
	})
}

// rehearse checks a whole file and changes nothing.
func (i *organizationImport) rehearse(ctx context.Context, file *importing[*organizationRow]) (*pb.ImportSliceRow, error) {
	total := &pb.ImportSliceRow{}
	for {
		rows, _, err := file.read(ctx)
		if err != nil || rows == nil {
			return total, err
		}
		err = i.store.View(ctx, func(r kv.Reader) error {
			done, err := i.each(r, rows, func(p plan) error {
				i.planned[p.next.GetId()] = p.next
				return nil
			})
			fold(total, done)
			return err
		})
		if err != nil {
			return total, err
		}
	}
}

// each plans the rows of a slice one by one and hands those that change
// something to do.
func (i *organizationImport) each(r kv.Reader, rows []*organizationRow, do func(plan) error) (*pb.ImportSliceRow, error) {
	done := &pb.ImportSliceRow{Rows: int32(len(rows))}
	for _, row := range rows {
		p := plan{faults: row.faults}
		var err error
		if len(p.faults) == 0 {
			p, err = i.plan(r, row.facts)
		}
		switch {
		case err != nil:
			return done, err
		case len(p.faults) > 0:
			refuse(done, row.line, p.faults...)
			continue
		case p.next == nil:
			done.Unchanged++
			continue
		case p.before.Value == nil:
			done.Created++
		default:
			done.Updated++
		}
		if err := do(p); err != nil {
			return done, err
		}
	}
	return done, nil
}

// plan is what a row would do: nothing when next is nil.
type plan struct {
	faults []*rule.Error
	before table.Row[*pb.Organization]
	next   *pb.Organization
}

func refusal(reason, column string) plan {
	return plan{faults: []*rule.Error{rule.New(rule.Invalid, reason, column)}}
}

// plan says what becomes of a row. Code, kind and parent never change; name
// and display do. Who registers or changes one has a grant that holds its
// parent, or everything for the roots of trees.
func (i *organizationImport) plan(r kv.Reader, f organization.Facts) (plan, error) {
	before, known, err := i.organizations.Get(r, scope.All(), idKey(f.Code))
	if err != nil {
		return plan{}, err
	}
	parent, err := i.parent(r, f.Parent)
	if err != nil {
		return plan{}, err
	}
	if f.Parent != "" && parent == nil {
		return refusal("BAD_PARENT", organization.ColumnParent), nil
	}
	above := scope.Root
	if parent != nil {
		above = scope.Path(parent.GetPath())
		if fault := organization.CheckParent(f.Kind, organizationKind(parent.GetKind())); fault != nil {
			return plan{faults: []*rule.Error{fault}}, nil
		}
	}
	next := &pb.Organization{
		Id: f.Code, Name: f.Name, Kind: organizationKindProto(f.Kind), ParentId: f.Parent,
		Path: string(above.Child(f.Code)), Displayed: f.Displayed,
	}
	switch {
	case known && (before.Value.GetKind() != next.GetKind() || before.Value.GetParentId() != f.Parent):
		return refusal("ORGANIZATION_DIFFERS", organization.ColumnCode), nil
	case known && proto.Equal(before.Value, next):
		return plan{}, nil
	case !i.call.Scope.Covers(above):
		return refusal("OUTSIDE_SCOPE", organization.ColumnCode), nil
	}
	return plan{before: before, next: next}, nil
}

// parent answers the organization above, nil when it is not registered.
func (i *organizationImport) parent(r kv.Reader, id string) (*pb.Organization, error) {
	if id == "" {
		return nil, nil
	}
	row, ok, err := i.organizations.Get(r, scope.All(), idKey(id))
	if err == nil && !ok {
		return i.planned[id], nil
	}
	return row.Value, err
}
