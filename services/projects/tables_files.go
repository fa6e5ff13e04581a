package projects

import (
	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/blobs"
	"github.com/linli-project/linli/pkg/documents"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/pictures"
	"github.com/linli-project/linli/pkg/run"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// Those of files beside applications and key projects.
const (
	numberFiles         = store.FirstServiceTable + 150 + iota // owner, what of it, its id, file id
	numberFilesByID                                            // file id
	numberFilesByBlob                                          // address of the blob
	numberFileCounts                                           // owner, what of it, its id
	numberBlobs                                                // address
	numberBlobsByName                                          // name of the stored file
	numberBlobsReleased                                        // since when no row names it
)

const byBlob = "blob"

// files is what the service has for files.
type files struct {
	rows      *table.Table[*pb.AttachedFileRow]
	counts    *table.Table[*pb.FileCountRow]
	inspector *documents.Inspector
	cleaner   *pictures.Cleaner
	passes    blobs.Passes
	blobs     *blobs.Blobs // nil takes no files
}

func newFiles(d Deps) files {
	f := files{
		inspector: documents.NewInspector(), cleaner: pictures.NewCleaner(), passes: blobs.NewPasses(d.Store.Keyring()),
		rows: table.New(table.Spec[*pb.AttachedFileRow]{
			Number: numberFiles, Name: "file",
			Sealed: fileSealed,
			Key: func(r *pb.AttachedFileRow) key.Key {
				return fileKey(r.GetOwnerId(), r.GetOf(), r.GetOfId()).String(r.GetId())
			},
			Indexes: []table.Index[*pb.AttachedFileRow]{
				{Number: numberFilesByID, Name: byID, Unique: true, Keys: func(r *pb.AttachedFileRow) []key.Key { return []key.Key{idKey(r.GetId())} }},
				{Number: numberFilesByBlob, Name: byBlob, Keys: func(r *pb.AttachedFileRow) []key.Key { return []key.Key{idKey(r.GetBlob())} }},
			},
		}),
		counts: table.New(table.Spec[*pb.FileCountRow]{
			Number: numberFileCounts, Name: "file_count",
			Key: func(r *pb.FileCountRow) key.Key { return fileKey(r.GetOwnerId(), r.GetOf(), r.GetOfId()) },
		}),
	}
	if d.Blobs != nil {
		f.blobs = blobs.New(blobs.Config{
			Bucket: d.Blobs, Store: d.Store, Table: numberBlobs, IndexByName: numberBlobsByName, IndexByReleased: numberBlobsReleased, Log: d.Log,
			Named: func(r kv.Reader, address string) (int, error) { return blobs.CountNamed(r, f.rows, byBlob, address) },
		})
	}
	return f
}

func fileKey(owner string, of pb.ProofOf, ofID string) key.Key {
	return idKey(owner).Uint(uint64(of)).String(ofID)
}

func (f files) all() []table.Checker {
	out := []table.Checker{f.rows, f.counts}
	if f.blobs != nil {
		out = append(out, f.blobs.Checker())
	}
	return out
}

func (f files) jobs() []run.Job {
	if f.blobs == nil {
		return nil
	}
	return []run.Job{f.blobs.Job()}
}
