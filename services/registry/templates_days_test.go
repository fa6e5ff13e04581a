package registry

import (
	"strings"
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/linli-project/linli/pkg/kv"
)

// TestMessage_NamesTheDaysOfThePolicy: how long an office has to admit a request
// is what its district says.
func TestMessage_NamesTheDaysOfThePolicy(t *testing.T) {
	h := startCampaign(t)
	body := func() (text string) {
		t.Helper()
		must(t, h.store.View(t.Context(), func(r kv.Reader) error {
			m, err := h.service.message(r, "en", &pb.MessageRow{Topic: admitTopic, Place: communityA, Time: timestamppb.New(h.Civil.Now())})
			text = m.GetBody()
			return err
		}))
		return text
	}
	if got := body(); !strings.HasSuffix(got, "admit it: 1.") {
		t.Errorf("by default: %s", got)
	}
	_, err := pb.NewPolicyServiceClient(h.Conn()).PublishPolicy(h.districtOfficer(), &pb.PublishPolicyRequest{DistrictId: "430101", Year: 2013,
		Values: []*pb.PolicyValue{{Key: "requests.admit_days", Value: "3", Source: &pb.PolicySource{Title: "诉求办理办法", Number: "天组发〔2013〕8号"}}}})
	must(t, err)
	if got := body(); !strings.HasSuffix(got, "admit it: 3.") {
		t.Errorf("by the policy: %s", got)
	}
}
