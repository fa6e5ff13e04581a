package registry

import (
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
)

// The numbers of tables and indexes. None is ever reused.
const (
	numberOrganization       uint16 = 16
	numberOrganizationByPath uint16 = 17
	numberOrganizationByKind uint16 = 18

	numberMember         uint16 = 20
	numberMemberByHome   uint16 = 21
	numberMemberByID     uint16 = 22
	numberMemberByPerson uint16 = 23

	numberReportIn            uint16 = 24
	numberReportInByMember    uint16 = 25
	numberReportInByCommunity uint16 = 26
	numberReportInByState     uint16 = 27

	numberImport      uint16 = 28
	numberImportSlice uint16 = 29

	numberFigure uint16 = 30
)

// Names of the indexes.
const (
	byPath = "path"
	byKind = "kind"
	byHome = "home"
	// The same person: by the ID number, and by name and phone together.
	byIDNumber = "id_number"
	byPerson   = "name_phone"
	// One row for each member.
	byMember    = "member"
	byCommunity = "community"
	byState     = "state"
)

type tables struct {
	organizations *table.Table[*pb.Organization]
	members       *table.Table[*pb.MemberRow]
	reportIns     *table.Table[*pb.ReportInRow]
	imports       *table.Table[*pb.ImportRow]
	slices        *table.Table[*pb.ImportSliceRow]
	figures       *table.Table[*pb.FigureRow]
}

func newTables() tables {
	return tables{
		organizations: organizationTable(),
		members:       memberTable(),
		reportIns:     reportInTable(),
		imports: table.New(table.Spec[*pb.ImportRow]{
			Number: numberImport, Name: "import",
			Key: func(r *pb.ImportRow) key.Key { return idKey(r.GetId()) },
		}),
		slices: table.New(table.Spec[*pb.ImportSliceRow]{
			Number: numberImportSlice, Name: "import_slice",
			Key: func(r *pb.ImportSliceRow) key.Key { return sliceKey(r.GetImportId(), int(r.GetNumber())) },
		}),
		figures: table.New(table.Spec[*pb.FigureRow]{
			Number: numberFigure, Name: "figure",
			Key: func(r *pb.FigureRow) key.Key {
				return key.Key(nil).String(r.GetDimension()).String(r.GetPath()).Uint(uint64(r.GetKind()))
			},
		}),
	}
}

// organizationTable: no paths and no owners, because who may know of an
// organization depends on those above it; see sight.
func organizationTable() *table.Table[*pb.Organization] {
	return table.New(table.Spec[*pb.Organization]{
		Number: numberOrganization, Name: "organization",
		Key: func(o *pb.Organization) key.Key { return idKey(o.GetId()) },
		Indexes: []table.Index[*pb.Organization]{
			{Number: numberOrganizationByPath, Name: byPath, Keys: func(o *pb.Organization) []key.Key {
				return []key.Key{key.Key(nil).String(o.GetPath())}
			}},
			{Number: numberOrganizationByKind, Name: byKind, Keys: func(o *pb.Organization) []key.Key {
				return []key.Key{key.Key(nil).Uint(uint64(o.GetKind())).String(o.GetPath())}
			}},
		},
	})
}

// memberTable: a member is seen from the home organization, from the community
// that accepted the report-in, and by the member.
func memberTable() *table.Table[*pb.MemberRow] {
	blind := func(hash []byte) []key.Key {
		if len(hash) == 0 {
			return nil
		}
		return []key.Key{key.Key(nil).String(string(hash))}
	}
	return table.New(table.Spec[*pb.MemberRow]{
		Number: numberMember, Name: "member",
		Sealed: memberSealed,
		Key:    func(m *pb.MemberRow) key.Key { return idKey(m.GetMember().GetId()) },
		Paths:  func(m *pb.MemberRow) []scope.Path { return pathsOf(m.GetHomePath(), m.GetReportedPath()) },
		Owners: func(m *pb.MemberRow) []string { return []string{m.GetMember().GetId()} },
		Indexes: []table.Index[*pb.MemberRow]{
			{Number: numberMemberByHome, Name: byHome, Keys: func(m *pb.MemberRow) []key.Key {
				return []key.Key{key.Key(nil).String(m.GetHomePath())}
			}},
			{Number: numberMemberByID, Name: byIDNumber, Unique: true, Keys: func(m *pb.MemberRow) []key.Key {
				return blind(m.GetIdNumberHash())
			}},
			{Number: numberMemberByPerson, Name: byPerson, Unique: true, Keys: func(m *pb.MemberRow) []key.Key {
				return blind(m.GetNamePhoneHash())
			}},
		},
	})
}

// reportInTable: a report-in is seen from its community, from the home
// organization, and by the member. The unique index keeps it the only one of
// its member.
func reportInTable() *table.Table[*pb.ReportInRow] {
	return table.New(table.Spec[*pb.ReportInRow]{
		Number: numberReportIn, Name: "report_in",
		Key:    func(r *pb.ReportInRow) key.Key { return idKey(r.GetReportIn().GetId()) },
		Paths:  func(r *pb.ReportInRow) []scope.Path { return pathsOf(r.GetCommunityPath(), r.GetHomePath()) },
		Owners: func(r *pb.ReportInRow) []string { return []string{r.GetReportIn().GetMemberId()} },
		Indexes: []table.Index[*pb.ReportInRow]{
			{Number: numberReportInByMember, Name: byMember, Unique: true, Keys: func(r *pb.ReportInRow) []key.Key {
				return []key.Key{idKey(r.GetReportIn().GetMemberId())}
			}},
			{Number: numberReportInByCommunity, Name: byCommunity, Keys: func(r *pb.ReportInRow) []key.Key {
				return []key.Key{key.Key(nil).String(r.GetCommunityPath()).Time(r.GetReportIn().GetSubmittedAt().AsTime())}
			}},
			{Number: numberReportInByState, Name: byState, Keys: func(r *pb.ReportInRow) []key.Key {
				return []key.Key{key.Key(nil).Uint(uint64(r.GetReportIn().GetState())).
					String(r.GetCommunityPath()).Time(r.GetReportIn().GetSubmittedAt().AsTime())}
			}},
		},
	})
}

func idKey(id string) key.Key { return key.Key(nil).String(id) }

func sliceKey(importID string, number int) key.Key {
	return key.Key(nil).String(importID).Uint(uint64(number))
}

func pathsOf(paths ...string) []scope.Path {
	var out []scope.Path
	for _, p := range paths {
		if p != "" {
			out = append(out, scope.Path(p))
		}
	}
	return out
}
