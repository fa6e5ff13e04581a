package registry

import (
	"bytes"
	"slices"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/reportin"
)

// rosterSlice is one slice in its transaction: what it does, and what it has
// to announce.
type rosterSlice struct {
	*rosterImport
	tx      *store.Tx
	done    *pb.ImportSliceRow
	states  []*pb.MemberState
	changes []*pb.ReportInStateChange
}

// apply brings the good rows of a slice in. Rows of one file are different
// persons, so that slices do not meet.
func (i *rosterImport) apply(tx *store.Tx, number int, rows []*rosterRow) (*pb.ImportSliceRow, error) {
	s := &rosterSlice{rosterImport: i, tx: tx, done: &pb.ImportSliceRow{Rows: int32(len(rows))}}
	if err := tx.Prefetch(i.places(rows)...); err != nil {
		return nil, err
	}
	for _, row := range rows {
		if len(row.faults) > 0 {
			refuse(s.done, row.line, row.faults...)
			continue
		}
		if err := s.bring(row); err != nil {
			return nil, err
		}
	}
	if err := emitMembers(tx, i.id, number, s.states); err != nil {
		return nil, err
	}
	return s.done, emitReportIns(tx, string(reportin.Accepted), s.changes)
}

// places are where the rows of a slice will look, in order, so that they are
// fetched at once: who they speak of, and that what is new is not there.
func (i *rosterImport) places(rows []*rosterRow) [][]byte {
	var out [][]byte
	for _, row := range rows {
		if len(row.faults) > 0 {
			continue
		}
		for index, hash := range map[string][]byte{byIDNumber: row.idNumber, byPerson: row.person} {
			if len(hash) > 0 {
				out = append(out, i.members.PlaceBy(index, hashKey(hash)))
			}
		}
		out = append(out, i.members.Place(idKey(row.memberID)))
		if i.takesDate(row) {
			out = append(out, i.reportIns.Place(idKey(row.reportInID)), i.reportIns.PlaceBy(byMember, idKey(row.memberID)))
		}
	}
	slices.SortFunc(out, bytes.Compare)
	return out
}

func hashKey(hash []byte) key.Key { return key.Key(nil).String(string(hash)) }

// found is who a row speaks of.
type found struct {
	row table.Row[*pb.MemberRow]
	ok  bool
	// taken: somebody with another ID number has this name and phone.
	taken bool
}

// find looks the person of a row up: by the ID number, else by name and phone
// together. Somebody known without an ID number is the same when it comes.
func (i *rosterImport) find(r kv.Reader, row *rosterRow) (f found, err error) {
	if len(row.idNumber) > 0 {
		if f.row, f.ok, err = i.memberBy(r, byIDNumber, row.idNumber); f.ok || err != nil {
			return f, err
		}
	}
	if len(row.person) == 0 {
		return f, nil
	}
	f.row, f.ok, err = i.memberBy(r, byPerson, row.person)
	if f.ok && len(row.idNumber) > 0 && len(f.row.Value.GetIdNumberHash()) > 0 {
		return found{taken: true}, err
	}
	return f, err
}

func (s *Service) memberBy(r kv.Reader, index string, hash []byte) (table.Row[*pb.MemberRow], bool, error) {
	return s.members.By(r, scope.All(), index, hashKey(hash))
}

// effect is what a row does to the member it speaks of.
type effect int

const (
	creates effect = iota
	leaves
	changes
	contradicts
)

// judge answers what a row does to whom it was found to speak of.
func (i *rosterImport) judge(f found, row *rosterRow) effect {
	switch {
	case !f.ok:
		return creates
	case says(f.row.Value, row):
		return leaves
	case f.row.Value.GetSourceOrganizationId() != i.header.GetOrganizationId():
		return contradicts
	}
	return changes
}

// contradicted counts out a row that says something else than another source.
func contradicted(slice *pb.ImportSliceRow, f found, row *rosterRow) {
	refuse(slice, row.line, rule.New(rule.Invalid, "ROSTER_CONTRADICTS_SOURCE", "", "source", f.row.Value.GetSourceOrganizationId()))
}

// bring makes, changes, leaves or refuses the member of a row.
func (s *rosterSlice) bring(row *rosterRow) error {
	f, err := s.find(s.tx, row)
	if err != nil {
		return err
	}
	m := f.row
	switch s.judge(f, row) {
	case creates:
		if m, err = s.create(row, f.taken); err == nil && s.takesDate(row) {
			err = s.accept(row, m)
		}
		return err
	case leaves:
		s.done.Unchanged++
	case contradicts:
		contradicted(s.done, f, row)
		return nil
	case changes:
		m, err = s.update(row, f.row)
	}
	if err != nil || !s.takesDate(row) {
		return err
	}
	return s.report(row, m)
}

// takesDate: the date of a row is to be taken as an accepted report-in.
func (i *rosterImport) takesDate(row *rosterRow) bool {
	return i.header.GetAcceptReportIns() && row.facts.ReportedOn != ""
}

// says: the row says of the member what is known already.
func says(m *pb.MemberRow, row *rosterRow) bool {
	return bytes.Equal(m.GetFactsHash(), row.said) &&
		(len(row.idNumber) == 0 || bytes.Equal(m.GetIdNumberHash(), row.idNumber))
}

func (s *rosterSlice) create(row *rosterRow, taken bool) (table.Row[*pb.MemberRow], error) {
	fresh := &pb.MemberRow{Member: &pb.Member{Id: row.memberID}, SourceOrganizationId: s.header.GetOrganizationId()}
	s.fill(fresh, row)
	if !taken && !row.shared {
		fresh.NamePhoneHash = row.person
	}
	m, err := s.members.Insert(s.tx, fresh)
	if err != nil {
		return m, err
	}
	s.done.Created++
	s.states = append(s.states, memberState(m, nil))
	return m, nil
}

// update changes a member; where home, residence or kind are other ones, the
// report-in moves with the member.
func (s *rosterSlice) update(row *rosterRow, before table.Row[*pb.MemberRow]) (table.Row[*pb.MemberRow], error) {
	next := proto.CloneOf(before.Value)
	s.fill(next, row)
	if err := s.claimPerson(next, row); err != nil {
		return before, err
	}
	m, err := s.members.Replace(s.tx, before, next)
	if err != nil {
		return m, err
	}
	state := memberState(m, before.Value)
	moved, err := s.moveReportIn(m.Value)
	if err != nil {
		return m, err
	}
	state.ReportInState, state.CountedOn = moved.GetReportIn().GetState(), countedOn(moved)
	s.done.Updated++
	s.states = append(s.states, state)
	return m, nil
}

// claimPerson makes name and phone the member's, unless somebody else with
// another ID number has them.
func (s *rosterSlice) claimPerson(m *pb.MemberRow, row *rosterRow) error {
	if bytes.Equal(m.GetNamePhoneHash(), row.person) {
		return nil
	}
	m.NamePhoneHash = nil
	if len(row.person) == 0 || row.shared {
		return nil
	}
	_, taken, err := s.memberBy(s.tx, byPerson, row.person)
	if !taken {
		m.NamePhoneHash = row.person
	}
	return err
}

// fill writes the facts of a row into a member's row, sealing what is private.
// An ID number that is not given again stays.
func (s *rosterSlice) fill(m *pb.MemberRow, row *rosterRow) {
	f, ring, id := row.facts, s.store.Keyring(), m.GetMember().GetId()
	sealed := func(field, text string) []byte { return ring.Seal([]byte(text), s.members.Name(), id, field) }
	p := m.Member
	p.Name, p.Sex, p.MaskedPhone = f.Name, string(f.Sex), seal.MaskPhone(f.Phone)
	p.Status, p.Kind = memberStatusProto(f.Status), memberKindProto(f.Kind)
	p.HomeOrganizationId, p.WorkplaceId, p.CommunityId = f.Home, f.Workplace, f.Community
	p.Building, p.Specialties, p.Interests = f.Building, f.Specialties, f.Interests
	m.HomePath, m.CommunityPath, m.FactsHash = row.home.GetPath(), row.where.GetPath(), row.said
	m.SealedPhone = sealed("phone", f.Phone)
	m.SealedJoinedOn = sealed("joined_on", string(f.JoinedOn))
	m.SealedUnit = sealed("unit", f.Unit)
	if f.IDNumber != "" {
		p.MaskedIdNumber, m.IdNumberHash = seal.MaskIDNumber(string(f.IDNumber)), row.idNumber
		m.SealedIdNumber = sealed("id_number", string(f.IDNumber))
	}
}

// moveReportIn lets the member's report-in follow to another home or kind, and
// answers it; nil for none.
func (s *rosterSlice) moveReportIn(m *pb.MemberRow) (*pb.ReportInRow, error) {
	row, ok, err := s.reportIns.By(s.tx, scope.All(), byMember, idKey(m.GetMember().GetId()))
	if err != nil || !ok {
		return nil, err
	}
	if row.Value.GetHomePath() != m.GetHomePath() || row.Value.GetMemberKind() != m.GetMember().GetKind() {
		next := proto.CloneOf(row.Value)
		next.HomePath, next.MemberKind = m.GetHomePath(), m.GetMember().GetKind()
		next.ReportIn.HomeOrganizationId = m.GetMember().GetHomeOrganizationId()
		if row, err = s.reportIns.Replace(s.tx, row, next); err != nil {
			return nil, err
		}
	}
	return row.Value, nil
}

// report takes the date of a row as an accepted report-in, if the member has
// none yet; one that stands already is not changed by a date.
func (s *rosterSlice) report(row *rosterRow, m table.Row[*pb.MemberRow]) error {
	_, known, err := s.reportIns.By(s.tx, scope.All(), byMember, idKey(m.Value.GetMember().GetId()))
	if err != nil || known {
		return err
	}
	return s.accept(row, m)
}

// accept writes the accepted report-in of a member who has none.
func (s *rosterSlice) accept(row *rosterRow, m table.Row[*pb.MemberRow]) error {
	at, err := s.dayStart(row.facts.ReportedOn)
	if err != nil {
		return err
	}
	fresh := newReportIn(row.reportInID, m.Value, row.where, reportin.Accepted)
	fresh.ReportIn.SubmittedAt, fresh.ReportIn.DecidedAt, fresh.ReportIn.DecidedBy = at, at, s.call.Person
	fresh.ReportIn.CountedOn = string(row.facts.ReportedOn)
	r, err := s.reportIns.Insert(s.tx, fresh)
	if err != nil {
		return err
	}
	opened := proto.CloneOf(m.Value)
	opened.ReportedPath = row.where.GetPath()
	if _, err = s.members.Replace(s.tx, m, opened); err != nil {
		return err
	}
	s.done.ReportIns++
	s.changes = append(s.changes, reportInChange(r, m.Value, nil, string(row.facts.ReportedOn)))
	return nil
}
