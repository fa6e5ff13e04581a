package projects_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
)

func TestSubmitApplication_OnlyWithWhatCanBeMeasured(t *testing.T) {
	h := start(t)
	c := h.opened()
	for _, tc := range []struct {
		what, number, due string
		target            float64
		field             string
	}{
		{"from 0 to 0", "1", "2013-12-31", 0, "indicators[0].target"},
		{"due before the window ends", "2", "2013-02-27", 700, "indicators[0].due"},
	} {
		req := application(c.GetId(), community, tc.number)
		req.Indicators[0].Target, req.Indicators[0].Due = tc.target, tc.due
		a := must[*pb.DraftApplicationResponse](h)(h.DraftApplication(h.applicant(community), req)).GetApplication()
		_, err := h.SubmitApplication(h.applicant(community), &pb.SubmitApplicationRequest{Id: a.GetId()})
		refused(t, tc.what, err, codes.InvalidArgument, "INVALID_FIELD", tc.field)
	}
}
