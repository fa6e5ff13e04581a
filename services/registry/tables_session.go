package registry

import (
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/table"
)

// The numbers of the sessions' tables and indexes.
const (
	numberSession          uint16 = 356 // id
	numberSessionByAccount uint16 = 357 // account, began, while nothing ended it
	numberSessionByEnd     uint16 = 358 // when it ends at the latest
	numberThrottle         uint16 = 359 // keyed hash
	numberThrottleByTime   uint16 = 360 // until when it matters, without what is forgiven
	numberSigningKey       uint16 = 361 // id
)

const (
	byAccount = "account"
	byEnd     = "end"
	byTime    = "time"
)

type sessionTables struct {
	sessions    *table.Table[*pb.SessionRow]
	throttles   *table.Table[*pb.ThrottleRow]
	signingKeys *table.Table[*pb.SigningKeyRow]
}

func newSessionTables() sessionTables {
	return sessionTables{
		sessions: sessionTable(),
		throttles: table.New(table.Spec[*pb.ThrottleRow]{
			Number: numberThrottle, Name: "throttle",
			Key: func(r *pb.ThrottleRow) key.Key { return hashKey(r.GetHash()) },
			Indexes: []table.Index[*pb.ThrottleRow]{
				{Number: numberThrottleByTime, Name: byTime, Keys: func(r *pb.ThrottleRow) []key.Key {
					return []key.Key{key.Key(nil).Time(waitOver(r))}
				}},
			},
		}),
		signingKeys: table.New(table.Spec[*pb.SigningKeyRow]{
			Number: numberSigningKey, Name: "signing_key",
			Key:    func(r *pb.SigningKeyRow) key.Key { return idKey(r.GetId()) },
			Sealed: signingKeySealed,
		}),
	}
}

// sessionTable: a session is its owner's alone.
func sessionTable() *table.Table[*pb.SessionRow] {
	return table.New(table.Spec[*pb.SessionRow]{
		Number: numberSession, Name: "session",
		Key:    func(r *pb.SessionRow) key.Key { return idKey(r.GetId()) },
		Owners: func(r *pb.SessionRow) []string { return []string{r.GetPerson()} },
		Sealed: sessionSealed,
		Indexes: []table.Index[*pb.SessionRow]{
			{Number: numberSessionByAccount, Name: byAccount, Keys: func(r *pb.SessionRow) []key.Key {
				if r.GetEndedAt() != nil {
					return nil
				}
				return []key.Key{key.Key(nil).String(r.GetAccountId()).Time(r.GetBeganAt().AsTime())}
			}},
			{Number: numberSessionByEnd, Name: byEnd, Keys: func(r *pb.SessionRow) []key.Key {
				return []key.Key{key.Key(nil).Time(r.GetEndsAt().AsTime())}
			}},
		},
	})
}

// waitOver answers when the last wait of somebody who failed is or was over.
func waitOver(r *pb.ThrottleRow) time.Time {
	return latest(r.GetLastAt().AsTime(), r.GetNotBefore().AsTime())
}
