package evaluation_test

import (
	"encoding/csv"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/testkit"
)

func TestLedger_AResolvedRequestIsProposedOnceAndConfirmed(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	h.member("m1", w1, true)
	h.resolved("req_1", "m1", "2013-09-03", 6)
	h.resolved("req_2", "", "2013-09-03", 0) // the office saw to it
	h.Drain()
	proposed := h.entries(t, pb.EntryState_ENTRY_STATE_PROPOSED)
	if len(proposed) != 1 || proposed[0].GetId() != "ent_1" || proposed[0].GetTimes() != 1 || proposed[0].GetCases() != 1 ||
		proposed[0].GetQuarterHours() != 6 || proposed[0].GetDay() != "2013-09-03" || proposed[0].GetCommunityId() != "C1" {
		t.Fatalf("proposed: %v", proposed)
	}
	got, err := h.client.ConfirmEntry(h.staff(), &pb.ConfirmEntryRequest{Id: "ent_1", Etag: "1"})
	if err != nil || got.GetEntry().GetConfirmedBy() != "staff" || got.GetEntry().GetState() != pb.EntryState_ENTRY_STATE_CONFIRMED {
		t.Fatal(got, err)
	}
	_, err = h.client.ConfirmEntry(h.staff(), &pb.ConfirmEntryRequest{Id: "ent_1"})
	refused(t, "confirmed twice", err, codes.FailedPrecondition, "WRONG_STATE")
	mine, err := h.client.ListMyEntries(h.as(typev1.Role_ROLE_MEMBER, "m1", w1), &pb.ListMyEntriesRequest{})
	if err != nil || len(mine.GetEntries()) != 1 {
		t.Errorf("the member sees %v, %v", mine, err)
	}
	own, err := h.client.GetEntry(h.as(typev1.Role_ROLE_MEMBER, "m1", w1), &pb.GetEntryRequest{Id: "ent_1"})
	if err != nil || own.GetEntry().GetEtag() != "2" {
		t.Errorf("the member reads %v, %v", own, err)
	}
}

func TestConfirmEntry_Refusals(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	h.member("m1", w1, true)
	h.resolved("req_1", "m1", "2013-09-03", 6)
	h.Drain()
	staffGrant := access.Grant{Role: typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, Path: community}
	confirm := func(person, etag string, grants ...access.Grant) error {
		_, err := h.client.ConfirmEntry(h.As(person, grants...), &pb.ConfirmEntryRequest{Id: "ent_1", Etag: etag})
		return err
	}
	refused(t, "by the member", confirm("m1", "", staffGrant), codes.PermissionDenied, "CONFIRMS_SELF")
	refused(t, "by the own unit", confirm("x", "", staffGrant, access.Grant{Role: typev1.Role_ROLE_MEMBER, Path: w1}),
		codes.PermissionDenied, "CONFIRMS_OWN_UNIT")
	refused(t, "with a stale etag", confirm("x", "9", staffGrant), codes.Aborted, "STALE_ETAG")
	refused(t, "by another community", confirm("x", "", access.Grant{Role: typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, Path: "/1/11/111/C2/"}),
		codes.NotFound, "NOT_FOUND")
	refused(t, "by a workplace", confirm("x", "", access.Grant{Role: typev1.Role_ROLE_WORKPLACE_OFFICER, Path: w2}),
		codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	_, err := h.client.GetEntry(h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "x", w1), &pb.GetEntryRequest{Id: "ent_1"})
	refused(t, "read by a workplace", err, codes.NotFound, "NOT_FOUND")
	if got := h.entries(t, pb.EntryState_ENTRY_STATE_CONFIRMED); len(got) != 0 {
		t.Errorf("a refused confirmation confirmed: %v", got)
	}
}

// year is a small district with services in and out of the year.
func (h house) year(t *testing.T) *pb.Cycle {
	t.Helper()
	h.member("m1", w1, true)
	h.member("m2", w1, false)
	h.member("m3", w2, true)
	h.member("x1", external, true)
	h.member("x2", external, false) // never came here
	h.resolved("req_1", "m1", "2013-09-03", 6)
	h.resolved("req_2", "m1", "2013-12-31", 2)
	h.resolved("req_3", "m1", "2012-12-31", 8) // another year
	h.resolved("req_4", "m1", "2014-01-01", 8) // another year
	h.resolved("req_5", "x1", "2013-01-01", 4)
	h.confirmAll(t)
	h.resolved("req_6", "m3", "2013-10-01", 4) // nobody confirms it
	h.Drain()
	return h.cycle(t)
}

func TestCycle_SumsTheYearIntoLetters(t *testing.T) {
	for name, db := range map[string]func() kv.DB{
		"memory": inMemory,
		"bbolt": func() kv.DB {
			e, err := boltkv.Open(filepath.Join(t.TempDir(), "evaluation.db"), boltkv.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return kvtest.Rerun(kv.New(e, kv.Options{}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, db(), names{})
			c := h.year(t)
			if c.GetMembers() != 4 || c.GetLetters() != 3 || c.GetMembersWithService() != 2 || c.GetTimes() != 3 || c.GetQuarterHours() != 12 {
				t.Fatalf("cycle: %v", c)
			}
			letters := h.letters(t, c.GetId())
			if got := slices.Sorted(maps.Keys(letters)); !slices.Equal(got, []string{"W1", "W2", "X1"}) {
				t.Fatalf("letters to %v", got)
			}
			home := h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "o", w1)
			_, err := h.client.GetLetter(home, &pb.GetLetterRequest{Id: letters["W1"].GetId()})
			refused(t, "a letter before it is issued", err, codes.NotFound, "NOT_FOUND")
			h.closed(t, c.GetId())
			reply, err := h.client.GetLetter(home, &pb.GetLetterRequest{Id: letters["W1"].GetId()})
			if err != nil {
				t.Fatal(err)
			}
			want := []*pb.LetterLine{
				{MemberId: "m1", CommunityId: "C1", Times: 2, Cases: 2, QuarterHours: 8, Opinion: pb.Opinion_OPINION_FAIR},
				{MemberId: "m2"},
			}
			if got := reply.GetLetter(); got.GetMembers() != 2 || got.GetMembersWithService() != 1 || got.GetQuarterHours() != 8 || !sameLines(got.GetLines(), want) {
				t.Errorf("letter to W1: %v", got)
			}
		})
	}
}

func sameLines(got, want []*pb.LetterLine) bool {
	return slices.EqualFunc(got, want, func(a, b *pb.LetterLine) bool { return proto.Equal(a, b) })
}

func TestLetter_IsReadByItsHomeAndTheDistrictOnly(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	c := h.year(t)
	id := h.letters(t, c.GetId())["W1"].GetId()
	_, err := h.client.GetLetter(h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "o", w2), &pb.GetLetterRequest{Id: id})
	refused(t, "another workplace", err, codes.NotFound, "NOT_FOUND")
	_, err = h.client.RenderLetter(h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "o", w2), &pb.RenderLetterRequest{Id: id})
	refused(t, "rendered for another workplace", err, codes.NotFound, "NOT_FOUND")
	_, err = h.client.GetLetter(h.staff(), &pb.GetLetterRequest{Id: id})
	refused(t, "the community", err, codes.NotFound, "NOT_FOUND")
	_, err = h.client.ListLetters(h.as(typev1.Role_ROLE_DISTRICT_OFFICER, "o", "/1/12/"), &pb.ListLettersRequest{CycleId: c.GetId()})
	refused(t, "another district", err, codes.NotFound, "NOT_FOUND")
	page, err := h.client.GetLetter(h.officer(), &pb.GetLetterRequest{Id: id, PageSize: 1})
	if err != nil || len(page.GetLetter().GetLines()) != 1 || page.GetLetter().GetNextPageToken() == "" {
		t.Fatalf("a page of a letter: %v, %v", page, err)
	}
	rest, err := h.client.GetLetter(h.officer(), &pb.GetLetterRequest{Id: id, PageSize: 1, PageToken: page.GetLetter().GetNextPageToken()})
	if err != nil || len(rest.GetLetter().GetLines()) != 1 || rest.GetLetter().GetNextPageToken() != "" {
		t.Errorf("the rest: %v, %v", rest, err)
	}
	other := h.letters(t, c.GetId())["W2"].GetId()
	_, err = h.client.GetLetter(h.officer(), &pb.GetLetterRequest{Id: other, PageSize: 1, PageToken: page.GetLetter().GetNextPageToken()})
	refused(t, "the token of another letter", err, codes.InvalidArgument, "BAD_PAGE_TOKEN")
}

func TestRenderLetter_PutsNamesInAndKeepsFormulasOut(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	letters := h.letters(t, h.year(t).GetId())
	render := func(home string) [][]string {
		reply, err := h.client.RenderLetter(h.officer(), &pb.RenderLetterRequest{Id: letters[home].GetId()})
		if err != nil {
			t.Fatal(err)
		}
		text := string(reply.GetContent())
		if !strings.HasPrefix(text, "\uFEFF") || reply.GetFileName() != "2013-"+home+".csv" {
			t.Errorf("file %s begins with %q", reply.GetFileName(), text[:3])
		}
		r := csv.NewReader(strings.NewReader(text))
		r.FieldsPerRecord = -1
		rows, err := r.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	w := render("W1")
	if got := fmt.Sprint(w[4:]); got != "[[姓名 报到社区 服务次数 服务件数 服务小时 社区意见 说明 备注] ['=王一 组织C1 2 2 2 一般  ] [李二  0 0 0   ]]" {
		t.Errorf("W1: %s", got)
	}
	// The district may not list an external organization; it sees who came here.
	if x := render("X1"); x[5][0] != "名x1" {
		t.Errorf("X1: %v", x[5])
	}
}

func TestRenderLetter_LeavesOutWhatTheReaderMayNotSee(t *testing.T) {
	h := newHouse(t, inMemory(), names{hidden: true})
	letters := h.letters(t, h.year(t).GetId())
	reply, err := h.client.RenderLetter(h.officer(), &pb.RenderLetterRequest{Id: letters["W1"].GetId()})
	if err != nil || strings.Contains(string(reply.GetContent()), "王一") {
		t.Errorf("%s, %v", reply.GetContent(), err)
	}
}

func TestOpenCycle_OnceAYear(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	h.Drain()
	open := &pb.OpenCycleRequest{DistrictId: "11", Year: 2013}
	ctx := testkit.Keyed(h.officer(), "cycle")
	first, err := h.client.OpenCycle(ctx, open)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := h.client.OpenCycle(ctx, open); err != nil || again.GetCycle().GetId() != first.GetCycle().GetId() {
		t.Errorf("repeated: %v, %v", again, err)
	}
	_, err = h.client.OpenCycle(h.officer(), open)
	refused(t, "a second cycle", err, codes.AlreadyExists, "CYCLE_EXISTS")
	_, err = h.client.OpenCycle(h.officer(), &pb.OpenCycleRequest{DistrictId: "12", Year: 2013})
	refused(t, "an unknown district", err, codes.NotFound, "UNKNOWN_ORGANIZATION")
	h.await(t, first.GetCycle().GetId(), pb.CycleState_CYCLE_STATE_OPEN)
	if _, err := h.client.ComputeCycle(h.officer(), &pb.ComputeCycleRequest{Id: first.GetCycle().GetId()}); err != nil {
		t.Fatal(err)
	}
	h.await(t, first.GetCycle().GetId(), pb.CycleState_CYCLE_STATE_COMPUTED)
	_, err = h.client.ComputeCycle(h.officer(), &pb.ComputeCycleRequest{Id: first.GetCycle().GetId()})
	refused(t, "computed twice", err, codes.FailedPrecondition, "WRONG_STATE")
}

// TestCycle_LettersAcrossSlices has home organizations that do not end where a
// slice of the work ends.
func TestCycle_LettersAcrossSlices(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	h.big("a", w1, 420)
	h.big("b", w2, 5)
	h.Drain()
	c := h.cycle(t)
	letters := h.letters(t, c.GetId())
	if c.GetMembers() != 425 || c.GetLetters() != 2 || letters["W1"].GetMembers() != 420 || letters["W2"].GetMembers() != 5 {
		t.Errorf("%v %v", c, letters)
	}
}
