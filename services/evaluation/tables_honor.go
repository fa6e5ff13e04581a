package evaluation

import (
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/honor"
)

// The layout of the honor rolls. Numbers are never reused.
const (
	tableBoards         = store.FirstServiceTable + 29 + iota // id
	indexBoardKind                                            // community path, kind, unique: a district is one range
	tableHonors                                               // id
	indexHonorBoard                                           // board, state, member
	indexHonorOpen                                            // board, member, unique while it is open
	indexHonorMember                                          // member, proposed at
	indexHonorPlace                                           // community path, state, member: a district is one range
	indexHonorDue                                             // when time moves it on
	tableTrust                                                // member, day, id
	indexTrustOrigin                                          // kind, source, member, unique
	tableObjections                                           // id
	indexObjectionHonor                                       // honor, made at
	indexObjectionBy                                          // person, made at
)

// Names of the indexes.
const (
	byKind    = "kind"
	byBoard   = "board"
	byOpen    = "open"
	byHonored = "honored"
	byPlace   = "place"
	byDue     = "due"
	byHonor   = "honor"
	byPerson  = "person"
)

type honorTables struct {
	boards     *table.Table[*pb.BoardRow]
	honors     *table.Table[*pb.HonorRow]
	trust      *table.Table[*pb.TrustRow]
	objections *table.Table[*pb.HonorObjectionRow]
}

func newHonorTables() honorTables {
	return honorTables{boards: boardTable(), honors: honorTable(), trust: trustTable(), objections: objectionTable()}
}

func idKey(id string) key.Key { return key.Key(nil).String(id) }

func at(path string) []scope.Path { return []scope.Path{scope.Path(path)} }

func boardTable() *table.Table[*pb.BoardRow] {
	return table.New(table.Spec[*pb.BoardRow]{
		Number: tableBoards, Name: "board",
		Key:   func(r *pb.BoardRow) key.Key { return idKey(r.GetBoard().GetId()) },
		Paths: func(r *pb.BoardRow) []scope.Path { return at(r.GetCommunityPath()) },
		Indexes: []table.Index[*pb.BoardRow]{
			{Number: indexBoardKind, Name: byKind, Unique: true, Keys: func(r *pb.BoardRow) []key.Key {
				return []key.Key{idKey(r.GetCommunityPath()).Uint(uint64(r.GetBoard().GetKind()))}
			}},
		},
	})
}

func boardKey(board string, s pb.HonorState) key.Key { return idKey(board).Uint(uint64(s)) }

func honorTable() *table.Table[*pb.HonorRow] {
	return table.New(table.Spec[*pb.HonorRow]{
		Number: tableHonors, Name: "honor",
		Sealed: honorSealed,
		Key:    func(r *pb.HonorRow) key.Key { return idKey(r.GetHonor().GetId()) },
		Paths:  func(r *pb.HonorRow) []scope.Path { return at(r.GetCommunityPath()) },
		Owners: func(r *pb.HonorRow) []string { return []string{r.GetHonor().GetMemberId()} },
		Indexes: []table.Index[*pb.HonorRow]{
			{Number: indexHonorBoard, Name: byBoard, Keys: func(r *pb.HonorRow) []key.Key {
				return []key.Key{boardKey(r.GetHonor().GetBoardId(), r.GetHonor().GetState()).String(r.GetHonor().GetMemberId())}
			}},
			{Number: indexHonorOpen, Name: byOpen, Unique: true, Keys: func(r *pb.HonorRow) []key.Key {
				if !honor.State(r.GetHonor().GetState()).Open() {
					return nil
				}
				return []key.Key{idKey(r.GetHonor().GetBoardId()).String(r.GetHonor().GetMemberId())}
			}},
			{Number: indexHonorMember, Name: byHonored, Keys: func(r *pb.HonorRow) []key.Key {
				return []key.Key{idKey(r.GetHonor().GetMemberId()).Time(r.GetHonor().GetProposedAt().AsTime())}
			}},
			{Number: indexHonorPlace, Name: byPlace, Keys: func(r *pb.HonorRow) []key.Key {
				return []key.Key{idKey(r.GetCommunityPath()).Uint(uint64(r.GetHonor().GetState())).String(r.GetHonor().GetMemberId())}
			}},
			{Number: indexHonorDue, Name: byDue, Keys: func(r *pb.HonorRow) []key.Key {
				due, ok := dueAt(r.GetHonor())
				if !ok {
					return nil
				}
				return []key.Key{key.Key(nil).Time(due)}
			}},
		},
	})
}

// dueAt answers when time moves an honor on; false when it waits for a person.
func dueAt(h *pb.Honor) (time.Time, bool) {
	switch s := honor.State(h.GetState()); {
	case s == honor.InNotice && h.GetOpenObjections() == 0:
		return h.GetNoticeUntil().AsTime(), true
	case s == honor.OnTheBoard:
		last, err := time.ParseInLocation(time.DateOnly, h.GetEndsOn(), clock.Shanghai())
		return last.AddDate(0, 0, 1), err == nil
	}
	return time.Time{}, false
}

func trustKey(kind pb.TrustKind, source, member string) key.Key {
	return key.Key(nil).Uint(uint64(kind)).String(source).String(member)
}

func trustTable() *table.Table[*pb.TrustRow] {
	return table.New(table.Spec[*pb.TrustRow]{
		Number: tableTrust, Name: "trust",
		Key: func(r *pb.TrustRow) key.Key {
			return idKey(r.GetTrust().GetMemberId()).String(r.GetTrust().GetDay()).String(r.GetTrust().GetId())
		},
		Paths:  func(r *pb.TrustRow) []scope.Path { return at(r.GetCommunityPath()) },
		Owners: func(r *pb.TrustRow) []string { return []string{r.GetTrust().GetMemberId()} },
		Indexes: []table.Index[*pb.TrustRow]{
			{Number: indexTrustOrigin, Name: byOrigin, Unique: true, Keys: func(r *pb.TrustRow) []key.Key {
				t := r.GetTrust()
				return []key.Key{trustKey(t.GetKind(), t.GetSourceId(), t.GetMemberId())}
			}},
		},
	})
}

func objectionTable() *table.Table[*pb.HonorObjectionRow] {
	return table.New(table.Spec[*pb.HonorObjectionRow]{
		Number: tableObjections, Name: "honor_objection",
		Sealed: honorObjectionSealed,
		Key:    func(r *pb.HonorObjectionRow) key.Key { return idKey(r.GetObjection().GetId()) },
		Paths:  func(r *pb.HonorObjectionRow) []scope.Path { return at(r.GetCommunityPath()) },
		Owners: func(r *pb.HonorObjectionRow) []string { return []string{r.GetPerson()} },
		Indexes: []table.Index[*pb.HonorObjectionRow]{
			{Number: indexObjectionHonor, Name: byHonor, Keys: func(r *pb.HonorObjectionRow) []key.Key {
				return []key.Key{idKey(r.GetObjection().GetHonorId()).Time(r.GetObjection().GetMadeAt().AsTime())}
			}},
			{Number: indexObjectionBy, Name: byPerson, Keys: func(r *pb.HonorObjectionRow) []key.Key {
				return []key.Key{idKey(r.GetPerson()).Time(r.GetObjection().GetMadeAt().AsTime())}
			}},
		},
	})
}
