package projects

import (
	"errors"
	"slices"
	"strings"
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/testkit"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/call"
	"github.com/linli-project/linli/services/projects/internal/review"
)

// No grant of any role, at whatever path, makes a scope that sees everything
// or crosses from one side to another.
func TestSight_NeverTheWholeHouse(t *testing.T) {
	sides := []string{"/district/", "/city/", "/applicant/", "/stands/"}
	for number := range typev1.Role_name {
		for _, path := range []scope.Path{scope.Root, "/430100/", "/430100/430101/", ""} {
			for _, roles := range [][]typev1.Role{nil, {typev1.Role(number)}} {
				c := access.Call{
					Caller: access.Caller{Person: "p", Grants: []access.Grant{{Role: typev1.Role(number), Path: path}}},
					Rule:   &typev1.Access{Roles: roles},
				}
				for _, p := range sight(c).Paths {
					if !slices.ContainsFunc(sides, func(s string) bool { return strings.HasPrefix(string(p), s) }) || !p.Valid() {
						t.Errorf("%s at %q sees %q", typev1.Role(number), path, p)
					}
				}
				if s := sight(c); s.Person != "" && typev1.Role(number) != typev1.Role_ROLE_REVIEWER {
					t.Errorf("%s owns rows", typev1.Role(number))
				}
			}
		}
	}
	if s := sight(access.Call{}); s.Paths != nil || s.Person != "" {
		t.Errorf("a call without a caller sees %v", s)
	}
}

// A role that the method does not take adds nothing.
func TestSight_OnlyRolesOfTheMethod(t *testing.T) {
	c := access.Call{
		Caller: access.Caller{Person: "p", Grants: []access.Grant{
			{Role: typev1.Role_ROLE_DISTRICT_OFFICER, Path: "/1/11/"}, {Role: typev1.Role_ROLE_REVIEWER, Path: "/1/12/"},
			{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: "/1/13/"},
		}},
		Rule: &typev1.Access{Roles: []typev1.Role{typev1.Role_ROLE_COMMITTEE_STAFF}},
	}
	want := []scope.Path{"/applicant/1/13/", "/stands/./", "/stands/1/./", "/stands/1/13/./"}
	if s := sight(c); !slices.Equal(s.Paths, want) || s.Person != "" {
		t.Errorf("sees %v", s)
	}
}

// The domain counts states and methods as the API does.
func TestConvert_NumbersAreTheAPIs(t *testing.T) {
	for s, want := range map[call.State]pb.CallState{
		call.Draft: pb.CallState_CALL_STATE_DRAFT, call.Opened: pb.CallState_CALL_STATE_OPEN,
		call.InReview: pb.CallState_CALL_STATE_IN_REVIEW, call.Decided: pb.CallState_CALL_STATE_DECIDED,
		call.InCheck: pb.CallState_CALL_STATE_IN_CHECK,
	} {
		if pb.CallState(s) != want {
			t.Errorf("%s is %s", s, pb.CallState(s))
		}
	}
	for s, want := range map[application.State]pb.ApplicationState{
		application.Draft:       pb.ApplicationState_APPLICATION_STATE_DRAFT,
		application.Submitted:   pb.ApplicationState_APPLICATION_STATE_SUBMITTED,
		application.InReview:    pb.ApplicationState_APPLICATION_STATE_IN_REVIEW,
		application.Selected:    pb.ApplicationState_APPLICATION_STATE_SELECTED,
		application.Reserve:     pb.ApplicationState_APPLICATION_STATE_RESERVE,
		application.NotSelected: pb.ApplicationState_APPLICATION_STATE_NOT_SELECTED,
		application.InCheck:     pb.ApplicationState_APPLICATION_STATE_IN_CHECK,
		application.Returned:    pb.ApplicationState_APPLICATION_STATE_RETURNED,
		application.Eligible:    pb.ApplicationState_APPLICATION_STATE_ELIGIBLE,
		application.Ineligible:  pb.ApplicationState_APPLICATION_STATE_INELIGIBLE,
		application.InNotice:    pb.ApplicationState_APPLICATION_STATE_IN_NOTICE,
		application.KeyProject:  pb.ApplicationState_APPLICATION_STATE_KEY_PROJECT,
	} {
		if pb.ApplicationState(s) != want {
			t.Errorf("%s is %s", s, pb.ApplicationState(s))
		}
	}
	for m, want := range map[review.Method]pb.Aggregation{
		review.Mean: pb.Aggregation_AGGREGATION_MEAN, review.DropHighLow: pb.Aggregation_AGGREGATION_DROP_HIGH_LOW,
		review.Trimmed: pb.Aggregation_AGGREGATION_TRIMMED_MEAN, review.ZScore: pb.Aggregation_AGGREGATION_Z_SCORE,
		review.Additive: pb.Aggregation_AGGREGATION_ADDITIVE,
	} {
		if pb.Aggregation(m) != want {
			t.Errorf("method %d is %s", m, pb.Aggregation(m))
		}
	}
	for _, kind := range application.Kinds() {
		n, ok := registryv1.OrganizationKind_value["ORGANIZATION_KIND_"+strings.ToUpper(kind)]
		if !ok || kindName(registryv1.OrganizationKind(n)) != kind {
			t.Errorf("no organization is of kind %s", kind)
		}
	}
}

// Where nobody knows how two stand to each other, there is no sheet.
func TestCheckConflict_UnknownIsRefused(t *testing.T) {
	h := testkit.New(t)
	s, err := New(Deps{Store: h.Store("projects"), IDs: ids.New, Log: h.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	err = s.store.View(t.Context(), func(r kv.Reader) error { return s.checkConflict(r, "W00001", "430101002") })
	var broken *rule.Error
	if !errors.As(err, &broken) || broken.Kind != rule.Precondition || broken.Reason != "UNKNOWN_ORGANIZATION" {
		t.Errorf("answered %v", err)
	}
}

func TestNew_NeedsItsDeps(t *testing.T) {
	if _, err := New(Deps{}); err == nil {
		t.Error("a service without a store was made")
	}
}
