package registry

import (
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/services/registry/internal/member"
	"github.com/linli-project/linli/services/registry/internal/organization"
	"github.com/linli-project/linli/services/registry/internal/reportin"
)

// TestConvert_WordsAndNames: each kind and state of the domain has a name of
// its own in the proto, and the proto has no other.
func TestConvert_WordsAndNames(t *testing.T) {
	kinds := map[pb.OrganizationKind]bool{}
	for _, k := range organization.Kinds() {
		p := organizationKindProto(k)
		kinds[p] = true
		if p == 0 || organizationKind(p) != k {
			t.Errorf("%s became %v", k, p)
		}
	}
	if len(kinds) != len(pb.OrganizationKind_name)-1 {
		t.Errorf("%d organization kinds", len(kinds))
	}
	members := map[pb.MemberKind]bool{}
	for _, k := range member.Kinds() {
		members[memberKindProto(k)] = true
	}
	if len(members) != len(pb.MemberKind_name)-1 || members[0] {
		t.Errorf("member kinds %v", members)
	}
	for _, s := range []member.Status{member.Formal, member.Probationary} {
		if memberStatusProto(s) == 0 {
			t.Errorf("status %s", s)
		}
	}
	for n := range pb.ReportInState_name {
		if s := pb.ReportInState(n); n != 0 && reportInStateProto(reportInState(s)) != s {
			t.Errorf("state %v is lost", s)
		}
	}
	if reportInState(0) != reportin.None {
		t.Error("no state is a state")
	}
}
