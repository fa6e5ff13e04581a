package backup_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"

	"github.com/linli-project/linli/pkg/backup"
)

// TestTake_AFileThatDoesNotBelongThere: the source is wrong, not the backup.
func TestTake_AFileThatDoesNotBelongThere(t *testing.T) {
	h := newHouse(t)
	blob(t, h.folder, []byte("a picture"))
	if err := os.WriteFile(filepath.Join(h.folder, "blobs", "notes.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := backup.Take(t.Context(), h.config, &bytes.Buffer{})
	if err == nil || errors.Is(err, backup.ErrDamaged) || !strings.Contains(err.Error(), "notes.txt does not have the SHA-256 of its content as its name") {
		t.Errorf("%v", err)
	}
}

// TestTakeBackup_TheOtherSideIsGone: a caller that is gone, or hangs up between
// the steps, is no fault of the process.
func TestTakeBackup_TheOtherSideIsGone(t *testing.T) {
	h := newHouse(t)
	ctx, hangUp := context.WithCancel(t.Context())
	stream := h.asks(ctx, t, 2*time.Second)
	hangUp()
	if _, err := stream.Recv(); !strings.Contains(err.Error(), "canceled") {
		t.Errorf("gone: %v", err)
	}
	stream, err := pb.NewBackupServiceClient(h.services[0].Conn()).TakeBackup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err == nil || !strings.Contains(err.Error(), "BACKUP_STEP") {
		t.Errorf("no step: %v", err)
	}
}
