package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
)

// Messages are cut at these sizes, well below what a connection takes.
const (
	mostRows    = 500
	largestPart = 512 << 10
)

// Config of the service.
type Config struct {
	// Stores of this process; none in a process that has no store.
	Stores []*store.Store
	// Civil is where the folder's own clock stands; nil when it follows the
	// wall clock.
	Civil func() time.Time
	// Blobs is the folder of files beside the stores; it need not be there.
	Blobs string
	Log   *slog.Logger
}

// Service answers linli.ops.v1.BackupService for the stores of one process.
type Service struct {
	pb.UnsafeBackupServiceServer
	config Config
}

// NewService makes the service of a process.
func NewService(c Config) *Service { return &Service{config: c} }

// Name is that of the door's table.
func (s *Service) Name() string { return "ops" }

// Register puts the method on a server.
func (s *Service) Register(r grpc.ServiceRegistrar) { pb.RegisterBackupServiceServer(r, s) }

// OrganizationPath knows none: nothing here belongs to an organization.
func (s *Service) OrganizationPath(context.Context, string) (scope.Path, bool, error) {
	return "", false, nil
}

type stream = grpc.BidiStreamingServer[pb.TakeBackupRequest, pb.TakeBackupResponse]

// TakeBackup holds, opens and sends. Whatever ends the conversation, ends the
// hold and the snapshots: they live in this call.
func (s *Service) TakeBackup(stream stream) error {
	err := s.take(stream)
	switch gone := stream.Context().Err(); {
	case err != nil && gone != nil:
		return gone // the other side went, a process was missing; that is no fault of this one
	case errors.Is(err, io.EOF):
		return rule.New(rule.Precondition, "BACKUP_STEP", "")
	}
	return err
}

func (s *Service) take(stream stream) error {
	hold, err := s.begin(stream)
	if err != nil {
		return err
	}
	defer hold.release()
	if err := stream.Send(&pb.TakeBackupResponse{Part: &pb.TakeBackupResponse_Held{Held: s.held()}}); err != nil {
		return err
	}
	step, err := stream.Recv()
	if err != nil {
		return err
	}
	if step.GetOpen() == nil {
		return rule.New(rule.Precondition, "BACKUP_STEP", "")
	}
	return openAll(stream.Context(), s.config.Stores, nil, func(readers []kv.Reader) error {
		if !hold.release() {
			return rule.New(rule.Precondition, "HOLD_EXPIRED", "")
		}
		if err := stream.Send(&pb.TakeBackupResponse{Part: &pb.TakeBackupResponse_Opened{Opened: &pb.BackupOpened{}}}); err != nil {
			return err
		}
		for i, r := range readers {
			if err := s.sendStore(stream, s.config.Stores[i].Service(), r); err != nil {
				return err
			}
		}
		return eachBlob(s.config.Blobs, func(part *pb.BackupBlob) error {
			return stream.Send(&pb.TakeBackupResponse{Part: &pb.TakeBackupResponse_Blob{Blob: part}})
		})
	})
}

// begin takes the first step: the audit lines, so that the backup itself says
// who took it, then the hold.
func (s *Service) begin(stream stream) (*hold, error) {
	step, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	if step.GetHold() == nil {
		return nil, rule.New(rule.Precondition, "BACKUP_STEP", "")
	}
	ctx, id := stream.Context(), step.GetHold().GetBackupId()
	for _, st := range s.config.Stores {
		err := st.Update(ctx, func(tx *store.Tx) error {
			tx.Audit(store.Record{Rows: []string{id}, Outcome: "backed up"})
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("audit the backup: %w", err)
		}
	}
	most := longestHold
	if asked := step.GetHold().GetMost(); asked != nil {
		most = min(most, asked.AsDuration())
	}
	s.config.Log.Info("backup", "backup", id, "stores", len(s.config.Stores))
	return holdAll(ctx, s.config.Stores, most)
}

func (s *Service) held() *pb.BackupHeld {
	h := &pb.BackupHeld{}
	for _, st := range s.config.Stores {
		h.Services = append(h.Services, st.Service())
		h.MasterKey = joinKeys(h.MasterKey, strings.Join(st.MasterKeys(), " "))
	}
	if s.config.Civil != nil {
		h.CivilTime = timestamppb.New(s.config.Civil())
	}
	return h
}

// joinKeys answers the ids of two lists, each once: while master keys are
// changed, some keys are wrapped by the old one and some by the new.
func joinKeys(a, b string) string {
	all := append(strings.Fields(a), strings.Fields(b)...)
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// hold is commits that wait: until release, or until its time or the
// conversation ends.
type hold struct {
	releases []func()
	stop     func() bool
	cancel   context.CancelFunc
}

// holdAll shuts every store. The time runs from before the first one on.
func holdAll(ctx context.Context, stores []*store.Store, most time.Duration) (*hold, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	h := &hold{cancel: cancel}
	for _, st := range stores {
		release, err := st.Hold(ctx)
		if err == nil {
			h.releases = append(h.releases, release)
			continue
		}
		h.open()
		cancel()
		switch {
		case errors.Is(err, kv.ErrUnavailable):
			return nil, rule.New(rule.Precondition, "BACKUP_UNDER_WAY", "")
		case errors.Is(err, context.DeadlineExceeded):
			return nil, rule.New(rule.Precondition, "HOLD_EXPIRED", "")
		}
		return nil, err
	}
	h.stop = context.AfterFunc(ctx, h.open)
	return h, nil
}

func (h *hold) open() {
	for _, release := range h.releases {
		release()
	}
}

// release lets commits go on, and says whether they had waited until now.
func (h *hold) release() bool {
	until := h.stop()
	h.open()
	h.cancel()
	return until
}

// openAll opens a snapshot of each store and calls then with all of them open.
func openAll(ctx context.Context, stores []*store.Store, open []kv.Reader, then func([]kv.Reader) error) error {
	if len(stores) == 0 {
		return then(open)
	}
	return stores[0].View(ctx, func(r kv.Reader) error { return openAll(ctx, stores[1:], append(open, r), then) })
}

// sendStore sends every row of a store and what they come to.
func (s *Service) sendStore(stream stream, service string, r kv.Reader) error {
	total := newSum(service)
	part := &pb.BackupRows{Service: service}
	size := 0
	flush := func() error {
		if len(part.GetRows()) == 0 {
			return nil
		}
		err := stream.Send(&pb.TakeBackupResponse{Part: &pb.TakeBackupResponse_Rows{Rows: part}})
		part, size = &pb.BackupRows{Service: service}, 0
		return err
	}
	err := store.Walk(r, kv.Range{}, func(it kv.Item) error {
		if err := total.add(it.Key, it.Value); err != nil {
			return err
		}
		part.Rows = append(part.Rows, &pb.BackupRow{Key: it.Key, Value: it.Value})
		if size += len(it.Key) + len(it.Value); size < largestPart && len(part.GetRows()) < mostRows {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return fmt.Errorf("back up %s: %w", service, err)
	}
	end, err := total.end()
	if err != nil {
		return err
	}
	return stream.Send(&pb.TakeBackupResponse{Part: &pb.TakeBackupResponse_End{End: end}})
}

// Conn is a connection to the service inside the process, past the door: for
// the command that has the folder to itself.
func (s *Service) Conn() grpc.ClientConnInterface {
	c := &inprocgrpc.Channel{}
	s.Register(c)
	return c
}
