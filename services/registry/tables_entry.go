package registry

import (
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/table"
)

// The numbers of the tables of those who enter without a password.
const (
	numberPhoneCode       uint16 = 396 // keyed hash of the phone
	numberPhoneCodeByTime uint16 = 397 // when the last code was sent
)

type entryTables struct {
	phoneCodes *table.Table[*pb.PhoneCodeRow]
}

func newEntryTables() entryTables {
	return entryTables{
		phoneCodes: table.New(table.Spec[*pb.PhoneCodeRow]{
			Number: numberPhoneCode, Name: "phone_code",
			Key: func(r *pb.PhoneCodeRow) key.Key { return hashKey(r.GetPhoneHash()) },
			Indexes: []table.Index[*pb.PhoneCodeRow]{
				{Number: numberPhoneCodeByTime, Name: byTime, Keys: func(r *pb.PhoneCodeRow) []key.Key {
					return []key.Key{key.Key(nil).Time(r.GetSentAt().AsTime())}
				}},
			},
		}),
	}
}
