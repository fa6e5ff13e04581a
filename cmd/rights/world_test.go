package rights_test

import (
	"fmt"
	"strings"
	"time"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/scope"
)

// The tree of the world. A is the community whose rows are looked at, B the one
// next door, F one of another district; W a workplace with a branch, W3 another
// one; H is a workplace that is not displayed.
const (
	city      scope.Path = "/430100/"
	district  scope.Path = "/430100/430101/"
	street    scope.Path = "/430100/430101/430101002/"
	here      scope.Path = "/430100/430101/430101002/430101002001/"
	nextDoor  scope.Path = "/430100/430101/430101002/430101002002/"
	elsewhere scope.Path = "/430100/430102/430102001/430102001001/"
	workplace scope.Path = "/430100/430101/W00001/"
	branch    scope.Path = "/430100/430101/W00001/B00001/"
	otherWork scope.Path = "/430100/430101/W00003/"
	hidden    scope.Path = "/430100/430101/W00002/"
)

const organizations = `编码,名称,类别,上级编码,亮身份
430100,长沙市,city,,是
430200,株洲市,city,,是
430101,天心区,district,430100,是
430102,芙蓉区,district,430100,是
430101002,青园街道,street,430101,是
430101003,坡子街街道,street,430101,是
430102001,文艺路街道,street,430102,是
430101002001,芙蓉南路社区,community,430101002,是
430101002002,青园社区,community,430101002,是
430101003001,太平街社区,community,430101003,是
430102001001,识字岭社区,community,430102001,是
W00001,区图书馆党总支,workplace,430101,是
B00001,区图书馆第一支部,branch,W00001,是
W00003,区档案馆党支部,workplace,430101,是
W00002,不亮身份的单位,workplace,430101,否
B00002,不亮身份的支部,branch,W00002,是
G00001,书画兼合式党支部,functional_group,430101002001,是
B00003,社区第一支部,branch,430101002001,是
430101003002,不亮身份的社区,community,430101003,否
430101004,不亮身份的街道,street,430101,否
430101004001,看似亮身份的社区,community,430101004,是
`

const roster = "姓名,性别,身份证号,手机号,入党日期,党员状态,党员类别,组织关系所在党组织编码,工作单位编码,居住社区编码,楼栋,特长,兴趣爱好\n"

// who are the people of the story, each with the role and the place.
func (w *world) token(name string) string {
	roles := map[string]access.Grant{
		"admin":     {Role: typev1.Role_ROLE_SYSTEM_ADMIN, Path: scope.Root},
		"keeper":    {Role: typev1.Role_ROLE_SECURITY_ADMIN, Path: scope.Root},
		"zhao":      {Role: typev1.Role_ROLE_DISTRICT_OFFICER, Path: district},
		"he":        {Role: typev1.Role_ROLE_STREET_OFFICER, Path: street},
		"xiong":     {Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: here},
		"hu":        {Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: here},
		"wang":      {Role: typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, Path: here},
		"deng":      {Role: typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, Path: here},
		"officer":   {Role: typev1.Role_ROLE_WORKPLACE_OFFICER, Path: workplace},
		"secretary": {Role: typev1.Role_ROLE_BRANCH_OFFICER, Path: branch},
		"clerk":     {Role: typev1.Role_ROLE_BRANCH_OFFICER, Path: here + "B00003/"},
		"secret":    {Role: typev1.Role_ROLE_WORKPLACE_OFFICER, Path: hidden},
		"li":        {Role: typev1.Role_ROLE_RESIDENT, Path: here},
		"chen":      {Role: typev1.Role_ROLE_RESIDENT, Path: here},
		"R1":        {Role: typev1.Role_ROLE_REVIEWER, Path: district},
		"R2":        {Role: typev1.Role_ROLE_REVIEWER, Path: district},
		"R3":        {Role: typev1.Role_ROLE_REVIEWER, Path: district},
		"m1":        {Role: typev1.Role_ROLE_MEMBER, Path: workplace},
		"m2":        {Role: typev1.Role_ROLE_MEMBER, Path: branch},
		"m4":        {Role: typev1.Role_ROLE_MEMBER, Path: hidden},
		"m5":        {Role: typev1.Role_ROLE_MEMBER, Path: here},
	}
	g, known := roles[name]
	switch {
	case !known:
		return ""
	case g.Role == typev1.Role_ROLE_MEMBER:
		return as(g.Role, w.ids[name], g.Path)
	}
	return as(g.Role, name, g.Path)
}

// build lives through what leaves one row of everything.
func (w *world) build() error {
	for _, part := range [][]step{registrySteps(), claimSteps(), accountSteps(), requestSteps(), ledgerSteps(), callSteps()} {
		if err := w.play(part); err != nil {
			return err
		}
	}
	w.signIn()
	var err error
	if w.forest, err = w.grow(forestSeed); err != nil {
		return err
	}
	for _, next := range []struct {
		to   string
		part []step
	}{
		{"2013-04-01T01:00:00Z", reviewSteps()}, {"2013-04-20T01:00:00Z", deliverySteps()},
		{"2013-04-24T01:00:00Z", cycleSteps()}, {"2013-05-08T01:00:00Z", closingSteps()},
	} {
		if err := w.advance(next.to); err != nil {
			return err
		}
		if err := w.play(next.part); err != nil {
			return err
		}
	}
	if err := w.drain(); err != nil {
		return err
	}
	// Last: whatever is announced after them would be sent to them without end.
	if err := w.play(webhookSteps()); err != nil {
		return err
	}
	return w.forest.plantWebhooks()
}

func webhookSteps() []step {
	return []step{
		{"officer", "POST", "/v1/organizations/W00001/webhooks", `{"url":"http://127.0.0.1:9/hook"}`, []string{"workplaceWebhook=webhook.id"}},
		{"wang", "POST", "/v1/organizations/430101002001/webhooks", `{"url":"http://127.0.0.1:9/hook"}`, []string{"webhooks=webhook.id"}},
	}
}

func (w *world) play(steps []step) error {
	for _, s := range steps {
		var err error
		switch s.method {
		case "drain":
			err = w.drain()
		case "until":
			err = w.until(s)
		default:
			err = w.do(s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *world) advance(to string) error {
	if err := w.drain(); err != nil {
		return err
	}
	return w.do(step{"admin", "POST", "/v1/dev/clock:advance", `{"time":"` + to + `"}`, nil})
}

func (w *world) drain() error { return w.do(step{"admin", "POST", "/v1/dev/events:drain", "{}", nil}) }

// until asks until the answer holds the text that stands as the body: what a
// job does is seen a moment later.
func (w *world) until(s step) error {
	last := answer{}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		var err error
		if last, err = w.send(w.token(s.who), "GET", w.named(s.path), "", ""); err != nil {
			return err
		}
		if strings.Contains(last.Body, s.body) {
			return w.do(step{s.who, "GET", s.path, "", s.keep})
		}
		<-tick.C
	}
	return fmt.Errorf("%s never says %s: %s", s.path, s.body, last.Body)
}

func registrySteps() []step {
	return []step{
		{"admin", "POST", "/v1/organizations:import", organizations, nil},
		{"officer", "POST", "/v1/organizations/W00001/rosters:import", roster +
			"王小明,男,,13800001234,2001-07-01,正式党员,在职,W00001,W00001,430101002001,15栋1单元,水电维修,象棋\n", nil},
		{"officer", "GET", "/v1/organizations/W00001/members", "", []string{"m1=members.0.id"}},
		{"officer", "POST", "/v1/organizations/W00001/rosters:import", roster +
			"赵大海,男,,13900001234,2001-07-01,正式党员,在职,B00001,W00001,430101002001,9栋,法律援助,书法\n", nil},
		{"officer", "GET", "/v1/organizations/B00001/members", "", []string{"m2=members.0.id"}},
		{"secret", "POST", "/v1/organizations/W00002/rosters:import", roster +
			"孙不见,女,,13900001999,2001-07-01,正式党员,在职,W00002,W00002,430101002001,9栋,法律援助,书法\n", nil},
		{"secret", "GET", "/v1/organizations/W00002/members", "", []string{"m4=members.0.id"}},
		{"wang", "POST", "/v1/organizations/430101002001/rosters:import", roster +
			"周行,男,,13900001777,2001-07-01,正式党员,在职,430101002001,W00003,430101002001,9栋,,书法\n" +
			"吴远,男,,13900001778,2001-07-01,正式党员,在职,430101002001,W00003,430101002001,9栋,,书法\n", nil},
		{"wang", "GET", "/v1/organizations/430101002001/members", "", []string{"m5=members.0.id", "m6=members.1.id"}},
		{"zhao", "POST", "/v1/organizations/430101/campaigns",
			`{"year":2013,"title":"在职党员进社区","opensOn":"2013-01-03","deadlineOn":"2013-10-31"}`, []string{"campaigns=id"}},
		{"m1", "POST", "/v1/reportIns", `{"memberId":"{m1}"}`, []string{"reportIns=id"}},
		{"m4", "POST", "/v1/reportIns", `{"memberId":"{m4}"}`, []string{"reportIn4=id"}},
		{"wang", "POST", "/v1/reportIns/{reportIns}:accept", `{}`, nil},
		{"wang", "POST", "/v1/reportIns/{reportIn4}:accept", `{}`, nil},
		{"officer", "POST", "/v1/campaigns/{campaigns}/members/{m2}:exclude",
			`{"reason":"EXCLUSION_REASON_POSTED_AWAY","until":"2013-12-31","note":"援疆"}`, nil},
		{"wang", "POST", "/v1/campaigns/{campaigns}/members/{m6}:exclude",
			`{"reason":"EXCLUSION_REASON_POSTED_AWAY","until":"2013-12-31","note":"援藏"}`, nil},
		{"wang", "POST", "/v1/reportIns", `{"memberId":"{m5}"}`, []string{"reportIn5=id"}},
		{"wang", "POST", "/v1/reportIns/{reportIn5}:accept", `{}`, nil},
		{"wang", "POST", "/v1/organizations/430101002001/places",
			`{"memberId":"{m5}","communityId":"430101002002","kind":"PLACE_KIND_SECOND_HOME"}`, []string{"homePlace=id"}},
		{"secret", "POST", "/v1/organizations/W00002/places",
			`{"memberId":"{m4}","communityId":"430101002002","kind":"PLACE_KIND_SECOND_HOME"}`, []string{"hiddenPlace=id"}},
		{"secret", "POST", "/v1/organizations/W00002/places", `{"communityId":"430101002001","kind":"PLACE_KIND_UNIT"}`, nil},
		{"officer", "POST", "/v1/organizations/W00001/places",
			`{"memberId":"{m1}","communityId":"430101002002","kind":"PLACE_KIND_SECOND_HOME"}`, []string{"places=id"}},
		{who: "admin", method: "drain"},
		{"wang", "until", "/v1/organizations/430101002001/messages", "report_in.submitted", []string{"officeMessages=messages.0.id"}},
		{"m1", "until", "/v1/me/messages", "report_in.accepted", []string{"messages=messages.0.id"}},
	}
}

func requestSteps() []step {
	const post = `{"communityId":"430101002001","kind":"REQUEST_KIND_PROBLEM","visibility":"VISIBILITY_PUBLIC","text":"15栋楼下的石板松了","building":"15栋"}`
	return []step{
		{"li", "POST", "/v1/requests", post, []string{"requests=id", "requestCode=code"}},
		{"xiong", "POST", "/v1/requests/{requests}:admit", `{}`, nil},
		{"li", "POST", "/v1/requests/{requests}/pictures?showsFace=true", picture(), []string{"pictures=id"}},
		{"m1", "PUT", "/v1/me/availability", `{"availability":{"consent":true,"invitesWorkingHours":true,"freeTimes":[{"weekday":5,"fromMinute":540,"toMinute":1200}]}}`, nil},
		{"li", "POST", "/v1/requests", post, []string{"request2=id"}},
		{"xiong", "POST", "/v1/requests/{request2}:admit", `{}`, nil},
		{"xiong", "POST", "/v1/requests/{request2}:dispatch", `{"memberId":"{m1}"}`, nil},
		{"li", "POST", "/v1/requests", `{"communityId":"430101002001","kind":"REQUEST_KIND_HARDSHIP","visibility":"VISIBILITY_STAFF_ONLY","text":"楼上老人独居生病","onBehalfOf":true}`,
			[]string{"request3=id"}},
		{"xiong", "POST", "/v1/requests/{request3}:openHardshipCase", `{}`, []string{"hardshipCases=id"}},
		{"xiong", "POST", "/v1/hardshipCases/{hardshipCases}:visit", `{"facts":{"people":[{"name":"杨女士","relation":"本人"}],"illness":"糖尿病","note":"下岗"}}`, nil},
		{"xiong", "POST", "/v1/hardshipCases/{hardshipCases}:recordConsent", `{"given":true,"by":"CONSENT_BY_PERSON","name":"杨女士"}`, nil},
		{"xiong", "POST", "/v1/hardshipCases/{hardshipCases}:askRelief", `{}`, nil},
		{"xiong", "POST", "/v1/hardshipCases/{hardshipCases}:refer", `{"skipReason":"急需用药","referral":{"kind":"GIVER_KIND_SOCIAL_ORGANIZATION","name":"合望达","registration":"sample-0001","paper":"转介单1"}}`, nil},
		{"xiong", "POST", "/v1/hardshipCases/{hardshipCases}/aids", `{"paper":"收据1","day":"2013-01-02","amountYuan":"1000","cause":"AID_CAUSE_ILLNESS","giver":{"kind":"GIVER_KIND_SOCIAL_ORGANIZATION","name":"合望达","registration":"sample-0001"}}`,
			[]string{"aids=aid.id"}},
		{"xiong", "POST", "/v1/organizations/430101002001/providers", `{"kind":"PROVIDER_KIND_SHOP","name":"便民维修店","services":[{"category":"维修","what":"水电维修"}],"registration":"r1","papersUntil":"2014-12-31","contact":"13800009999","nameConsent":true}`,
			[]string{"providers=id"}},
		{"hu", "POST", "/v1/providers/{providers}:approve", `{}`, nil},
		{"li", "POST", "/v1/requests", post, []string{"request4=id"}},
		{"xiong", "POST", "/v1/requests/{request4}:admit", `{}`, nil},
		{"xiong", "POST", "/v1/requests/{request4}:hand", `{"providerId":"{providers}"}`, nil},
		{"li", "POST", "/v1/requests", post, []string{"requestAtStreet=id"}},
		{"xiong", "POST", "/v1/requests/{requestAtStreet}:admit", `{}`, nil},
		{"xiong", "POST", "/v1/requests/{requestAtStreet}:escalate", `{"reason":"超出社区能力"}`, nil},
		{"li", "POST", "/v1/requests", post, []string{"requestAtDepartment=id"}},
		{"xiong", "POST", "/v1/requests/{requestAtDepartment}:admit", `{}`, nil},
		{"xiong", "POST", "/v1/requests/{requestAtDepartment}:escalate", `{"reason":"超出社区能力"}`, nil},
		{"he", "POST", "/v1/requests/{requestAtDepartment}:escalate", `{"reason":"超出街道能力","department":"城管局"}`, nil},
		{who: "admin", method: "drain"},
	}
}

func ledgerSteps() []step { return append(hiddenEntries(), shownEntries()...) }

// hiddenEntries are what a member served whose workplace is not displayed.
func hiddenEntries() []step {
	var out []step
	for _, day := range []string{"2013-01-02", "2013-01-01", "2012-12-31"} {
		id := "hiddenEntry" + day
		out = append(out, step{"wang", "POST", "/v1/organizations/430101002001/entries", `{"memberId":"{m4}","service":{"kind":"SERVICE_KIND_ENVIRONMENT",` +
			`"source":"ENTRY_SOURCE_BY_HAND","day":"` + day + `","times":1,"quarterHours":4,"evidence":[{"kind":"EVIDENCE_KIND_WITNESS","witnessId":"chen"}]}}`, []string{id + "=id"}},
			step{"deng", "POST", "/v1/entries/{" + id + "}:confirm", `{}`, nil})
	}
	return out
}

func shownEntries() []step {
	const service = `{"memberId":"{m1}","service":{"kind":"SERVICE_KIND_ENVIRONMENT","source":"ENTRY_SOURCE_BY_HAND","day":"2013-01-02","fromMinute":60,"toMinute":120,"times":1,"quarterHours":4,"evidence":[{"kind":"EVIDENCE_KIND_WITNESS","witnessId":"chen"}]`
	return []step{
		{"wang", "POST", "/v1/organizations/430101002001/entries", service + `}}`, []string{"entry1=id"}},
		{"deng", "POST", "/v1/entries/{entry1}:confirm", `{}`, nil},
		{"wang", "POST", "/v1/organizations/430101002001/entries", strings.Replace(service, "2013-01-02", "2013-01-01", 1) + `}}`, []string{"entry2=id"}},
		{"deng", "POST", "/v1/entries/{entry2}:confirm", `{}`, nil},
		{"wang", "POST", "/v1/organizations/430101002001/entries", strings.Replace(service, "2013-01-02", "2012-12-31", 1) + `}}`, []string{"entry3=id"}},
		{"deng", "POST", "/v1/entries/{entry3}:confirm", `{}`, nil},
		{"wang", "POST", "/v1/organizations/430101002001/entries", service + `,"servedResident":true,"residentId":"li"}}`, []string{"entries=id"}},
		{"wang", "GET", "/v1/organizations/430101002001/ledger-alarms", "", []string{"ledger-alarms=alarms.0.id"}},
		{"wang", "POST", "/v1/organizations/430101002001/trust", `{"memberId":"{m1}","kind":"TRUST_KIND_PRAISE","sourceId":"p1","day":"2013-01-02"}`, nil},
		{"wang", "POST", "/v1/organizations/430101002001/boards", `{"kind":"BOARD_KIND_SERVICE"}`, []string{"boards=id"}},
		{"wang", "POST", "/v1/boards/{boards}/honors", `{"memberId":"{m1}","endsOn":"2013-12-31"}`, []string{"honors=id"}},
		{"wang", "POST", "/v1/organizations/430101002001/trust", `{"memberId":"{m4}","kind":"TRUST_KIND_PRAISE","sourceId":"p4","day":"2013-01-02"}`, nil},
		{"wang", "POST", "/v1/boards/{boards}/honors", `{"memberId":"{m4}","endsOn":"2013-12-31"}`, []string{"hiddenHonor=id"}},
		{"wang", "POST", "/v1/organizations/430101002001/conductNotes",
			`{"memberId":"{m4}","kind":"CONDUCT_KIND_NOISE","day":"2013-01-01","facts":"深夜噪音"}`, nil},
		{"wang", "POST", "/v1/organizations/430101002001/cards", `{"memberId":"{m4}"}`, nil},
		{"m1", "POST", "/v1/me/honors/{honors}:answer", `{"consent":true}`, nil},
		{"m4", "POST", "/v1/me/honors/{hiddenHonor}:answer", `{"consent":true}`, nil},
		{"wang", "POST", "/v1/boards/{boards}:giveNotice", `{}`, nil},
		{"chen", "POST", "/v1/honors/{honors}/objections", `{"text":"此人并未参加"}`, []string{"honor-objections=id"}},
		{"wang", "POST", "/v1/organizations/430101002001/conductNotes",
			`{"memberId":"{m1}","kind":"CONDUCT_KIND_NOISE","day":"2013-01-01","facts":"深夜噪音"}`, []string{"conductNotes=id"}},
		{"wang", "POST", "/v1/conductNotes/{conductNotes}:hear", `{"established":"经核实属实"}`, nil},
		{"wang", "POST", "/v1/organizations/430101002001/ledgerExports", `{"year":2013,"purpose":"汇入全国志愿服务信息系统"}`, []string{"ledgerExports=id"}},
		{"wang", "POST", "/v1/organizations/430101002001/polls", `{"kind":"POLL_KIND_COMMUNITY","year":2013,"lines":[{"memberId":"{m1}","label":"王小明"}],"seats":5}`,
			[]string{"polls=id"}},
		{"wang", "POST", "/v1/organizations/430101002001/surveys", `{"year":2013,"lines":[{"memberId":"{m1}","label":"王小明"}],"households":5}`,
			[]string{"surveys=id"}},
		{"officer", "POST", "/v1/organizations/W00001/branchCycles", `{"year":2013}`, []string{"branchCycles=id"}},
		{"officer", "until", "/v1/branchCycles/{branchCycles}", `BRANCH_CYCLE_STATE_OPEN"`, nil},
		{"officer", "POST", "/v1/organizations/W00001/polls", `{"kind":"POLL_KIND_BRANCH","year":2013,"lines":[{"memberId":"{m1}","label":"王小明"}],"seats":1}`,
			[]string{"workplacePolls=id"}},
		{"secretary", "POST", "/v1/organizations/B00001/branchCycles", `{"year":2013}`, []string{"branchCycleBelow=id"}},
		{"clerk", "POST", "/v1/organizations/B00003/branchCycles", `{"year":2013}`, []string{"branchCycleInside=id"}},
		{"wang", "POST", "/v1/organizations/430101002001/branchCycles", `{"year":2013}`, []string{"branchCycleHere=id"}},
		{"wang", "POST", "/v1/organizations/430101002001/cards", `{"memberId":"{m1}"}`, []string{"cards=number"}},
	}
}

func callSteps() []step {
	const apply = `","category":"服务","budgetYuan":"80000","staffRequested":2,"indicators":[{"name":"解决诉求","unit":"件","baseline":0,"target":500,"due":"2013-04-22","source":"manual"}]}`
	return []step{
		{"zhao", "POST", "/v1/organizations/430101/calls", `{"year":2013,"title":"2013年党建重点项目","opensAt":"2012-12-31T16:00:00Z","closesAt":"2013-03-31T15:59:59Z","quota":1,"reserves":1,"aggregation":"AGGREGATION_MEAN","criteria":[{"key":"need","name":"必要性","max":60,"weight":1},{"key":"benefit","name":"受益面","max":40,"weight":1}],"reviewers":[{"person":"R1","organizationId":"W00003"},{"person":"R2","organizationId":"W00003"},{"person":"R3","organizationId":"W00003"}]}`,
			[]string{"calls=id"}},
		{"zhao", "POST", "/v1/calls/{calls}:open", `{}`, nil},
		{"wang", "POST", "/v1/calls/{calls}/applications", `{"applicantId":"430101002001","number":"01","title":"党员服务圈` + apply, []string{"applications=id"}},
		{"wang", "POST", "/v1/applications/{applications}/documents", document(), []string{"documents=id"}},
		{"wang", "POST", "/v1/applications/{applications}:submit", `{}`, nil},
		{"secret", "POST", "/v1/calls/{calls}/applications", `{"applicantId":"W00002","number":"02","title":"平安小区` + apply, []string{"hiddenApplication=id"}},
		{"secret", "POST", "/v1/applications/{hiddenApplication}:submit", `{}`, nil},
		{who: "admin", method: "drain"},
	}
}

func reviewSteps() []step {
	const sheet = `{"points":[{"criterion":"need","halves":110},{"criterion":"benefit","halves":70}]}`
	const worse = `{"points":[{"criterion":"need","halves":60},{"criterion":"benefit","halves":40}]}`
	return []step{
		{"zhao", "POST", "/v1/calls/{calls}:startCheck", `{}`, nil},
		{"zhao", "POST", "/v1/applications/{applications}:judgeEligibility", `{"eligible":true}`, nil},
		{"zhao", "POST", "/v1/applications/{hiddenApplication}:judgeEligibility", `{"eligible":true}`, nil},
		{"zhao", "POST", "/v1/calls/{calls}:startReview", `{}`, nil},
		{"R1", "POST", "/v1/applications/{applications}/sheets", sheet, nil},
		{"R2", "POST", "/v1/applications/{applications}/sheets", sheet, nil},
		{"R3", "POST", "/v1/applications/{applications}/sheets", sheet, nil},
		{"R1", "POST", "/v1/applications/{hiddenApplication}/sheets", worse, nil},
		{"R2", "POST", "/v1/applications/{hiddenApplication}/sheets", worse, nil},
		{"R3", "POST", "/v1/applications/{hiddenApplication}/sheets", worse, nil},
		{"zhao", "POST", "/v1/calls/{calls}:decide", `{}`, nil},
		{"zhao", "POST", "/v1/calls/{calls}:giveNotice", `{}`, []string{"notices=id"}},
		{"li", "POST", "/v1/applications/{applications}/objections", `{"text":"受益人数与实际不符"}`, []string{"selection-objections=id"}},
		{"zhao", "POST", "/v1/selection-objections/{selection-objections}:answer", `{"answer":"经核实不成立"}`, nil},
	}
}

func deliverySteps() []step {
	return []step{
		{"zhao", "until", "/v1/applications/{applications}", "KEY_PROJECT", nil},
		{"zhao", "POST", "/v1/applications/{applications}:begin", `{"promises":[{"kind":"PROMISE_KIND_PEOPLE","people":2,"due":"2013-04-30"},{"kind":"PROMISE_KIND_MONEY","amountFen":"8000000","due":"2013-04-30"},{"kind":"PROMISE_KIND_POLICY","title":"场地便利","due":"2013-05-31"}],"budget":[{"key":"materials","name":"材料费","amountFen":"8000000"}]}`,
			[]string{"keyProjects=id"}},
		{"zhao", "POST", "/v1/keyProjects/{keyProjects}/promises/p2:deliver", `{"document":"天组1号"}`, nil},
		{"zhao", "POST", "/v1/keyProjects/{keyProjects}/promises/p1:deliver", `{"document":"天组1号"}`, nil},
		{"zhao", "POST", "/v1/keyProjects/{keyProjects}/promises/p3:deliver", `{"document":"天组1号"}`, nil},
		{"wang", "POST", "/v1/keyProjects/{keyProjects}/spending", `{"line":"materials","kind":"SPENDING_KIND_MATERIALS","amountFen":"100","day":"2013-04-20","document":"发票1"}`, []string{"spending=id"}},
		{"wang", "POST", "/v1/keyProjects/{keyProjects}/proofs?of=PROOF_OF_SPENDING&ofId={spending}", picture(), []string{"proofs=id"}},
		{"wang", "POST", "/v1/keyProjects/{keyProjects}/indicators/0/readings", `{"value":1,"asOf":"2013-04-20","proof":"台账1"}`, []string{"readings=id"}},
		{"wang", "POST", "/v1/keyProjects/{keyProjects}/indicators/0/targetChanges", `{"target":400,"reason":"人手不足"}`, []string{"targetChanges=id"}},
	}
}

func cycleSteps() []step {
	return []step{
		{"zhao", "POST", "/v1/organizations/430101/cycles", `{"year":2013}`, []string{"cycles=id"}},
		{who: "admin", method: "drain"},
		{"zhao", "until", "/v1/cycles/{cycles}", `"CYCLE_STATE_OPEN"`, nil},
		{"wang", "POST", "/v1/organizations/430101002001/exemptions", `{"memberId":"{m1}","year":2013,"document":"免评1号"}`, nil},
		{"zhao", "POST", "/v1/cycles/{cycles}:compute", `{}`, nil},
		{"zhao", "until", "/v1/cycles/{cycles}", "computedAt", nil},
		{"m1", "POST", "/v1/me/sheets/2013:object", `{"line":"SHEET_LINE_LEDGER","text":"漏记一次"}`, []string{"objections=id"}},
		{"wang", "POST", "/v1/objections/{objections}:answer", `{"upheld":false,"answer":"经核对无误"}`, nil},
	}
}

func closingSteps() []step {
	const post = `{"communityId":"430101002001","kind":"REQUEST_KIND_PROBLEM","visibility":"VISIBILITY_PUBLIC","text":"楼道灯不亮","building":"15栋"}`
	const points = `{"points":{"effect":90,"innovation":40,"ease":40}}`
	return []step{
		{"wang", "POST", "/v1/cycles/{cycles}/communities/430101002001:sign", `{}`, nil},
		{"he", "POST", "/v1/cycles/{cycles}/communities/430101002001:consent", `{"consents":true}`, nil},
		{"zhao", "POST", "/v1/cycles/{cycles}:close", `{}`, nil},
		{who: "admin", method: "drain"},
		{"zhao", "until", "/v1/cycles/{cycles}", `"CYCLE_STATE_CLOSED"`, nil},
		{"officer", "until", "/v1/organizations/W00001/messages", "letter", nil},
		{"zhao", "GET", "/v1/cycles/{cycles}/letters?pageSize=200", "", []string{"homeLetter=letters.0.id", "letters=letters.1.id", "hiddenLetter=letters.3.id"}},
		{"officer", "POST", "/v1/letters/{letters}/reply", `{"usedInAppraisal":true,"why":"参考"}`, nil},
		{"zhao", "until", "/v1/keyProjects/{keyProjects}/supervisionLetters", "state", []string{"supervisionLetters=supervisionLetters.0.id"}},
		{"zhao", "POST", "/v1/keyProjects/{keyProjects}:openAcceptance", `{"panel":[{"person":"R1","organizationId":"W00003"}]}`, nil},
		{"wang", "POST", "/v1/keyProjects/{keyProjects}:scoreSelf", points, nil},
		{"R1", "POST", "/v1/keyProjects/{keyProjects}:scorePanel", points, nil},
		{"zhao", "POST", "/v1/keyProjects/{keyProjects}:decideAcceptance", `{"finding":"ACCEPTANCE_STATE_ACCEPTED","document":"验收1号"}`, nil},
		{"zhao", "POST", "/v1/keyProjects/{keyProjects}:publishModel", `{"summary":"一圈服务"}`, nil},
		{"li", "POST", "/v1/requests", post, []string{"request6=id"}},
		{"xiong", "POST", "/v1/requests/{request6}:admit", `{}`, nil},
		{"xiong", "POST", "/v1/requests/{request6}/offers", `{"memberId":"{m1}","startsAt":"2013-05-10T02:00:00Z","quarterHours":4}`, []string{"offers=id"}},
	}
}
