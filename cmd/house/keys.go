package house

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/linli-project/linli/pkg/run"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// resealEvery is how often rows are looked at that an older data key seals.
const resealEvery = 15 * time.Minute

// master answers the file of master keys: the named one, or with dev one in the
// folder, made at the first start.
func (f folder) master(ctx context.Context, c Config) (seal.MasterFile, error) {
	file := seal.MasterFile(c.MasterKeyFile)
	switch {
	case c.MasterKeyFile != "":
	case !c.Dev:
		return "", errors.New("no master key: name its file with LINLI_MASTER_KEY_FILE")
	default:
		var err error
		if file, err = f.ownMaster(c); err != nil {
			return "", err
		}
	}
	_, err := file.Current(ctx)
	return file, err
}

// ownMaster is the file in a development folder.
func (f folder) ownMaster(c Config) (seal.MasterFile, error) {
	file := seal.MasterFile(f.file("master.key"))
	if f.has("master.key") {
		return file, nil
	}
	if shared := filepath.Join(filepath.Dir(f.path), "master.key"); f.isPart() && fileThere(shared) {
		return seal.MasterFile(shared), nil
	}
	if !f.isNew() {
		return "", fmt.Errorf("%s holds data and no master key: it lay elsewhere, or the folder was restored; "+
			"name its file with LINLI_MASTER_KEY_FILE", f.path)
	}
	profile, err := seal.ParseProfile(c.Sealing)
	if err != nil {
		return "", err
	}
	_, err = file.Add(profile)
	switch {
	case errors.Is(err, fs.ErrExist): // another process made it at this moment
		return file, nil
	case err == nil:
		c.Log.Info("made a master key for this development folder", "file", string(file))
	}
	return file, err
}

// holds says which of the master keys that a backup names the file lacks.
func holds(file seal.MasterFile, wanted string) error {
	has, err := file.IDs()
	if err != nil {
		return err
	}
	for _, id := range strings.Fields(wanted) {
		if !slices.Contains(has, id) {
			return fmt.Errorf("the backup needs the master key %s; %s holds %s", id, file, strings.Join(has, ", "))
		}
	}
	return nil
}

// resealer seals what lies under older data keys anew, as soon as there is a new
// one and until the older ones are gone.
func resealer(s *store.Store, tables []table.Checker, log *slog.Logger) run.Job {
	return run.Job{Name: s.Service() + "-reseal", Run: func(ctx context.Context) error {
		tick := time.NewTicker(resealEvery)
		defer tick.Stop()
		for {
			if len(s.Keys().GetDataKeys()) > 1 {
				done, err := s.Reseal(ctx, tables)
				switch {
				case ctx.Err() != nil:
				case err != nil:
					log.Error("seal anew", "service", s.Service(), "error", err)
				case done:
					log.Info("everything is sealed under the newest data key", "service", s.Service())
				}
			}
			select {
			case <-tick.C:
			case <-s.KeysChanged():
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}}
}
