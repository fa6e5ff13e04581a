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

	numberProviderState       uint16 = 398 // keyed hash of the state
	numberProviderStateByTime uint16 = 399 // when it began
)

type entryTables struct {
	phoneCodes     *table.Table[*pb.PhoneCodeRow]
	providerStates *table.Table[*pb.ProviderStateRow]
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
		providerStates: table.New(table.Spec[*pb.ProviderStateRow]{
			Number: numberProviderState, Name: "provider_state",
			Key:    func(r *pb.ProviderStateRow) key.Key { return hashKey(r.GetHash()) },
			Sealed: providerStateSealed,
			Indexes: []table.Index[*pb.ProviderStateRow]{
				{Number: numberProviderStateByTime, Name: byTime, Keys: func(r *pb.ProviderStateRow) []key.Key {
					return []key.Key{key.Key(nil).Time(r.GetBeganAt().AsTime())}
				}},
			},
		}),
	}
}
