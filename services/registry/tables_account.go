package registry

import (
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
)

// The numbers of the accounts' tables and indexes.
const (
	numberAccount           uint16 = 316 // id
	numberAccountByLogin    uint16 = 317 // login, unique
	numberAccountByPerson   uint16 = 318 // person, unique
	numberAccountByCode     uint16 = 319 // keyed hash of the code on the card or letter, unique
	numberAccountByPhone    uint16 = 320 // keyed hash of the phone, unique
	numberAccountByProvider uint16 = 321 // keyed hash of issuer and subject, unique
	numberAccountByGrant    uint16 = 322 // each organization at or above a grant, but for residents

	numberAdministrators uint16 = 323 // one row
	numberFirstLink      uint16 = 324 // one row
)

const (
	byLogin         = "login"
	byAccountPerson = "person"
	byCode          = "code"
	byPhone         = "phone"
	byProvider      = "provider"
	byGrant         = "grant"
)

type accountTables struct {
	accounts       *table.Table[*pb.AccountRow]
	administrators *table.Table[*pb.AdministratorsRow]
	firstLinks     *table.Table[*pb.FirstLinkRow]
}

func newAccountTables() accountTables {
	return accountTables{
		accounts: accountTable(),
		administrators: table.New(table.Spec[*pb.AdministratorsRow]{
			Number: numberAdministrators, Name: "administrators",
			Key: func(*pb.AdministratorsRow) key.Key { return onlyRow() },
		}),
		firstLinks: table.New(table.Spec[*pb.FirstLinkRow]{
			Number: numberFirstLink, Name: "first_link",
			Key: func(*pb.FirstLinkRow) key.Key { return onlyRow() },
		}),
	}
}

// accountTable: no paths and no owners, because where an account stands depends
// on all its grants, and a member's on the member's row; see accountAt.
func accountTable() *table.Table[*pb.AccountRow] {
	one := func(said string) []key.Key {
		if said == "" {
			return nil
		}
		return []key.Key{key.Key(nil).String(said)}
	}
	return table.New(table.Spec[*pb.AccountRow]{
		Number: numberAccount, Name: "account",
		Key:    func(r *pb.AccountRow) key.Key { return idKey(r.GetAccount().GetId()) },
		Sealed: accountSealed,
		Indexes: []table.Index[*pb.AccountRow]{
			{Number: numberAccountByLogin, Name: byLogin, Unique: true, Keys: func(r *pb.AccountRow) []key.Key {
				return one(r.GetAccount().GetLogin())
			}},
			{Number: numberAccountByPerson, Name: byAccountPerson, Unique: true, Keys: func(r *pb.AccountRow) []key.Key {
				return one(r.GetAccount().GetPerson())
			}},
			{Number: numberAccountByCode, Name: byCode, Unique: true, Keys: func(r *pb.AccountRow) []key.Key {
				return one(string(r.GetCodeHash()))
			}},
			{Number: numberAccountByPhone, Name: byPhone, Unique: true, Keys: func(r *pb.AccountRow) []key.Key {
				return one(string(r.GetPhoneHash()))
			}},
			{Number: numberAccountByProvider, Name: byProvider, Unique: true, Keys: func(r *pb.AccountRow) []key.Key {
				return one(string(r.GetProviderHash()))
			}},
			{Number: numberAccountByGrant, Name: byGrant, Keys: func(r *pb.AccountRow) []key.Key {
				return listedAt(r.GetAccount().GetGrants())
			}},
		},
	})
}

// listedAt answers every organization at or above a grant, and the root, so that an account
// stands once in the list of each, however many roles it has below.
func listedAt(grants []*pb.RoleGrant) []key.Key {
	var keys []key.Key
	for _, g := range grants {
		if g.GetRole() == typev1.Role_ROLE_RESIDENT {
			continue
		}
		for path := scope.Path(g.GetOrganizationPath()); path != ""; path = path.Parent() {
			keys = append(keys, key.Key(nil).String(string(path)))
		}
		keys = append(keys, key.Key(nil).String(string(scope.Root)))
	}
	return keys
}

// onlyRow is the key of a table that holds one row.
func onlyRow() key.Key { return key.Key(nil).String("") }

// grantPath answers where a role without an organization holds: everywhere.
func grantPath(o *pb.Organization) string {
	if o == nil {
		return string(scope.Root)
	}
	return o.GetPath()
}
