package requests

import (
	"encoding/hex"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// The persistent layout. Numbers are never reused.
const (
	tableRequests    = store.FirstServiceTable + iota // id
	indexByCommunity                                  // community path, posted at (latest first)
	indexByState                                      // community path, state, posted at (latest first)
	indexByPerson                                     // author or helper, posted at (latest first)
	tableFigures                                      // community path, measure
	tableAuthors                                      // community path, keyed hash of the author
)

// Names of the indexes.
const (
	byCommunity = "community"
	byState     = "state"
	byPerson    = "person"
)

type tables struct {
	requests *table.Table[*pb.RequestRow]
	figures  *table.Table[*pb.FigureRow]
	authors  *table.Marks
}

func newTables() tables {
	return tables{
		requests: table.New(table.Spec[*pb.RequestRow]{
			Number: tableRequests, Name: "request",
			Key:   func(r *pb.RequestRow) key.Key { return requestKey(r.GetRequest().GetId()) },
			Paths: func(r *pb.RequestRow) []scope.Path { return []scope.Path{scope.Path(r.GetCommunityPath())} },
			Owners: func(r *pb.RequestRow) []string {
				return persons(r.GetRequest())
			},
			Indexes: []table.Index[*pb.RequestRow]{
				{Number: indexByCommunity, Name: byCommunity, Keys: func(r *pb.RequestRow) []key.Key {
					return []key.Key{key.Key(nil).String(r.GetCommunityPath()).TimeDesc(r.GetRequest().GetPostedAt().AsTime())}
				}},
				{Number: indexByState, Name: byState, Keys: func(r *pb.RequestRow) []key.Key {
					return []key.Key{stateKey(r.GetCommunityPath(), r.GetRequest().GetState()).TimeDesc(r.GetRequest().GetPostedAt().AsTime())}
				}},
				{Number: indexByPerson, Name: byPerson, Keys: func(r *pb.RequestRow) []key.Key {
					var keys []key.Key
					for _, p := range persons(r.GetRequest()) {
						keys = append(keys, key.Key(nil).String(p).TimeDesc(r.GetRequest().GetPostedAt().AsTime()))
					}
					return keys
				}},
			},
		}),
		figures: table.New(table.Spec[*pb.FigureRow]{
			Number: tableFigures, Name: "request_figure",
			Key: func(f *pb.FigureRow) key.Key { return figureKey(f.GetPath(), f.GetMeasure()) },
		}),
		authors: table.NewMarks(tableAuthors, "request_author"),
	}
}

func requestKey(id string) key.Key { return key.Key(nil).String(id) }

func stateKey(path string, s pb.RequestState) key.Key {
	return key.Key(nil).String(path).Uint(uint64(s))
}

func figureKey(path, measure string) key.Key { return key.Key(nil).String(path).String(measure) }

// persons whose own a request is: its author, and the member it is dispatched to.
func persons(r *pb.Request) []string {
	if r.GetMemberId() == "" || r.GetMemberId() == r.GetAuthor() {
		return []string{r.GetAuthor()}
	}
	return []string{r.GetAuthor(), r.GetMemberId()}
}

// authorKey is where a community remembers that somebody has posted: under a
// keyed hash, since it only ever has to be found again.
func (s *Service) authorKey(communityPath, author string) key.Key {
	return key.Key(nil).String(communityPath).
		String(hex.EncodeToString(s.store.Keyring().Blind("request author", communityPath, author)))
}
