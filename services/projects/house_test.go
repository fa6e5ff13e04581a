package projects_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/testkit"
	"github.com/linli-project/linli/services/projects"
)

const (
	districtID   = "430101"
	district     = scope.Path("/430100/430101/")
	elsewhere    = scope.Path("/430100/430102/")
	community    = "430101002001"
	otherPlace   = "430101004002"
	foreignPlace = "430102001001"
)

// house is a running projects service that has heard of a district.
type house struct {
	*testkit.House
	pb.ProjectsServiceClient
	t     *testing.T
	svc   *projects.Service
	paths map[string]scope.Path
	keys  int // idempotency keys given out
}

// start runs the service over memory.
func start(t *testing.T) *house { return startOn(t, nil) }

// startOn runs the service over a database; nil is memory.
func startOn(t *testing.T, db kv.DB) *house {
	t.Helper()
	h := &house{House: testkit.New(t), t: t, paths: map[string]scope.Path{"": scope.Root}}
	h.Civil = clock.NewCivil(clock.Wall(), day("2013-01-04"))
	h.Store("registry")
	h.Store("requests")
	h.Store("evaluation")
	if db != nil {
		h.StoreOn("projects", db)
	}
	svc, err := projects.New(projects.Deps{Store: h.Store("projects"), IDs: ids.New, Log: h.Logger(), Blobs: folderOfFiles(t)})
	if err != nil {
		t.Fatal(err)
	}
	h.svc = svc
	h.Start(svc)
	h.ProjectsServiceClient = pb.NewProjectsServiceClient(h.Conn())
	h.announceTree()
	return h
}

// announceTree tells the service of the sample district, and of a little of
// another one.
func (h *house) announceTree() {
	h.t.Helper()
	f, err := os.Open("internal/review/testdata/organizations.csv")
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // only read
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		h.t.Fatal(err)
	}
	rows = append(rows[1:],
		[]string{"430102", "", "district", "430100"}, []string{"430102001", "", "street", "430102"},
		[]string{foreignPlace, "", "community", "430102001"}, []string{"B1", "", "building", community})
	var all []store.Event
	for _, row := range rows {
		path := h.paths[row[3]].Child(row[0])
		h.paths[row[0]] = path
		all = append(all, store.Event{
			Name: "organization.registered", EntityID: row[0], Revision: 1,
			Data: &registryv1.OrganizationChanged{
				Id: row[0], Path: string(path), Displayed: true, Revision: 1,
				Kind: registryv1.OrganizationKind(registryv1.OrganizationKind_value["ORGANIZATION_KIND_"+strings.ToUpper(row[2])]),
			},
		})
	}
	h.Announce("registry", all...)
	h.Drain()
}

// officer calls as the district department.
func (h *house) officer() context.Context {
	return h.As("officer", access.Grant{Role: typev1.Role_ROLE_DISTRICT_OFFICER, Path: district})
}

// applicant calls for an organization, in the role that fits it.
func (h *house) applicant(id string) context.Context {
	role := typev1.Role_ROLE_COMMITTEE_STAFF
	switch {
	case strings.HasPrefix(id, "W"):
		role = typev1.Role_ROLE_WORKPLACE_OFFICER
	case len(id) == len("430101002"):
		role = typev1.Role_ROLE_STREET_OFFICER
	}
	return h.As("staff of "+id, access.Grant{Role: role, Path: h.paths[id]})
}

// reviewer calls as a reviewer of the sample round, whose grant is at the own
// organization.
func (h *house) reviewer(person, organization string) context.Context {
	return h.As(person, access.Grant{Role: typev1.Role_ROLE_REVIEWER, Path: h.paths[organization]})
}

func (h *house) advance(to time.Time) {
	h.t.Helper()
	if !h.Civil.Advance(to) {
		h.t.Fatalf("the clock does not go to %s", to)
	}
}

// day is the first instant of a Shanghai day.
func day(s string) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, s, clock.Shanghai())
	if err != nil {
		panic(err)
	}
	return t
}

// newCall is a request that is taken: two criteria, three reviewers, one place.
func newCall() *pb.CreateCallRequest {
	return &pb.CreateCallRequest{
		DistrictId: districtID, Year: 2013, Title: "项目申报",
		OpensAt: timestamppb.New(day("2013-01-05")), ClosesAt: timestamppb.New(day("2013-03-01")),
		Criteria: []*pb.Criterion{{Key: "necessity", Name: "必要性", Max: 20}, {Key: "benefit", Name: "受益面", Max: 10, Weight: 2}},
		Reviewers: []*pb.Reviewer{
			{Person: "E1", OrganizationId: "W00001"}, {Person: "E2", OrganizationId: "W00005"},
			{Person: "E4", OrganizationId: "430101004"}, // the street above otherPlace
		},
		Quota: 1, Aggregation: pb.Aggregation_AGGREGATION_MEAN, MostPerApplicant: 200,
	}
}

func must[T any](h *house) func(T, error) T {
	return func(v T, err error) T {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
		return v
	}
}

// drafted makes a call.
func (h *house) drafted() *pb.Call {
	h.t.Helper()
	return must[*pb.CreateCallResponse](h)(h.CreateCall(h.officer(), newCall())).GetCall()
}

// opened makes a call and opens it, with its window begun.
func (h *house) opened() *pb.Call {
	h.t.Helper()
	c := h.drafted()
	h.advance(day("2013-01-05"))
	return must[*pb.OpenCallResponse](h)(h.OpenCall(h.officer(), &pb.OpenCallRequest{Id: c.GetId()})).GetCall()
}

func application(callID, applicant, number string) *pb.DraftApplicationRequest {
	return &pb.DraftApplicationRequest{
		CallId: callID, ApplicantId: applicant, Number: number, Title: "党员责任田", Category: "基层治理",
		BudgetYuan: 80000, StaffRequested: 2,
		Indicators: []*pb.Indicator{{Name: "解决居民问题", Unit: "件", Target: 700, Due: "2013-12-31", Source: "requests.resolved"}},
	}
}

// draft drafts an application.
func (h *house) draft(callID, applicant, number string) *pb.Application {
	h.t.Helper()
	return must[*pb.DraftApplicationResponse](h)(
		h.DraftApplication(h.applicant(applicant), application(callID, applicant, number))).GetApplication()
}

// submit drafts an application and hands it in.
func (h *house) submit(callID, applicant, number string) *pb.Application {
	h.t.Helper()
	a := h.draft(callID, applicant, number)
	return must[*pb.SubmitApplicationResponse](h)(
		h.SubmitApplication(h.applicant(applicant), &pb.SubmitApplicationRequest{Id: a.GetId()})).GetApplication()
}

// inReview makes a call in review, with an application of community, one of
// otherPlace (in conflict with E4) and a draft of W00003.
func (h *house) inReview() (c *pb.Call, first, second, never *pb.Application) {
	h.t.Helper()
	c = h.opened()
	first, second = h.submit(c.GetId(), community, "2013-01"), h.submit(c.GetId(), otherPlace, "2013-02")
	never = h.draft(c.GetId(), "W00003", "2013-03")
	h.advance(day("2013-03-01"))
	c = must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()})).GetCall()
	return c, first, second, never
}

func points(necessity, benefit int32) []*pb.Points {
	return []*pb.Points{{Criterion: "necessity", Halves: necessity}, {Criterion: "benefit", Halves: benefit}}
}

// refused checks the status, reason and field of an error.
func refused(t *testing.T, what string, err error, code codes.Code, reason, field string) {
	t.Helper()
	got := ""
	if v := rpc.Violations(status.Convert(err)); len(v) > 0 {
		got = v[0].GetField()
	}
	if status.Code(err) != code || rpc.Reason(err) != reason || got != field {
		t.Errorf("%s: %v (%s, field %q), want %s %s, field %q", what, err, rpc.Reason(err), got, code, reason, field)
	}
}

// detail answers one fact of an error.
func detail(err error, name string) string {
	e := rpc.FromStatus(status.Convert(err))
	for i := 0; e != nil && i+1 < len(e.Params); i += 2 {
		if e.Params[i] == name {
			return e.Params[i+1]
		}
	}
	return ""
}

// round is the sample round of 2013.
type round struct {
	Call struct {
		Title    string
		Quota    int32
		Criteria []struct {
			Key, Name string
			Max       int32
		}
	}
	Reviewers    []struct{ ID, Organization string }
	Applications []entry
	Reviews      []struct {
		Application, Reviewer string
		Scores                map[string]float64
	}
}

// entry is one application of it.
type entry struct {
	No, Title, Applicant, Category string
	Budget                         int64     `json:"budget_yuan"`
	Staff                          int32     `json:"staff_requested"`
	Submitted                      time.Time `json:"submitted_at"`
	Indicators                     []struct {
		Name, Unit, Due, Source string
		Baseline, Target        float64
	}
}

func readRound(t *testing.T) round {
	t.Helper()
	text, err := os.ReadFile("internal/review/testdata/projects-2013.json")
	if err != nil {
		t.Fatal(err)
	}
	var r round
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(fmt.Errorf("read the round: %w", err))
	}
	return r
}
