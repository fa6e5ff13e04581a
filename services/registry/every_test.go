package registry

import (
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
)

// TestReportIn_EveryOperationFails lets each operation of the store fail while
// somebody reports in, and while that is accepted: the row, its indexes, event,
// audit line and remembered answer are there together or not at all.
func TestReportIn_EveryOperationFails(t *testing.T) {
	open := func() kv.Engine { return memkv.New() }
	submitted := func(t testing.TB, e kv.Engine) (h *house, member string, submit func() (string, error)) {
		h = startAlone(t, e).withDistrict()
		member = h.withMembers(1)[0]
		return h, member, func() (string, error) {
			reply, err := h.SubmitReportIn(keyed(h.member(member), "submit"), &pb.SubmitReportInRequest{MemberId: member})
			return reply.GetReportIn().GetId(), err
		}
	}
	n := kvtest.EveryOperation(t, open, func(t testing.TB, e kv.Engine) func() error {
		_, _, submit := submitted(t, e)
		return func() error { _, err := submit(); return err }
	})
	m := kvtest.EveryOperation(t, open, func(t testing.TB, e kv.Engine) func() error {
		h, _, submit := submitted(t, e)
		id, err := submit()
		must(t, err)
		return func() error {
			_, err := h.AcceptReportIn(keyed(h.staff(communityA), "accept"), &pb.AcceptReportInRequest{Id: id})
			return err
		}
	})
	t.Logf("%d operations of submitting and %d of accepting failed", n, m)
}
