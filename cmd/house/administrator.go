package house

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/registry"
)

const registryName = "registry"

// Administrator is a security administrator who may act everywhere, as the tool
// makes one.
type Administrator struct {
	Login, Name, Password string
	// Another makes one although there is one.
	Another bool
}

// CreateAdministrator makes a security administrator in a folder that no server
// is using: the whole one, the registry's, or that in which those of six
// processes lie. The error is registry.ErrAdministratorThere when there is one.
func CreateAdministrator(ctx context.Context, c Config, a Administrator) (err error) {
	part, err := registryFolder(folder{path: c.Data})
	if err != nil {
		return err
	}
	if part.isNew() {
		return fmt.Errorf("%s holds no data of linli: start linli on it once", part.path)
	}
	master, err := part.master(ctx, c)
	if err != nil {
		return err
	}
	s, err := part.openStore(ctx, registryName, master, clock.Wall(), clock.Wall(), c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	svc, err := registry.New(registry.Deps{Store: s, IDs: ids.New, Log: c.Log})
	if err != nil {
		return err
	}
	if err := readable(ctx, []*store.Store{s}, services{svc}); err != nil {
		return err
	}
	_, err = svc.CreateAdministrator(ctx, a.Login, a.Name, a.Password, a.Another)
	return err
}

// registryFolder answers the folder in which the registry's file lies.
func registryFolder(f folder) (folder, error) {
	role, err := f.role()
	if err != nil || role == Registry {
		return f, err
	}
	parts, err := f.services()
	if err != nil {
		return f, err
	}
	if i := slices.IndexFunc(parts, func(p folder) bool { return p.has(registryName + ".db") }); i >= 0 {
		return parts[i], nil
	}
	return f, nil
}

// firstLink makes the code of the one-time link, where nobody administers the
// folder yet.
func (h *House) firstLink(ctx context.Context) (err error) {
	for _, svc := range h.services {
		if r, ok := svc.(*registry.Service); ok {
			h.firstCode, err = r.FirstCode(ctx)
		}
	}
	return err
}

// FirstCode is the code by which the first administrator is made; empty where
// there is one, and in a process that is not the registry's.
func (h *House) FirstCode() string { return h.firstCode }
