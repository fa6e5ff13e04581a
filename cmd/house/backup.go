package house

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"

	"github.com/linli-project/linli/pkg/backup"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/texts"
)

// backupSuffix ends the name of a backup that was given a folder to lie in.
const backupSuffix = ".linli"

// backupService hands out what the stores of this process hold.
func (h *House) backupService() *backup.Service {
	c := backup.Config{Stores: h.stores, Blobs: h.folder.file(backup.BlobFolder), Log: h.config.Log}
	if h.civil.Movable() {
		c.Civil = h.civil.Now
	}
	return backup.NewService(c)
}

// BackupConfig says what is copied, whereto, for whom.
type BackupConfig struct {
	// To is the file, which must not be there, or a folder, in which it gets
	// the time as its name.
	To string
	// Recipients is a file of the public keys of those who may restore.
	Recipients string
	// GRPC are the addresses of all processes; Token is a system
	// administrator's. Without addresses the folder of House is read, of one
	// process or that in which those of six lie; no server may be using it.
	GRPC  []string
	Token string
	House Config
	// Program is what the backup says wrote it.
	Program string
}

// BackupReport is a backup that was taken.
type BackupReport struct {
	File     string
	Bytes    int64
	Manifest *pb.BackupManifest
}

// Backup takes a backup of everything at one point. The file has its name once
// it is whole and on disk.
func Backup(ctx context.Context, c BackupConfig) (_ BackupReport, err error) {
	to, err := recipients(c.Recipients)
	if err != nil {
		return BackupReport{}, err
	}
	now := clock.Wall().Now()
	target, err := backupTarget(c.To, now)
	if err != nil {
		return BackupReport{}, err
	}
	processes, done, err := c.processes(ctx)
	if err != nil {
		return BackupReport{}, err
	}
	defer func() { err = errors.Join(err, done()) }()
	if c.Token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, rpc.HeaderAuthorization, "Bearer "+c.Token, rpc.HeaderLanguage, texts.English)
	}
	r := BackupReport{File: target}
	r.Bytes, err = writeWhole(target, func(f *os.File) (err error) {
		r.Manifest, err = backup.Take(ctx, backup.TakeConfig{
			ID: ids.New("bak"), Processes: processes, Services: serviceNames(), To: to, Program: c.Program, Time: now,
		}, f)
		return err
	})
	if noRoom(err) {
		return r, fmt.Errorf("no room on the disk for %s: %w", target, err)
	}
	switch status.Code(err) {
	case codes.Unavailable:
		err = fmt.Errorf("%w; --grpc names the address of each process, --data a folder without a server", err)
	case codes.Unauthenticated, codes.PermissionDenied:
		err = fmt.Errorf("the token is not that of a system administrator: %w", err)
	}
	return r, err
}

// recipients reads a file of public keys.
func recipients(path string) ([]age.Recipient, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("public keys of the backup: %w", err)
	}
	defer f.Close()
	to, err := age.ParseRecipients(f)
	if err != nil {
		return nil, fmt.Errorf("%s holds no public keys (age1…), as `linli backup key` prints one: %w", path, err)
	}
	return to, nil
}

// backupTarget is the file that is to be made.
func backupTarget(to string, now time.Time) (string, error) {
	if info, err := os.Stat(to); err == nil && info.IsDir() {
		to = filepath.Join(to, now.UTC().Format("20060102T150405Z")+backupSuffix)
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = errors.New("it is there already")
		}
		return "", fmt.Errorf("backup %s cannot be made: %w", to, err)
	}
	return to, nil
}

// writeWhole writes a file beside its place and gives it its name when it is
// whole and on disk. What is broken off lies there with .part at its end until
// the next of that name.
func writeWhole(path string, write func(*os.File) error) (size int64, err error) {
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, fmt.Errorf("backup %s cannot be made: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part) // nobody takes it for a backup: it has no end
		}
	}()
	if err := write(f); err != nil {
		_ = f.Close() // what it could say was said
		return 0, err
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, fmt.Errorf("write backup: %w", err)
	}
	if err := os.Rename(part, path); err != nil {
		return 0, fmt.Errorf("write backup: %w", err)
	}
	return info.Size(), syncFolder(filepath.Dir(path))
}

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// processes connects to the addresses, or opens the folder.
func (c BackupConfig) processes(ctx context.Context) ([]backup.Process, func() error, error) {
	if len(c.GRPC) == 0 {
		return c.folder(ctx)
	}
	secured, err := c.House.TLS.DialOption()
	if err != nil {
		return nil, nil, err
	}
	var all []backup.Process
	var open []*grpc.ClientConn
	done := func() (err error) {
		for _, conn := range open {
			err = errors.Join(err, conn.Close())
		}
		return err
	}
	for i, address := range c.GRPC {
		if strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://") {
			return nil, nil, errors.Join(fmt.Errorf("--grpc %s: host:port without http://, as 127.0.0.1:9090", address), done())
		}
		if slices.Contains(c.GRPC[:i], address) {
			return nil, nil, errors.Join(fmt.Errorf("%s is named twice: name each process once", address), done())
		}
		conn, err := grpc.NewClient(address, secured)
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("address %s: %w", address, err), done())
		}
		open = append(open, conn)
		all = append(all, backup.Process{Name: address, Conn: conn})
	}
	return all, done, nil
}

// folder is the one process of a folder that no server uses, or each of six:
// all are this one.
func (c BackupConfig) folder(ctx context.Context) ([]backup.Process, func() error, error) {
	open, done, err := folder{path: c.House.Data}.openServices(ctx, c.House)
	if err != nil {
		return nil, nil, err
	}
	var all []backup.Process
	for _, o := range open {
		civil, err := o.folder.civil(time.Time{}, clock.Wall())
		if err != nil {
			return nil, nil, errors.Join(err, done())
		}
		h := &House{config: c.House, folder: o.folder, stores: o.stores, civil: civil}
		all = append(all, backup.Process{Name: o.folder.path, Conn: h.backupService().Conn()})
	}
	return all, done, nil
}

// openAll opens every store of a folder that holds a role's data.
func (f folder) openAll(ctx context.Context, c Config, role Role) (stores []*store.Store, done func() error, err error) {
	if f.isNew() {
		return nil, nil, fmt.Errorf("%s holds no data of linli", f.path)
	}
	master, err := f.master(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	done = func() (err error) {
		for _, s := range stores {
			err = errors.Join(err, s.Close())
		}
		return err
	}
	for _, name := range role.services() {
		s, err := f.openStore(ctx, name, master, clock.Wall(), clock.Wall(), c)
		if err != nil {
			return nil, nil, errors.Join(err, done())
		}
		stores = append(stores, s)
	}
	return stores, done, nil
}
