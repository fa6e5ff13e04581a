package requests

import (
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/blobs"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/pictures"
	"github.com/linli-project/linli/pkg/run"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// Those of pictures.
const (
	tablePictures      = store.FirstServiceTable + 150 + iota // request id, id
	indexPicturesByID                                         // id
	indexPicturesBlobs                                        // address of a blob
	tableAlbums                                               // request id
	tableBlobs                                                // address
	indexBlobsByName                                          // name of the stored file
	indexBlobsReleased                                        // since when no row names it
)

const (
	byPictureID = "id"
	byBlob      = "blob"
)

// album is what the service has for pictures.
type album struct {
	pictures *table.Table[*pb.PictureRow]
	albums   *table.Table[*pb.AlbumRow]
	cleaner  *pictures.Cleaner
	passes   blobs.Passes
	blobs    *blobs.Blobs // nil takes no pictures
}

func newAlbum(d Deps) album {
	a := album{
		cleaner: pictures.NewCleaner(), passes: blobs.NewPasses(d.Store.Keyring()),
		pictures: table.New(table.Spec[*pb.PictureRow]{
			Number: tablePictures, Name: "picture",
			Key: func(p *pb.PictureRow) key.Key { return requestKey(p.GetRequestId()).String(p.GetId()) },
			Indexes: []table.Index[*pb.PictureRow]{
				{Number: indexPicturesByID, Name: byPictureID, Unique: true, Keys: func(p *pb.PictureRow) []key.Key {
					return []key.Key{requestKey(p.GetId())}
				}},
				{Number: indexPicturesBlobs, Name: byBlob, Keys: func(p *pb.PictureRow) []key.Key {
					var keys []key.Key
					for _, b := range blobs.Distinct(p.GetWhole(), p.GetMedium(), p.GetSmall()) {
						keys = append(keys, key.Key(nil).String(b))
					}
					return keys
				}},
			},
		}),
		albums: table.New(table.Spec[*pb.AlbumRow]{
			Number: tableAlbums, Name: "album", Key: func(a *pb.AlbumRow) key.Key { return requestKey(a.GetRequestId()) },
		}),
	}
	if d.Blobs != nil {
		a.blobs = blobs.New(blobs.Config{
			Bucket: d.Blobs, Store: d.Store, Table: tableBlobs, IndexByName: indexBlobsByName, IndexByReleased: indexBlobsReleased, Log: d.Log,
			Named: func(r kv.Reader, address string) (int, error) {
				return blobs.CountNamed(r, a.pictures, byBlob, address)
			},
		})
	}
	return a
}

func (a album) all() []table.Checker {
	out := []table.Checker{a.pictures, a.albums}
	if a.blobs != nil {
		out = append(out, a.blobs.Checker())
	}
	return out
}

func (a album) jobs() []run.Job {
	if a.blobs == nil {
		return nil
	}
	return []run.Job{a.blobs.Job()}
}
