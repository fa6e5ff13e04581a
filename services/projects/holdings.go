package projects

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/held"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// numberErasures is by person; the one after it by when it is to be gone on with.
const numberErasures = store.FirstServiceTable + 170

// person answers linli.projects.v1.PersonService.
type person struct {
	pb.UnsafePersonServiceServer
	*Service
}

var _ pb.PersonServiceServer = person{}

// CollectPerson answers a page of what is held of the person of the token.
func (s person) CollectPerson(ctx context.Context, req *pb.CollectPersonRequest) (*pb.CollectPersonResponse, error) {
	rows, next, err := s.keeper.Collect(ctx, access.From(ctx).Person, req.GetAfter())
	if err != nil {
		return nil, err
	}
	return &pb.CollectPersonResponse{Held: rows, Next: next}, nil
}

// Holdings are the tables with rows of persons.
func (s *Service) Holdings() []held.Holding { return s.keeper.Holdings() }

// holdings are what the service holds of persons. Applications, files and
// spending are organizations'.
func (s *Service) holdings() []held.Holding {
	return []held.Holding{
		held.Of[*pb.SelectionObjectionRow]{
			Rows: s.tables.objections, Key: func(o *pb.SelectionObjectionRow) key.Key { return idKey(o.GetObjection().GetId()) },
			Near:   func(person string) table.Query { return table.Query{Index: byPerson, Prefix: idKey(person)} },
			Copied: func(o *pb.SelectionObjectionRow, person string) bool { return o.GetPerson() == person },
			Opens:  map[string]proto.Message{"sealed_text": nil, "sealed_answer": nil},
			Erase:  held.Blanked[*pb.SelectionObjectionRow],
			Past:   s.objectionPast,
			Kept:   "that there was an objection, and how it was decided",
		},
		held.Of[*pb.ConflictRow]{
			Rows: s.tables.conflicts, Key: func(c *pb.ConflictRow) key.Key {
				return sheetKey(c.GetCallId(), c.GetConflict().GetApplicationId(), c.GetConflict().GetReviewer())
			},
			Copied: func(c *pb.ConflictRow, person string) bool { return c.GetConflict().GetReviewer() == person },
			Erase:  held.Blanked[*pb.ConflictRow],
			Kept:   "that the reviewer was in conflict: the ranking rests on it",
		},
		held.Of[*pb.SheetRow]{
			Rows: s.tables.sheets, Key: func(h *pb.SheetRow) key.Key {
				return sheetKey(h.GetCallId(), h.GetSheet().GetApplicationId(), h.GetSheet().GetReviewer())
			},
			Copied: func(h *pb.SheetRow, person string) bool { return h.GetSheet().GetReviewer() == person },
			Kept:   "the points: the ranking is computed from them",
		},
	}
}

// objectionPast: what was written in an objection that was answered long ago.
func (s *Service) objectionPast(r kv.Reader, row *pb.SelectionObjectionRow, now time.Time) (bool, error) {
	o := row.GetObjection()
	if o.GetAnsweredAt() == nil || len(row.GetSealedText())+len(row.GetSealedAnswer())+len(o.GetAnswer()) == 0 {
		return false, nil
	}
	p, err := s.policies.For(r, scope.Path(row.GetDistrictPath()), now.In(clock.Shanghai()).Year())
	if err != nil {
		return false, err
	}
	return now.After(o.GetAnsweredAt().AsTime().AddDate(0, 0, p.Int("privacy.objection_days"))), nil
}
