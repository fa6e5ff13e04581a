package registry

import (
	"context"
	"strconv"

	"google.golang.org/grpc"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/services/registry/internal/member"
	"github.com/linli-project/linli/services/registry/internal/organization"
	"github.com/linli-project/linli/services/registry/internal/roster"
)

// rosterWorkers is how many slices of a roster are sealed and committed at
// once: enough that one seals while another waits for the disk.
const rosterWorkers = 16

// rosterColumns are the columns of a roster; the cells of those that are not
// needed may be empty. Only the date of report-in may be left out as a whole: a
// column that was forgotten must not empty what was sent before.
func rosterColumns() []roster.Column {
	return []roster.Column{
		{Name: member.ColumnName, Longest: 60, Text: true},
		{Name: member.ColumnSex, Longest: 8},
		{Name: member.ColumnIDNumber, Longest: 32},
		{Name: member.ColumnPhone, Longest: 32},
		{Name: member.ColumnJoinedOn, Longest: 32},
		{Name: member.ColumnStatus, Longest: 16},
		{Name: member.ColumnKind, Longest: 16},
		{Name: member.ColumnHome, Longest: 32},
		{Name: member.ColumnWorkplace, Longest: 32},
		{Name: member.ColumnCommunity, Longest: 32},
		{Name: member.ColumnBuilding, Longest: 60, Text: true},
		{Name: member.ColumnSpecialties, Longest: 200, Text: true},
		{Name: member.ColumnInterests, Longest: 200, Text: true},
		{Name: member.ColumnReportedOn, Longest: 32, Optional: true},
	}
}

// ImportRoster takes a roster: good rows come in, every fault is answered. A
// rehearsal answers the same and changes nothing.
func (s *Service) ImportRoster(stream grpc.ClientStreamingServer[pb.ImportRosterRequest, pb.ImportRosterResponse]) error {
	ctx, call := stream.Context(), access.From(stream.Context())
	first, err := firstMessage(stream.Recv)
	if err != nil {
		return err
	}
	header := first.GetHeader()
	if header == nil {
		return errNoHeader()
	}
	if err := s.checkSource(ctx, call, header.GetOrganizationId()); err != nil {
		return err
	}
	id, err := s.importID(call)
	if err != nil {
		return err
	}
	reader, encoding, err := openRows(&upload[*pb.ImportRosterRequest]{
		recv:     unbroken(ctx, stream.Recv),
		isHeader: func(m *pb.ImportRosterRequest) bool { return m.GetHeader() != nil },
	}, rosterColumns())
	if err != nil {
		return err
	}
	rows := s.newRosterImport(call, id, header)
	file := &importing[*rosterRow]{
		service: s, id: id, reader: reader, workers: rosterWorkers, check: rows.check, apply: rows.apply,
		under: []string{"roster", header.GetOrganizationId(), strconv.FormatBool(header.GetAcceptReportIns())},
	}
	var total *pb.ImportSliceRow
	if header.GetDryRun() {
		id = ""
		total, err = rows.rehearse(ctx, file)
	} else {
		total, err = file.run(ctx, header.GetOrganizationId())
	}
	if err != nil {
		return err
	}
	return stream.SendAndClose(&pb.ImportRosterResponse{
		ImportId: id, Rows: total.GetRows(), Created: total.GetCreated(), Updated: total.GetUpdated(),
		Unchanged: total.GetUnchanged(), Refused: total.GetRefused(), ReportIns: total.GetReportIns(),
		Faults: rowFaults(call.Language, total.GetFaults()), Encoding: string(encoding),
	})
}

// checkSource: the organization that sends a roster lies inside a grant.
func (s *Service) checkSource(ctx context.Context, call access.Call, id string) error {
	path, known, err := s.OrganizationPath(ctx, id)
	if err == nil && (!known || !call.Scope.Covers(path)) {
		err = rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "header.organization_id", "id", id)
	}
	return err
}

// rosterRow is one row of a roster, checked as far as it can be without the
// other members.
type rosterRow struct {
	line   int
	facts  member.Facts
	faults []*rule.Error
	home   *pb.Organization
	where  *pb.Organization // community of residence

	// Keyed hashes; idNumber and person may be empty.
	idNumber, person, said []byte
	// shared: an earlier row with another ID number has this name and phone.
	shared bool
	// Minted before the transaction, for a new member and report-in.
	memberID, reportInID string
}

// rosterImport checks the rows of one roster, in file order, and remembers
// what it has seen: organizations, and who stood in which line.
type rosterImport struct {
	*Service
	call    access.Call
	id      string
	header  *pb.ImportRosterHeader
	columns []roster.Column
	today   member.Day
	known   map[string]*pb.Organization // nil for a code that is not registered
	seen    people
}

func (s *Service) newRosterImport(call access.Call, id string, header *pb.ImportRosterHeader) *rosterImport {
	return &rosterImport{
		Service: s, call: call, id: id, header: header, columns: rosterColumns(),
		today: member.Day(s.day(s.store.Civil().Now())),
		known: map[string]*pb.Organization{}, seen: newPeople(),
	}
}

// check looks at one row: its form, its facts, its organizations, and whether
// the person stood in an earlier line.
func (i *rosterImport) check(ctx context.Context, rec roster.Record) (*rosterRow, error) {
	row := &rosterRow{line: rec.Line, faults: rec.Faults}
	if !rec.Readable() {
		return row, nil
	}
	facts, faults := member.Parse(rec.Cell, i.today)
	row.facts = facts
	misplaced, err := i.findPlaces(ctx, row)
	if err != nil {
		return nil, err
	}
	faults = append(faults, misplaced...)
	i.hash(row)
	faults = append(faults, i.seen.add(row)...)
	if row.faults = mergeFaults(i.columns, rec.Faults, faults); len(row.faults) == 0 {
		row.memberID, row.reportInID = i.ids("mem"), i.ids("rpt")
	}
	return row, nil
}

// findPlaces looks the codes of a row up, and answers what is wrong with them.
// Empty ones are refused by the domain where they are needed.
func (i *rosterImport) findPlaces(ctx context.Context, row *rosterRow) (faults []*rule.Error, err error) {
	find := func(code, column, reason string, fits func(organization.Kind) bool) *pb.Organization {
		if code == "" || err != nil {
			return nil
		}
		var o *pb.Organization
		if o, err = i.organization(ctx, code); o == nil || !fits(organizationKind(o.GetKind())) {
			faults = append(faults, rule.New(rule.Invalid, reason, column))
			return nil
		}
		return o
	}
	f := row.facts
	row.home = find(f.Home, member.ColumnHome, "ROSTER_HOME_UNKNOWN", organization.Kind.HoldsMembers)
	find(f.Workplace, member.ColumnWorkplace, "ROSTER_WORKPLACE_UNKNOWN", organization.Kind.Employs)
	row.where = find(f.Community, member.ColumnCommunity, "ROSTER_COMMUNITY_UNKNOWN", func(k organization.Kind) bool { return k == organization.Community })
	if row.home != nil && !i.mayHold(row.home) {
		faults = append(faults, rule.New(rule.Invalid, "ROSTER_FOREIGN_HOME", member.ColumnHome))
	}
	return faults, err
}

// mayHold: the home organization lies in a grant of the caller, or is external
// and so nobody's.
func (i *rosterImport) mayHold(home *pb.Organization) bool {
	return home.GetKind() == pb.OrganizationKind_ORGANIZATION_KIND_EXTERNAL ||
		i.call.Scope.Covers(scope.Path(home.GetPath()))
}

// organization answers an organization by code, nil for an unknown one. Kinds
// and paths never change, so that it is asked once a file.
func (i *rosterImport) organization(ctx context.Context, code string) (*pb.Organization, error) {
	if o, ok := i.known[code]; ok {
		return o, nil
	}
	err := i.store.View(ctx, func(r kv.Reader) error {
		row, _, err := i.organizations.Get(r, scope.All(), idKey(code))
		i.known[code] = row.Value
		return err
	})
	return i.known[code], err
}
