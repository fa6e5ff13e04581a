package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"
)

// holdTries is how often a point is tried for: a process whose disk was slow
// lets its commits go on before the others are ready.
const holdTries = 3

// Process is one process of linli.
type Process struct {
	// Name is what an error calls it: its address.
	Name string
	Conn grpc.ClientConnInterface
}

// TakeConfig says what is copied for whom.
type TakeConfig struct {
	// ID names the backup in the audit.
	ID        string
	Processes []Process
	// Services that must be in the backup, each once.
	Services []string
	// To are those who may open it.
	To []age.Recipient
	// Program is what the backup says wrote it.
	Program string
	// Time of the backup.
	Time time.Time
	// Hold is how long commits may wait; 0 is two seconds, which is the most.
	Hold time.Duration
}

// conversation is one process's part in a backup.
type conversation struct {
	Process
	stream grpc.BidiStreamingClient[pb.TakeBackupRequest, pb.TakeBackupResponse]
	held   *pb.BackupHeld
}

// Take copies what all processes hold, at one point, into out. Commits wait for
// a moment and none fails. What it wrote before an error is no backup: it has
// no end, and is refused as damaged.
func Take(ctx context.Context, c TakeConfig, out io.Writer) (*pb.BackupManifest, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends every conversation, and with it holds and snapshots
	all, err := c.point(ctx)
	if err != nil {
		return nil, err
	}
	w, err := newFileWriter(out, c.To)
	if err != nil {
		return nil, err
	}
	m := &pb.BackupManifest{Head: c.head(all)}
	if err := c.copy(w, m, all); err != nil {
		w.drop()
		return nil, err
	}
	return m, w.close(m)
}

// point opens snapshots of one point in every process.
func (c TakeConfig) point(ctx context.Context) (all []*conversation, err error) {
	for range holdTries {
		attempt, giveUp := context.WithCancel(ctx)
		if all, err = c.tryPoint(attempt); err == nil {
			context.AfterFunc(ctx, giveUp)
			return all, nil
		}
		giveUp()
		if status.Code(err) != codes.FailedPrecondition {
			return nil, err
		}
	}
	return nil, err
}

func (c TakeConfig) tryPoint(ctx context.Context) ([]*conversation, error) {
	all := make([]*conversation, len(c.Processes))
	g := errgroup.Group{}
	for i, p := range c.Processes {
		all[i] = &conversation{Process: p}
		g.Go(func() error { return all[i].hold(ctx, c) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if err := c.complete(all); err != nil {
		return nil, err
	}
	// Commits wait in every process by now, so whatever order the snapshots
	// are opened in, they are of one point.
	g = errgroup.Group{}
	for _, v := range all {
		g.Go(v.open)
	}
	return all, g.Wait()
}

func (v *conversation) hold(ctx context.Context, c TakeConfig) (err error) {
	if v.stream, err = pb.NewBackupServiceClient(v.Conn).TakeBackup(ctx); err != nil {
		return v.failed(err)
	}
	step := &pb.BackupHold{BackupId: c.ID}
	if c.Hold > 0 {
		step.Most = durationpb.New(c.Hold)
	}
	part, err := v.step(&pb.TakeBackupRequest{Step: &pb.TakeBackupRequest_Hold{Hold: step}})
	if err != nil {
		return err
	}
	if v.held = part.GetHeld(); v.held == nil {
		return fmt.Errorf("%s: it did not hold its commits", v.Name)
	}
	return nil
}

func (v *conversation) open() error {
	part, err := v.step(&pb.TakeBackupRequest{Step: &pb.TakeBackupRequest_Open{Open: &pb.BackupOpen{}}})
	if err == nil && part.GetOpened() == nil {
		err = fmt.Errorf("%s: it opened nothing", v.Name)
	}
	return err
}

func (v *conversation) step(req *pb.TakeBackupRequest) (*pb.TakeBackupResponse, error) {
	// A send that fails says io.EOF; why, says the receive.
	if err := v.stream.Send(req); err != nil && !errors.Is(err, io.EOF) {
		return nil, v.failed(err)
	}
	part, err := v.stream.Recv()
	if err != nil {
		return nil, v.failed(err)
	}
	return part, nil
}

// failed keeps the status and says whose it is.
func (v *conversation) failed(err error) error {
	if status.Code(err) == codes.Unavailable {
		return unanswered{v.Name, err}
	}
	return refused{v.Name, err}
}

// refused is a process that did not do its part. Beside what it said, the
// status is for programmers.
type refused struct {
	name string
	err  error
}

func (r refused) Error() string {
	return fmt.Sprintf("back up from %s: %s", r.name, status.Convert(r.err).Message())
}

func (r refused) Unwrap() error { return r.err }

// unanswered is a process that is not there. What its connection says is for
// programmers.
type unanswered struct {
	name string
	err  error
}

func (u unanswered) Error() string { return "nobody answers gRPC at " + u.name }

func (u unanswered) Unwrap() error { return u.err }

// complete says whether every service is there, once.
func (c TakeConfig) complete(all []*conversation) error {
	from := map[string]string{}
	for _, v := range all {
		for _, s := range v.held.GetServices() {
			if other, twice := from[s]; twice {
				return fmt.Errorf("%s and %s both have %s: name each process once", other, v.Name, s)
			}
			from[s] = v.Name
		}
	}
	var missing []string
	for _, s := range c.Services {
		if from[s] == "" {
			missing = append(missing, s)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("nobody has %s: name the address of each process", strings.Join(missing, ", "))
	}
	return nil
}

// head is what all processes say together.
func (c TakeConfig) head(all []*conversation) *pb.BackupHead {
	h := &pb.BackupHead{Format: Format, BackupId: c.ID, Time: timestamppb.New(c.Time), Program: c.Program}
	for _, v := range all {
		h.Services = append(h.Services, v.held.GetServices()...)
		if t := v.held.GetCivilTime(); t != nil && !t.AsTime().Before(h.GetCivilTime().AsTime()) {
			h.CivilTime = t
		}
		h.MasterKey = joinKeys(h.GetMasterKey(), v.held.GetMasterKey())
	}
	return h
}

// copy writes the head, then what each process sends, one after the other.
func (c TakeConfig) copy(w *fileWriter, m *pb.BackupManifest, all []*conversation) error {
	if err := w.put(&pb.BackupRecord{Record: &pb.BackupRecord_Head{Head: m.GetHead()}}); err != nil {
		return err
	}
	files := map[string]bool{} // several processes may have one folder
	for _, v := range all {
		if err := v.copy(w, m, files); err != nil {
			return err
		}
	}
	return nil
}

func (v *conversation) copy(w *fileWriter, m *pb.BackupManifest, files map[string]bool) error {
	var total *sum
	ended := 0
	for {
		part, err := v.stream.Recv()
		switch {
		case errors.Is(err, io.EOF) && ended == len(v.held.GetServices()):
			return nil
		case err != nil:
			return v.failed(err)
		}
		switch {
		case part.GetRows() != nil:
			if total, err = addRows(total, part.GetRows()); err == nil {
				err = w.rows(part.GetRows())
			}
		case part.GetEnd() != nil:
			if total == nil { // a store without rows
				total = newSum(part.GetEnd().GetService())
			}
			if err = sameStore(total, part.GetEnd()); err == nil {
				m.Stores = append(m.GetStores(), part.GetEnd())
				total, ended = nil, ended+1
				err = w.put(&pb.BackupRecord{Record: &pb.BackupRecord_End{End: part.GetEnd()}})
			}
		case part.GetBlob() != nil:
			err = copyBlob(w, m, files, part.GetBlob())
		}
		if err != nil {
			return err
		}
	}
}

// addRows adds rows to the sum of their store.
func addRows(total *sum, rows *pb.BackupRows) (*sum, error) {
	if total == nil {
		total = newSum(rows.GetService())
	}
	if total.service != rows.GetService() {
		return nil, fmt.Errorf("%w: rows of %s among those of %s", ErrDamaged, rows.GetService(), total.service)
	}
	for _, r := range rows.GetRows() {
		if err := total.add(r.GetKey(), r.GetValue()); err != nil {
			return nil, err
		}
	}
	return total, nil
}

// sameStore compares what came with what was sent.
func sameStore(total *sum, sent *pb.BackupStore) error {
	came, err := total.end()
	if err != nil {
		return err
	}
	if !proto.Equal(came, sent) {
		return fmt.Errorf("%w: the rows of %s are not those that were sent", ErrDamaged, sent.GetService())
	}
	return nil
}

// copyBlob writes a piece of a file that no other process has sent.
func copyBlob(w *fileWriter, m *pb.BackupManifest, files map[string]bool, part *pb.BackupBlob) error {
	if files[part.GetName()] {
		return nil
	}
	m.BlobBytes += uint64(len(part.GetData()))
	if part.GetLast() {
		m.Blobs++
		files[part.GetName()] = true
	}
	return w.put(&pb.BackupRecord{Record: &pb.BackupRecord_Blob{Blob: part}})
}
