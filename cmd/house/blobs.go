package house

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/s3blob" // opens s3://…

	"github.com/linli-project/linli/pkg/backup"
	"github.com/linli-project/linli/pkg/blobs"
)

// validateBlobs refuses what is no object store that linli knows.
func (c Config) validateBlobs() error {
	if c.Blobs != "" && !strings.HasPrefix(c.Blobs, "s3://") {
		return errors.New("files lie in the data folder, or in an object store that LINLI_BLOBS names: s3://bucket?region=…")
	}
	return nil
}

// openBlobs opens where the files of a service lie: the object store that is
// named, or a folder beside the service's own file. Neither holds anything that
// has to be let go of.
func (c Config) openBlobs(service string) (*blobs.Bucket, error) {
	if c.Blobs == "" {
		return blobs.OpenFolder(c.blobFolder(service))
	}
	b, err := blob.OpenBucket(context.Background(), c.Blobs) // asks nobody: it reads how to sign in
	if err != nil {
		return nil, fmt.Errorf("open the object store of files: %w", err)
	}
	return blobs.NewBucket(b), nil
}

// blobFolder is below the folder of the service's own process where this is the
// one in which those of six lie.
func (c Config) blobFolder(service string) string {
	part := folder{path: filepath.Join(c.Data, service)}
	if role, err := part.role(); err == nil && string(role) == service {
		return part.file(backup.BlobFolder)
	}
	return filepath.Join(c.Data, backup.BlobFolder)
}

// moveBlobs gives a process the files of its services.
func moveBlobs(whole, part folder, services []string) error {
	for _, service := range services {
		from := filepath.Join(whole.file(backup.BlobFolder), service)
		if !fileThere(from) {
			continue
		}
		if err := os.MkdirAll(part.file(backup.BlobFolder), 0o700); err != nil {
			return fmt.Errorf("lay out the files of %s: %w", service, err)
		}
		if err := os.Rename(from, filepath.Join(part.file(backup.BlobFolder), service)); err != nil {
			return fmt.Errorf("lay out the files of %s: %w", service, err)
		}
	}
	return nil
}

// syncBlobs makes the names of all files of a folder durable; the files are.
func syncBlobs(f folder) error {
	root := f.file(backup.BlobFolder)
	if !fileThere(root) {
		return nil
	}
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return syncFolder(path)
	})
}
