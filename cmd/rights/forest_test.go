package rights_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/scope"
)

// A forest is a city drawn by lot beside the one of the story, and what is known
// of its rows: where they lie, and whose they are. It is the model that answers
// are held against.

// leaf is one row. Its places are those of the offices that see it.
type leaf struct {
	kind, id, owner string
	places          []scope.Path
	// public says that neighbours see it, asked that the street was asked.
	public, asked bool
}

type forest struct {
	w      *world
	lot    *rand.Rand
	paths  map[string][]scope.Path // by kind of organization
	leaves []leaf
	count  int
}

const forestCity scope.Path = "/440100/"

// grow draws the tree and its rows.
func (w *world) grow(seed uint64) (*forest, error) {
	f := &forest{w: w, lot: rand.New(rand.NewPCG(seed, seed)), paths: map[string][]scope.Path{"city": {forestCity}}}
	table := "编码,名称,类别,上级编码,亮身份\n440100,广州市,city,,是\n"
	add := func(kind string, parent scope.Path, code string) scope.Path {
		table += fmt.Sprintf("%s,%s,%s,%s,是\n", code, code, kind, parent.ID())
		f.paths[kind] = append(f.paths[kind], parent.Child(code))
		return parent.Child(code)
	}
	for d := range 2 + f.lot.IntN(2) {
		district := add("district", forestCity, fmt.Sprintf("44011%d", d))
		for n := range 1 + f.lot.IntN(3) {
			street := add("street", district, fmt.Sprintf("44011%d0%02d", d, n))
			for c := range 1 + f.lot.IntN(3) {
				add("community", street, fmt.Sprintf("44011%d0%02d0%02d", d, n, c))
			}
		}
		for n := range 1 + f.lot.IntN(3) {
			work := add("workplace", district, fmt.Sprintf("FW%d%d", d, n))
			if f.lot.IntN(2) == 0 {
				add("branch", work, fmt.Sprintf("FB%d%d", d, n))
			}
		}
	}
	if err := w.do(step{"admin", "POST", "/v1/organizations:import", table, nil}); err != nil {
		return nil, err
	}
	if err := w.drain(); err != nil {
		return nil, err
	}
	for _, plant := range []func() error{f.plantAccounts, f.plantMembers, f.plantCommunities, f.plantDistricts} {
		if err := plant(); err != nil {
			return nil, err
		}
		if err := w.drain(); err != nil {
			return nil, err
		}
	}
	return f, f.plantBelow()
}

// plantBelow puts something below rows of the tree: a picture of a request, a
// document of a draft; and finds a message to an office.
func (f *forest) plantBelow() error {
	at := map[string]leaf{}
	for _, l := range f.leaves {
		if l.kind != "request" || l.public {
			at[l.kind] = l
		}
	}
	request, draft, reportIn := at["request"], at["draft"], at["reportIn"]
	for _, s := range []struct {
		role   typev1.Role
		person string
		at     scope.Path
		step   step
	}{
		{typev1.Role_ROLE_RESIDENT, request.owner, request.places[0], step{"author", "POST", "/v1/requests/" + request.id + "/pictures?showsFace=true", picture(), []string{"foreignPicture=id"}}},
		{typev1.Role_ROLE_COMMITTEE_STAFF, "planter", draft.places[0], step{"applicant", "POST", "/v1/applications/" + draft.id + "/documents", document(), []string{"foreignDocument=id"}}},
		{typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "planter", reportIn.places[1],
			step{"office", "GET", "/v1/organizations/" + reportIn.places[1].ID() + "/messages", "", []string{"foreignMessage=messages.0.id"}}},
	} {
		if err := f.w.doAs(as(s.role, s.person, s.at), s.step); err != nil {
			return err
		}
	}
	return nil
}

// call makes a call of the planting as an office and keeps an id of the answer.
func (f *forest) call(role typev1.Role, at scope.Path, method, path, body, keep string) (string, error) {
	f.count++
	kept := []string(nil)
	if keep != "" {
		kept = []string{"planted=" + keep}
	}
	who := fmt.Sprintf("planter%d", f.count%3) // proposes, confirms, approves
	err := f.w.doAs(as(role, who, at), step{who, method, path, body, kept})
	return f.w.ids["planted"], err
}

func (f *forest) add(l leaf) { f.leaves = append(f.leaves, l) }

// plantAccounts gives every district and community one of its office.
func (f *forest) plantAccounts() error {
	for role, places := range map[typev1.Role][]scope.Path{
		typev1.Role_ROLE_DISTRICT_OFFICER: f.paths["district"], typev1.Role_ROLE_COMMITTEE_STAFF: f.paths["community"],
	} {
		for _, at := range places {
			body := fmt.Sprintf(`{"login":"of.%s","displayName":"某","grants":[{"role":"%s","organizationId":"%s"}]}`, at.ID(), role, at.ID())
			id, err := f.call(typev1.Role_ROLE_SECURITY_ADMIN, scope.Root, "POST", "/v1/accounts", body, "account.id")
			if err != nil {
				return err
			}
			f.add(leaf{kind: "account", id: id, places: []scope.Path{at}})
		}
	}
	return nil
}

// plantMembers sends rosters; some members report in and are accepted.
func (f *forest) plantMembers() error {
	homes := slices.Concat(f.paths["workplace"], f.paths["branch"])
	for _, home := range homes {
		for n := range 1 + f.lot.IntN(3) {
			var near []scope.Path
			for _, c := range f.paths["community"] {
				if strings.HasPrefix(string(c), string(home[:len(forestCity)+7])) {
					near = append(near, c)
				}
			}
			if err := f.plantMember(home, near[f.lot.IntN(len(near))], n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *forest) plantMember(home, community scope.Path, n int) error {
	const officer, party = typev1.Role_ROLE_WORKPLACE_OFFICER, typev1.Role_ROLE_COMMUNITY_PARTY_STAFF
	f.count++
	row := fmt.Sprintf("林%d,男,,137%08d,2001-07-01,正式党员,在职,%s,%s,%s,9栋,,\n", f.count, f.count, home.ID(), home.ID(), community.ID())
	members := "/v1/organizations/" + home.ID() + "/members?pageSize=200"
	if _, err := f.call(officer, home, "POST", "/v1/organizations/"+home.ID()+"/rosters:import", roster+row, ""); err != nil {
		return err
	}
	got, err := f.w.send(as(officer, "planter", home), "GET", members, "", "")
	if err != nil {
		return err
	}
	id := newest(got.Body, f.leaves)
	member := leaf{kind: "member", id: id, owner: id, places: []scope.Path{home}}
	if f.lot.IntN(3) > 0 {
		report, err := f.call(officer, home, "POST", "/v1/reportIns", `{"memberId":"`+id+`"}`, "id")
		if err != nil {
			return err
		}
		f.add(leaf{kind: "reportIn", id: report, owner: id, places: []scope.Path{home, community}})
		if f.lot.IntN(3) > 0 {
			if _, err := f.call(party, community, "POST", "/v1/reportIns/"+report+":accept", `{}`, ""); err != nil {
				return err
			}
			member.places = append(member.places, community)
		}
	}
	f.add(member)
	return nil
}

// newest is the member in a list who was not known before.
func newest(body string, known []leaf) string {
	for _, part := range strings.Split(body, `"`) {
		if strings.HasPrefix(part, "mem_") && !slices.ContainsFunc(known, func(l leaf) bool { return l.kind == "member" && l.id == part }) {
			return part
		}
	}
	return ""
}

// plantCommunities gives every community requests, a case, services of its
// members, a poll, a survey and an export.
func (f *forest) plantCommunities() error {
	for _, c := range f.paths["community"] {
		for range 1 + f.lot.IntN(3) {
			if err := f.plantRequest(c); err != nil {
				return err
			}
		}
		if err := f.plantOffice(c); err != nil {
			return err
		}
	}
	return nil
}

func (f *forest) plantRequest(c scope.Path) error {
	const staff = typev1.Role_ROLE_COMMITTEE_STAFF
	author := fmt.Sprintf("neighbour%d", f.lot.IntN(40))
	kind, seen, public := "PROBLEM", "PUBLIC", true
	if f.lot.IntN(2) == 0 {
		kind, seen, public = "HARDSHIP", "STAFF_ONLY", false
	}
	body := fmt.Sprintf(`{"communityId":"%s","kind":"REQUEST_KIND_%s","visibility":"VISIBILITY_%s","text":"路灯坏了","onBehalfOf":%v}`, c.ID(), kind, seen, !public)
	err := f.w.doAs(as(typev1.Role_ROLE_RESIDENT, author, c), step{author, "POST", "/v1/requests", body, []string{"planted=id"}})
	if err != nil {
		return err
	}
	id := f.w.ids["planted"]
	f.add(leaf{kind: "request", id: id, owner: author, places: []scope.Path{c}, public: public})
	if public {
		return nil
	}
	hardship, err := f.call(staff, c, "POST", "/v1/requests/"+id+":openHardshipCase", `{}`, "id")
	if err != nil {
		return err
	}
	asked := f.lot.IntN(2) == 0
	f.add(leaf{kind: "case", id: hardship, places: []scope.Path{c}, asked: asked})
	if !asked {
		return nil
	}
	for _, s := range [][2]string{
		{":visit", `{"facts":{"people":[{"name":"某人","relation":"本人"}],"note":"下岗"}}`},
		{":recordConsent", `{"given":true,"by":"CONSENT_BY_PERSON","name":"某人"}`}, {":askRelief", `{}`},
	} {
		if _, err := f.call(staff, c, "POST", "/v1/hardshipCases/"+hardship+s[0], s[1], ""); err != nil {
			return err
		}
	}
	return nil
}

func (f *forest) plantOffice(c scope.Path) error {
	const party = typev1.Role_ROLE_COMMUNITY_PARTY_STAFF
	base := "/v1/organizations/" + c.ID()
	member := ""
	for _, l := range f.leaves {
		if l.kind == "member" && slices.Contains(l.places, c) {
			member = l.id
		}
	}
	plant := func(kind, path, body, keep, owner string) error {
		id, err := f.call(party, c, "POST", base+path, body, keep)
		f.add(leaf{kind: kind, id: id, owner: owner, places: []scope.Path{c}})
		return err
	}
	if err := plant("export", "/ledgerExports", `{"year":2013,"purpose":"汇入"}`, "id", ""); err != nil || member == "" {
		return err
	}
	lines := `"lines":[{"memberId":"` + member + `","label":"林"}]`
	for _, p := range [][4]string{
		{"poll", "/polls", `{"kind":"POLL_KIND_COMMUNITY","year":2013,` + lines + `,"seats":5}`, "id"},
		{"survey", "/surveys", `{"year":2013,` + lines + `,"households":5}`, "id"},
		{"note", "/conductNotes", `{"memberId":"` + member + `","kind":"CONDUCT_KIND_NOISE","day":"2013-01-01","facts":"深夜噪音"}`, "id"},
		{"card", "/cards", `{"memberId":"` + member + `"}`, "number"},
	} {
		if err := plant(p[0], p[1], p[2], p[3], ""); err != nil {
			return err
		}
	}
	return plant("entry", "/entries", `{"memberId":"`+member+`","service":{"kind":"SERVICE_KIND_ENVIRONMENT","source":"ENTRY_SOURCE_BY_HAND","day":"2013-01-02",`+
		`"times":1,"quarterHours":4,"evidence":[{"kind":"EVIDENCE_KIND_WITNESS","witnessId":"chen"}]}}`, "id", member)
}

// plantWebhooks gives every community one.
func (f *forest) plantWebhooks() error {
	for _, c := range f.paths["community"] {
		id, err := f.call(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, c, "POST", "/v1/organizations/"+c.ID()+"/webhooks", `{"url":"http://127.0.0.1:9/hook"}`, "webhook.id")
		if err != nil {
			return err
		}
		f.add(leaf{kind: "webhook", id: id, places: []scope.Path{c}})
	}
	return nil
}

// plantDistricts gives every district a campaign, a cycle and a call with a
// draft in it.
func (f *forest) plantDistricts() error {
	const officer = typev1.Role_ROLE_DISTRICT_OFFICER
	for _, d := range f.paths["district"] {
		base := "/v1/organizations/" + d.ID()
		for _, p := range [][3]string{
			{"campaign", "/campaigns", `{"year":2013,"title":"进社区","opensOn":"2013-01-03","deadlineOn":"2013-10-31"}`},
			{"cycle", "/cycles", `{"year":2013}`},
			{"call", "/calls", `{"year":2013,"title":"项目","opensAt":"2012-12-31T16:00:00Z","closesAt":"2013-12-31T15:59:59Z","quota":1,"aggregation":"AGGREGATION_MEAN",` +
				`"criteria":[{"key":"need","name":"必要性","max":60,"weight":1}],"reviewers":[{"person":"judge","organizationId":"W00003"}]}`},
		} {
			id, err := f.call(officer, d, "POST", base+p[1], p[2], "id")
			if err != nil {
				return err
			}
			f.add(leaf{kind: p[0], id: id, places: []scope.Path{d}})
		}
		round := f.w.ids["planted"]
		if _, err := f.call(officer, d, "POST", "/v1/calls/"+round+":open", `{}`, ""); err != nil {
			return err
		}
		for _, c := range f.paths["community"] {
			if !d.Contains(c) {
				continue
			}
			f.count++
			id, err := f.call(typev1.Role_ROLE_COMMITTEE_STAFF, c, "POST", "/v1/calls/"+round+"/applications",
				fmt.Sprintf(`{"applicantId":"%s","number":"%d","title":"服务圈","budgetYuan":"1"}`, c.ID(), f.count), "id")
			if err != nil {
				return err
			}
			f.add(leaf{kind: "draft", id: id, places: []scope.Path{c}})
		}
	}
	return nil
}
