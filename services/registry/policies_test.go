package registry

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

func TestPolicy_VersionsSourcesAndWhatIsNever(t *testing.T) {
	h := start(t).withDistrict()
	policies := pb.NewPolicyServiceClient(h.Conn())
	officer := h.as("officer", grant(typev1.Role_ROLE_DISTRICT_OFFICER, district))
	source := &pb.PolicySource{Title: "在职党员进社区考核办法", Number: "天组发〔2013〕8号", Article: "第六条"}
	say := func(key, value string, from *pb.PolicySource, etag string) (*pb.PublishPolicyResponse, error) {
		return policies.PublishPolicy(officer, &pb.PublishPolicyRequest{DistrictId: "430101", Year: 2013, Etag: etag,
			Values: []*pb.PolicyValue{{Key: key, Value: value, Source: from}}})
	}
	value := func(key string) *pb.PolicyValue {
		t.Helper()
		reply, err := policies.GetPolicy(h.as("m1", grant(typev1.Role_ROLE_MEMBER, communityA)), &pb.GetPolicyRequest{DistrictId: "430101", Year: 2013})
		must(t, err)
		for _, v := range reply.GetPolicy().GetValues() {
			if v.GetKey() == key {
				return v
			}
		}
		t.Fatalf("no value %s", key)
		return nil
	}

	if v := value("requests.problem_days"); !v.GetByDefault() || v.GetValue() != "10" {
		t.Errorf("before anything is said: %v", v)
	}
	first, err := say("requests.problem_days", "7", source, "")
	must(t, err)
	if v := value("requests.problem_days"); v.GetByDefault() || v.GetValue() != "7" || v.GetSource().GetNumber() != "天组发〔2013〕8号" {
		t.Errorf("after version 1: %v", v)
	}
	for _, bad := range []struct {
		key, value, reason string
		from               *pb.PolicySource
	}{
		{"requests.problem_days", "0", "POLICY_BAD_VALUE", source},
		{"requests.problem_days", "5", "POLICY_SOURCE_MISSING", nil},
		{"requests.mood", "5", "POLICY_UNKNOWN_KEY", source},
		{"ranking.members", "true", "POLICY_NEVER", source},
	} {
		_, err := say(bad.key, bad.value, bad.from, first.GetPolicy().GetEtag())
		wantReason(t, err, bad.reason)
		if fields(err) != "values."+bad.key {
			t.Errorf("%s names %q", bad.key, fields(err))
		}
	}
	second, err := say("evaluation.full_marks_hours", "16", source, first.GetPolicy().GetEtag())
	must(t, err)
	if _, err := say("requests.problem_days", "8", source, first.GetPolicy().GetEtag()); status.Code(err) != codes.Aborted {
		t.Errorf("a stale etag: %v", err)
	}
	if second.GetPolicy().GetVersion() != 2 || value("requests.problem_days").GetValue() != "7" {
		t.Errorf("what was not named did not stay: %v", second)
	}
	versions, err := policies.ListPolicyVersions(officer, &pb.ListPolicyVersionsRequest{DistrictId: "430101", Year: 2013})
	must(t, err)
	if got := versions.GetPolicies(); len(got) != 2 || got[0].GetVersion() != 2 || len(got[1].GetValues()) != 1 {
		t.Errorf("versions: %v", got)
	}
	_, err = policies.PublishPolicy(h.as("elsewhere", grant(typev1.Role_ROLE_DISTRICT_OFFICER, "/430100/430102/")),
		&pb.PublishPolicyRequest{DistrictId: "430101", Year: 2013})
	if err == nil {
		t.Error("another district published")
	}
}
