package rpc_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/rpc"
)

// retryDelay is what a status tells its caller to wait; zero when it says
// nothing.
func retryDelay(err error) time.Duration {
	for _, d := range status.Convert(err).Details() {
		if r, ok := d.(*errdetails.RetryInfo); ok {
			return r.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

// occupied is a door whose one place for reads is taken, by a call that stays
// until the test's end. queue is how many may wait.
func occupied(t *testing.T, queue int) (f fixture, leave func()) {
	t.Helper()
	size := func(n, queue int) *admit.Gate {
		return admit.NewGate(admit.Size{Under: n, Queue: queue, Wait: 20 * time.Millisecond}, clock.Wall())
	}
	f = newGatedFixture(t, accesstest.Authenticator(), true, admit.Gates{
		admit.Read: size(1, queue), admit.Write: size(1, 0), admit.Bulk: size(1, 0), admit.Inner: size(1, 0)})
	inside, release := make(chan struct{}), make(chan struct{})
	f.getMember = func(_ context.Context, in *registryv1.GetMemberRequest) (*registryv1.GetMemberResponse, error) {
		if in.GetId() == "stays" {
			close(inside)
			<-release
		}
		return &registryv1.GetMemberResponse{}, nil
	}
	ended := make(chan error, 1)
	go func() {
		_, err := registryv1.NewRegistryServiceClient(f.conns["tcp"]).GetMember(as(staffToken()), &registryv1.GetMemberRequest{Id: "stays"})
		ended <- err
	}()
	<-inside
	leave = func() {
		close(release)
		if err := <-ended; err != nil {
			t.Errorf("the call that was let in: %v", err)
		}
	}
	return f, leave
}

func TestDoor_RefusesAtOnceWhatItHasNoRoomFor(t *testing.T) {
	for name, queue := range map[string]int{"before the message is read": 0, "after its patience in the queue": 1} {
		t.Run(name, func(t *testing.T) {
			f, leave := occupied(t, queue)
			client := registryv1.NewRegistryServiceClient(f.conns["tcp"])
			for language, text := range map[string]string{"zh": "当前请求过多", "en": "too many requests"} {
				_, err := client.GetMember(as(staffToken(), "accept-language", language), &registryv1.GetMemberRequest{Id: "other"})
				refused(t, "no room", err, codes.ResourceExhausted, "OVERLOADED")
				if retryDelay(err) != time.Second || !strings.Contains(err.Error(), text) {
					t.Errorf("%s: %v, try again after %s", language, err, retryDelay(err))
				}
			}
			leave()
			if _, err := client.GetMember(as(staffToken()), &registryv1.GetMemberRequest{Id: "other"}); err != nil {
				t.Errorf("once there is room: %v", err)
			}
			if strings.Contains(f.log.String(), "OVERLOADED") {
				t.Error("a refused call is logged: that is work nobody asked for")
			}
		})
	}
}

// TestDoor_InnerCallsAndOtherClassesGoThroughWhenReadsAreFull: who is inside and
// asks another service must not wait behind those who wait for it.
func TestDoor_InnerCallsAndOtherClassesGoThroughWhenReadsAreFull(t *testing.T) {
	f, leave := occupied(t, 0)
	defer leave()
	get := &registryv1.GetMemberRequest{Id: "other"}
	if _, err := registryv1.NewRegistryServiceClient(f.conns["memory"]).GetMember(as(staffToken()), get); err != nil {
		t.Errorf("from inside the process: %v", err)
	}
	if _, err := registryv1.NewRegistryServiceClient(rpc.Inner(f.conns["tcp"])).GetMember(as(staffToken()), get); err != nil {
		t.Errorf("from another service: %v", err)
	}
	tcp := registryv1.NewRegistryServiceClient(f.conns["tcp"])
	if _, err := tcp.SubmitReportIn(as(staffToken()), &registryv1.SubmitReportInRequest{MemberId: "m"}); rpc.Reason(err) == "OVERLOADED" {
		t.Errorf("a write: %v", err)
	}
	stream, err := tcp.ImportRoster(as(staffToken()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Errorf("an import: %v", err)
	}
}
