package house

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/linli-project/linli/pkg/store"
)

// isPart says whether the folder is that of one of six processes.
func (f folder) isPart() bool {
	role, err := f.role()
	return err == nil && role != Whole
}

// parts are the folders of the six processes that lie below this one; none when
// it is a folder of one process.
func (f folder) parts() (out []folder) {
	for _, name := range Roles() {
		part := folder{path: f.file(string(name))}
		if role, err := part.role(); err == nil && role == name {
			out = append(out, part)
		}
	}
	return out
}

// opened is a folder whose stores are open.
type opened struct {
	folder folder
	stores []*store.Store
}

// openServices opens every store that lies in the folder of one process or in
// those of six. All services are there; none of their files is in use.
func (f folder) openServices(ctx context.Context, c Config) (all []opened, done func() error, err error) {
	of, err := f.services()
	if err != nil {
		return nil, nil, err
	}
	var closers []func() error
	done = func() (err error) {
		for _, fn := range closers {
			err = errors.Join(err, fn())
		}
		return err
	}
	for _, part := range of {
		role, err := part.role()
		if err != nil {
			return nil, nil, errors.Join(err, done())
		}
		stores, closeStores, err := part.openAll(ctx, c, role)
		if err != nil {
			return nil, nil, errors.Join(err, done())
		}
		all, closers = append(all, opened{part, stores}), append(closers, closeStores)
	}
	return all, done, nil
}

// services are the folders that together hold every service: this one, or those
// of the services below it.
func (f folder) services() ([]folder, error) {
	role, err := f.role()
	if err != nil {
		return nil, err
	}
	if role != Whole {
		return nil, fmt.Errorf("%s belongs to `linli serve %s` alone; name the folder in which those of all six lie", f.path, role)
	}
	parts := f.parts()
	if len(parts) == 0 || !f.isNew() {
		return []folder{f}, nil
	}
	var out []folder
	var missing []string
	for _, name := range serviceNames() {
		at := slices.IndexFunc(parts, func(p folder) bool { return p.path == f.file(name) && p.has(name+".db") })
		if at < 0 {
			missing = append(missing, name)
			continue
		}
		out = append(out, parts[at])
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s holds folders of six processes, and no data of %s", f.path, strings.Join(missing, ", "))
	}
	return out, nil
}
