package rights_test

import (
	"slices"
	"strings"
	"testing"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/rights"
	"github.com/linli-project/linli/pkg/scope"
)

// opened are the methods, by service, that a role is let into.
func opened(role typev1.Role) (services []string) {
	for _, m := range rights.Methods() {
		service := string(m.Descriptor.Parent().Name())
		if cell := m.Cell(role); (cell == rights.Inside || cell == rights.Yes) && len(m.Rule.GetRoles()) > 0 && !slices.Contains(services, service) {
			services = append(services, service)
		}
	}
	return services
}

// A workplace and its branches see what concerns the report-in and the yearly
// feedback, their own appraisal, and what they apply for; nothing of what happens
// in a community.
func TestWorkplace_SeesReportInAndFeedbackOnly(t *testing.T) {
	theirs := []string{
		"CampaignService", "RegistryService", "MemberFactsService", "AccountService", // rosters, report-ins, campaigns, invitations of their members
		"EvaluationService", "ReplyService", "ConductService", // the letter, its answer, the notes that stand on it
		"BranchService", "PollService", // their own appraisal
		"InboxService", "PrivacyService", // claims of their members about the own data
	}
	applies := []string{"ProjectsService", "AttachmentService", "CheckService", "LetterService", "SpendingService", "IndicatorService", "AcceptanceService"}
	for role, may := range map[typev1.Role][]string{
		typev1.Role_ROLE_WORKPLACE_OFFICER: append(applies, theirs...), typev1.Role_ROLE_BRANCH_OFFICER: theirs,
	} {
		for _, service := range opened(role) {
			if !slices.Contains(may, service) {
				t.Errorf("%v is let into %s", role, service)
			}
		}
	}
	for _, m := range rights.Methods() {
		name := m.Name()
		if strings.HasPrefix(name, "EvaluationService/") && m.Cell(typev1.Role_ROLE_WORKPLACE_OFFICER) == rights.Inside &&
			!slices.Contains([]string{"EvaluationService/GetLetter", "EvaluationService/RenderLetter"}, name) {
			t.Errorf("a workplace is let into %s", name)
		}
	}
}

// Streets and districts see figures, and rows where a decision is theirs; no list
// of persons but those that a decision is about, each with what is decided.
func TestAbove_HasNoListsOfPersonsButToDecide(t *testing.T) {
	decides := map[string]string{
		"ConductService/ListConductNotes":       "answers appeals",
		"ConductService/ListStandingNotes":      "answers appeals",
		"CampaignService/ListExclusions":        "decides exclusions",
		"PrivacyService/ListClaims":             "decides on corrections and erasures",
		"CircleService/ListExclusions":          "takes requests out of the rates",
		"EvaluationService/ListEntries":         "confirms where the community may not",
		"EvaluationService/ListLetters":         "issues the letters",
		"ExemptionService/ListExemptions":       "exempts",
		"HonorService/ListHonors":               "takes off an honor",
		"HonorService/ListHonorObjections":      "answers objections",
		"LedgerService/ListLedgerAlarms":        "closes alarms",
		"SheetService/ListSheets":               "consents, closes",
		"SheetService/ListSheetEntries":         "consents, closes",
		"SheetService/ListObjections":           "consents, closes",
		"SheetService/ListSignatures":           "consents, closes",
		"ReplyService/ListUnanswered":           "reminds workplaces",
		"BranchService/ListBranchCycles":        "answers exceptions",
		"BranchService/ListBranchGrades":        "answers exceptions",
		"PollService/ListPolls":                 "runs polls of its own",
		"SurveyService/ListSurveys":             "runs surveys of its own",
		"RequestsService/ListRequests":          "handles what is escalated",
		"AidService/ListHardshipCases":          "decides relief",
		"RegistryService/ListMembers":           "issues the letters, prints those to organizations outside",
		"CheckService/ListConflicts":            "judges applications",
		"ProjectsService/ListApplications":      "judges applications",
		"ProjectsService/ListSheets":            "decides the call",
		"ProjectsService/ListOwnApplications":   "applies",
		"NoticeService/ListSelectionObjections": "answers objections",
		"AttachmentService/ListDocuments":       "judges applications",
		"AttachmentService/ListProofs":          "accepts key projects",
		"AttachmentService/ListPictures":        "handles what is escalated",
	}
	noPersons := []string{ // organizations, campaigns, calls, texts, providers, projects
		"ListOrganizations", "ListCampaigns", "ListCalls", "ListTemplates", "ListPolicyVersions", "ListWebhooks", "ListOfficeMessages",
		"ListProviderRegister", "ListPlaces", "ListProjects", "ListIndicators", "ListReadings", "ListSupervisionLetters", "ListTargetChanges", "ListSpending",
	}
	for _, role := range []typev1.Role{typev1.Role_ROLE_STREET_OFFICER, typev1.Role_ROLE_DISTRICT_OFFICER, typev1.Role_ROLE_CITY_OFFICER} {
		for _, m := range rights.Methods() {
			method := string(m.Descriptor.Name())
			if !strings.HasPrefix(method, "List") || m.Cell(role) != rights.Inside || slices.Contains(noPersons, method) {
				continue
			}
			if decides[m.Name()] == "" {
				t.Errorf("%v lists %s, and nobody said what it decides", role, m.Name())
			}
		}
	}
}

// What lies sealed the offices above open where it is what they decide about.
func TestAbove_OpensNothingSealedButToDecide(t *testing.T) {
	decides := map[string]string{
		"AidService/RevealHardshipFacts":         "decides relief",
		"BranchService/RevealGradeTexts":         "answers exceptions",
		"CampaignService/RevealExclusionNote":    "decides exclusions",
		"ConductService/RevealConductNote":       "answers appeals",
		"HonorService/RevealHonorObjection":      "answers objections",
		"NoticeService/RevealSelectionObjection": "answers objections",
		"PrivacyService/RevealClaim":             "decides on corrections and erasures",
	}
	for _, role := range []typev1.Role{typev1.Role_ROLE_STREET_OFFICER, typev1.Role_ROLE_DISTRICT_OFFICER, typev1.Role_ROLE_CITY_OFFICER} {
		for _, m := range rights.Methods() {
			if strings.HasPrefix(string(m.Descriptor.Name()), "Reveal") && m.Cell(role) != rights.No && decides[m.Name()] == "" {
				t.Errorf("%v opens %s, and nobody said what it decides", role, m.Name())
			}
		}
	}
}

// Of places the offices above see units; second homes are the home
// organization's and the community's.
func TestPlaces_SecondHomesAreNotForOfficesAbove(t *testing.T) {
	for _, tc := range []struct {
		role       typev1.Role
		at         scope.Path
		of, sees   string
		secondHome bool
	}{
		{typev1.Role_ROLE_DISTRICT_OFFICER, district, "430101", "PLACE_KIND_UNIT", false},
		{typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, nextDoor, "430101002002", "PLACE_KIND_SECOND_HOME", true},
		{typev1.Role_ROLE_WORKPLACE_OFFICER, workplace, "W00001", "PLACE_KIND_SECOND_HOME", true},
	} {
		got, err := shared.send(as(tc.role, "somebody", tc.at), "GET", "/v1/organizations/"+tc.of+"/places", "", "")
		if err != nil || !strings.Contains(got.Body, tc.sees) || strings.Contains(got.Body, "SECOND_HOME") != tc.secondHome {
			t.Errorf("%v at %s: %v, %s", tc.role, tc.at, err, got.Body)
		}
	}
}

// Members, residents and providers see what is theirs and what is public where
// they live; no office opens to them.
func TestPersons_SeeTheirOwnAndWhatIsPublic(t *testing.T) {
	public := []string{
		"CircleService/BrowseRequests", "CircleService/GetNuisancePlaces", "CircleService/JoinRequest", "CircleService/PreviewRequest",
		"RequestsService/GetRequest", "AttachmentService/ListPictures", "ProjectsService/GetCall", "RegistryService/GetOrganization", "RegistryService/BatchGetOrganizations",
		"RegistryService/ListOrganizations",
	}
	for _, role := range []typev1.Role{typev1.Role_ROLE_MEMBER, typev1.Role_ROLE_RESIDENT, typev1.Role_ROLE_PROVIDER} {
		for _, m := range rights.Methods() {
			if m.Cell(role) == rights.Inside && !slices.Contains(public, m.Name()) && m.Name() != "AccountService/NamePeople" {
				t.Errorf("%v is let into %s", role, m.Name())
			}
		}
	}
}
