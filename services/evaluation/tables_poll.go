package evaluation

import (
	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// The persistent layout of polls. Numbers are never reused.
const (
	tablePolls      = store.FirstServiceTable + 50 + iota // id
	indexPollKeeper                                       // organization path, year, id
	indexPollMember                                       // kind, member, year: unique, without those annulled
	tablePollCodes                                        // poll, keyed hash
	tableUrns                                             // poll
)

// byMember is the index of the one poll of a kind, member and year.
const byMember = "member"

type pollTables struct {
	polls *table.Table[*pb.PollRow]
	codes *table.Table[*pb.PollCodeRow]
	urns  *table.Table[*pb.UrnRow]
}

func (t pollTables) all() []table.Checker { return []table.Checker{t.polls, t.codes, t.urns} }

// newPollTables: codes and urns have no paths, nobody is shown them.
func newPollTables() pollTables {
	return pollTables{
		polls: pollTable(),
		codes: table.New(table.Spec[*pb.PollCodeRow]{
			Number: tablePollCodes, Name: "poll_code",
			Key: func(r *pb.PollCodeRow) key.Key { return pollCodeKey(r.GetPollId(), r.GetHash()) },
		}),
		urns: table.New(table.Spec[*pb.UrnRow]{
			Number: tableUrns, Name: "urn",
			Key: func(r *pb.UrnRow) key.Key { return pollKey(r.GetPollId()) },
		}),
	}
}

func pollTable() *table.Table[*pb.PollRow] {
	return table.New(table.Spec[*pb.PollRow]{
		Number: tablePolls, Name: "poll",
		Sealed: pollSealed,
		Key:    func(r *pb.PollRow) key.Key { return pollKey(r.GetPoll().GetId()) },
		Paths:  func(r *pb.PollRow) []scope.Path { return []scope.Path{scope.Path(r.GetOrganizationPath())} },
		Indexes: []table.Index[*pb.PollRow]{
			{Number: indexPollKeeper, Name: byKeeper, Keys: func(r *pb.PollRow) []key.Key {
				p := r.GetPoll()
				return []key.Key{key.Key(nil).String(r.GetOrganizationPath()).Uint(uint64(p.GetYear())).String(p.GetId())}
			}},
			{Number: indexPollMember, Name: byMember, Unique: true, Keys: func(r *pb.PollRow) []key.Key {
				p := r.GetPoll()
				if p.GetState() == pb.PollState_POLL_STATE_ANNULLED {
					return nil
				}
				keys := make([]key.Key, len(p.GetMemberIds()))
				for i, m := range p.GetMemberIds() {
					keys[i] = pollMemberKey(p.GetKind(), m, p.GetYear())
				}
				return keys
			}},
		},
	})
}

func pollKey(id string) key.Key { return key.Key(nil).String(id) }

func pollCodeKey(id string, hash []byte) key.Key { return pollKey(id).String(string(hash)) }

func pollMemberKey(kind pb.PollKind, member string, year int32) key.Key {
	return key.Key(nil).Uint(uint64(kind)).String(member).Uint(uint64(year))
}
