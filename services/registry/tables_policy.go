package registry

import (
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
)

// The numbers of the policies' tables.
const (
	numberPolicy        uint16 = 40 // district path, year: the version that holds
	numberPolicyVersion uint16 = 41 // district path, year, version, the newest first
)

type policyTables struct {
	policies       *table.Table[*pb.PolicyRow]
	policyVersions *table.Table[*pb.PolicyRow]
}

func newPolicyTables() policyTables {
	paths := func(r *pb.PolicyRow) []scope.Path { return pathsOf(r.GetDistrictPath()) }
	return policyTables{
		policies: table.New(table.Spec[*pb.PolicyRow]{
			Number: numberPolicy, Name: "policy", Paths: paths,
			Key: func(r *pb.PolicyRow) key.Key { return policyKey(r.GetDistrictPath(), r.GetPolicy().GetYear()) },
		}),
		policyVersions: table.New(table.Spec[*pb.PolicyRow]{
			Number: numberPolicyVersion, Name: "policy_version", Paths: paths,
			Key: func(r *pb.PolicyRow) key.Key {
				return policyKey(r.GetDistrictPath(), r.GetPolicy().GetYear()).Uint(^uint64(r.GetPolicy().GetVersion()))
			},
		}),
	}
}

func policyKey(path string, year int32) key.Key { return key.Key(nil).String(path).Uint(uint64(year)) }
