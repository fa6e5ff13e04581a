package evaluation_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
)

func (h house) exports() pb.LedgerExportServiceClient {
	return pb.NewLedgerExportServiceClient(h.Conn())
}

func (h house) second() context.Context {
	return h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "second", community)
}

// servedTwice has m1 serve twice in 2013, once of it reversed, and once in 2012.
func (h house) servedTwice(t *testing.T) {
	t.Helper()
	h.member("m1", w1, true)
	h.member("m2", w1, true)
	h.Drain()
	h.resolved("q1", "m1", "2013-08-02", 6)
	h.resolved("q2", "m2", "2013-08-01", 3)
	h.resolved("q3", "m1", "2013-08-03", 8)
	h.resolved("q4", "m1", "2012-12-31", 8)
	h.confirmAll(t)
	for _, e := range h.entries(t, pb.EntryState_ENTRY_STATE_CONFIRMED) {
		if e.GetDay() == "2013-08-03" {
			if _, err := pb.NewLedgerServiceClient(h.Conn()).ReverseEntry(h.staff(), &pb.ReverseEntryRequest{Id: e.GetId(), Reason: pb.EntryReason_ENTRY_REASON_TWICE}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (h house) askExport(t *testing.T) *pb.LedgerExport {
	t.Helper()
	asked, err := h.exports().AskLedgerExport(h.staff(), &pb.AskLedgerExportRequest{CommunityId: "C1", Year: 2013, Purpose: "汇入全国志愿服务信息系统"})
	if err != nil {
		t.Fatal(err)
	}
	return asked.GetExport()
}

// Two persons, a purpose, an end, and a line in the audit for each reading.
func TestLedgerExport_TakesTwoPersons(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	h.servedTwice(t)
	e := h.askExport(t)
	if e.GetRows() != 2 {
		t.Errorf("%d rows, want what counts of the year", e.GetRows())
	}
	render := func(ctx context.Context, format pb.LetterFormat) (*pb.RenderLedgerExportResponse, error) {
		return h.exports().RenderLedgerExport(ctx, &pb.RenderLedgerExportRequest{Id: e.GetId(), Format: format})
	}
	_, err := render(h.staff(), 0)
	refused(t, "read before the second person", err, codes.FailedPrecondition, "WRONG_STATE")
	approve := &pb.AnswerLedgerExportRequest{Id: e.GetId(), Approves: true}
	_, err = h.exports().AnswerLedgerExport(h.staff(), approve)
	refused(t, "approved by who asked", err, codes.PermissionDenied, "EXPORT_OWN_APPROVAL")
	if _, err := h.exports().AnswerLedgerExport(h.second(), approve); err != nil {
		t.Fatal(err)
	}
	file, err := render(h.staff(), pb.LetterFormat_LETTER_FORMAT_CSV)
	if err != nil || file.GetFileName() != "2013-C1-services.csv" {
		t.Fatal(file.GetFileName(), err)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(file.GetContent()), "\uFEFF"))).ReadAll()
	if err != nil || len(rows) != 3 || rows[0][1] != "姓名" || rows[0][7] != "服务时长(小时)" {
		t.Fatal(rows, err)
	}
	if got := strings.Join(rows[1][:9], "|"); got != "m2|名m2||服务圈诉求办理|2013-08-01|组织C1|社区服务|0.75|组织C1" {
		t.Errorf("row %s", got)
	}
	if rows[2][0] != "m1" || rows[2][7] != "1.5" || rows[2][2] != "" {
		t.Errorf("row %v", rows[2])
	}
	xlsx, err := render(h.second(), pb.LetterFormat_LETTER_FORMAT_XLSX)
	if err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(bytes.NewReader(xlsx.GetContent()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	if cells, err := book.GetRows(book.GetSheetName(0)); err != nil || len(cells) != 3 || cells[2][1] != "名m1" {
		t.Errorf("%v, %v", cells, err)
	}
	_, err = render(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "third", community), 0)
	refused(t, "read by a third person", err, codes.NotFound, "NOT_FOUND")
	_, err = render(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "staff", "/1/11/111/C2/"), 0)
	refused(t, "another community", err, codes.NotFound, "NOT_FOUND")
	h.countReadings(t, 2)
	h.Civil.Advance(h.Civil.Now().Add(8 * 24 * time.Hour))
	_, err = render(h.staff(), 0)
	refused(t, "after the end", err, codes.FailedPrecondition, "EXPORT_OVER")
	h.countReadings(t, 2)
}

func (h house) countReadings(t *testing.T, want int) {
	t.Helper()
	got := 0
	err := h.Store("evaluation").View(t.Context(), func(r kv.Reader) error {
		rows, err := store.AuditRows(r, 1000)
		err = errors.Join(err, h.Store("evaluation").OpenReasons(r, rows))
		for _, a := range rows {
			if a.GetOutcome() == "exported" && a.GetReason() == "汇入全国志愿服务信息系统" {
				got++
			}
		}
		return err
	})
	if err != nil || got != want {
		t.Errorf("%d readings in the audit, want %d: %v", got, want, err)
	}
	list, err := h.exports().ListLedgerExports(h.second(), &pb.ListLedgerExportsRequest{CommunityId: "C1"})
	if err != nil || len(list.GetExports()) != 1 || list.GetExports()[0].GetReadings() != int32(want) {
		t.Errorf("%v, %v", list, err)
	}
}

func TestLedgerExport_Refusals(t *testing.T) {
	h := newHouse(t, inMemory(), names{hidden: true})
	h.servedTwice(t)
	ask := &pb.AskLedgerExportRequest{CommunityId: "C1", Year: 2013, Purpose: "汇入全国志愿服务信息系统"}
	for who, ctx := range map[string]context.Context{
		"district": h.officer(), "workplace": h.home("o"), "resident": h.as(typev1.Role_ROLE_RESIDENT, "r", community),
	} {
		_, err := h.exports().AskLedgerExport(ctx, ask)
		refused(t, who, err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	}
	_, err := h.exports().AskLedgerExport(h.staff(), &pb.AskLedgerExportRequest{CommunityId: "C1", Year: 2013})
	refused(t, "without a purpose", err, codes.InvalidArgument, "INVALID_FIELD")
	h.policy(1, map[string]string{"export.most_rows": "1"})
	_, err = h.exports().AskLedgerExport(h.staff(), ask)
	refused(t, "more than the district allows", err, codes.FailedPrecondition, "EXPORT_TOO_MANY")
	h.policy(2, map[string]string{"export.most_rows": "2"})
	e := h.askExport(t)
	if _, err := h.exports().AnswerLedgerExport(h.second(), &pb.AnswerLedgerExportRequest{Id: e.GetId(), Approves: true}); err != nil {
		t.Fatal(err)
	}
	file, err := h.exports().RenderLedgerExport(h.staff(), &pb.RenderLedgerExportRequest{Id: e.GetId()})
	if err != nil || strings.Contains(string(file.GetContent()), "名m1") {
		t.Errorf("a name that the reader may not see: %s, %v", file.GetContent(), err)
	}
	refusedOne := h.askExport(t)
	if _, err := h.exports().AnswerLedgerExport(h.second(), &pb.AnswerLedgerExportRequest{Id: refusedOne.GetId()}); err != nil {
		t.Fatal(err)
	}
	_, err = h.exports().RenderLedgerExport(h.staff(), &pb.RenderLedgerExportRequest{Id: refusedOne.GetId()})
	refused(t, "not approved", err, codes.FailedPrecondition, "WRONG_STATE")
}
