// Package copies keeps a service's copy of what the registry announced:
// organizations and members, without anything personal. A method reads them
// in its own transaction instead of calling the registry.
package copies

import (
	"slices"

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

// Organization as the registry announced it.
type Organization struct {
	ID        string
	Kind      registryv1.OrganizationKind
	Path      scope.Path
	Displayed bool
}

// Organizations is a service's copy of the tree.
type Organizations struct {
	table *table.Table[*typev1.OrganizationCopyRow]
}

// NewOrganizations declares the copy.
func NewOrganizations() *Organizations {
	return &Organizations{table.New(table.Spec[*typev1.OrganizationCopyRow]{
		Number: store.TableOrganization, Name: "organization_copy",
		Key: func(o *typev1.OrganizationCopyRow) key.Key { return key.Key(nil).String(o.GetId()) },
	})}
}

// Get answers an organization; false for one that was not announced.
func (o *Organizations) Get(r kv.Reader, id string) (Organization, bool, error) {
	row, ok, err := o.table.Get(r, scope.All(), key.Key(nil).String(id))
	if err != nil || !ok {
		return Organization{}, false, err
	}
	return Organization{
		ID: id, Kind: registryv1.OrganizationKind(row.Value.GetKind()),
		Path: scope.Path(row.Value.GetPath()), Displayed: row.Value.GetDisplayed(),
	}, true, nil
}

// Shown answers an organization as somebody may know it whose grants are these.
// One that is not displayed, and everything below it, is there only for grants
// in it, below it or above it.
func (o *Organizations) Shown(r kv.Reader, id string, grants scope.Scope) (Organization, bool, error) {
	one, ok, err := o.Get(r, id)
	if err == nil && ok {
		ok, err = o.KnownTo(r, one.Path, grants)
	}
	return one, ok, err
}

// KnownTo says whether somebody with these grants may know what stands at a path.
func (o *Organizations) KnownTo(r kv.Reader, path scope.Path, grants scope.Scope) (bool, error) {
	for at := path; at != ""; at = at.Parent() {
		above, known, err := o.Get(r, at.ID())
		if err != nil || known && !above.Displayed && !slices.ContainsFunc(grants.Paths, at.Related) {
			return false, err
		}
	}
	return true, nil
}

// organizationsAtOnce bounds one read of the copy.
const organizationsAtOnce = 500

// Under answers the paths of the organizations of a kind below a place, in the
// order of their ids. It reads the whole copy: for what is asked once a year.
func (o *Organizations) Under(r kv.Reader, at scope.Path, kind registryv1.OrganizationKind) (paths []scope.Path, err error) {
	for q := (table.Query{Limit: organizationsAtOnce}); ; {
		page, err := o.table.List(r, scope.All(), q)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			path := scope.Path(row.Value.GetPath())
			if row.Value.GetKind() == int32(kind) && at.Contains(path) && path != at {
				paths = append(paths, path)
			}
		}
		if q.After = page.Last; q.After == nil {
			return paths, nil
		}
	}
}

// Table is the copy as fsck sees it.
func (o *Organizations) Table() table.Checker { return o.table }

// Consumer keeps the copy of a service up to date.
func (o *Organizations) Consumer(service string) events.Consumer {
	return events.Consumer{
		Name: service + "-organizations", From: "registry", Kind: events.Copy,
		Subjects: []string{"linli.registry.organization.*"},
		Apply:    o.apply,
	}
}

func (o *Organizations) apply(tx *store.Tx, e *typev1.EventRow) error {
	var ev registryv1.OrganizationChanged
	if err := events.Decode(e, &ev); err != nil {
		return err
	}
	next := &typev1.OrganizationCopyRow{
		Id: ev.GetId(), Kind: int32(ev.GetKind()), Path: ev.GetPath(),
		Displayed: ev.GetDisplayed(), SourceRevision: ev.GetRevision(),
	}
	return keep(tx, o.table, key.Key(nil).String(ev.GetId()), next, func(old *typev1.OrganizationCopyRow) bool {
		return ev.GetRevision() > old.GetSourceRevision()
	})
}

// keep inserts a copy, or replaces an older one.
func keep[T proto.Message](tx *store.Tx, t *table.Table[T], at key.Key, next T, newer func(old T) bool) error {
	row, ok, err := t.Get(tx, scope.All(), at)
	switch {
	case err != nil:
		return err
	case !ok:
		_, err = t.Insert(tx, next)
	case newer(row.Value):
		_, err = t.Replace(tx, row, next)
	}
	return err
}
