package requests_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/testkit"
)

func (h house) streetOffice() context.Context {
	return h.as(typev1.Role_ROLE_STREET_OFFICER, "street", "/1/11/111/")
}

func (h house) districtOffice() context.Context {
	return h.as(typev1.Role_ROLE_DISTRICT_OFFICER, "district", "/1/11/")
}

func (h house) otherStaff() context.Context {
	return h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "staff2", c2)
}

// ok answers what a call answered and ends the test where it failed.
func ok[R any](t *testing.T) func(R, error) R {
	t.Helper()
	return func(r R, err error) R {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

func (h house) admitted(t *testing.T, in *pb.PostRequestRequest) *pb.Request {
	t.Helper()
	r := h.post(h.resident("r1"), t, in)
	return ok[*pb.AdmitRequestResponse](t)(h.client.AdmitRequest(h.staff(), &pb.AdmitRequestRequest{Id: r.GetId()})).GetRequest()
}

// dumpHouse is a house whose every byte a test can read.
func dumpHouse(t *testing.T) (house, func() map[string]string) {
	t.Helper()
	engine := memkv.New()
	h := newHouse(t, kvtest.Rerun(kv.New(engine, kv.Options{})))
	return h, func() map[string]string {
		h.Drain()
		var dump bytes.Buffer
		if err := engine.Backup(t.Context(), &dump); err != nil {
			t.Fatal(err)
		}
		return map[string]string{"the store": dump.String(), "the log": h.Log.String(), "an event": string(h.Events("requests"))}
	}
}

func notIn(t *testing.T, places map[string]string, secrets ...string) {
	t.Helper()
	for place, hay := range places {
		for _, secret := range secrets {
			if strings.Contains(hay, secret) || strings.Contains(hay, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s holds %q", place, secret)
			}
		}
	}
}

// Emergencies, where accusations go, the register and the limits are shown
// before anything is typed, without an account.
func TestForm_BeforeAnythingIsTyped(t *testing.T) {
	h := newHouse(t, inMemory())
	ok[*pb.SetDutyResponse](t)(h.circle().SetDuty(h.districtOffice(), &pb.SetDutyRequest{
		DistrictId: "11", Category: "停车秩序", Owner: pb.Owner_OWNER_DEPARTMENT, OwnerName: "区交警大队", LimitDays: 5, Basis: "职责清单第12条"}))
	form := ok[*pb.GetFormResponse](t)(h.circle().GetForm(t.Context(), &pb.GetFormRequest{CommunityId: "C1"})).GetForm()
	numbers := func(all []*pb.PublicNumber) (out []string) {
		for _, n := range all {
			if n.GetWhat() == "" || strings.Contains(n.GetWhat(), "_") {
				t.Errorf("%s has no text: %q", n.GetNumber(), n.GetWhat())
			}
			out = append(out, n.GetNumber())
		}
		return out
	}
	if e, a := numbers(form.GetEmergencies()), numbers(form.GetAllegations()); !slices.Equal(e, []string{"110", "119", "120"}) ||
		!slices.Equal(a, []string{"12388", "12345", "110"}) {
		t.Errorf("emergencies %v, allegations %v", e, a)
	}
	if d := form.GetDuties(); len(d) != 1 || d[0].GetOwnerName() != "区交警大队" || d[0].GetLimitDays() != 5 {
		t.Errorf("duties %v", d)
	}
	if l := form.GetLimits(); l.GetAdmit() != 1 || l.GetInquiry() != 3 || l.GetProblem() != 10 || l.GetHardshipVisit() != 1 {
		t.Errorf("limits %v", l)
	}
	_, err := h.circle().GetForm(t.Context(), &pb.GetFormRequest{CommunityId: "C9"})
	refused(t, "an unknown community", err, codes.NotFound, "UNKNOWN_ORGANIZATION")
}

// An accusation is refused with where to turn, wherever it is typed, and
// nothing of it is stored.
func TestAllegation_IsRefusedAndNothingOfItIsKept(t *testing.T) {
	h, everything := dumpHouse(t)
	kept := h.admitted(t, problem()).GetId()
	const text = "举报居委会刘主任收好处"
	in := problem()
	in.Text = text
	_, post := h.client.PostRequest(testkit.Keyed(h.resident("r1"), "accusing"), in)
	_, preview := h.circle().PreviewRequest(h.resident("r1"), &pb.PreviewRequestRequest{
		CommunityId: "C1", Kind: in.GetKind(), Visibility: in.GetVisibility(), Text: text})
	_, message := h.handling().AddMessage(h.resident("r1"), &pb.AddMessageRequest{Id: kept, Text: text})
	ok[*pb.ResolveRequestResponse](t)(h.client.ResolveRequest(h.staff(), &pb.ResolveRequestRequest{Id: kept, Answer: "修好了"}))
	_, reopen := h.handling().ReopenRequest(h.resident("r1"), &pb.ReopenRequestRequest{Id: kept, Reason: text})
	for what, err := range map[string]error{"posted": post, "previewed": preview, "said": message, "reopened": reopen} {
		refused(t, what, err, codes.InvalidArgument, "ALLEGATION")
		if err == nil || !strings.Contains(err.Error(), "12388") || !strings.Contains(err.Error(), "12345") {
			t.Errorf("%s: %v does not say where to turn", what, err)
		}
	}
	notIn(t, everything(), text, "刘主任", "收好处")
}

func preview(text string) *pb.PreviewRequestRequest {
	return &pb.PreviewRequestRequest{
		CommunityId: "C1", Kind: pb.RequestKind_REQUEST_KIND_PROBLEM, Visibility: pb.Visibility_VISIBILITY_PUBLIC, Text: text, Building: "15栋"}
}

// The preview is what the public sees afterwards.
func TestPreview_IsWhatIsPublished(t *testing.T) {
	h := newHouse(t, inMemory())
	const text = "15栋3单元402漏水,请打138 1234 5678,湘A12345堵着"
	p := ok[*pb.PreviewRequestResponse](t)(h.circle().PreviewRequest(h.resident("r1"), preview(text))).GetPreview()
	var what []string
	for _, c := range p.GetCovered() {
		what = append(what, fmt.Sprint(c.GetWhat(), c.GetCount()))
	}
	if slices.Sort(what); !slices.Equal(what, []string{"phone1", "plate1", "room1"}) || len(p.GetEmergencyNumbers()) != 3 {
		t.Errorf("preview %v", p)
	}
	in := problem()
	in.Text = text
	h.post(h.resident("r1"), t, in)
	page := ok[*pb.BrowseRequestsResponse](t)(h.circle().BrowseRequests(h.resident("r2"), &pb.BrowseRequestsRequest{CommunityId: "C1"}))
	if len(page.GetRequests()) != 1 || page.GetRequests()[0].GetText() != p.GetPublicText() {
		t.Errorf("published %v, previewed %v", page, p)
	}
	household := ok[*pb.PreviewRequestResponse](t)(h.circle().PreviewRequest(h.resident("r1"), preview("5楼住户天天往下扔垃圾"))).GetPreview()
	if !household.GetMustBeStaffOnly() || household.GetPublicText() != "" || household.GetWhy() == "" {
		t.Errorf("a household: %v", household)
	}
	in.Text = "5楼住户天天往下扔垃圾"
	_, err := h.client.PostRequest(h.resident("r1"), in)
	refused(t, "a household in public", err, codes.InvalidArgument, "MUST_BE_STAFF_ONLY")
	_, err = h.circle().PreviewRequest(h.as(typev1.Role_ROLE_RESIDENT, "r9", c2), preview("灯坏了"))
	refused(t, "a resident of elsewhere", err, codes.NotFound, "UNKNOWN_ORGANIZATION")
}

// Similar are open public requests of the same community, those of the building
// first.
func TestSimilar_OpenPublicAndHere(t *testing.T) {
	h := newHouse(t, inMemory())
	of := func(change func(*pb.PostRequestRequest)) string {
		in := problem()
		change(in)
		return h.post(h.resident("r1"), t, in).GetId()
	}
	far := of(func(r *pb.PostRequestRequest) { r.Building, r.Text = "3栋", "楼下的石板松了" })
	near := of(func(r *pb.PostRequestRequest) { r.Text = "楼下的石板松了" })
	of(func(r *pb.PostRequestRequest) { r.Visibility = pb.Visibility_VISIBILITY_STAFF_ONLY })
	of(func(r *pb.PostRequestRequest) { r.Text = "广场舞太吵,晚上九点后还在跳" })
	declined := of(func(*pb.PostRequestRequest) {})
	ok[*pb.DeclineRequestResponse](t)(h.handling().DeclineRequest(h.staff(), &pb.DeclineRequestRequest{Id: declined, Reason: "重复"}))
	elsewhere := problem()
	elsewhere.CommunityId = "C2"
	h.post(h.as(typev1.Role_ROLE_RESIDENT, "r8", c2), t, elsewhere)
	similar := ok[*pb.PreviewRequestResponse](t)(h.circle().PreviewRequest(h.resident("r2"), preview("15栋楼下的石板松了"))).GetPreview().GetSimilar()
	var ids []string
	for _, s := range similar {
		ids = append(ids, s.GetId())
	}
	if !slices.Equal(ids, []string{near, far}) {
		t.Errorf("offered %v, want %v", similar, []string{near, far})
	}
}

// Who sees the author and the text, under each of the author's three choices.
func TestVisibility_WhoSeesWhat(t *testing.T) {
	h := newHouse(t, inMemory())
	for visibility, want := range map[pb.Visibility]struct {
		browsed, named, helperSees bool
	}{
		pb.Visibility_VISIBILITY_PUBLIC:              {true, true, true},
		pb.Visibility_VISIBILITY_PUBLIC_WITHOUT_NAME: {true, false, false},
		pb.Visibility_VISIBILITY_STAFF_ONLY:          {false, false, false},
	} {
		in := problem()
		in.Visibility = visibility
		id := h.admitted(t, in).GetId()
		ok[*pb.VerifyRequestResponse](t)(h.handling().VerifyRequest(h.staff(), &pb.VerifyRequestRequest{Id: id, Found: "石板松了三块"}))
		ok[*pb.DispatchRequestResponse](t)(h.client.DispatchRequest(h.staff(), &pb.DispatchRequestRequest{Id: id, MemberId: "m1"}))
		page := ok[*pb.BrowseRequestsResponse](t)(h.circle().BrowseRequests(h.resident("r2"), &pb.BrowseRequestsRequest{CommunityId: "C1"}))
		i := slices.IndexFunc(page.GetRequests(), func(r *pb.PublicRequest) bool { return r.GetId() == id })
		if (i >= 0) != want.browsed || i >= 0 && (page.GetRequests()[i].GetAuthor() == "r1") != want.named {
			t.Errorf("%s: browsed %v", visibility, page)
		}
		get := func(ctx context.Context) *pb.Request {
			return ok[*pb.GetRequestResponse](t)(h.client.GetRequest(ctx, &pb.GetRequestRequest{Id: id})).GetRequest()
		}
		if r := get(h.member("m1")); (r.GetAuthor() != "") != want.helperSees || r.GetFound() != "" || r.GetCode() != "" {
			t.Errorf("%s: the helper sees %v", visibility, r)
		}
		for _, office := range []context.Context{h.staff(), h.streetOffice(), h.districtOffice()} {
			if r := get(office); r.GetCode() != "" || r.GetAuthor() != "r1" || r.GetFound() == "" || (r.GetText() == "") != r.GetTextSealed() {
				t.Errorf("%s: the office sees %v", visibility, r)
			}
		}
		if r := get(h.resident("r1")); r.GetCode() == "" || r.GetFound() == "" {
			t.Errorf("%s: the author sees %v", visibility, r)
		}
		strangers := []context.Context{h.member("m2"), h.otherStaff()}
		if want.browsed {
			// A resident reads what the list shows, and nothing more.
			r, listed := get(h.resident("r2")), page.GetRequests()[i]
			if r.GetText() != listed.GetText() || r.GetAuthor() != listed.GetAuthor() || r.GetFound()+r.GetCode()+r.GetMemberId() != "" || r.GetDueAt() != nil {
				t.Errorf("%s: a resident sees %v", visibility, r)
			}
		} else {
			strangers = append(strangers, h.resident("r2"))
		}
		for _, nobody := range strangers {
			_, err := h.client.GetRequest(nobody, &pb.GetRequestRequest{Id: id})
			refused(t, visibility.String(), err, codes.NotFound, "NOT_FOUND")
		}
	}
}

// Whatever way a public request is seen, private things are covered; what may
// not be covered is refused.
func TestPublished_IsAlwaysCovered(t *testing.T) {
	h, everything := dumpHouse(t)
	secrets := []string{"13812345678", "430103198001011234", "4111111111111111", "湘A12345", "3单元402"}
	in := problem()
	in.Text = "找我" + strings.Join(secrets, ",") + "谢谢"
	id := h.post(testkit.Keyed(h.resident("r1"), "k"), t, in).GetId()
	ok[*pb.AdmitRequestResponse](t)(h.client.AdmitRequest(h.staff(), &pb.AdmitRequestRequest{Id: id}))
	ok[*pb.RevealRequestTextResponse](t)(h.client.RevealRequestText(testkit.Keyed(h.staff(), "reveal"), &pb.RevealRequestTextRequest{Id: id, Reason: "上门"}))
	seen := map[string]string{}
	for name, m := range map[string]proto.Message{
		"browsed":   ok[*pb.BrowseRequestsResponse](t)(h.circle().BrowseRequests(h.resident("r2"), &pb.BrowseRequestsRequest{CommunityId: "C1"})),
		"listed":    ok[*pb.ListRequestsResponse](t)(h.client.ListRequests(h.staff(), &pb.ListRequestsRequest{CommunityId: "C1"})),
		"own":       ok[*pb.ListMyRequestsResponse](t)(h.client.ListMyRequests(h.resident("r1"), &pb.ListMyRequestsRequest{})),
		"got":       ok[*pb.GetRequestResponse](t)(h.client.GetRequest(h.staff(), &pb.GetRequestRequest{Id: id})),
		"similar":   ok[*pb.PreviewRequestResponse](t)(h.circle().PreviewRequest(h.resident("r2"), preview(in.GetText()))),
		"looked up": ok[*pb.LookUpRequestResponse](t)(h.circle().LookUpRequest(t.Context(), &pb.LookUpRequestRequest{Code: h.code(t, id)})),
	} {
		seen[name] = protojson.Format(m)
	}
	ok[*pb.ResolveRequestResponse](t)(h.client.ResolveRequest(h.staff(), &pb.ResolveRequestRequest{Id: id, Answer: "已联系13812345678处理"}))
	seen["answered"] = protojson.Format(ok[*pb.BrowseRequestsResponse](t)(h.circle().BrowseRequests(h.resident("r2"), &pb.BrowseRequestsRequest{CommunityId: "C1"})))
	notIn(t, seen, secrets...)
	notIn(t, everything(), secrets[1:]...)
	for field, change := range map[string]func(*pb.PostRequestRequest){
		"building": func(r *pb.PostRequestRequest) { r.Building = "3栋402" },
		"category": func(r *pb.PostRequestRequest) { r.Category = "找13812345678" },
	} {
		in := problem()
		change(in)
		_, err := h.client.PostRequest(h.resident("r1"), in)
		refused(t, field, err, codes.InvalidArgument, "INVALID_FIELD")
		_, err = h.client.PostRequest(h.resident("r1"), &pb.PostRequestRequest{
			CommunityId: "C1", Kind: pb.RequestKind_REQUEST_KIND_NUISANCE, Visibility: pb.Visibility_VISIBILITY_PUBLIC, Text: "乱扔垃圾"})
		refused(t, "a nuisance without its place", err, codes.InvalidArgument, "INVALID_FIELD")
	}
}

func (h house) code(t *testing.T, id string) string {
	t.Helper()
	return ok[*pb.GetRequestResponse](t)(h.client.GetRequest(h.resident("r1"), &pb.GetRequestRequest{Id: id})).GetRequest().GetCode()
}

// The steps are read by the code alone, as people write it down, without an
// account; a sealed request says nothing but its steps.
func TestLookUp_ByCode(t *testing.T) {
	h := newHouse(t, inMemory())
	in := problem()
	in.Visibility = pb.Visibility_VISIBILITY_STAFF_ONLY
	r := h.admitted(t, in)
	ok[*pb.ExtendRequestResponse](t)(h.handling().ExtendRequest(h.staff(), &pb.ExtendRequestRequest{Id: r.GetId(), Until: "2013-09-27", Reason: "等402住户回来"}))
	code := h.code(t, r.GetId())
	if len(code) != 12 {
		t.Errorf("the code %s", code)
	}
	for _, written := range []string{code, strings.ToLower(code), code[:4] + "-" + code[4:8] + " " + code[8:], strings.NewReplacer("0", "o", "1", "l").Replace(code)} {
		got := ok[*pb.LookUpRequestResponse](t)(h.circle().LookUpRequest(t.Context(), &pb.LookUpRequestRequest{Code: written})).GetSteps()
		want := &pb.RequestSteps{State: pb.RequestState_REQUEST_STATE_ADMITTED, PostedAt: r.GetPostedAt(), AdmittedAt: r.GetAdmittedAt(), DueAt: got.GetDueAt()}
		if !proto.Equal(got, want) || got.GetDueAt() == nil {
			t.Errorf("%s: %v", written, got)
		}
	}
	_, err := h.circle().LookUpRequest(t.Context(), &pb.LookUpRequestRequest{Code: "ZZZZZZZZZZZZ"})
	refused(t, "no such code", err, codes.NotFound, "NOT_FOUND")
	plain := h.admitted(t, problem())
	ok[*pb.ExtendRequestResponse](t)(h.handling().ExtendRequest(h.staff(), &pb.ExtendRequestRequest{Id: plain.GetId(), Until: "2013-09-27", Reason: "等石材到货"}))
	got := ok[*pb.LookUpRequestResponse](t)(h.circle().LookUpRequest(t.Context(), &pb.LookUpRequestRequest{Code: h.code(t, plain.GetId())}))
	if got.GetSteps().GetExtensionReason() != "等石材到货" {
		t.Errorf("the author sees why it was extended: %v", got)
	}
}

// moved announces that a member's report-in is accepted somewhere else, or no
// longer accepted at all.
func (h house) moved(member, community string, state registryv1.ReportInState) {
	id := "r" + member
	if state == registryv1.ReportInState_REPORT_IN_STATE_ACCEPTED {
		id = "r2" + member
	}
	h.Announce("registry", store.Event{Name: "report_in.changed", EntityID: id, Revision: 3, Data: &registryv1.ReportInsChanged{
		ReportIns: []*registryv1.ReportInStateChange{{Id: id, Revision: 3, MemberId: member, HomePath: "/1/11/W1/",
			CommunityPath: community, State: state}}}})
	h.Drain()
}
