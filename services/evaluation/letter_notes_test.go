package evaluation_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
)

const signedText = "屡劝不改,情况属实"

// issued takes the year of a house to its issued letter to W1.
func (h conductHouse) issued(t *testing.T) *pb.Letter {
	t.Helper()
	c := h.cycle(t)
	h.closed(t, c.GetId())
	return h.letters(t, c.GetId())["W1"]
}

func (h conductHouse) notesOn(ctx context.Context, t *testing.T, letter *pb.Letter) []*pb.StandingNote {
	t.Helper()
	reply, err := h.client.GetLetter(ctx, &pb.GetLetterRequest{Id: letter.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetLetter().GetLines()[0].GetNotes()
}

func (h conductHouse) factsHold(t *testing.T, letter *pb.Letter) bool {
	t.Helper()
	v, err := h.replies().VerifyLetter(context.Background(), &pb.VerifyLetterRequest{Code: letter.GetCode()})
	if err != nil {
		t.Fatal(err)
	}
	return v.GetVerification().GetFactsHold()
}

// Whoever is shown the text of a note leaves a trace: on the sheet, in the
// letter, on paper. The member reads the own without one, the organization in
// between sees no text and leaves none.
func TestConduct_ReadingANoteLeavesATrace(t *testing.T) {
	h := newConductHouse(t)
	id := h.standing(t)
	c := h.cycle(t)
	if _, err := h.sheets().GetMySheet(h.member1(), &pb.GetMySheetRequest{Year: 2013}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.sheets().GetSheet(h.staff(), &pb.GetSheetRequest{CycleId: c.GetId(), MemberId: "m1"}); err != nil {
		t.Fatal(err)
	}
	h.closed(t, c.GetId())
	letter := h.letters(t, c.GetId())["W1"]
	h.notesOn(h.home("o"), t, letter)
	h.notesOn(h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "above", district), t, letter)
	if _, err := h.client.RenderLetter(h.officer(), &pb.RenderLetterRequest{Id: letter.GetId()}); err != nil {
		t.Fatal(err)
	}
	var readers []string
	err := h.Store("evaluation").View(t.Context(), func(r kv.Reader) error {
		rows, err := store.AuditRows(r, 1000)
		for _, row := range rows {
			if row.GetOutcome() == "read" && slices.Contains(row.GetRows(), id) {
				readers = append(readers, row.GetPerson())
			}
		}
		return err
	})
	if slices.Sort(readers); err != nil || !slices.Equal(readers, []string{"o", "officer", "staff"}) {
		t.Errorf("read by %v, %v", readers, err)
	}
}

// From the signed note over the member's sheet to the letter and its papers.
func TestConduct_FromTheNoteToTheLetter(t *testing.T) {
	h := newConductHouse(t)
	id := h.standing(t)
	c := h.cycle(t)
	mine, err := h.sheets().GetMySheet(h.member1(), &pb.GetMySheetRequest{Year: 2013})
	if n := mine.GetSheet().GetNotes(); err != nil || len(n) != 1 || n[0].GetId() != id || n[0].GetText() != signedText || n[0].GetSignedBy() != "staff" {
		t.Errorf("the own sheet: %v, %v", mine, err)
	}
	list, err := h.sheets().ListSheets(h.staff(), &pb.ListSheetsRequest{CycleId: c.GetId(), CommunityId: "C1"})
	if n := list.GetSheets()[0].GetNotes(); err != nil || len(n) != 1 || n[0].GetText() != "" {
		t.Errorf("in a list: %v, %v", list, err)
	}
	h.closed(t, c.GetId())
	letter := h.letters(t, c.GetId())["W1"]
	if n := h.notesOn(h.home("o"), t, letter); len(n) != 1 || n[0].GetId() != id || n[0].GetText() != signedText || n[0].GetWithdrawn() {
		t.Errorf("the letter says %v", n)
	}
	if n := h.notesOn(h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "above", district), t, letter); len(n) != 0 {
		t.Errorf("the organization above the home is told %v", n)
	}
	file, err := h.client.RenderLetter(h.home("o"), &pb.RenderLetterRequest{Id: letter.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(file.GetContent()), "\uFEFF")))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil || rows[4][7] != "备注" || rows[5][7] != "2013-08-30 "+signedText || rows[6][7] != "" {
		t.Errorf("on paper: %v, %v", rows, err)
	}
	file, err = h.client.RenderLetter(h.officer(), &pb.RenderLetterRequest{Id: letter.GetId(), Format: pb.LetterFormat_LETTER_FORMAT_XLSX})
	if err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(bytes.NewReader(file.GetContent()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	if cell, err := book.GetCellValue(book.GetSheetName(0), "H6"); err != nil || cell != "2013-08-30 "+signedText {
		t.Errorf("in the workbook: %q, %v", cell, err)
	}
	for _, it := range (pollHouse{house: h.house}).raw(t) {
		if bytes.Contains(it.Value, []byte(signedText)) {
			t.Error("the text lies in the store in plain")
		}
	}
}

// A note that is lifted after the letter is read by nobody, and the letter stays
// verified; issued again, the letter does not name it.
func TestConduct_LiftedAfterTheLetter(t *testing.T) {
	h := newConductHouse(t)
	id := h.standing(t)
	letter := h.issued(t)
	if _, err := h.notes.AppealConductNote(h.member1(), &pb.AppealConductNoteRequest{Id: id, Text: "有医院证明"}); err != nil {
		t.Fatal(err)
	}
	if n := h.notesOn(h.home("o"), t, letter); len(n) != 1 || !n[0].GetWithdrawn() || n[0].GetText() != "" {
		t.Errorf("under appeal the letter says %v", n)
	}
	if _, err := h.notes.AnswerConductAppeal(h.street(), &pb.AnswerConductAppealRequest{Id: id, Upheld: true, Text: "经复核"}); err != nil {
		t.Fatal(err)
	}
	if !h.factsHold(t, letter) {
		t.Error("the letter is not verified any more")
	}
	again, err := h.sheets().CorrectResult(h.officer(), &pb.CorrectResultRequest{CycleId: letter.GetCycleId(), MemberId: "m1", Reason: "撤销情况说明"})
	if err != nil {
		t.Fatal(err)
	}
	if n := h.notesOn(h.home("o"), t, again.GetLetter()); len(n) != 0 || !h.factsHold(t, again.GetLetter()) {
		t.Errorf("issued again the letter says %v", n)
	}
	if h.factsHold(t, letter) {
		t.Error("the first issue named a note, the second does not, and both are said to hold")
	}
}

// What is under appeal or has lapsed on the day of issue does not get into the
// letter.
func TestConduct_NotInTheLetterUnderAppealOrLapsed(t *testing.T) {
	for name, prepare := range map[string]func(conductHouse, string){
		"under appeal": func(h conductHouse, id string) {
			if _, err := h.notes.AppealConductNote(h.member1(), &pb.AppealConductNoteRequest{Id: id, Text: "有医院证明"}); err != nil {
				t.Fatal(err)
			}
		},
		"lapsed": func(h conductHouse, _ string) { h.Civil.Advance(h.Civil.Now().AddDate(1, 0, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newConductHouse(t)
			prepare(h, h.standing(t))
			if n := h.notesOn(h.home("o"), t, h.issued(t)); len(n) != 0 {
				t.Errorf("the letter says %v", n)
			}
		})
	}
}
