package rights_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/rights"
	"github.com/linli-project/linli/pkg/scope"
)

// natural is where a role stands that has to do with the rows of the world, and
// where one stands that has not.
func natural(role typev1.Role) (inside, outside scope.Path) {
	switch role {
	case typev1.Role_ROLE_CITY_OFFICER:
		return city, "/430200/"
	case typev1.Role_ROLE_DISTRICT_OFFICER, typev1.Role_ROLE_REVIEWER:
		return district, "/430100/430102/"
	case typev1.Role_ROLE_STREET_OFFICER:
		return street, "/430100/430101/430101003/"
	case typev1.Role_ROLE_WORKPLACE_OFFICER, typev1.Role_ROLE_BRANCH_OFFICER:
		return workplace, otherWork
	case typev1.Role_ROLE_SECURITY_ADMIN: // of a district, to have something outside
		return district, "/430200/"
	case typev1.Role_ROLE_SYSTEM_ADMIN, typev1.Role_ROLE_AUDIT_ADMIN:
		return scope.Root, "/430200/"
	}
	return here, nextDoor
}

// setting is where a role stands for a method, and which rows its call names
// instead of the usual ones.
type setting struct {
	inside, outside scope.Path
	rows            map[string]string
}

// set answers how a cell is tried.
func (w *world) set(m rights.Method, role typev1.Role) setting {
	out := setting{rows: ownRows(m, role)}
	out.inside, out.outside = natural(role)
	for name, v := range out.rows {
		out.rows[name] = w.named(v)
	}
	places := map[string]scope.Path{"430101002001": here, "430101": district, "W00001": workplace}
	switch service := string(m.Descriptor.Parent().Name()); {
	case m.Rule.GetEverywhere():
		out.inside = scope.Root
	case slices.Contains(organizationMethods(), m.Name()):
		out.inside = hidden
	case m.Rule.GetScope() == typev1.ScopeKind_SCOPE_KIND_FIELD && service != "BranchService":
		out.inside = places[w.newCall(m, out.rows).fields[m.Rule.GetField()]]
	case strings.HasPrefix(m.Descriptor.ParentFile().Path(), "linli/projects/") && role != typev1.Role_ROLE_CITY_OFFICER &&
		role != typev1.Role_ROLE_DISTRICT_OFFICER && role != typev1.Role_ROLE_STREET_OFFICER && role != typev1.Role_ROLE_REVIEWER:
		out.inside = here // the applicant is the community
	}
	if m.Name() == "AccountService/NamePeople" && !out.inside.Related(here) {
		out.inside = here // colleagues stand above or below one another
	}
	if slices.Contains(shownInDistrict(), m.Name()) && district.Contains(out.outside) {
		out.outside = elsewhere
	}
	return out
}

// organizationMethods ask for an organization that is not displayed: of one
// that is, everybody may know.
func organizationMethods() []string {
	return []string{"RegistryService/GetOrganization", "RegistryService/BatchGetOrganizations", "RegistryService/ListOrganizations"}
}

// shownInDistrict are methods whose rows are shown to everybody in the district.
func shownInDistrict() []string {
	return []string{"ProjectsService/GetCall", "CampaignService/GetCampaign", "CampaignService/ListCampaigns", "CampaignService/RemovePlace"}
}

// ownRows are the rows that a role has to do with, where it is not the one of
// the others: the workplace's own poll, the request that is with the street.
func ownRows(m rights.Method, role typev1.Role) map[string]string {
	service, method := string(m.Descriptor.Parent().Name()), string(m.Descriptor.Name())
	out := map[string]string{}
	switch {
	case service == "BranchService" && role == typev1.Role_ROLE_WORKPLACE_OFFICER && method == "AnswerException":
		out["cycle_id"] = "{branchCycleBelow}"
	case service == "BranchService" && (role == typev1.Role_ROLE_COMMUNITY_PARTY_STAFF || role == typev1.Role_ROLE_STREET_OFFICER):
		out["id"], out["cycle_id"], out["organization_id"] = "{branchCycleHere}", "{branchCycleHere}", "430101002001"
		if role == typev1.Role_ROLE_COMMUNITY_PARTY_STAFF && method == "AnswerException" {
			out["cycle_id"] = "{branchCycleInside}"
		}
	case service == "PollService" && (role == typev1.Role_ROLE_WORKPLACE_OFFICER || role == typev1.Role_ROLE_BRANCH_OFFICER):
		if method != "ListPolls" && method != "PreparePoll" {
			out["id"] = "{workplacePolls}"
		}
	case role == typev1.Role_ROLE_COMMUNITY_PARTY_STAFF:
		partyRows(service, method, out)
	case m.Name() == "AccountService/InviteMembers" && (role == typev1.Role_ROLE_WORKPLACE_OFFICER || role == typev1.Role_ROLE_BRANCH_OFFICER):
		out["organization_id"] = "W00001"
	case m.Name() == "InboxService/DeleteWebhook" && role == typev1.Role_ROLE_WORKPLACE_OFFICER:
		out["id"] = "{workplaceWebhook}"
	case service == "PrivacyService" && (role == typev1.Role_ROLE_COMMITTEE_STAFF || role == typev1.Role_ROLE_RESIDENT):
		out["id"], out["residents"] = "{residentClaims}", "true"
	case service == "HandlingService" && role == typev1.Role_ROLE_STREET_OFFICER:
		out["id"] = "{requestAtStreet}"
	case service == "HandlingService" && role == typev1.Role_ROLE_DISTRICT_OFFICER:
		out["id"] = "{requestAtDepartment}"
	case service == "HandlingService" && role == typev1.Role_ROLE_COMMITTEE_STAFF && (method == "AnswerOffer" || method == "BeginRequest"):
		out["id"] = "{request4}"
	}
	return out
}

// partyRows are those of members whose home organization is the community.
func partyRows(service, method string, out map[string]string) {
	switch service + "/" + method {
	case "EvaluationService/GetLetter", "EvaluationService/RenderLetter":
		out["id"] = "{homeLetter}"
	case "ReplyService/GetReply", "ReplyService/ReplyToLetter":
		out["letter_id"] = "{homeLetter}"
	case "CampaignService/RemovePlace":
		out["id"] = "{homePlace}"
	case "PrivacyService/AcceptClaim", "PrivacyService/RefuseClaim", "PrivacyService/RevealClaim":
		out["id"] = "{homeClaims}"
	case "CampaignService/RevealExclusionNote":
		out["member_id"] = "{m6}"
	case "CampaignService/TransferReportIn", "CampaignService/EndReportIn", "RegistryService/ResubmitReportIn":
		out["id"] = "{reportIn5}"
	case "CampaignService/ProposeExclusion", "RegistryService/SubmitReportIn":
		out["member_id"] = "{m5}"
	}
}

// owner is the person to whom the row of a call belongs.
func (w *world) owner(c call) string {
	if c.method.Name() == "LedgerService/AnswerForMyself" {
		return "li"
	}
	if c.method.Descriptor.Parent().Name() == "SessionService" {
		return an
	}
	id := w.rowOf(c)
	for name, person := range map[string]string{
		"requests": "li", "request2": w.ids["m1"], "request3": "li", "offers": w.ids["m1"], "honors": w.ids["m1"], "conductNotes": w.ids["m1"],
		"reportIns": w.ids["m1"], "entries": w.ids["m1"], "messages": w.ids["m1"], "m1": w.ids["m1"], "keyProjects": "R1", "applications": "R1", "calls": "R1",
		"residentClaims": "li",
	} {
		if id != "" && id == w.ids[name] {
			return person
		}
	}
	return w.ids["m1"]
}

// rowField is the field of a call that names its row; empty for a call without.
func rowField(c call) string {
	if f := c.method.Rule.GetField(); f != "" {
		return f
	}
	if f, known := rowFields()[c.method.Name()]; known {
		return f
	}
	_, path := c.method.Route()
	for _, s := range strings.Split(path, "/") {
		if name, ok := strings.CutPrefix(s, "{"); ok {
			f := c.msg.Descriptor().Fields().ByName(protoreflect.Name(strings.SplitN(name, "}", 2)[0]))
			if f != nil && f.Kind() == protoreflect.StringKind {
				return string(f.Name())
			}
		}
	}
	return ""
}

func (w *world) rowOf(c call) string { return c.fields[rowField(c)] }

const nowhere = "x_0000000000000000000000000000"

// tried is a call of a row, and the same call of a row that does not exist.
type tried struct {
	it, missing answer
	id          string
}

// try makes both. A caller whose role is not taken is told nothing in any case.
func (w *world) try(token string, c call) (tried, error) {
	out := tried{id: w.rowOf(c)}
	var err error
	if out.it, err = w.make(token, c); err != nil || out.it.Reason == "ROLE_NOT_ALLOWED" {
		return out, err
	}
	if field := rowField(c); field != "" {
		other := map[string]string{}
		for name, v := range c.fields {
			other[name] = v
		}
		other[field] = nowhere
		out.missing, err = w.make(token, w.newCall(c.method, other))
	}
	return out, err
}

// refused says whether the caller was told nothing of the row: the answer is no,
// or the one for a row that does not exist.
func (r tried) refused() bool {
	return r.it.Status == 401 || r.it.Status == 403 || r.missing.Status != 0 && r.it.alike(r.id) == r.missing.alike(nowhere)
}

// TestMatrix_EveryCellIsAsTheTableSays calls every method as every role, inside,
// outside and, where a row belongs to a person, as that person.
func TestMatrix_EveryCellIsAsTheTableSays(t *testing.T) {
	cells := 0
	for _, m := range rights.Methods() {
		t.Run(m.Name(), func(t *testing.T) {
			for _, role := range rights.Roles() {
				cells += shared.cell(t, m, role)
			}
		})
	}
	if cells < 9000 {
		t.Errorf("only %d calls were judged", cells)
	}
}

// cell makes the calls of one cell and answers how many it judged.
func (w *world) cell(t *testing.T, m rights.Method, role typev1.Role) int {
	t.Helper()
	at, want := w.set(m, role), m.Cell(role)
	c := w.newCall(m, at.rows)
	hasRow := rowField(c) != "" && m.Rule.GetScope() != typev1.ScopeKind_SCOPE_KIND_NONE
	everywhere := want == rights.Yes || want == rights.Anybody || want == rights.Own && !hasRow
	tries := []attempt{
		{"a stranger inside", stranger, at.inside, everywhere || want == rights.Inside || want == rights.Everywhere},
		{"a stranger outside", stranger, at.outside, everywhere || want == rights.Inside && !hasRow},
	}
	if want == rights.Own && hasRow && hasOwner(m, role) {
		tries = append(tries, attempt{"the person outside", w.owner(c), at.outside, true})
	}
	for _, k := range tries {
		w.judge(t, c, role, k)
	}
	return len(tries)
}

// attempt is one caller of a cell, and whether the cell lets in.
type attempt struct {
	who, person string
	at          scope.Path
	lets        bool
}

func (w *world) judge(t *testing.T, c call, role typev1.Role, k attempt) {
	t.Helper()
	got, err := w.try(as(role, k.person, k.at), c)
	if err != nil {
		t.Fatalf("%v, %s: %v", role, k.who, err)
	}
	refused := got.refused()
	if reason := wrongSecrets()[c.method.Name()]; k.lets && reason != "" && got.it.Reason == reason {
		refused = false
	} else if k.lets && c.method.Cell(role) == rights.Anybody {
		refused = got.it.Status == 401 || got.it.Status == 403 // a code that is none is no refusal of the caller
	}
	if refused == k.lets {
		t.Errorf("%v is %q, but %s at %s got %s; of a missing one %s: %s", role, c.method.Cell(role), k.who, k.at, got.it, got.missing, brief(got.it.Body))
	}
	if !k.lets && got.missing.Status != 0 && got.it.alike(got.id) != got.missing.alike(nowhere) {
		t.Errorf("%v, %s at %s: refused with %s, a missing one with %s", role, k.who, k.at, got.it.alike(got.id), got.missing.alike(nowhere))
	}
	if got.it.Status >= 500 {
		t.Errorf("%v, %s at %s: %s: %s", role, k.who, k.at, got.it, brief(got.it.Body))
	}
}

func brief(s string) string { return s[:min(len(s), 300)] }

// hasOwner says whether rows of the method can belong to a person of the role.
func hasOwner(m rights.Method, role typev1.Role) bool {
	if m.Descriptor.Parent().Name() == "HandlingService" && (role == typev1.Role_ROLE_STREET_OFFICER || role == typev1.Role_ROLE_DISTRICT_OFFICER) {
		return false // theirs only while they are of the office it was handed to
	}
	return !strings.HasPrefix(m.Descriptor.ParentFile().Path(), "linli/projects/") || role == typev1.Role_ROLE_REVIEWER &&
		!strings.Contains(m.Name(), "List") && m.Name() != "DeliveryService/GetProject"
}

// rowFields name the row where the route's first parameter does not.
func rowFields() map[string]string {
	return map[string]string{
		"EvaluationService/RenderLetter": "id", "LedgerExportService/RenderLedgerExport": "id", "LetterService/RenderApplicationLetter": "application_id",
		"ProjectsService/ExportSelection": "call_id", "RegistryService/ListOrganizations": "root_id", "RegistryService/BatchGetOrganizations": "ids",
		"SheetService/GetSheet": "member_id", "SheetService/ListSheetEntries": "member_id", "SheetService/SetOpinion": "member_id",
		"CampaignService/ProposeExclusion": "member_id", "CampaignService/DecideExclusion": "member_id", "CampaignService/RevealExclusionNote": "member_id",
		"RegistryService/SubmitReportIn": "member_id", "CircleService/PreviewRequest": "community_id",
		"AttachmentService/AddPicture": "request_id", "AttachmentService/AddDocument": "application_id", "AttachmentService/AddProof": "project_id",
		"AccountService/CreateAccount": "organization_id", "AccountService/ListAccounts": "organization_id", "AccountService/InviteMembers": "organization_id",
		"AccountService/NamePeople":   "ids",
		"AuditService/ListMyReadings": "", // its lines are the caller's, the service is no row
	}
}
