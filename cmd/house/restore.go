package house

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"filippo.io/age"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"

	"github.com/linli-project/linli/pkg/backup"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/seal"
)

// RestoreConfig says what is restored, whereto, with which keys.
type RestoreConfig struct {
	From string
	// Identity is the file of the secret key that opens the backup.
	Identity string
	// House names the folder, which must not be there or be empty, and the
	// file of the master key.
	House Config
	// Six lays the folder out for six processes: one below it for each.
	Six bool
}

// RestoreReport is what was restored, and what a check of it found.
type RestoreReport struct {
	Manifest *pb.BackupManifest
	Services []ServiceReport
}

// Restore writes a backup into a new folder and verifies it: every byte against
// the manifest, the audit against its root, every row as fsck does. The folder
// has its name once it is whole and on disk; before, it lies beside it and ends
// in .restoring. What fsck finds is in the report: the rows are those that were
// backed up all the same.
func Restore(ctx context.Context, c RestoreConfig) (_ RestoreReport, err error) {
	if c.House.MasterKeyFile == "" {
		return RestoreReport{}, errors.New("no master key: it is not in a backup; name its file with --master-key or LINLI_MASTER_KEY_FILE")
	}
	master := seal.MasterFile(c.House.MasterKeyFile)
	if _, err := master.IDs(); err != nil {
		return RestoreReport{}, err
	}
	with, err := identities(c.Identity)
	if err != nil {
		return RestoreReport{}, err
	}
	in, err := os.Open(c.From)
	if err != nil {
		return RestoreReport{}, fmt.Errorf("backup: %w", err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	data := filepath.Clean(c.House.Data)
	if err := vacant(data); err != nil {
		return RestoreReport{}, err
	}
	beside, release, err := makeBeside(data)
	if err != nil {
		return RestoreReport{}, err
	}
	defer func() { err = errors.Join(err, release()) }()
	c.House.Data = beside
	r, err := c.fill(ctx, in, with, master)
	if err == nil && c.Six {
		err = layOutForSix(folder{path: beside})
	}
	if noRoom(err) {
		err = fmt.Errorf("no room on the disk for %s: %w", data, err)
	}
	if err != nil {
		return RestoreReport{}, err
	}
	// The system's own call, unlike os.Rename, puts it in the place of an empty
	// folder too.
	if err := syscall.Rename(beside, data); err != nil {
		return RestoreReport{}, fmt.Errorf("data folder %s cannot be made: %w", data, err)
	}
	return r, syncFolder(filepath.Dir(data))
}

// layOutForSix gives each of the six processes a folder of its own below the
// one that was filled, with its file and the clock.
func layOutForSix(whole folder) error {
	for _, role := range Roles() {
		part, err := openFolder(whole.file(string(role)), role)
		if err != nil {
			return err
		}
		for _, service := range role.services() {
			if err := os.Rename(whole.file(service+".db"), part.file(service+".db")); err != nil {
				return fmt.Errorf("lay out the folder of %s: %w", role, err)
			}
		}
		if err := moveBlobs(whole, part, role.services()); err != nil {
			return err
		}
		if err := copyCivil(whole, part); err != nil {
			return err
		}
		if err := syncFolder(part.path); err != nil {
			return err
		}
	}
	if err := os.Remove(whole.file("clock.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("lay out the folder: %w", err)
	}
	return syncFolder(whole.path)
}

// copyCivil has a part's clock stand where that of the whole stands.
func copyCivil(whole, part folder) error {
	civil, err := whole.civil(time.Time{}, clock.Wall())
	if err != nil || !civil.Movable() {
		return err
	}
	return part.keepCivil(civil.Now())
}

// noRoom says whether something could not be written because there is no room
// for it: the disk is full, or the user may not have more. Where bbolt makes a
// file longer, it keeps of the cause the words alone.
func noRoom(err error) bool {
	for _, cause := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, cause) || err != nil && strings.HasSuffix(err.Error(), cause.Error()) {
			return true
		}
	}
	return false
}

// identities reads the file of a secret key.
func identities(path string) ([]age.Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("secret key of the backup: %w", err)
	}
	defer f.Close()
	with, err := age.ParseIdentities(f)
	if err != nil {
		// The cause is not told: it could quote the file.
		return nil, fmt.Errorf("%s holds no secret key (AGE-SECRET-KEY-…), as `linli backup key` writes one", path)
	}
	return with, nil
}

// vacant says why a folder cannot be the place of a restore.
func vacant(data string) error {
	info, err := os.Stat(data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	entries, err := os.ReadDir(data)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("data folder %s is not empty; a backup is restored into a new one", data)
	}
	parent, err := os.Stat(filepath.Dir(data))
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if info.Sys().(*syscall.Stat_t).Dev != parent.Sys().(*syscall.Stat_t).Dev {
		return fmt.Errorf("data folder %s is a mount point; restore into a folder below it", data)
	}
	return nil
}

// makeBeside makes the folder that is filled, and answers how to let go of it:
// it is removed unless it was given its name. One that a killed restore left is
// made anew; one that is being filled is told by its lock.
func makeBeside(data string) (path string, release func() error, err error) {
	path = data + ".restoring"
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", nil, fmt.Errorf("data folder %s cannot be made: %w", data, err)
	}
	lock, err := os.Open(path)
	if err != nil {
		return "", nil, fmt.Errorf("data folder %s cannot be made: %w", data, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return "", nil, errors.Join(fmt.Errorf("%s is being filled by another restore", path), lock.Close())
	}
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(path, e.Name())))
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("clear %s: %w", path, err), lock.Close())
	}
	return path, func() error { return errors.Join(os.RemoveAll(path), lock.Close()) }, nil
}

// fill unpacks into the folder of House and verifies.
func (c RestoreConfig) fill(ctx context.Context, in io.Reader, with []age.Identity, master seal.MasterFile) (RestoreReport, error) {
	var r RestoreReport
	var err error
	r.Manifest, err = backup.Unpack(ctx, backup.UnpackConfig{With: with, Folder: c.House.Data, Accept: func(h *pb.BackupHead) error {
		return holds(master, h.GetMasterKey())
	}}, in)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return r, fmt.Errorf("%s was not written for the key in %s", c.From, c.Identity)
	case errors.Is(err, backup.ErrDamaged):
		return r, fmt.Errorf("%s: %w; take another one", c.From, err)
	case err != nil:
		return r, err
	}
	f := folder{path: c.House.Data}
	if t := r.Manifest.GetHead().GetCivilTime(); t != nil {
		if err := f.keepCivil(t.AsTime()); err != nil {
			return r, err
		}
	}
	if r.Services, err = verifyRestored(ctx, f, c.House, r.Manifest); err != nil {
		return r, err
	}
	if err := syncBlobs(f); err != nil {
		return r, err
	}
	return r, syncFolder(f.path)
}

// verifyRestored compares the audit with its roots, brings the stores of an
// older linli to this one's format, and checks every row.
func verifyRestored(ctx context.Context, f folder, c Config, m *pb.BackupManifest) (reports []ServiceReport, err error) {
	stores, done, err := f.openAll(ctx, c, Whole)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	roots := map[string]*pb.BackupStore{}
	for _, s := range m.GetStores() {
		roots[s.GetService()] = s
	}
	for _, s := range stores {
		lines, root, err := s.AuditRoot(ctx)
		if err != nil {
			return nil, err
		}
		if want := roots[s.Service()]; want.GetAuditRows() != lines || !bytes.Equal(want.GetAuditRoot(), root) {
			return nil, fmt.Errorf("%w: the audit of %s does not have the root of the manifest", backup.ErrDamaged, s.Service())
		}
	}
	all, err := newServices(stores, &lateConn{}, c)
	if err != nil {
		return nil, err
	}
	if err := migrateStores(ctx, stores, all); err != nil {
		return nil, err
	}
	return checkStores(ctx, stores, all)
}
