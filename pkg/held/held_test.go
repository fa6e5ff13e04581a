package held_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/held"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

const canary = "kq-canary"

// room is a service with members, who go, and report-ins, of which what names
// nobody stays.
type room struct {
	store     *store.Store
	now       *atomic.Int64
	members   *table.Table[*registryv1.MemberRow]
	reportIns *table.Table[*registryv1.ReportInRow]
	keeper    *held.Keeper
	// fails lets the erasure of a member fail once it counts down to 0.
	fails int
}

var errKilled = errors.New("killed")

func memberSealed(r *registryv1.MemberRow) []seal.Slot {
	return []seal.Slot{seal.Field(&r.SealedPhone, "member", r.GetMember().GetId(), "phone")}
}

func text(id string) key.Key { return key.Key(nil).String(id) }

func newRoom(t *testing.T, db kv.DB) *room {
	t.Helper()
	now := &atomic.Int64{}
	now.Store(time.Date(2013, 12, 28, 0, 0, 0, 0, time.UTC).UnixNano())
	wall := clock.Func(func() time.Time { return time.Unix(0, now.Load()) })
	st, err := store.Open(t.Context(), store.Config{
		Service: "registry", DB: db, Master: seal.MasterKey{1}, Civil: wall, Wall: wall, IDs: ids.New, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &room{store: st, now: now, fails: -1}
	r.members = table.New(table.Spec[*registryv1.MemberRow]{
		Number: 16, Name: "member", Sealed: memberSealed, Key: func(m *registryv1.MemberRow) key.Key { return text(m.GetMember().GetId()) },
	})
	r.reportIns = table.New(table.Spec[*registryv1.ReportInRow]{
		Number: 17, Name: "report_in", Key: func(m *registryv1.ReportInRow) key.Key { return text(m.GetReportIn().GetId()) },
	})
	r.keeper = held.New(held.Config{Store: st, Log: slog.New(slog.DiscardHandler), Number: 18},
		held.Of[*registryv1.MemberRow]{
			Rows: r.members, Key: func(m *registryv1.MemberRow) key.Key { return text(m.GetMember().GetId()) },
			Near:   func(person string) table.Query { return table.Query{Prefix: text(person)} },
			Copied: func(m *registryv1.MemberRow, person string) bool { return m.GetMember().GetId() == person },
			Opens:  map[string]proto.Message{"sealed_phone": nil},
			Erase: func(*store.Tx, table.Row[*registryv1.MemberRow], *registryv1.MemberRow, string) (held.Effect, error) {
				return held.Remove, r.kill()
			},
		},
		held.Of[*registryv1.ReportInRow]{
			Rows: r.reportIns, Key: func(m *registryv1.ReportInRow) key.Key { return text(m.GetReportIn().GetId()) },
			Copied: func(m *registryv1.ReportInRow, person string) bool { return m.GetReportIn().GetMemberId() == person },
			Erase: func(*store.Tx, table.Row[*registryv1.ReportInRow], *registryv1.ReportInRow, string) (held.Effect, error) {
				return held.Blank, r.kill()
			},
			Kept: "its state and its days",
		})
	table.Seal(st.Keyring(), []table.Checker{r.members, r.reportIns})
	return r
}

func (r *room) kill() error {
	if r.fails--; r.fails == -1 {
		return errKilled
	}
	return nil
}

// fill writes a member with a phone and so many report-ins, among those of others.
func (r *room) fill(t *testing.T, person string, reportIns int) {
	t.Helper()
	for _, id := range []string{person, "other"} {
		err := r.store.Update(t.Context(), func(tx *store.Tx) error {
			_, err := r.members.Insert(tx, &registryv1.MemberRow{
				Member:      &registryv1.Member{Id: id, Name: canary + " name of " + id},
				SealedPhone: r.store.Keyring().Seal([]byte(canary+" phone of "+id), "member", id, "phone"),
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range reportIns {
		for _, id := range []string{person, "other"} {
			err := r.store.Update(t.Context(), func(tx *store.Tx) error {
				_, err := r.reportIns.Insert(tx, &registryv1.ReportInRow{ReportIn: &registryv1.ReportIn{
					Id: fmt.Sprintf("r%04d%s", i, id), MemberId: id, ReturnReason: canary + " reason of " + id,
					State: registryv1.ReportInState_REPORT_IN_STATE_RETURNED,
				}})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (r *room) announce(t *testing.T, person string) {
	t.Helper()
	data, err := proto.Marshal(&registryv1.PersonErasing{ClaimId: "clm_1", Person: person})
	if err != nil {
		t.Fatal(err)
	}
	e := &typev1.EventRow{Subject: "linli.registry.person.erasing", DataSchema: "linli.registry.v1.PersonErasing", Data: data}
	err = r.store.Update(t.Context(), func(tx *store.Tx) error { return r.keeper.Consumer().Apply(tx, e) })
	if err != nil {
		t.Fatal(err)
	}
}

// collected answers the whole copy of a person as text.
func (r *room) collected(t *testing.T, person string) string {
	t.Helper()
	var out strings.Builder
	var after []byte
	for {
		rows, next, err := r.keeper.Collect(t.Context(), person, after)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range rows {
			for _, row := range h.GetRows() {
				fmt.Fprintln(&out, h.GetTable(), row)
			}
		}
		if after = next; len(next) == 0 {
			return out.String()
		}
	}
}

// announced answers how often the service has said that it is done.
func (r *room) announced(t *testing.T) (n int) {
	t.Helper()
	err := r.store.View(t.Context(), func(rd kv.Reader) error {
		return store.EachEvent(rd, func(row []byte) {
			n += bytes.Count(row, []byte("linli.registry.person.erased.v1"))
			if bytes.Contains(row, []byte(canary)) {
				t.Error("an event holds what was erased")
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func inMemory() kv.DB { return kvtest.Rerun(kv.New(memkv.New(), kv.Options{})) }

// TestCollect_OpensTheOwnAndNothingElse: the sealed phone and the sealed text are
// in the copy, all pages of it, those of others are not, and the audit has a line
// that names the person.
func TestCollect_OpensTheOwnAndNothingElse(t *testing.T) {
	r := newRoom(t, inMemory())
	r.fill(t, "m1", 250)
	got := r.collected(t, "m1")
	for _, want := range []string{canary + " name of m1", canary + " phone of m1"} {
		if !strings.Contains(got, want) {
			t.Errorf("the copy lacks %q", want)
		}
	}
	if n := strings.Count(got, canary+" reason of m1"); n != 250 {
		t.Errorf("%d report-ins in the copy", n)
	}
	if strings.Contains(got, "of other") {
		t.Error("the copy holds somebody else's")
	}
	lines := 0
	err := r.store.View(t.Context(), func(rd kv.Reader) error {
		return store.EachAuditRow(rd, func(l *typev1.AuditRow) {
			if l.GetOutcome() == "exported" && len(l.GetSubjects()) == 1 && l.GetSubjects()[0] == "m1" {
				lines++
			}
		})
	})
	if err != nil || lines == 0 {
		t.Errorf("%d lines in the audit, %v", lines, err)
	}
}

// TestCollect_AMadeUpPlaceLeadsNowhereElse: whatever a page is asked to begin at,
// it holds the own rows or none.
func TestCollect_AMadeUpPlaceLeadsNowhereElse(t *testing.T) {
	r := newRoom(t, inMemory())
	r.fill(t, "m1", 3)
	for _, after := range [][]byte{{0}, {1}, {0, 0}, {1, 'r'}, append([]byte{0}, text("nobody")...), {0, 0xff, 0xff}, bytes.Repeat([]byte{1}, 300)} {
		rows, _, err := r.keeper.Collect(t.Context(), "m1", after)
		if err == nil && strings.Contains(fmt.Sprint(rows), "of other") {
			t.Errorf("%x: somebody else's", after)
		}
	}
	if _, _, err := r.keeper.Collect(t.Context(), "m1", []byte{9}); err == nil {
		t.Error("a table that is not there")
	}
}

// TestErase_KilledAnywhere: however often it breaks off, and wherever, the person
// is erased in the end, once announced, and nobody else is touched.
func TestErase_KilledAnywhere(t *testing.T) {
	for _, fails := range []int{0, 1, 7, 24, 60} {
		t.Run(fmt.Sprint(fails), func(t *testing.T) {
			db := inMemory()
			r := newRoom(t, db)
			r.fill(t, "m1", 35)
			r.announce(t, "m1")
			r.fails = fails
			err := r.keeper.Work(t.Context())
			if killed := errors.Is(err, errKilled); !killed && err != nil {
				t.Fatal(err)
			}
			again := newRoom(t, db) // another process over the same file
			again.announce(t, "m1") // told a second time
			for range 2 {
				if err := again.keeper.Work(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := again.collected(t, "m1"); strings.Contains(got, canary) {
				t.Errorf("left: %s", got)
			}
			if got := again.collected(t, "other"); strings.Count(got, canary) != 37 {
				t.Errorf("somebody else lost something: %d", strings.Count(got, canary))
			}
			if n := again.announced(t); n != 1 {
				t.Errorf("announced %d times", n)
			}
			report, err := again.store.Check(t.Context(), again.members, again.reportIns, again.keeper.Checker())
			if err != nil || len(report.Problems) > 0 {
				t.Error(report.Problems, err)
			}
		})
	}
}

// TestErase_TakesWhatCameLate: a row that was on its way while the person was
// erased goes with the second walk, some days later, and then it is over.
func TestErase_TakesWhatCameLate(t *testing.T) {
	r := newRoom(t, inMemory())
	r.fill(t, "m1", 1)
	r.announce(t, "m1")
	if err := r.keeper.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	late := &registryv1.ReportInRow{ReportIn: &registryv1.ReportIn{Id: "late", MemberId: "m1", EndReason: canary}}
	err := r.store.Update(t.Context(), func(tx *store.Tx) error { _, err := r.reportIns.Insert(tx, late); return err })
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		left  bool
	}{{held.Again - time.Second, true}, {time.Second, false}} {
		r.now.Add(int64(c.after))
		if err := r.keeper.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := strings.Contains(r.collected(t, "m1"), canary); left != c.left {
			t.Errorf("left: %v", left)
		}
	}
	if n := r.announced(t); n != 1 {
		t.Errorf("announced %d times", n)
	}
}

// TestJob_ErasesWhenToldAndEndsWithItsContext.
func TestJob_ErasesWhenToldAndEndsWithItsContext(t *testing.T) {
	r := newRoom(t, inMemory())
	r.fill(t, "m1", 1)
	r.announce(t, "m1")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.keeper.Job().Run(ctx) }()
	<-r.store.Emitted() // that it is done
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if r.announced(t) != 1 {
		t.Error("nothing was announced")
	}
}

// TestErase_OneThatFailsKeepsNobody: the others are erased all the same, and it is
// tried again.
func TestErase_OneThatFailsKeepsNobody(t *testing.T) {
	r := newRoom(t, inMemory())
	r.fill(t, "m1", 2)
	r.announce(t, "m1")
	r.announce(t, "other")
	r.fails = 0
	if err := r.keeper.Work(t.Context()); !errors.Is(err, errKilled) {
		t.Fatalf("%v", err)
	}
	if r.announced(t) != 1 {
		t.Errorf("%d are done", r.announced(t))
	}
	if err := r.keeper.Work(t.Context()); err != nil || r.announced(t) != 2 {
		t.Errorf("%d are done, %v", r.announced(t), err)
	}
}
