package registry

import (
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/claim"
)

// The numbers of the tables of claims and erasures.
const (
	numberClaim         = store.FirstServiceTable + 420 + iota // id
	numberClaimByPerson                                        // person, requested at (latest first)
	numberClaimByOffice                                        // member's or resident's, state, office path, requested at
	numberClaimOpen                                            // person, kind, fact; unique, while it is open
	numberClaimDue                                             // when an accepted erasure begins
	numberErasure                                              // person
	_                                                          // when it is to be gone on with
)

const (
	byOpenClaim = "open"
	byBegin     = "begin"
)

type privacyTables struct {
	claims *table.Table[*pb.ClaimRow]
}

func newPrivacyTables() privacyTables { return privacyTables{claims: claimTable()} }

// claimTable: a claim is seen by the person who made it and from the office that
// decides on it.
func claimTable() *table.Table[*pb.ClaimRow] {
	return table.New(table.Spec[*pb.ClaimRow]{
		Number: numberClaim, Name: "claim",
		Key:    func(r *pb.ClaimRow) key.Key { return idKey(r.GetClaim().GetId()) },
		Paths:  func(r *pb.ClaimRow) []scope.Path { return pathsOf(r.GetOfficePath()) },
		Owners: func(r *pb.ClaimRow) []string { return []string{r.GetClaim().GetPerson()} },
		Indexes: []table.Index[*pb.ClaimRow]{
			{Number: numberClaimByPerson, Name: byAccountPerson, Keys: func(r *pb.ClaimRow) []key.Key {
				return []key.Key{idKey(r.GetClaim().GetPerson()).TimeDesc(r.GetClaim().GetRequestedAt().AsTime())}
			}},
			{Number: numberClaimByOffice, Name: byOffice, Keys: func(r *pb.ClaimRow) []key.Key {
				c := r.GetClaim()
				return []key.Key{claimsKey(c.GetResident(), c.GetState()).String(r.GetOfficePath()).Time(c.GetRequestedAt().AsTime())}
			}},
			{Number: numberClaimOpen, Name: byOpenClaim, Unique: true, Keys: func(r *pb.ClaimRow) []key.Key {
				if !claim.State(r.GetClaim().GetState()).Open() {
					return nil
				}
				return []key.Key{openClaimKey(r.GetClaim())}
			}},
			{Number: numberClaimDue, Name: byBegin, Keys: func(r *pb.ClaimRow) []key.Key {
				if claim.State(r.GetClaim().GetState()) != claim.Accepted {
					return nil
				}
				return []key.Key{key.Key(nil).Time(r.GetClaim().GetBeginsAt().AsTime())}
			}},
		},
	})
}

// claimsKey leads the claims of members or of residents in a state.
func claimsKey(resident bool, state pb.ClaimState) key.Key {
	whose := uint64(0)
	if resident {
		whose = 1
	}
	return key.Key(nil).Uint(whose).Uint(uint64(state))
}

func openClaimKey(c *pb.Claim) key.Key {
	return idKey(c.GetPerson()).Uint(uint64(c.GetKind())).Uint(uint64(c.GetFact()))
}
