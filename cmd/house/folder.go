package house

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

// folder is a data folder: one file a service, the broker's files, the civil
// clock of a development folder, and with --dev the master key.
type folder struct {
	path string
}

// roleFile names the role of a folder's process; the whole has none.
const roleFile = "role"

// openFolder makes the folder if it is not there and makes sure that it can be
// written, and that it is not another process's.
func openFolder(path string, role Role) (folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return folder{}, fmt.Errorf("data folder %s cannot be made: %w", path, err)
	}
	probe, err := os.CreateTemp(path, ".writable-*")
	if err != nil {
		return folder{}, fmt.Errorf("data folder %s cannot be written: %w", path, err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return folder{}, fmt.Errorf("data folder %s cannot be written: %w", path, err)
	}
	f := folder{path: path}
	return f, f.belongsTo(role)
}

// belongsTo refuses a folder that holds what another role keeps: a service whose
// file is not there would begin anew beside it.
func (f folder) belongsTo(role Role) error {
	is, err := f.role()
	if err != nil {
		return err
	}
	if is != role && is != Whole {
		return fmt.Errorf("data folder %s belongs to `linli serve %s`", f.path, is)
	}
	if f.isNew() && len(f.parts()) > 0 {
		return fmt.Errorf("data folder %s holds those of six processes: start them (deploy/six.sh start %s), or name another folder with --data", f.path, f.path)
	}
	if is == role {
		return nil
	}
	for _, name := range serviceNames() {
		if name != string(role) && f.has(name+".db") {
			return fmt.Errorf("data folder %s holds %s too: it belongs to `linli serve` in one process; `linli restore --six` lays a backup of it out for six", f.path, name)
		}
	}
	if err := os.WriteFile(f.file(roleFile), []byte(string(role)+"\n"), 0o600); err != nil {
		return fmt.Errorf("data folder %s cannot be written: %w", f.path, err)
	}
	return nil
}

// role is whose folder it is.
func (f folder) role() (Role, error) {
	text, err := os.ReadFile(f.file(roleFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Whole, nil
	}
	if err != nil {
		return "", fmt.Errorf("data folder %s: %w", f.path, err)
	}
	return Role(strings.TrimSpace(string(text))), nil
}

func makeParent(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("folder of %s cannot be made: %w", path, err)
	}
	return nil
}

func (f folder) file(name string) string { return filepath.Join(f.path, name) }

func (f folder) has(name string) bool { return fileThere(f.file(name)) }

func fileThere(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// isNew says whether nothing has been stored here yet.
func (f folder) isNew() bool {
	for _, name := range serviceNames() {
		if f.has(name + ".db") {
			return false
		}
	}
	return true
}

// stand is the civil clock of a development folder as its file keeps it.
type stand struct {
	Time time.Time `json:"time"`
}

// civil answers the folder's civil clock. at is given once, when the folder is
// made; later the folder's own stand is kept.
func (f folder) civil(at time.Time, wall clock.Clock) (*clock.Civil, error) {
	text, err := os.ReadFile(f.file("clock.json"))
	switch {
	case err == nil:
		var s stand
		if err := json.Unmarshal(text, &s); err != nil || s.Time.IsZero() {
			return nil, fmt.Errorf("%s does not hold a time", f.file("clock.json"))
		}
		return clock.NewCivil(wall, s.Time), nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read the civil clock: %w", err)
	case at.IsZero():
		return clock.NewCivil(wall, time.Time{}), nil
	case !f.isNew():
		return nil, fmt.Errorf("data folder %s was made without --clock and follows the wall clock", f.path)
	}
	if err := f.keepCivil(at); err != nil {
		return nil, err
	}
	return clock.NewCivil(wall, at), nil
}

// keepCivil writes the clock's stand so that a crash leaves the old one or the
// new one.
func (f folder) keepCivil(at time.Time) error {
	text, err := json.Marshal(stand{Time: at})
	if err != nil {
		return fmt.Errorf("keep the civil clock: %w", err)
	}
	next := f.file("clock.json.next")
	w, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keep the civil clock: %w", err)
	}
	_, err = w.Write(text)
	if err := errors.Join(err, w.Sync(), w.Close()); err != nil {
		return fmt.Errorf("keep the civil clock: %w", err)
	}
	if err := os.Rename(next, f.file("clock.json")); err != nil {
		return fmt.Errorf("keep the civil clock: %w", err)
	}
	return nil
}

// openStore opens one service's file. Its errors are meant to be read by the
// person who started the program.
func (f folder) openStore(ctx context.Context, service string, master seal.Provider, civil, wall clock.Clock, c Config) (*store.Store, error) {
	engine, err := boltkv.Open(f.file(service+".db"), boltkv.Options{NoSync: c.Faults.NoSync})
	switch {
	case errors.Is(err, boltkv.ErrLocked):
		return nil, fmt.Errorf("data folder %s is in use by another linli", f.path)
	case boltkv.IsPermission(err):
		return nil, fmt.Errorf("data folder %s cannot be written: %w", f.path, err)
	case errors.Is(err, kv.ErrCorrupt):
		return nil, fmt.Errorf("the file of %s is damaged; restore it from a backup: %w", service, err)
	case err != nil:
		return nil, err
	}
	profile, err := seal.ParseProfile(c.Sealing)
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	s, err := store.Open(ctx, store.Config{
		Service: service, DB: kv.New(c.Faults.engine(service, engine), kv.Options{}), Master: master, Profile: profile, Reveals: c.Reveals,
		Civil: civil, Wall: wall, IDs: ids.New, Log: c.Log.With("service", service),
	})
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	return s, nil
}
