package rights_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/rights"
	"github.com/linli-project/linli/pkg/scope"
)

const (
	forestSeed  = 2013
	forestReads = 100_000
	readersAt   = 8 // at once
)

// reading is a method that reads rows of a kind: one by its id, or those of an
// organization.
type reading struct {
	kind, field string
	list        bool
}

func readings() map[string]reading {
	return map[string]reading{
		"AccountService/GetAccount":             {"account", "id", false},
		"AccountService/ListAccounts":           {"account", "organization_id", true},
		"RegistryService/GetMember":             {"member", "id", false},
		"RegistryService/GetReportIn":           {"reportIn", "id", false},
		"CampaignService/GetCampaign":           {"campaign", "id", false},
		"RequestsService/GetRequest":            {"request", "id", false},
		"AidService/GetHardshipCase":            {"case", "id", false},
		"EvaluationService/GetEntry":            {"entry", "id", false},
		"LedgerService/GetMemberLedger":         {"ledger", "member_id", false},
		"EvaluationService/GetCycle":            {"cycle", "id", false},
		"PollService/GetPoll":                   {"poll", "id", false},
		"SurveyService/GetSurvey":               {"survey", "id", false},
		"ProjectsService/GetCall":               {"call", "id", false},
		"ProjectsService/GetApplication":        {"draft", "id", false},
		"RegistryService/ListMembers":           {"member", "organization_id", true},
		"RegistryService/ListReportIns":         {"reportIn", "organization_id", true},
		"RequestsService/ListRequests":          {"request", "community_id", true},
		"AidService/ListHardshipCases":          {"case", "community_id", true},
		"EvaluationService/ListEntries":         {"entry", "community_id", true},
		"PollService/ListPolls":                 {"poll", "organization_id", true},
		"SurveyService/ListSurveys":             {"survey", "community_id", true},
		"CardService/ListCards":                 {"card", "community_id", true},
		"ConductService/ListConductNotes":       {"note", "community_id", true},
		"LedgerExportService/ListLedgerExports": {"export", "community_id", true},
		"InboxService/ListWebhooks":             {"webhook", "organization_id", true},
		"ProjectsService/ListCalls":             {"call", "district_id", true},
		"ProjectsService/ListOwnApplications":   {"draft", "organization_id", true},
		"CircleService/BrowseRequests":          {"public", "community_id", true},
	}
}

// user is somebody drawn by lot.
type user struct {
	role   typev1.Role
	person string
	at     scope.Path
	token  string
}

// user draws somebody, more often in a role that the method takes than not.
func (f *forest) user(lot *rand.Rand, m rights.Method) user {
	kinds := map[typev1.Role]string{
		typev1.Role_ROLE_CITY_OFFICER: "city", typev1.Role_ROLE_DISTRICT_OFFICER: "district", typev1.Role_ROLE_STREET_OFFICER: "street",
		typev1.Role_ROLE_WORKPLACE_OFFICER: "workplace", typev1.Role_ROLE_BRANCH_OFFICER: "branch", typev1.Role_ROLE_MEMBER: "workplace",
		typev1.Role_ROLE_SECURITY_ADMIN: []string{"city", "district", "community"}[lot.IntN(3)],
	}
	out := user{person: fmt.Sprintf("neighbour%d", lot.IntN(40))}
	for range 4 {
		if out.role = rights.Roles()[lot.IntN(len(rights.Roles()))]; m.Cell(out.role) != rights.No {
			break
		}
	}
	kind := kinds[out.role]
	if kind == "" {
		kind = "community"
	}
	out.at = f.paths[kind][lot.IntN(len(f.paths[kind]))]
	if own := f.leaves[lot.IntN(len(f.leaves))]; own.owner != "" && out.role == typev1.Role_ROLE_MEMBER {
		out.person = own.owner
	}
	out.token = as(out.role, out.person, out.at)
	return out
}

// sees is the model: whether a row is there for somebody, by a method.
func (f *forest) sees(u user, m rights.Method, l leaf) bool {
	cell, own := m.Cell(u.role), l.owner != "" && l.owner == u.person
	if cell == rights.No || cell == rights.Own && !own {
		return false
	}
	inside := slices.ContainsFunc(l.places, u.at.Contains)
	const street, resident, member = typev1.Role_ROLE_STREET_OFFICER, typev1.Role_ROLE_RESIDENT, typev1.Role_ROLE_MEMBER
	switch l.kind {
	case "request":
		if !own && (u.role == resident || u.role == member) {
			return l.public && (inside || u.role == member && f.reportedTo(u.person, l.places[0]))
		}
	case "case":
		return inside && (u.role != street || l.asked)
	case "draft": // sealed until the window closes
		return inside && u.role != typev1.Role_ROLE_DISTRICT_OFFICER
	case "campaign", "call":
		return own || l.places[0].Related(u.at) && (l.kind == "campaign" || !isReviewer(u.role) || l.places[0].Contains(u.at))
	}
	return inside || own
}

func isReviewer(r typev1.Role) bool { return r == typev1.Role_ROLE_REVIEWER }

// reportedTo says whether a community has accepted a member.
func (f *forest) reportedTo(member string, community scope.Path) bool {
	return slices.ContainsFunc(f.leaves, func(l leaf) bool {
		return l.kind == "member" && l.id == member && slices.Contains(l.places[1:], community)
	})
}

// listed are the rows that a list of an organization holds for somebody, by id;
// false where the list is refused.
func (f *forest) listed(u user, m rights.Method, kind string, at scope.Path) (ids []string, ok bool) {
	cell := m.Cell(u.role)
	reported := kind == "public" && u.role == typev1.Role_ROLE_MEMBER && f.reportedTo(u.person, at)
	if cell == rights.No || !u.at.Contains(at) && !reported {
		return nil, false
	}
	party := u.role == typev1.Role_ROLE_COMMUNITY_PARTY_STAFF && slices.Contains(f.paths["community"], at)
	for _, l := range f.leaves {
		in := at.Contains(l.places[0])
		switch {
		case kind == "public":
			in = l.kind == "request" && l.public && l.places[0] == at
		case l.kind != kind:
			in = false
		case kind == "member":
			in = in || party && slices.Contains(l.places[1:], at)
		case kind == "reportIn":
			in = at.Contains(l.places[1])
		case kind == "case" && u.role == typev1.Role_ROLE_STREET_OFFICER:
			in = in && l.asked
		case kind == "poll" || kind == "webhook" || kind == "draft" || kind == "call":
			in = l.places[0] == at
		}
		if in {
			ids = append(ids, l.id)
		}
	}
	slices.Sort(ids)
	return ids, true
}

// TestForest_NobodySeesWhatIsNotTheirs reads a tree drawn by lot as users drawn
// by lot, 100,000 times, and holds every answer against the model: what is there
// is answered, what is not looks like what does not exist, and lists hold what
// they should and nothing else.
func TestForest_NobodySeesWhatIsNotTheirs(t *testing.T) {
	f := shared.forest
	var methods []rights.Method
	for _, m := range rights.Methods() {
		if _, known := readings()[m.Name()]; known {
			methods = append(methods, m)
		}
	}
	if len(methods) != len(readings()) {
		t.Fatalf("%d of %d methods", len(methods), len(readings()))
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	allowed, denied := 0, 0 // a denied one is read twice: as it is, and as a missing one
	for n := range readersAt {
		wait.Go(func() {
			lot := rand.New(rand.NewPCG(forestSeed, uint64(n)+seedOf(t)))
			for reads := 0; reads < forestReads/readersAt; reads++ {
				m := methods[lot.IntN(len(methods))]
				ok, err := f.read(lot, f.user(lot, m), m)
				mu.Lock()
				if ok {
					allowed++
				} else {
					denied++
					reads++
				}
				mu.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	if allowed < forestReads/20 || denied < forestReads/4 {
		t.Errorf("%d answered, %d not: the lot is bad", allowed, denied)
	}
}

// seedOf lets another lot be drawn: LINLI_SEED.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(os.Getenv("LINLI_SEED"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// read makes one read and says whether it was answered; an error is a difference
// to the model.
func (f *forest) read(lot *rand.Rand, u user, m rights.Method) (bool, error) {
	r := readings()[m.Name()]
	if r.list {
		return f.readList(lot, u, m, r)
	}
	var of []leaf
	for _, l := range f.leaves {
		if l.kind == r.kind || r.kind == "ledger" && l.kind == "member" {
			of = append(of, l)
		}
	}
	l := of[lot.IntN(len(of))]
	for n := lot.IntN(len(of)); lot.IntN(2) == 0 && n < len(of); n++ { // near the user, every other time
		if f.sees(u, m, of[n]) {
			l = of[n]
			break
		}
	}
	want := f.sees(u, m, l)
	got, err := f.ask(u, m, r.field, l.id, "")
	if err != nil {
		return false, err
	}
	if (got.Status == 200) != want {
		return want, fmt.Errorf("%v %s at %s: %s of %s %s (of %q at %s, public %v, asked %v) answers %s, the model says %v",
			u.role, u.person, u.at, m.Name(), l.kind, l.id, l.owner, l.places, l.public, l.asked, got, want)
	}
	if want {
		return true, nil
	}
	missing, err := f.ask(u, m, r.field, nowhere, "")
	if err == nil && missing.alike(nowhere) != got.alike(l.id) {
		err = fmt.Errorf("%v at %s: %s denies with %s, and misses with %s", u.role, u.at, m.Name(), got.alike(l.id), missing.alike())
	}
	return false, err
}

func (f *forest) readList(lot *rand.Rand, u user, m rights.Method, r reading) (bool, error) {
	kinds := map[string][]string{"community_id": {"community"}, "district_id": {"district"}, "organization_id": {"community", "workplace", "branch"}}
	if r.kind == "webhook" || r.kind == "poll" || r.kind == "draft" || r.kind == "reportIn" {
		kinds["organization_id"] = []string{"community"}
	}
	of := kinds[r.field]
	places := f.paths[of[lot.IntN(len(of))]]
	at := places[lot.IntN(len(places))]
	if slices.Contains(places, u.at) && lot.IntN(2) == 0 {
		at = u.at
	}
	want, ok := f.listed(u, m, r.kind, at)
	got, err := f.ask(u, m, r.field, at.ID(), "")
	if err != nil {
		return false, err
	}
	if (got.Status == 200) != ok {
		return ok, fmt.Errorf("%v %s at %s: %s of %s answers %s, the model says %v", u.role, u.person, u.at, m.Name(), at, got, ok)
	}
	if !ok {
		return false, nil
	}
	ids, next := idsIn(got.Body)
	if next == "reported." { // whoever reported in follows on pages of their own
		if got, err = f.ask(u, m, r.field, at.ID(), next); err != nil {
			return false, err
		}
		more, _ := idsIn(got.Body)
		ids = append(ids, more...)
	}
	slices.Sort(ids)
	if !slices.Equal(ids, want) {
		return true, fmt.Errorf("%v %s at %s: %s of %s lists %v, the model %v", u.role, u.person, u.at, m.Name(), at, ids, want)
	}
	return true, nil
}

// ask makes a call that names one row or organization, for a page of 200.
func (f *forest) ask(u user, m rights.Method, field, id, pageToken string) (answer, error) {
	msg := dynamicpb.NewMessage(m.Descriptor.Input())
	set := func(name string, v protoreflect.Value) {
		if d := msg.Descriptor().Fields().ByName(protoreflect.Name(name)); d != nil {
			msg.Set(d, v)
		}
	}
	set(field, protoreflect.ValueOfString(id))
	set("page_size", protoreflect.ValueOfInt32(200))
	set("page_token", protoreflect.ValueOfString(pageToken))
	return f.w.overGRPC(u.token, call{method: m, msg: msg})
}

// idsIn answers the ids of the rows in the first list of an answer, and the page
// token.
func idsIn(body string) (ids []string, next string) {
	var parsed map[string]json.RawMessage
	if json.Unmarshal([]byte(body), &parsed) != nil {
		return nil, ""
	}
	for name, text := range parsed {
		var rows []map[string]any
		if json.Unmarshal(text, &rows) != nil {
			if name == "nextPageToken" {
				next = strings.Trim(string(text), `"`)
			}
			continue
		}
		for _, row := range rows {
			if id, ok := row["id"].(string); ok {
				ids = append(ids, id)
			} else if number, ok := row["number"].(string); ok {
				ids = append(ids, number)
			}
		}
	}
	return ids, next
}
