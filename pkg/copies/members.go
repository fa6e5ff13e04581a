package copies

import (
	"google.golang.org/protobuf/proto"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// Names of the indexes of the member copies.
const (
	byHome     = "home"
	byReported = "reported"
)

// Member as the registry announced it. Kind is unspecified while only a
// report-in was heard of.
type Member struct {
	ID       string
	Kind     registryv1.MemberKind
	Status   registryv1.MemberStatus
	HomePath scope.Path
	// ResidencePath is the community of residence in the roster.
	ResidencePath scope.Path
	// ReportedPath is the community that accepted the report-in; empty before.
	ReportedPath scope.Path
}

// Members is a service's copy of the members.
type Members struct {
	table *table.Table[*typev1.MemberCopyRow]
}

// NewMembers declares the copy.
func NewMembers() *Members {
	path := func(p string) []key.Key {
		if p == "" {
			return nil
		}
		return []key.Key{key.Key(nil).String(p)}
	}
	return &Members{table.New(table.Spec[*typev1.MemberCopyRow]{
		Number: store.TableMember, Name: "member_copy",
		Key: func(m *typev1.MemberCopyRow) key.Key { return key.Key(nil).String(m.GetId()) },
		Indexes: []table.Index[*typev1.MemberCopyRow]{
			{Number: store.TableMember + 1, Name: byHome, Keys: func(m *typev1.MemberCopyRow) []key.Key { return path(m.GetHomePath()) }},
			{Number: store.TableMember + 2, Name: byReported, Keys: func(m *typev1.MemberCopyRow) []key.Key { return path(m.GetReportedPath()) }},
		},
	})}
}

// Get answers a member; false for one that was not announced.
func (m *Members) Get(r kv.Reader, id string) (Member, bool, error) {
	row, ok, err := m.table.Get(r, scope.All(), key.Key(nil).String(id))
	if err != nil || !ok {
		return Member{}, false, err
	}
	return memberOf(row.Value), true, nil
}

func memberOf(row *typev1.MemberCopyRow) Member {
	return Member{
		ID: row.GetId(), Kind: registryv1.MemberKind(row.GetKind()), Status: registryv1.MemberStatus(row.GetStatus()),
		HomePath: scope.Path(row.GetHomePath()), ResidencePath: scope.Path(row.GetResidencePath()),
		ReportedPath: scope.Path(row.GetReportedPath()),
	}
}

// Slice is one page of a walk.
type Slice struct {
	Members []Member
	// Next goes on after the slice; nil at the end.
	Next key.Key
}

// ByHome walks the members whose home organization lies under a path.
func (m *Members) ByHome(r kv.Reader, under scope.Path, after key.Key, limit int) (Slice, error) {
	return m.walk(r, byHome, under, after, limit)
}

// AtHome walks the members whose home organization is the one at a path itself.
func (m *Members) AtHome(r kv.Reader, home scope.Path, after key.Key, limit int) (Slice, error) {
	return m.list(r, byHome, key.Key(nil).String(string(home)), after, limit)
}

// ByReported walks the members who reported in to a community under a path.
func (m *Members) ByReported(r kv.Reader, under scope.Path, after key.Key, limit int) (Slice, error) {
	return m.walk(r, byReported, under, after, limit)
}

func (m *Members) walk(r kv.Reader, index string, under scope.Path, after key.Key, limit int) (Slice, error) {
	return m.list(r, index, key.Key(nil).Prefix(string(under)), after, limit)
}

func (m *Members) list(r kv.Reader, index string, prefix, after key.Key, limit int) (Slice, error) {
	page, err := m.table.List(r, scope.All(), table.Query{Index: index, Prefix: prefix, After: after, Limit: limit})
	if err != nil {
		return Slice{}, err
	}
	s := Slice{Next: page.Last}
	for _, row := range page.Rows {
		s.Members = append(s.Members, memberOf(row.Value))
	}
	return s, nil
}

// Rows are the rows of the copy: what is held of a member, for pkg/held.
func (m *Members) Rows() *table.Table[*typev1.MemberCopyRow] { return m.table }

// Table is the copy as fsck sees it.
func (m *Members) Table() table.Checker { return m.table }

// Consumer keeps the copy of a service up to date. Members and report-ins are
// two entities with revisions of their own, and come in any order.
func (m *Members) Consumer(service string) events.Consumer {
	return events.Consumer{
		Name: service + "-members", From: "registry", Kind: events.Copy,
		Subjects: []string{"linli.registry.member.*", "linli.registry.report_in.*"},
		Apply:    m.apply,
	}
}

func (m *Members) apply(tx *store.Tx, e *typev1.EventRow) error {
	if e.GetSubject() == "linli.registry.member.imported" {
		var ev registryv1.MembersImported
		if err := events.Decode(e, &ev); err != nil {
			return err
		}
		for _, s := range ev.GetMembers() {
			if err := m.applyMember(tx, s); err != nil {
				return err
			}
		}
		return nil
	}
	var ev registryv1.ReportInsChanged
	if err := events.Decode(e, &ev); err != nil {
		return err
	}
	for _, c := range ev.GetReportIns() {
		if err := m.applyReportIn(tx, c); err != nil {
			return err
		}
	}
	return nil
}

func (m *Members) applyMember(tx *store.Tx, s *registryv1.MemberState) error {
	return m.change(tx, s.GetId(), func(row *typev1.MemberCopyRow) bool {
		if s.GetRevision() <= row.GetMemberRevision() {
			return false
		}
		row.Kind, row.Status = int32(s.GetKind()), int32(s.GetStatus())
		row.HomePath, row.ResidencePath = s.GetHomePath(), s.GetCommunityPath()
		row.MemberRevision = s.GetRevision()
		return true
	})
}

func (m *Members) applyReportIn(tx *store.Tx, c *registryv1.ReportInStateChange) error {
	return m.change(tx, c.GetMemberId(), func(row *typev1.MemberCopyRow) bool {
		if row.GetReportInId() == c.GetId() && c.GetRevision() <= row.GetReportInRevision() {
			return false
		}
		accepted := c.GetState() == registryv1.ReportInState_REPORT_IN_STATE_ACCEPTED
		if row.GetReportInId() != c.GetId() && !accepted {
			return false // another report-in; it counts once it is accepted
		}
		row.ReportInId, row.ReportInRevision, row.ReportedPath = c.GetId(), c.GetRevision(), ""
		if accepted {
			row.ReportedPath = c.GetCommunityPath()
		}
		return true
	})
}

// change applies fn to a member's copy, which is made if it is not there.
func (m *Members) change(tx *store.Tx, id string, fn func(*typev1.MemberCopyRow) bool) error {
	row, ok, err := m.table.Get(tx, scope.All(), key.Key(nil).String(id))
	if err != nil {
		return err
	}
	if !ok {
		next := &typev1.MemberCopyRow{Id: id}
		if fn(next) {
			_, err = m.table.Insert(tx, next)
		}
		return err
	}
	next := proto.CloneOf(row.Value)
	if fn(next) {
		_, err = m.table.Replace(tx, row, next)
	}
	return err
}
