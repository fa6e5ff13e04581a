package requests_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/testkit"
	"github.com/linli-project/linli/services/requests"
)

// A made-up district: communities C1 and C2 of one street, workplace W1, and
// member m1 who has reported in to C1, m2 to C2.
const (
	c1 = "/1/11/111/C1/"
	c2 = "/1/11/111/C2/"
)

type house struct {
	*testkit.House
	client pb.RequestsServiceClient
}

func newHouse(t *testing.T, db kv.DB) house {
	t.Helper()
	h := testkit.New(t)
	st := h.StoreOn("requests", db)
	h.Store("registry")
	s, err := requests.New(requests.Deps{Store: st, IDs: ids.New, Log: h.Logger(), Blobs: folderOfFiles(t)})
	if err != nil {
		t.Fatal(err)
	}
	h.Start(s)
	organization := func(path string, kind registryv1.OrganizationKind) store.Event {
		id := scope.Path(path).ID()
		return store.Event{Name: "organization.registered", EntityID: id, Revision: 1,
			Data: &registryv1.OrganizationChanged{Id: id, Kind: kind, Path: path, Displayed: true, Revision: 1}}
	}
	reported := func(member, community string) store.Event {
		return store.Event{Name: "report_in.accepted", EntityID: "r" + member, Revision: 2, Data: &registryv1.ReportInsChanged{
			ReportIns: []*registryv1.ReportInStateChange{{Id: "r" + member, Revision: 2, MemberId: member, HomePath: "/1/11/W1/",
				CommunityPath: community, State: registryv1.ReportInState_REPORT_IN_STATE_ACCEPTED}}}}
	}
	h.Announce("registry",
		organization("/1/", registryv1.OrganizationKind_ORGANIZATION_KIND_CITY),
		organization("/1/11/", registryv1.OrganizationKind_ORGANIZATION_KIND_DISTRICT),
		organization(c1, registryv1.OrganizationKind_ORGANIZATION_KIND_COMMUNITY),
		organization(c2, registryv1.OrganizationKind_ORGANIZATION_KIND_COMMUNITY),
		organization("/1/11/W1/", registryv1.OrganizationKind_ORGANIZATION_KIND_WORKPLACE),
		reported("m1", c1), reported("m2", c2))
	h.Drain()
	return house{h, pb.NewRequestsServiceClient(h.Conn())}
}

func inMemory() kv.DB { return kvtest.Rerun(kv.New(memkv.New(), kv.Options{})) }

func (h house) as(role typev1.Role, person, path string) context.Context {
	return h.As(person, access.Grant{Role: role, Path: scope.Path(path)})
}

func (h house) resident(person string) context.Context {
	return h.as(typev1.Role_ROLE_RESIDENT, person, c1)
}

func (h house) staff() context.Context { return h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "staff", c1) }

func (h house) member(id string) context.Context {
	return h.as(typev1.Role_ROLE_MEMBER, id, "/1/11/W1/")
}

func problem() *pb.PostRequestRequest {
	return &pb.PostRequestRequest{
		CommunityId: "C1", Kind: pb.RequestKind_REQUEST_KIND_PROBLEM, Category: "设施维修",
		Visibility: pb.Visibility_VISIBILITY_PUBLIC, Text: "15栋楼下的石板松了", Building: "15栋",
	}
}

func (h house) post(ctx context.Context, t *testing.T, in *pb.PostRequestRequest) *pb.Request {
	t.Helper()
	reply, err := h.client.PostRequest(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetRequest()
}

func refused(t *testing.T, what string, err error, code codes.Code, reason string) {
	t.Helper()
	if status.Code(err) != code || rpc.Reason(err) != reason {
		t.Errorf("%s: %v with %q, want %v with %q (%v)", what, status.Code(err), rpc.Reason(err), code, reason, err)
	}
}

// walk takes a new request the whole way with a member and answers its last state.
func (h house) walk(t *testing.T) *pb.Request {
	t.Helper()
	id := h.post(h.resident("r1"), t, problem()).GetId()
	steps := []func() (*pb.Request, error){
		func() (*pb.Request, error) {
			r, err := h.client.AdmitRequest(h.staff(), &pb.AdmitRequestRequest{Id: id, Etag: "1"})
			return r.GetRequest(), err
		},
		func() (*pb.Request, error) {
			r, err := h.client.DispatchRequest(h.staff(), &pb.DispatchRequestRequest{Id: id, MemberId: "m1"})
			return r.GetRequest(), err
		},
		func() (*pb.Request, error) {
			r, err := h.client.TakeOnRequest(h.member("m1"), &pb.TakeOnRequestRequest{Id: id})
			return r.GetRequest(), err
		},
		func() (*pb.Request, error) {
			r, err := h.client.ResolveRequest(h.member("m1"), &pb.ResolveRequestRequest{Id: id, Answer: "换了石板", QuarterHours: 6})
			return r.GetRequest(), err
		},
		func() (*pb.Request, error) {
			r, err := h.client.RateRequest(h.resident("r1"), &pb.RateRequestRequest{Id: id, Rating: 5, Solved: true})
			return r.GetRequest(), err
		},
		func() (*pb.Request, error) {
			r, err := h.client.CloseRequest(h.staff(), &pb.CloseRequestRequest{Id: id})
			return r.GetRequest(), err
		},
	}
	var last *pb.Request
	for i, step := range steps {
		var err error
		if last, err = step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if want := fmt.Sprint(i + 2); last.GetEtag() != want {
			t.Errorf("step %d: etag %s, want %s", i, last.GetEtag(), want)
		}
	}
	return last
}

func TestRequest_TheWholeWay(t *testing.T) {
	for name, db := range map[string]func() kv.DB{
		"memory": inMemory,
		"bbolt": func() kv.DB {
			e, err := boltkv.Open(filepath.Join(t.TempDir(), "requests.db"), boltkv.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return kvtest.Rerun(kv.New(e, kv.Options{}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, db())
			got := h.walk(t)
			if got.GetState() != pb.RequestState_REQUEST_STATE_CLOSED || got.GetRating() != 5 || !got.GetSolved() ||
				got.GetMemberId() != "m1" || got.GetQuarterHours() != 6 || got.GetAuthor() != "r1" {
				t.Errorf("at the end: %v", got)
			}
			if !got.GetPostedAt().AsTime().Equal(testkit.Begin()) {
				t.Errorf("posted at %s by the civil clock of %s", got.GetPostedAt().AsTime(), testkit.Begin())
			}
			h.Drain()
			circle, err := h.client.GetCircle(h.resident("r9"), &pb.GetCircleRequest{OrganizationId: "11"})
			if err != nil {
				t.Fatal(err)
			}
			k := circle.GetCircle().GetKinds()
			if len(k) != 1 || k[0].GetPosted() != 1 || k[0].GetResolved() != 1 || k[0].GetClosed() != 1 || circle.GetCircle().GetAuthors() != 1 {
				t.Errorf("figures: %v", circle)
			}
		})
	}
}

func TestSteps_Refusals(t *testing.T) {
	h := newHouse(t, inMemory())
	id := h.post(h.resident("r1"), t, problem()).GetId()
	admit := func(ctx context.Context, etag string) error {
		_, err := h.client.AdmitRequest(ctx, &pb.AdmitRequestRequest{Id: id, Etag: etag})
		return err
	}
	other := h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "staff2", c2)
	refused(t, "another community's staff", admit(other, ""), codes.NotFound, "NOT_FOUND")
	refused(t, "a resident", admit(h.resident("r1"), ""), codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	refused(t, "a stale etag", admit(h.staff(), "7"), codes.Aborted, "STALE_ETAG")
	_, err := h.client.DispatchRequest(h.staff(), &pb.DispatchRequestRequest{Id: id, MemberId: "m1"})
	refused(t, "dispatched before it is admitted", err, codes.FailedPrecondition, "WRONG_STATE")
	if err := admit(h.staff(), "1"); err != nil {
		t.Fatal(err)
	}
	refused(t, "admitted twice", admit(h.staff(), ""), codes.FailedPrecondition, "WRONG_STATE")
	for _, m := range []string{"m2", "nobody"} {
		_, err := h.client.DispatchRequest(h.staff(), &pb.DispatchRequestRequest{Id: id, MemberId: m})
		refused(t, "dispatched to "+m, err, codes.FailedPrecondition, "MEMBER_NOT_IN_COMMUNITY")
	}
	if _, err := h.client.DispatchRequest(h.staff(), &pb.DispatchRequestRequest{Id: id, MemberId: "m1"}); err != nil {
		t.Fatal(err)
	}
	_, err = h.client.TakeOnRequest(h.member("m2"), &pb.TakeOnRequestRequest{Id: id})
	refused(t, "taken on by another member", err, codes.NotFound, "NOT_FOUND")
	both := h.As("r1", access.Grant{Role: typev1.Role_ROLE_MEMBER, Path: "/1/11/W1/"})
	_, err = h.client.TakeOnRequest(both, &pb.TakeOnRequestRequest{Id: id})
	refused(t, "taken on by the author", err, codes.PermissionDenied, "NOT_THE_DISPATCHED_MEMBER")
	if _, err := h.client.TakeOnRequest(h.member("m1"), &pb.TakeOnRequestRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	resolve := &pb.ResolveRequestRequest{Id: id, Answer: "好了", QuarterHours: 4}
	_, err = h.client.ResolveRequest(both, resolve)
	refused(t, "resolved by the author", err, codes.PermissionDenied, "NOT_THE_DISPATCHED_MEMBER")
	if _, err := h.client.ResolveRequest(h.member("m1"), resolve); err != nil {
		t.Fatal(err)
	}
	rate := &pb.RateRequestRequest{Id: id, Rating: 5, Solved: true}
	_, err = h.client.RateRequest(h.member("m1"), rate)
	refused(t, "rated by the helper", err, codes.PermissionDenied, "NOT_THE_AUTHOR")
	_, err = h.client.RateRequest(h.resident("r2"), rate)
	refused(t, "rated by somebody else", err, codes.NotFound, "NOT_FOUND")
}

func TestPost_Refusals(t *testing.T) {
	h := newHouse(t, inMemory())
	for name, c := range map[string]struct {
		change func(*pb.PostRequestRequest)
		code   codes.Code
		reason string
	}{
		"unknown community":      {func(r *pb.PostRequestRequest) { r.CommunityId = "C9" }, codes.NotFound, "UNKNOWN_ORGANIZATION"},
		"a workplace":            {func(r *pb.PostRequestRequest) { r.CommunityId = "W1" }, codes.InvalidArgument, "NOT_A_COMMUNITY"},
		"no text":                {func(r *pb.PostRequestRequest) { r.Text = "" }, codes.InvalidArgument, "INVALID_FIELD"},
		"too long":               {func(r *pb.PostRequestRequest) { r.Text = strings.Repeat("长", 2001) }, codes.InvalidArgument, "INVALID_FIELD"},
		"no kind":                {func(r *pb.PostRequestRequest) { r.Kind = 0 }, codes.InvalidArgument, "INVALID_FIELD"},
		"unknown kind":           {func(r *pb.PostRequestRequest) { r.Kind = 99 }, codes.InvalidArgument, "INVALID_FIELD"},
		"public hardship":        {func(r *pb.PostRequestRequest) { r.Kind = pb.RequestKind_REQUEST_KIND_HARDSHIP }, codes.InvalidArgument, "MUST_BE_STAFF_ONLY"},
		"public for a neighbour": {func(r *pb.PostRequestRequest) { r.OnBehalfOf = true }, codes.InvalidArgument, "MUST_BE_STAFF_ONLY"},
	} {
		in := problem()
		c.change(in)
		_, err := h.client.PostRequest(h.resident("r1"), in)
		refused(t, name, err, c.code, c.reason)
	}
	mine, err := h.client.ListMyRequests(h.resident("r1"), &pb.ListMyRequestsRequest{})
	if err != nil || len(mine.GetRequests()) != 0 {
		t.Errorf("a refused posting left something: %v, %v", mine, err)
	}
}

func TestPost_RepeatedWithItsKeyIsOneRequest(t *testing.T) {
	h := newHouse(t, inMemory())
	ctx := testkit.Keyed(h.resident("r1"), "form-1")
	first := h.post(ctx, t, problem())
	if again := h.post(ctx, t, problem()); again.GetId() != first.GetId() {
		t.Errorf("%s and %s", first.GetId(), again.GetId())
	}
	other := problem()
	other.Text = "别的事"
	_, err := h.client.PostRequest(ctx, other)
	refused(t, "another payload", err, codes.InvalidArgument, "IDEMPOTENCY_KEY_REUSED")
	list, err := h.client.ListRequests(h.staff(), &pb.ListRequestsRequest{CommunityId: "C1"})
	if err != nil || len(list.GetRequests()) != 1 {
		t.Errorf("%d requests, %v", len(list.GetRequests()), err)
	}
}

func TestLists_PagesStatesAndScopes(t *testing.T) {
	h := newHouse(t, inMemory())
	for i := range 5 {
		in := problem()
		in.Text = fmt.Sprintf("第%d件", i)
		h.post(h.resident("r1"), t, in)
		h.Civil.Advance(testkit.Begin().AddDate(0, 0, i+1))
	}
	var texts []string
	token := ""
	for range 3 {
		page, err := h.client.ListRequests(h.staff(), &pb.ListRequestsRequest{CommunityId: "C1", PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.GetRequests() {
			texts = append(texts, r.GetExcerpt())
		}
		token = page.GetNextPageToken()
	}
	if got := strings.Join(texts, " "); got != "第4件 第3件 第2件 第1件 第0件" || token != "" {
		t.Errorf("the newest first: %s, token %q", got, token)
	}
	page, err := h.client.ListRequests(h.staff(), &pb.ListRequestsRequest{CommunityId: "C1", PageSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.client.ListRequests(h.staff(), &pb.ListRequestsRequest{
		CommunityId: "C1", State: pb.RequestState_REQUEST_STATE_POSTED, PageToken: page.GetNextPageToken()})
	refused(t, "the token of another filter", err, codes.InvalidArgument, "BAD_PAGE_TOKEN")
	_, err = h.client.ListRequests(h.staff(), &pb.ListRequestsRequest{CommunityId: "C1", PageSize: 201})
	refused(t, "a page too large", err, codes.InvalidArgument, "INVALID_FIELD")
	for _, id := range []string{"C2", "C9"} {
		_, err := h.client.ListRequests(h.staff(), &pb.ListRequestsRequest{CommunityId: id})
		refused(t, "the list of "+id, err, codes.NotFound, "UNKNOWN_ORGANIZATION")
	}
	admitted, err := h.client.ListRequests(h.staff(), &pb.ListRequestsRequest{CommunityId: "C1", State: pb.RequestState_REQUEST_STATE_ADMITTED})
	if err != nil || len(admitted.GetRequests()) != 0 {
		t.Errorf("admitted: %v, %v", admitted, err)
	}
	district := h.as(typev1.Role_ROLE_DISTRICT_OFFICER, "d", "/1/11/")
	if all, err := h.client.ListRequests(district, &pb.ListRequestsRequest{CommunityId: "C1"}); err != nil || len(all.GetRequests()) != 5 {
		t.Errorf("the district sees %d, %v", len(all.GetRequests()), err)
	}
}

const hardshipText = "邻居患病,每年自付数万元,身份证430198197207155484"

func TestHardship_IsSealedAndReadWithAReason(t *testing.T) {
	engine := memkv.New()
	h := newHouse(t, kvtest.Rerun(kv.New(engine, kv.Options{})))
	in := problem()
	in.Kind, in.OnBehalfOf = pb.RequestKind_REQUEST_KIND_HARDSHIP, true
	in.Visibility, in.Text = pb.Visibility_VISIBILITY_STAFF_ONLY, hardshipText
	ctx := testkit.Keyed(h.resident("r1"), "hardship")
	posted := h.post(ctx, t, in)
	if posted.GetText() != "" || !posted.GetTextSealed() {
		t.Errorf("the answer shows the text: %v", posted)
	}
	got, err := h.client.GetRequest(h.staff(), &pb.GetRequestRequest{Id: posted.GetId()})
	if err != nil || got.GetRequest().GetText() != "" {
		t.Errorf("get shows the text: %v, %v", got, err)
	}
	reveal := func(ctx context.Context, reason string) (string, error) {
		r, err := h.client.RevealRequestText(ctx, &pb.RevealRequestTextRequest{Id: posted.GetId(), Reason: reason})
		return r.GetText(), err
	}
	_, err = reveal(h.staff(), "")
	refused(t, "without a reason", err, codes.InvalidArgument, "INVALID_FIELD")
	_, err = reveal(h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "s", c2), "好奇")
	refused(t, "another community", err, codes.NotFound, "NOT_FOUND")
	if text, err := reveal(h.staff(), "上门核实"); err != nil || text != hardshipText {
		t.Errorf("revealed %q, %v", text, err)
	}
	audit := h.audit(t)
	last := audit[len(audit)-1]
	if last.GetOutcome() != "revealed" || last.GetReason() != "上门核实" || last.GetPerson() != "staff" || last.GetRows()[0] != posted.GetId() {
		t.Errorf("the trace: %v", last)
	}
	plain := h.post(h.resident("r1"), t, problem())
	_, err = h.client.RevealRequestText(h.staff(), &pb.RevealRequestTextRequest{Id: plain.GetId(), Reason: "上门核实"})
	refused(t, "nothing sealed", err, codes.FailedPrecondition, "NOTHING_SEALED")

	h.Drain()
	var dump bytes.Buffer
	if err := engine.Backup(t.Context(), &dump); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"430198197207155484", "邻居患病"} {
		for place, hay := range map[string]string{"the store": dump.String(), "the log": h.Log.String(), "an event": string(h.Events("requests"))} {
			if strings.Contains(hay, secret) || strings.Contains(hay, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s holds %q in plain", place, secret)
			}
		}
	}
}

func (h house) audit(t *testing.T) (rows []*typev1.AuditRow) {
	t.Helper()
	err := h.Store("requests").View(t.Context(), func(r kv.Reader) (err error) {
		rows, err = store.AuditRows(r, 100)
		return errors.Join(err, h.Store("requests").OpenReasons(r, rows))
	})
	if err != nil || len(rows) == 0 {
		t.Fatal(len(rows), err)
	}
	return rows
}
