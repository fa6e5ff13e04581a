package backup_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"
)

// asks is a conversation with the first process that has come to its hold.
func (h *house) asks(ctx context.Context, t *testing.T, most time.Duration) grpc.BidiStreamingClient[pb.TakeBackupRequest, pb.TakeBackupResponse] {
	t.Helper()
	stream, err := pb.NewBackupServiceClient(h.services[0].Conn()).TakeBackup(ctx)
	if err != nil {
		t.Fatal(err)
	}
	hold := &pb.BackupHold{BackupId: "bak_2", Most: durationpb.New(most)}
	if err := stream.Send(&pb.TakeBackupRequest{Step: &pb.TakeBackupRequest_Hold{Hold: hold}}); err != nil {
		t.Fatal(err)
	}
	if part, err := stream.Recv(); err != nil || part.GetHeld() == nil {
		t.Fatalf("%v, %v", part, err)
	}
	return stream
}

// waits says whether a write waits: it is given up when the hold is known to be
// on, and otherwise it would have been done.
func (h *house) waits(t *testing.T) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	return put(ctx, h.a, "held", nil) != nil
}

func TestTakeBackup_AHoldEndsByItself(t *testing.T) {
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream := h.asks(ctx, t, time.Millisecond)
	if err := put(t.Context(), h.a, "waited", nil); err != nil {
		t.Fatalf("a write that had to wait failed: %v", err)
	}
	if err := stream.Send(&pb.TakeBackupRequest{Step: &pb.TakeBackupRequest_Open{Open: &pb.BackupOpen{}}}); err != nil {
		t.Fatal(err)
	}
	if part, err := stream.Recv(); err == nil || !strings.Contains(err.Error(), "HOLD_EXPIRED") {
		t.Errorf("snapshots were opened after other commits: %v, %v", part, err)
	}
	h.take(t)
}

func TestTakeBackup_WhoAsksAndDiesHoldsNobody(t *testing.T) {
	h := newHouse(t)
	ctx, die := context.WithCancel(t.Context())
	stream := h.asks(ctx, t, 2*time.Second)
	if !h.waits(t) {
		t.Error("nothing was held")
	}
	began := time.Now()
	die()
	if err := put(t.Context(), h.a, "waited", nil); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("the hold went on for %s", took)
	}
	_, _ = stream.Recv() // the conversation has ended on the other side too
	h.take(t)
}

func TestTakeBackup_OneAtATime(t *testing.T) {
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	h.asks(ctx, t, 2*time.Second)
	second, err := pb.NewBackupServiceClient(h.services[0].Conn()).TakeBackup(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// The audit line of the second waits like every write, until the first is
	// through or over.
	if err := second.Send(&pb.TakeBackupRequest{Step: &pb.TakeBackupRequest_Hold{Hold: &pb.BackupHold{BackupId: "bak_3"}}}); err != nil {
		t.Fatal(err)
	}
	if part, err := second.Recv(); err != nil || part.GetHeld() == nil {
		t.Errorf("after the first hold ended: %v, %v", part, err)
	}
}

func TestTakeBackup_StepsComeInTheirOrder(t *testing.T) {
	h := newHouse(t)
	stream, err := pb.NewBackupServiceClient(h.services[0].Conn()).TakeBackup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&pb.TakeBackupRequest{Step: &pb.TakeBackupRequest_Open{Open: &pb.BackupOpen{}}}); err != nil {
		t.Fatal(err)
	}
	if part, err := stream.Recv(); err == nil || !strings.Contains(err.Error(), "BACKUP_STEP") {
		t.Errorf("%v, %v", part, err)
	}
}
