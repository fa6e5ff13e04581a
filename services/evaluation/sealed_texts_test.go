package evaluation_test

import (
	"bytes"
	"context"
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
)

// What is written about a person from the sheet to the reply lies nowhere in
// plain, and whoever may read it reads it as before.
func TestTexts_LieSealed(t *testing.T) {
	const objection, answer, opinion, why, reason = "六月的一次没有算", "该次服务未经确认", "全年参加楼道整治", "支部已另行评议", "补记一次已确认的服务"
	h := newHouse(t, inMemory(), names{})
	c := h.year(t)
	made, err := h.sheets().ObjectToSheet(h.member1(), &pb.ObjectToSheetRequest{Year: 2013, Line: pb.SheetLine_SHEET_LINE_LEDGER, Text: objection})
	if err != nil || made.GetObjection().GetText() != objection {
		t.Fatal(made, err)
	}
	answered, err := h.sheets().AnswerObjection(h.staff(), &pb.AnswerObjectionRequest{Id: made.GetObjection().GetId(), Answer: answer})
	if err != nil || answered.GetObjection().GetText() != objection || answered.GetObjection().GetAnswer() != answer {
		t.Fatal(answered, err)
	}
	set, err := h.sheets().SetOpinion(h.staff(), &pb.SetOpinionRequest{CycleId: c.GetId(), MemberId: "m1", Opinion: pb.Opinion_OPINION_GOOD, Text: opinion})
	if err != nil || set.GetSheet().GetOpinionText() != opinion || set.GetSheet().GetObjections()[0].GetAnswer() != answer {
		t.Fatal(set, err)
	}
	listed, err := h.sheets().ListObjections(h.staff(), &pb.ListObjectionsRequest{CycleId: c.GetId(), CommunityId: "C1"})
	if err != nil || listed.GetObjections()[0].GetText() != objection {
		t.Error(listed, err)
	}
	h.closed(t, c.GetId())
	again, err := h.sheets().CorrectResult(h.officer(), &pb.CorrectResultRequest{CycleId: c.GetId(), MemberId: "m1", Reason: reason})
	if err != nil || again.GetLetter().GetCorrection() != reason {
		t.Fatal(again, err)
	}
	id := again.GetLetter().GetId()
	replied, err := h.replies().ReplyToLetter(h.home("o"), &pb.ReplyToLetterRequest{LetterId: id, Issue: 2, Why: why})
	if err != nil || replied.GetReply().GetWhy() != why {
		t.Fatal(replied, err)
	}
	if reply, err := h.replies().GetReply(h.officer(), &pb.GetReplyRequest{LetterId: id}); err != nil || reply.GetReply().GetWhy() != why {
		t.Error(reply, err)
	}
	letter, err := h.client.GetLetter(h.home("o"), &pb.GetLetterRequest{Id: id})
	if err != nil || letter.GetLetter().GetCorrection() != reason || letter.GetLetter().GetLines()[0].GetOpinionText() != opinion {
		t.Error(letter, err)
	}
	if l := h.letters(t, c.GetId())["W1"]; l.GetCorrection() != reason {
		t.Errorf("in the list: %v", l)
	}
	v, err := h.replies().VerifyLetter(context.Background(), &pb.VerifyLetterRequest{Code: again.GetLetter().GetCode()})
	if err != nil || !v.GetVerification().GetFactsHold() {
		t.Error(v, err)
	}
	for _, text := range []string{objection, answer, opinion, why, reason} {
		for _, it := range (pollHouse{house: h}).raw(t) {
			if bytes.Contains(it.Value, []byte(text)) || bytes.Contains(it.Key, []byte(text)) {
				t.Errorf("%q lies in the store in plain", text)
			}
		}
		if bytes.Contains(h.Events("evaluation"), []byte(text)) || bytes.Contains([]byte(h.Log.String()), []byte(text)) {
			t.Errorf("%q lies in an event or the log", text)
		}
	}
}

// A text opens in its own place and nowhere else; rows of before have it in
// plain.
func TestTexts_OpenInTheirPlace(t *testing.T) {
	s := newHouse(t, inMemory(), names{}).service
	sealed := s.SealOpinion("全年参加楼道整治", "c1", "m1")
	for name, c := range map[string]struct {
		row   *pb.ResultRow
		want  string
		fails bool
	}{
		"its own":     {row: &pb.ResultRow{CycleId: "c1", MemberId: "m1", SealedOpinionText: sealed}, want: "全年参加楼道整治"},
		"another's":   {row: &pb.ResultRow{CycleId: "c1", MemberId: "m2", SealedOpinionText: sealed}, fails: true},
		"of before":   {row: &pb.ResultRow{CycleId: "c1", MemberId: "m1", OpinionText: "情况属实"}, want: "情况属实"},
		"none at all": {row: &pb.ResultRow{CycleId: "c1", MemberId: "m1"}},
	} {
		if got, err := s.OpinionText(c.row); got != c.want || (err != nil) != c.fails {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
