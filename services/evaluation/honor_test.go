package evaluation_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/store"
)

func (h house) honors() pb.HonorServiceClient { return pb.NewHonorServiceClient(h.Conn()) }

func (h house) board(t *testing.T, kind pb.BoardKind) string {
	t.Helper()
	reply, err := h.honors().CreateBoard(h.staff(), &pb.CreateBoardRequest{CommunityId: "C1", Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetBoard().GetId()
}

// stoodOut gives a member three services of the last months.
func (h house) stoodOut(t *testing.T, member string, from int) {
	t.Helper()
	for i := range 3 {
		h.resolved(fmt.Sprintf("req_%d", from+i), member, "2013-08-20", 4)
	}
	h.confirmAll(t)
}

func (h house) praise(t *testing.T, member, source string) {
	t.Helper()
	_, err := h.honors().RecordTrust(h.staff(), &pb.RecordTrustRequest{
		CommunityId: "C1", MemberId: member, Kind: pb.TrustKind_TRUST_KIND_PRAISE, SourceId: source, Day: "2013-08-25"})
	if err != nil {
		t.Fatal(err)
	}
}

func (h house) name(board, member string) (*pb.Honor, error) {
	reply, err := h.honors().ProposeHonor(h.staff(), &pb.ProposeHonorRequest{BoardId: board, MemberId: member, EndsOn: "2014-08-31"})
	return reply.GetHonor(), err
}

func (h house) consent(member, id string, yes bool) error {
	_, err := h.honors().AnswerHonor(h.asMember(member), &pb.AnswerHonorRequest{Id: id, Consent: yes})
	return err
}

func (h house) notice(id string) (*pb.Honor, error) {
	reply, err := h.honors().GiveHonorNotice(h.staff(), &pb.GiveHonorNoticeRequest{Id: id})
	return reply.GetHonor(), err
}

// shown is the public page as a resident reads it.
func (h house) shown(t *testing.T, board string, notice bool) string {
	t.Helper()
	reply, err := h.honors().ShowBoard(h.resident("r1"), &pb.ShowBoardRequest{BoardId: board, Notice: notice})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, l := range reply.GetLines() {
		out = append(out, l.GetName())
	}
	return strings.Join(out, " ")
}

// awaitHonor asks until an honor has come to a state.
func (h house) awaitHonor(t *testing.T, board, id string, state pb.HonorState) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		reply, err := h.honors().ListHonors(h.staff(), &pb.ListHonorsRequest{BoardId: board, State: state})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range reply.GetHonors() {
			if o.GetId() == id {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the honor does not come to %s", state)
		}
	}
}

func TestHonor_TheWholeWay(t *testing.T) {
	h := withMembers(t)
	board := h.board(t, pb.BoardKind_BOARD_KIND_SERVICE)
	_, err := h.honors().CreateBoard(h.staff(), &pb.CreateBoardRequest{CommunityId: "C1", Kind: pb.BoardKind_BOARD_KIND_SERVICE})
	refused(t, "a second board of a kind", err, codes.AlreadyExists, "BOARD_EXISTS")
	_, err = h.name(board, "m1")
	refused(t, "who did not stand out", err, codes.FailedPrecondition, "HONOR_NOT_STOOD_OUT")
	h.stoodOut(t, "m1", 1)
	_, err = h.name(board, "m1")
	refused(t, "whom nobody praised", err, codes.FailedPrecondition, "HONOR_NOT_TRUSTED")
	h.praise(t, "m1", "letter 7")
	o, err := h.name(board, "m1")
	if err != nil || o.GetEvidence().GetTimes() != 3 || o.GetEvidence().GetPraises() != 1 {
		t.Fatal(o, err)
	}
	_, err = h.name(board, "m1")
	refused(t, "named twice", err, codes.AlreadyExists, "HONOR_EXISTS")
	_, err = h.notice(o.GetId())
	refused(t, "notice without consent", err, codes.FailedPrecondition, "WRONG_STATE")
	refused(t, "consent of another", h.consent("m2", o.GetId(), true), codes.NotFound, "NOT_FOUND")
	if err := h.consent("m1", o.GetId(), true); err != nil {
		t.Fatal(err)
	}
	// Monday 2 September 2013: five working days after it end with Monday the 9th.
	n, err := h.notice(o.GetId())
	if err != nil || n.GetNoticeUntil().AsTime() != time.Date(2013, 9, 9, 16, 0, 0, 0, time.UTC) {
		t.Fatal(n, err)
	}
	if got := h.shown(t, board, false); got != "" {
		t.Errorf("shown before the notice is over: %s", got)
	}
	if got := h.shown(t, board, true); got != "名m1" {
		t.Errorf("in notice: %q", got)
	}
	h.Civil.Advance(time.Date(2013, 9, 9, 16, 0, 0, 0, time.UTC))
	h.awaitHonor(t, board, o.GetId(), pb.HonorState_HONOR_STATE_ON_THE_BOARD)
	if got := h.shown(t, board, false); got != "名m1" {
		t.Errorf("shown: %q", got)
	}
	figures, err := h.honors().GetHonorFigures(h.officer(), &pb.GetHonorFiguresRequest{OrganizationId: "11"})
	if err != nil || figures.GetBoards() != 1 || figures.GetCommunities() != 1 || figures.GetMembers() != 1 {
		t.Errorf("figures: %v, %v", figures, err)
	}
	h.Civil.Advance(time.Date(2014, 8, 31, 16, 0, 0, 0, time.UTC))
	if got := h.shown(t, board, false); got != "" {
		t.Errorf("after the last day: %q", got)
	}
	h.awaitHonor(t, board, o.GetId(), pb.HonorState_HONOR_STATE_RUN_OUT)
	if events := string(h.Events("evaluation")); strings.Contains(events, "名") || strings.Contains(events, "letter 7") {
		t.Error("an event tells a name or a text")
	}
}

func TestHonor_WithdrawalIsAtOnceAndPerBoard(t *testing.T) {
	h := withMembers(t)
	h.stoodOut(t, "m1", 1)
	h.praise(t, "m1", "banner")
	var ids [2]string
	var boards [2]string
	for i, kind := range []pb.BoardKind{pb.BoardKind_BOARD_KIND_GOOD_DEEDS, pb.BoardKind_BOARD_KIND_SERVICE} {
		boards[i] = h.board(t, kind)
		o, err := h.name(boards[i], "m1")
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = o.GetId()
		if err := h.consent("m1", ids[i], i == 0); err != nil {
			t.Fatal(err)
		}
	}
	_, err := h.notice(ids[1])
	refused(t, "a board the member said no to", err, codes.FailedPrecondition, "WRONG_STATE")
	if _, err := h.notice(ids[0]); err != nil {
		t.Fatal(err)
	}
	h.Civil.Advance(time.Date(2013, 9, 10, 0, 0, 0, 0, time.UTC))
	h.awaitHonor(t, boards[0], ids[0], pb.HonorState_HONOR_STATE_ON_THE_BOARD)
	_, err = h.honors().WithdrawHonor(h.asMember("m2"), &pb.WithdrawHonorRequest{Id: ids[0]})
	refused(t, "withdrawn by another", err, codes.NotFound, "NOT_FOUND")
	got, err := h.honors().WithdrawHonor(h.asMember("m1"), &pb.WithdrawHonorRequest{Id: ids[0]})
	if err != nil || got.GetHonor().GetEnd() != pb.HonorEnd_HONOR_END_CONSENT_WITHDRAWN {
		t.Fatal(got, err)
	}
	if got := h.shown(t, boards[0], false); got != "" {
		t.Errorf("still shown: %q", got)
	}
	mine, err := h.honors().ListMyHonors(h.asMember("m1"), &pb.ListMyHonorsRequest{})
	if err != nil || len(mine.GetHonors()) != 2 {
		t.Errorf("mine: %v, %v", mine, err)
	}
	if _, err := h.name(boards[0], "m1"); err != nil {
		t.Errorf("named again later: %v", err)
	}
}

func TestHonor_ObjectionsAreAnsweredFirst(t *testing.T) {
	h := withMembers(t)
	board := h.board(t, pb.BoardKind_BOARD_KIND_GOOD_DEEDS)
	var ids []string
	for i, m := range []string{"m1", "m2"} {
		h.stoodOut(t, m, 10*i+10)
		h.praise(t, m, "letter")
		o, err := h.name(board, m)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.consent(m, o.GetId(), true); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, o.GetId())
	}
	object := func(ctx context.Context, id string) (*pb.HonorObjection, error) {
		reply, err := h.honors().ObjectToHonor(ctx, &pb.ObjectToHonorRequest{HonorId: id, Text: "那天他不在"})
		return reply.GetObjection(), err
	}
	_, err := object(h.resident("r1"), ids[0])
	refused(t, "before anybody may know", err, codes.NotFound, "NOT_FOUND")
	var objections []*pb.HonorObjection
	for _, id := range ids {
		if _, err := h.notice(id); err != nil {
			t.Fatal(err)
		}
		o, err := object(h.resident("r1"), id)
		if err != nil {
			t.Fatal(err)
		}
		objections = append(objections, o)
	}
	_, err = object(h.asMember("m1"), ids[0])
	refused(t, "by the member", err, codes.PermissionDenied, "HONOR_OF_ONESELF")
	h.Civil.Advance(time.Date(2013, 9, 10, 0, 0, 0, 0, time.UTC))
	_, err = object(h.resident("r2"), ids[0])
	refused(t, "after the notice", err, codes.FailedPrecondition, "NOT_IN_NOTICE")
	text, err := h.honors().RevealHonorObjection(h.staff(), &pb.RevealHonorObjectionRequest{Id: objections[0].GetId(), Reason: "核实"})
	if err != nil || text.GetText() != "那天他不在" {
		t.Fatal(text, err)
	}
	if list, err := h.honors().ListHonorObjections(h.staff(), &pb.ListHonorObjectionsRequest{HonorId: ids[0]}); err != nil || len(list.GetObjections()) != 1 {
		t.Errorf("objections: %v, %v", list, err)
	}
	for i, upheld := range []bool{false, true} {
		answer := func(ctx context.Context) error {
			_, err := h.honors().AnswerHonorObjection(ctx, &pb.AnswerHonorObjectionRequest{Id: objections[i].GetId(), Upheld: upheld, Answer: "已核实"})
			return err
		}
		refused(t, "by who objected", answer(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "r1", community)), codes.PermissionDenied, "OWN_OBJECTION")
		if err := answer(h.staff()); err != nil {
			t.Fatal(err)
		}
		refused(t, "answered twice", answer(h.staff()), codes.FailedPrecondition, "OBJECTION_ANSWERED")
	}
	h.awaitHonor(t, board, ids[0], pb.HonorState_HONOR_STATE_ON_THE_BOARD)
	h.awaitHonor(t, board, ids[1], pb.HonorState_HONOR_STATE_TAKEN_OFF)
	mine, err := h.honors().ListMyHonorObjections(h.resident("r1"), &pb.ListMyHonorObjectionsRequest{})
	if err != nil || len(mine.GetObjections()) != 2 || mine.GetObjections()[0].GetAnswer() != "已核实" {
		t.Errorf("who objected reads %v, %v", mine, err)
	}
	if events := string(h.Events("evaluation")); strings.Contains(events, "那天") || strings.Contains(events, "核实") {
		t.Error("an event holds a text")
	}
}

func TestHonor_TrustComesFromResidents(t *testing.T) {
	h := withMembers(t)
	board := h.board(t, pb.BoardKind_BOARD_KIND_SERVICE)
	trust := func(ctx context.Context, day string) error {
		_, err := h.honors().RecordTrust(ctx, &pb.RecordTrustRequest{
			CommunityId: "C1", MemberId: "m3", Kind: pb.TrustKind_TRUST_KIND_SATISFIED_RATING, SourceId: "req_9", Day: day})
		return err
	}
	refused(t, "of oneself", trust(h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "m3", community), "2013-08-01"), codes.PermissionDenied, "CONFIRMS_SELF")
	refused(t, "of tomorrow", trust(h.staff(), "2013-09-03"), codes.InvalidArgument, "DAY_IN_FUTURE")
	if err := trust(h.staff(), "2012-09-02"); err != nil { // too long ago to count
		t.Fatal(err)
	}
	refused(t, "twice", trust(h.staff(), "2013-08-01"), codes.AlreadyExists, "ENTRY_EXISTS")
	for i := range 3 {
		s := service("2013-08-30", 60+i)
		s.ServedResident = true
		reply, err := h.ledger().ProposeMyEntry(h.as(typev1.Role_ROLE_MEMBER, "m3", w2), &pb.ProposeMyEntryRequest{Service: s})
		if err != nil {
			t.Fatal(err)
		}
		id := reply.GetEntry().GetId()
		if i > 0 { // one could not be reached: that is no yes
			if _, err := h.answer(h.resident("r1"), h.code(t, id), true); err != nil {
				t.Fatal(err)
			}
		} else if _, err := h.ledger().RecordResidentWord(h.staff(), &pb.RecordResidentWordRequest{
			Id: id, Word: pb.ResidentWord_RESIDENT_WORD_NOT_REACHABLE, Note: "已搬走"}); err != nil {
			t.Fatal(err)
		}
		h.confirm(t, id)
	}
	h.Announce("requests", store.Event{Name: "request.resolved", EntityID: "req_p", Revision: 3, Data: &requestsv1.RequestChanged{
		Id: "req_p", Revision: 3, CommunityPath: community, Kind: requestsv1.RequestKind_REQUEST_KIND_PRAISE, MemberId: "m3", Day: "2013-09-01"}})
	h.Drain()
	o, err := h.name(board, "m3")
	if e := o.GetEvidence(); err != nil || e.GetTimes() != 3 || e.GetConfirmations() != 2 || e.GetPraises() != 1 || e.GetRatings() != 0 {
		t.Errorf("%v, %v", o, err)
	}
	if got := h.years(t, "m3"); got != "2013:3/6/12" {
		t.Errorf("a praise was counted as a service: %s", got)
	}
}

// TestHonor_RandomCommandsShowNobodyWithoutConsent carries out random commands
// and looks at the public page after each: who is on it has said yes, was in
// public notice, and has not taken it back.
func TestHonor_RandomCommandsShowNobodyWithoutConsent(t *testing.T) {
	h := withMembers(t)
	board, random := h.board(t, pb.BoardKind_BOARD_KIND_SERVICE), rand.New(rand.NewPCG(4, 2))
	members := []string{"m1", "m2", "m3"}
	yes, noticed, open := map[string]bool{}, map[string]bool{}, map[string]string{}
	for i, m := range members {
		h.stoodOut(t, m, 10*i)
		h.praise(t, m, "letter")
	}
	for step := range 150 {
		m := members[random.IntN(3)]
		id := open[m]
		switch random.IntN(6) {
		case 0:
			if o, err := h.name(board, m); err == nil {
				open[m], yes[m], noticed[m] = o.GetId(), false, false
			} else if id == "" {
				t.Fatalf("step %d: %v", step, err)
			}
		case 1:
			consent := random.IntN(3) > 0
			if h.consent(m, id, consent) == nil {
				yes[m] = consent
				if !consent {
					open[m] = ""
				}
			}
		case 2:
			if _, err := h.notice(id); err == nil {
				noticed[m] = true
				if !yes[m] {
					t.Fatalf("step %d: notice without consent", step)
				}
			}
		case 3:
			if _, err := h.honors().WithdrawHonor(h.asMember(m), &pb.WithdrawHonorRequest{Id: id}); err == nil {
				open[m], yes[m] = "", false
			}
		default:
			h.Civil.Advance(h.Civil.Now().Add(12 * time.Hour))
		}
		for _, notice := range []bool{true, false} {
			for _, name := range strings.Fields(h.shown(t, board, notice)) {
				if who := strings.TrimPrefix(name, "名"); !yes[who] || !noticed[who] || open[who] == "" {
					t.Fatalf("step %d: %s is public", step, who)
				}
			}
		}
	}
}
