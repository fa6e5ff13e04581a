package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// count answers how many rows a table has.
func (h *house) count(t interface {
	Name() string
	Check(func(func(kv.Reader) error) error) (table.Report, error)
}) int {
	h.t.Helper()
	report, err := t.Check(func(fn func(kv.Reader) error) error { return h.store.View(h.t.Context(), fn) })
	must(h.t, err)
	return report.Tables[t.Name()]
}

// mixed is a roster of n rows of which every 50th has a fault.
func mixed(n int) string {
	var rows []string
	for i := range n {
		row := person(i)
		if i%50 == 7 {
			row = person(i, "性别", "男")
		}
		rows = append(rows, row)
	}
	return rosterOf(rows...)
}

func TestImportRoster_GoesOnWhereItWas(t *testing.T) {
	const rows = 2000
	other := start(t).withDistrict()
	whole, err := other.sendRoster(other.officer(workplace), "W00005", true, mixed(rows))
	must(t, err)

	h := start(t).withDistrict()
	ctx, breakOff := context.WithCancel(keyed(h.officer(workplace), "roster-1"))
	text := mixed(rows)
	stream := h.beginRoster(ctx, "W00005", true, text[:len(text)*2/3])
	for h.count(h.service.slices) == 0 { // the stream stands open until something is in
		runtime.Gosched()
	}
	breakOff()
	if err := stream.RecvMsg(&pb.ImportRosterResponse{}); err == nil {
		t.Fatal("a stream that was broken off was answered")
	}
	if n := h.count(h.service.slices); n > rows/sliceRows {
		t.Fatalf("%d slices were in", n)
	}

	done, err := h.sendRoster(keyed(h.officer(workplace), "roster-1"), "W00005", true, text)
	must(t, err)
	if diff := cmp.Diff(whole, done, protocmp.Transform(), protocmp.IgnoreFields(&pb.ImportRosterResponse{}, "import_id")); diff != "" {
		t.Errorf("broken off and gone on with, it answers otherwise than in one go: %s", diff)
	}
	if n := h.count(h.service.members); n != int(done.GetCreated()) {
		t.Errorf("%d members, %d created", n, done.GetCreated())
	}
	h.Drain()
	c, err := h.GetCompletion(h.officer(workplace), &pb.GetCompletionRequest{OrganizationId: "W00005"})
	must(t, err)
	if total := c.GetCompletion().GetTotal(); total.GetMembers() != int64(done.GetCreated()) || total.GetAccepted() != int64(done.GetReportIns()) {
		t.Errorf("figures %v", total)
	}

	again, err := h.sendRoster(keyed(h.officer(workplace), "roster-1"), "W00005", true, text)
	must(t, err)
	if !proto.Equal(done, again) {
		t.Errorf("sent again it answers %v", again)
	}
}

// failingCommit is an engine whose n-th commit from now fails, or takes effect
// and loses its answer.
type failingCommit struct {
	kv.Engine
	left    atomic.Int64
	applied bool
}

func (e *failingCommit) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	if e.left.Add(-1) != 0 {
		return e.Engine.Commit(ctx, r)
	}
	if !e.applied {
		return 0, kv.ErrUnavailable
	}
	if _, err := e.Engine.Commit(ctx, r); err != nil {
		return 0, err
	}
	return 0, kv.ErrUnknownOutcome
}

// TestImportRoster_EveryFailure lets each commit of an import fail, with and
// without effect, and some of its reads, and sends the roster again under its
// key: the end is always the same.
func TestImportRoster_EveryFailure(t *testing.T) {
	const commits = 5 // begun, three slices, finished
	for _, applied := range []bool{false, true} {
		for n := int64(1); n <= commits+1; n++ {
			engine := &failingCommit{Engine: memkv.New(), applied: applied}
			h := startAlone(t, engine).withDistrict()
			engine.left.Store(n)
			h.endsTheSame(fmt.Sprintf("commit %d, applied %v", n, applied), n <= commits, func() { engine.left.Store(0) })
		}
	}
	const operations = 31 // a slice fetches all that it looks at in one
	for n := int64(1); n <= operations; n += 3 {
		faulty := kvtest.NewFaults(memkv.New())
		h := startAlone(t, faulty).withDistrict()
		faulty.FailAt(n, false)
		h.endsTheSame(fmt.Sprintf("operation %d", n), true, func() { faulty.FailAt(0, false) })
	}
}

// endsTheSame sends a roster that fails or not, and again.
func (h *house) endsTheSame(name string, fails bool, repair func()) {
	h.t.Helper()
	text := mixed(3 * sliceRows)
	_, err := h.sendRoster(keyed(h.officer(workplace), "k"), "W00005", true, text)
	if fails != (err != nil) {
		h.t.Fatalf("%s: %v", name, err)
	}
	repair()
	done, err := h.sendRoster(keyed(h.officer(workplace), "k"), "W00005", true, text)
	must(h.t, err)
	if got := outcomeOf(done); !strings.HasPrefix(got, "282 0 0 282 |") || done.GetRefused() != 6 {
		h.t.Fatalf("%s: %s", name, got)
	}
	if n := h.count(h.service.members); n != 282 {
		h.t.Fatalf("%s: %d members", name, n)
	}
	if n := len(h.eventsOf("member.imported")); n != 3 {
		h.t.Fatalf("%s: %d events", name, n)
	}
}

func TestImportRoster_OtherContentUnderTheKey(t *testing.T) {
	h := start(t).withDistrict()
	text := mixed(3 * sliceRows)
	lines := strings.SplitAfter(text, "\n")
	first, err := h.sendRoster(keyed(h.officer(workplace), "k"), "W00005", false, text)
	must(t, err)
	for name, tc := range map[string]struct {
		text   string
		accept bool
	}{
		"one cell":          {strings.Replace(text, "党员250,", "党员二五〇,", 1), false},
		"another flag":      {text, true},
		"a row more":        {text + person(5000) + "\n", false},
		"a slice less":      {strings.Join(lines[:1+2*sliceRows], ""), false},
		"a row less":        {strings.Join(lines[:3*sliceRows], ""), false},
		"another order":     {lines[0] + lines[2] + lines[1] + strings.Join(lines[3:], ""), false},
		"nothing":           {lines[0], false},
		"another header":    {strings.Replace(text, "特长,兴趣爱好", "兴趣爱好,特长", 1), false},
		"all rows replaced": {rosterOf(person(6000)), false},
	} {
		_, err := h.sendRoster(keyed(h.officer(workplace), "k"), "W00005", tc.accept, tc.text)
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		wantReason(t, err, "IMPORT_DIFFERS")
	}
	// The key of another caller is another key.
	other, err := h.sendRoster(keyed(h.as("other", grant(typev1.Role_ROLE_WORKPLACE_OFFICER, workplace)), "k"), "W00005", false, lines[0]+lines[1])
	must(t, err)
	if other.GetUnchanged() != 1 || other.GetImportId() == first.GetImportId() {
		t.Errorf("another caller: %v", other)
	}
	if n := h.count(h.service.members); n != int(first.GetCreated()) {
		t.Errorf("%d members", n)
	}
}

// TestImportRoster_ShorterThanWhatWasBegun: a file that ends before slices
// that are in already is another file.
func TestImportRoster_ShorterThanWhatWasBegun(t *testing.T) {
	h := start(t).withDistrict()
	text := mixed(3 * sliceRows)
	first, err := h.sendRoster(keyed(h.officer(workplace), "k"), "W00005", false, text)
	must(t, err)
	// As if it had been broken off just before its end was noted.
	must(t, h.store.Update(t.Context(), func(tx *store.Tx) error {
		row, _, err := h.service.imports.Get(tx, scope.All(), idKey(first.GetImportId()))
		if err != nil {
			return err
		}
		_, err = h.service.imports.Replace(tx, row, &pb.ImportRow{Id: first.GetImportId(), OrganizationId: "W00005"})
		return err
	}))
	lines := strings.SplitAfter(text, "\n")
	_, err = h.sendRoster(keyed(h.officer(workplace), "k"), "W00005", false, strings.Join(lines[:1+2*sliceRows], ""))
	wantReason(t, err, "IMPORT_DIFFERS")
	again, err := h.sendRoster(keyed(h.officer(workplace), "k"), "W00005", false, text)
	must(t, err)
	if !proto.Equal(first, again) {
		t.Errorf("the whole file again: %v", again)
	}
}

// TestImportRoster_ManyAtOnceUnderOneKey: a sender that lost patience and sent
// again while the first stream was at work has the same answer to both.
func TestImportRoster_ManyAtOnceUnderOneKey(t *testing.T) {
	h := start(t).withDistrict()
	text := mixed(4 * sliceRows)
	answers := make(chan *pb.ImportRosterResponse)
	for range 4 {
		go func() {
			done, err := h.sendRoster(keyed(h.officer(workplace), "k"), "W00005", true, text)
			if err != nil {
				t.Errorf("one of many: %v", err)
			}
			answers <- done
		}()
	}
	first := <-answers
	for range 3 {
		if diff := diffProto(first, <-answers); diff != "" {
			t.Error(diff)
		}
	}
	if n := h.count(h.service.members); n != int(first.GetCreated()) || n == 0 {
		t.Errorf("%d members", n)
	}
}

// TestImportRoster_WithoutAKeyAtOnce: two sources of the same rows at the same
// time make each member once.
func TestImportRoster_WithoutAKeyAtOnce(t *testing.T) {
	h := start(t).withDistrict()
	text := mixed(3 * sliceRows)
	answers := make(chan *pb.ImportRosterResponse)
	for range 3 {
		go func() {
			done, err := h.sendRoster(h.officer(workplace), "W00005", true, text)
			if err != nil {
				t.Errorf("one of many: %v", err)
			}
			answers <- done
		}()
	}
	var created, reportIns int32
	for range 3 {
		done := <-answers
		created += done.GetCreated()
		reportIns += done.GetReportIns()
	}
	if n := h.count(h.service.members); created != 282 || n != 282 || reportIns != 282 {
		t.Errorf("%d created, %d members, %d report-ins", created, n, reportIns)
	}
}

// TestUnbroken_ATornFileIsNotAWholeOne: an end that comes when the call is over
// is not the end of the file.
func TestUnbroken_ATornFileIsNotAWholeOne(t *testing.T) {
	ctx, breakOff := context.WithCancel(t.Context())
	recv := unbroken(ctx, func() (*pb.ImportRosterRequest, error) { return nil, io.EOF })
	if _, err := recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the end of a whole file: %v", err)
	}
	breakOff()
	if _, err := recv(); !errors.Is(err, context.Canceled) {
		t.Errorf("the end of a torn file: %v", err)
	}
}
