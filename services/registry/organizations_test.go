package registry

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
)

const organizationHeader = "编码,名称,类别,上级编码,亮身份"

func organizationsOf(rows ...string) string {
	return organizationHeader + "\n" + strings.Join(rows, "\n") + "\n"
}

// smallTree has a hidden workplace with a branch that says it is displayed.
func smallTree() string {
	return organizationsOf(
		"1,市,city,,是", "11,区,district,1,是", "111,街道,street,11,是", "1111,社区,community,111,是",
		"W1,局,workplace,11,否", "B1,支部,branch,W1,是", "W2,医院,workplace,11,是", "X1,外地,external,,是")
}

func organizationOutcome(done *pb.ImportOrganizationsResponse) string {
	s := fmt.Sprintf("%d %d %d |", done.GetCreated(), done.GetUpdated(), done.GetUnchanged())
	for _, f := range done.GetFaults() {
		s += fmt.Sprintf(" %d:%s:%s", f.GetLine(), f.GetColumn(), f.GetReason())
	}
	return s
}

func TestImportOrganizations(t *testing.T) {
	h := start(t)
	city := h.as("city", grant(typev1.Role_ROLE_CITY_OFFICER, "/1/"))
	for _, step := range []struct {
		name string
		ctx  context.Context
		dry  bool
		rows string
		want string
	}{
		{"a rehearsal", h.admin(), true, smallTree(), "8 0 0 |"},
		{"nobody but the top makes roots", city, false, organizationsOf("2,市,city,,是", "X2,外地,external,,是"), "0 0 0 | 2:编码:OUTSIDE_SCOPE 3:编码:OUTSIDE_SCOPE"},
		{"for real", h.admin(), false, smallTree(), "8 0 0 |"},
		{"again", h.admin(), false, smallTree(), "0 0 8 |"},
		{"again by somebody who may not change it", h.as("d", grant(typev1.Role_ROLE_DISTRICT_OFFICER, "/1/11/")), false, smallTree(), "0 0 8 |"},
		{"names and display change", city, false, organizationsOf("W1,新局,workplace,11,是", "W2,医院,workplace,11,否"), "0 2 0 |"},
		{"not those of others", h.as("d", grant(typev1.Role_ROLE_DISTRICT_OFFICER, "/1/11/")), false, organizationsOf("11,新区,district,1,是"), "0 0 0 | 2:编码:OUTSIDE_SCOPE"},
		{"kind and parent do not change", h.admin(), false, organizationsOf("W1,新局,workplace,1,是", "1111,社区,street,11,是"), "0 0 0 | 2:编码:ORGANIZATION_DIFFERS 3:编码:ORGANIZATION_DIFFERS"},
		{"parents stand before children", h.admin(), false, organizationsOf("222,街道,street,22,是", "22,区,district,1,是"), "1 0 0 | 2:上级编码:BAD_PARENT"},
		{"a parent of the wrong kind", h.admin(), false, organizationsOf("333,街道,street,1,是", "H1,家园,heart_home,11,是"), "0 0 0 | 2:上级编码:BAD_PARENT 3:上级编码:BAD_PARENT"},
		{"twice in a file", h.admin(), false, organizationsOf("W3,局,workplace,11,是", "W3,局,workplace,11,是"), "1 0 0 | 3:编码:ROSTER_DUPLICATE"},
		{"bad cells", h.admin(), false, organizationsOf("w 4,=局,company,11,也许", "只有一列"), "0 0 0 | 2:编码:INVALID_FIELD 2:名称:ROSTER_FORMULA 2:类别:INVALID_FIELD 2:亮身份:INVALID_FIELD 3::ROSTER_FIELD_COUNT"},
		{"children of refused parents", h.admin(), true, organizationsOf("44,区,district,9,是", "444,街道,street,44,是"), "0 0 0 | 2:上级编码:BAD_PARENT 3:上级编码:BAD_PARENT"},
	} {
		t.Run(step.name, func(t *testing.T) {
			before := h.count(h.service.organizations)
			done, err := h.sendOrganizations(step.ctx, step.dry, step.rows)
			must(t, err)
			if diff := cmp.Diff(step.want, organizationOutcome(done)); diff != "" {
				t.Error(diff)
			}
			grown := h.count(h.service.organizations) - before
			if step.dry && grown != 0 || !step.dry && grown != int(done.GetCreated()) {
				t.Errorf("%d rows more", grown)
			}
		})
	}
}

func TestImportOrganizations_Refused(t *testing.T) {
	h := start(t)
	_, err := h.sendOrganizations(h.admin(), false, "编码,名称\n1,市\n")
	wantReason(t, err, "ROSTER_COLUMN_MISSING")
	_, err = h.sendOrganizations(h.officer("/"), false, smallTree())
	wantReason(t, err, "ROLE_NOT_ALLOWED")
	stream, err := h.ImportOrganizations(h.admin())
	must(t, err)
	_, err = stream.CloseAndRecv()
	wantReason(t, err, "INVALID_FIELD")
	if n := h.count(h.service.organizations); n != 0 {
		t.Errorf("%d organizations came in", n)
	}
}

func TestImportOrganizations_KeyAndEncoding(t *testing.T) {
	h := start(t)
	text, err := simplifiedchinese.GB18030.NewEncoder().String(smallTree())
	must(t, err)
	first, err := h.sendOrganizations(keyed(h.admin(), "k"), false, text)
	must(t, err)
	// The same content in another encoding is the same content.
	again, err := h.sendOrganizations(keyed(h.admin(), "k"), false, "\uFEFF"+smallTree())
	must(t, err)
	if organizationOutcome(first) != "8 0 0 |" || organizationOutcome(again) != "8 0 0 |" {
		t.Errorf("%v, then %v", first, again)
	}
	_, err = h.sendOrganizations(keyed(h.admin(), "k"), false, organizationsOf("1,市,city,,否"))
	wantReason(t, err, "IMPORT_DIFFERS")
}

func TestImportOrganizations_AnnouncesEachOnce(t *testing.T) {
	h := start(t)
	for _, text := range []string{smallTree(), smallTree(), organizationsOf("W1,新局,workplace,11,是")} {
		_, err := h.sendOrganizations(h.admin(), false, text)
		must(t, err)
	}
	got := map[string]int{}
	for _, e := range h.events() {
		got[e.GetType()]++
		if e.GetRevision() == 0 || e.GetEntityId() == "" {
			t.Errorf("event %v", e)
		}
	}
	want := map[string]int{"linli.registry.organization.registered.v1": 8, "linli.registry.organization.changed.v1": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// events answers what was announced, sent or not.
func (h *house) events() (all []*typev1.EventRow) {
	h.t.Helper()
	must(h.t, h.store.View(h.t.Context(), func(r kv.Reader) error {
		return store.EachEvent(r, func(row []byte) {
			e := &typev1.EventRow{}
			must(h.t, proto.Unmarshal(row, e))
			all = append(all, e)
		})
	}))
	return all
}

func organizationIDs(list []*pb.Organization) string {
	var out []string
	for _, o := range list {
		out = append(out, o.GetId())
	}
	return strings.Join(out, " ")
}

func TestListOrganizations_WhoSeesWhat(t *testing.T) {
	h := start(t)
	_, err := h.sendOrganizations(h.admin(), false, smallTree())
	must(t, err)
	for name, tc := range map[string]struct {
		ctx  context.Context
		req  *pb.ListOrganizationsRequest
		want string
	}{
		"a resident sees what is displayed":      {h.as("r", grant(typev1.Role_ROLE_RESIDENT, "/1/11/111/1111/")), &pb.ListOrganizationsRequest{}, "1 11 111 1111 W2 X1"},
		"without any grant too":                  {h.as("r"), &pb.ListOrganizationsRequest{}, "1 11 111 1111 W2 X1"},
		"the own office sees itself":             {h.officer("/1/11/W1/"), &pb.ListOrganizationsRequest{}, "1 11 111 1111 W1 B1 W2 X1"},
		"a branch sees the office above it":      {h.officer("/1/11/W1/B1/"), &pb.ListOrganizationsRequest{}, "1 11 111 1111 W1 B1 W2 X1"},
		"the district sees all of it":            {h.as("d", grant(typev1.Role_ROLE_DISTRICT_OFFICER, "/1/11/")), &pb.ListOrganizationsRequest{RootId: "11"}, "11 111 1111 W1 B1 W2"},
		"of one kind":                            {h.admin(), &pb.ListOrganizationsRequest{Kind: pb.OrganizationKind_ORGANIZATION_KIND_WORKPLACE}, "W1 W2"},
		"of one kind below a root":               {h.admin(), &pb.ListOrganizationsRequest{RootId: "111", Kind: pb.OrganizationKind_ORGANIZATION_KIND_WORKPLACE}, ""},
		"of one kind, hidden ones left out":      {h.as("r"), &pb.ListOrganizationsRequest{Kind: pb.OrganizationKind_ORGANIZATION_KIND_WORKPLACE}, "W2"},
		"a branch below a hidden office is too":  {h.as("r"), &pb.ListOrganizationsRequest{Kind: pb.OrganizationKind_ORGANIZATION_KIND_BRANCH}, ""},
		"an office does not see another's depth": {h.officer("/1/11/W2/"), &pb.ListOrganizationsRequest{RootId: "11"}, "11 111 1111 W2"},
	} {
		reply, err := h.ListOrganizations(tc.ctx, tc.req)
		must(t, err)
		if got := organizationIDs(reply.GetOrganizations()); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
	_, err = h.ListOrganizations(h.as("r"), &pb.ListOrganizationsRequest{RootId: "W1"})
	wantReason(t, err, "NOT_FOUND")
	_, err = h.ListOrganizations(h.as("r"), &pb.ListOrganizationsRequest{Kind: 99})
	wantReason(t, err, "INVALID_FIELD")
}

func TestGetOrganization(t *testing.T) {
	h := start(t)
	_, err := h.sendOrganizations(h.admin(), false, smallTree())
	must(t, err)
	for _, id := range []string{"W1", "B1", "NOBODY"} {
		_, err := h.GetOrganization(h.as("r"), &pb.GetOrganizationRequest{Id: id})
		wantReason(t, err, "NOT_FOUND")
	}
	reply, err := h.GetOrganization(h.officer("/1/11/W1/"), &pb.GetOrganizationRequest{Id: "W1"})
	must(t, err)
	want := &pb.Organization{Id: "W1", Name: "局", Kind: pb.OrganizationKind_ORGANIZATION_KIND_WORKPLACE, ParentId: "11", Path: "/1/11/W1/", Etag: "1"}
	if diff := diffProto(want, reply.GetOrganization()); diff != "" {
		t.Error(diff)
	}
	_, err = h.GetOrganization(h.t.Context(), &pb.GetOrganizationRequest{Id: "11"})
	wantReason(t, err, "UNAUTHENTICATED")
	_, err = h.GetOrganization(h.as("r"), &pb.GetOrganizationRequest{})
	wantReason(t, err, "INVALID_FIELD")
}

func TestBatchGetOrganizations_LeavesOutWhatGetWould(t *testing.T) {
	h := start(t)
	_, err := h.sendOrganizations(h.admin(), false, smallTree())
	must(t, err)
	for name, tc := range map[string]struct {
		ctx  context.Context
		want string
	}{
		"a resident":               {h.as("r"), "W2 11"},
		"the hidden office itself": {h.officer("/1/11/W1/"), "W2 W1 B1 11"},
	} {
		reply, err := h.BatchGetOrganizations(tc.ctx, &pb.BatchGetOrganizationsRequest{Ids: []string{"W2", "W1", "B1", "NOBODY", "11"}})
		must(t, err)
		var got []string
		for _, o := range reply.GetOrganizations() {
			got = append(got, o.GetId())
			one, err := h.GetOrganization(tc.ctx, &pb.GetOrganizationRequest{Id: o.GetId()})
			must(t, err)
			if diff := diffProto(one.GetOrganization(), o); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %v, want %s", name, got, tc.want)
		}
	}
	_, err = h.BatchGetOrganizations(h.as("r"), &pb.BatchGetOrganizationsRequest{})
	wantReason(t, err, "INVALID_FIELD")
}

func TestListOrganizations_Pages(t *testing.T) {
	h := start(t).withDistrict()
	var got []*pb.Organization
	req := &pb.ListOrganizationsRequest{RootId: "430101", PageSize: 37}
	for pages := 0; ; pages++ {
		reply, err := h.ListOrganizations(h.as("r"), req)
		must(t, err)
		got = append(got, reply.GetOrganizations()...)
		if req.PageToken = reply.GetNextPageToken(); req.PageToken == "" {
			break
		}
		if pages > 20 {
			t.Fatal("no end")
		}
	}
	hidden := strings.Count(record(t, "district-organizations.csv.gz"), ",否")
	if len(got) != 346-hidden {
		t.Errorf("%d organizations, %d are hidden", len(got), hidden)
	}
	for i := 1; i < len(got); i++ {
		if got[i].GetPath() <= got[i-1].GetPath() {
			t.Fatalf("%s after %s", got[i].GetPath(), got[i-1].GetPath())
		}
	}

	first, err := h.ListOrganizations(h.as("r"), &pb.ListOrganizationsRequest{RootId: "430101", PageSize: 5})
	must(t, err)
	for name, foreign := range map[string]struct {
		ctx context.Context
		req *pb.ListOrganizationsRequest
	}{
		"another root":   {h.as("r"), &pb.ListOrganizationsRequest{PageToken: first.GetNextPageToken()}},
		"another kind":   {h.as("r"), &pb.ListOrganizationsRequest{RootId: "430101", Kind: 4, PageToken: first.GetNextPageToken()}},
		"another caller": {h.as("s"), &pb.ListOrganizationsRequest{RootId: "430101", PageToken: first.GetNextPageToken()}},
		"no token":       {h.as("r"), &pb.ListOrganizationsRequest{RootId: "430101", PageToken: "x"}},
	} {
		if _, err := h.ListOrganizations(foreign.ctx, foreign.req); err == nil {
			t.Errorf("%s: taken", name)
		} else {
			wantReason(t, err, "BAD_PAGE_TOKEN")
		}
	}
	_, err = h.ListOrganizations(h.as("r"), &pb.ListOrganizationsRequest{PageSize: 201})
	wantReason(t, err, "INVALID_FIELD")
}
