package registry

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
)

// tally is "members submitted accepted returned" by member kind.
type tally map[string][4]int64

func tallyOf(c *pb.Completion) tally {
	out := tally{}
	for _, k := range append(c.GetKinds(), c.GetTotal()) {
		name := strings.TrimPrefix(k.GetKind().String(), prefixMemberKind)
		out[name] = [4]int64{k.GetMembers(), k.GetSubmitted(), k.GetAccepted(), k.GetReturned()}
	}
	return out
}

func (t tally) add(kind string, by [4]int64) {
	for _, k := range []string{kind, "UNSPECIFIED"} {
		sum := t[k]
		for i := range sum {
			sum[i] += by[i]
		}
		t[k] = sum
	}
}

func (h *house) completion(id string) tally {
	h.t.Helper()
	c, err := h.GetCompletion(h.as("top", grant(typev1.Role_ROLE_CITY_OFFICER, "/")), &pb.GetCompletionRequest{OrganizationId: id})
	must(h.t, err)
	return tallyOf(c.GetCompletion())
}

// allOrganizations reads the tree out of the store.
func (h *house) allOrganizations() (out []*pb.Organization) {
	h.t.Helper()
	must(h.t, h.store.View(h.t.Context(), func(r kv.Reader) error {
		page, err := h.service.organizations.List(r, scope.All(), table.Query{Index: byPath, Limit: 1000})
		for _, row := range page.Rows {
			out = append(out, row.Value)
		}
		return err
	}))
	return out
}

// TestDistrict brings the whole district in, on a file, and compares the
// completion of each of its 348 organizations with what the roster says.
func TestDistrict(t *testing.T) {
	h := startBolt(t).withDistrict()
	text := record(t, "district-roster.csv.gz")
	began := time.Now()
	done, err := h.sendRoster(keyed(h.districtOfficer(), "district"), "430101", true, text)
	must(t, err)
	t.Logf("15,000 rows in %v", time.Since(began))
	if got := outcomeOf(done); got != "15000 0 0 14526 |" {
		t.Fatalf("import: %s", got)
	}
	h.Drain()
	t.Logf("with their figures in %v", time.Since(began))

	want := tally{
		"UNSPECIFIED": {15000, 0, 14526, 0}, "IN_SERVICE": {11685, 0, 11318, 0},
		"RETIRED": {1826, 0, 1767, 0}, "ENTERPRISE": {1046, 0, 1012, 0}, "FLOATING": {443, 0, 429, 0},
	}
	if diff := cmp.Diff(want, h.completion("430101")); diff != "" {
		t.Error(diff)
	}
	byCode := districtTallies(t, text)
	for _, o := range h.allOrganizations() {
		want := tally{"UNSPECIFIED": {}}
		for code, figures := range byCode[organizationKind(o.GetKind()).CountsByHome()] {
			if code == o.GetId() || strings.HasPrefix(code, o.GetId()) && o.GetKind() != pb.OrganizationKind_ORGANIZATION_KIND_WORKPLACE ||
				o.GetKind() == pb.OrganizationKind_ORGANIZATION_KIND_CITY {
				for kind, by := range figures {
					want.add(kind, by)
				}
			}
		}
		if diff := cmp.Diff(want, h.completion(o.GetId())); diff != "" {
			t.Errorf("%s: %s", o.GetId(), diff)
		}
	}

	again, err := h.sendRoster(h.districtOfficer(), "430101", true, text)
	must(t, err)
	if got := outcomeOf(again); got != "0 0 15000 0 |" {
		t.Errorf("sent again: %s", got)
	}
	h.holdsNothingPrivate(text)
}

// districtTallies sums the roster by code: of homes (true), of communities (false).
func districtTallies(t *testing.T, text string) map[bool]map[string]tally {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	must(t, err)
	kinds := map[string]string{"在职": "IN_SERVICE", "退休": "RETIRED", "企业": "ENTERPRISE", "流动": "FLOATING"}
	out := map[bool]map[string]tally{true: {}, false: {}}
	for _, row := range rows[1:] {
		by := [4]int64{1, 0, 0, 0}
		if row[15] != "" {
			by[2] = 1
		}
		for home, code := range map[bool]string{true: row[7], false: row[10]} {
			if out[home][code] == nil {
				out[home][code] = tally{}
			}
			sum := out[home][code][kinds[row[6]]]
			for i := range sum {
				sum[i] += by[i]
			}
			out[home][code][kinds[row[6]]] = sum
		}
	}
	return out
}

func TestGetCompletion_WhoSees(t *testing.T) {
	h := start(t).withDistrict()
	_, err := h.GetCompletion(h.officer(workplace), &pb.GetCompletionRequest{OrganizationId: "W00005"})
	must(t, err)
	_, err = h.GetCompletion(h.officer(workplace), &pb.GetCompletionRequest{OrganizationId: "W00006"})
	wantReason(t, err, "UNKNOWN_ORGANIZATION")
	_, err = h.GetCompletion(h.as("r", grant(typev1.Role_ROLE_RESIDENT, communityA)), &pb.GetCompletionRequest{OrganizationId: "430101002001"})
	wantReason(t, err, "ROLE_NOT_ALLOWED")
}

// imagined is a member as the model knows one.
type imagined struct {
	home, community, kind string
	state                 int // 0 none, 1 submitted, 2 accepted, 3 returned, 4 ended
	id, reportIn          string
	away                  bool // transferred once
}

// TestFigures_FollowTheModel lets members be imported, moved, reported in,
// accepted, returned, transferred and ended at random and compares every completion with a model.
func TestFigures_FollowTheModel(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			h := start(t).withDistrict()
			m := &model{house: h, random: random, members: map[int]*imagined{}}
			for range 150 {
				m.step()
			}
			h.Drain()
			m.compare()
		})
	}
}

type model struct {
	*house
	random  *rand.Rand
	members map[int]*imagined
}

func (m *model) pick(of ...string) string { return of[m.random.IntN(len(of))] }

// step does one random thing, which may be refused, and follows it.
func (m *model) step() {
	n := m.random.IntN(12)
	who, known := m.members[n]
	if !known || m.random.IntN(3) == 0 {
		m.send(n)
		return
	}
	staff := m.staff(district)
	switch m.random.IntN(7) {
	case 0, 1:
		reply, err := m.SubmitReportIn(m.member(who.id), &pb.SubmitReportInRequest{MemberId: who.id, CommunityId: m.pick("", "430101001001")})
		m.follow(err, who.state == 0, func() { who.state, who.reportIn = 1, reply.GetReportIn().GetId() })
	case 2:
		_, err := m.AcceptReportIn(staff, &pb.AcceptReportInRequest{Id: who.reportInOr()})
		m.follow(err, who.state == 1, func() { who.state = 2 })
	case 3:
		_, err := m.ReturnReportIn(staff, &pb.ReturnReportInRequest{Id: who.reportInOr(), Reason: "补充"})
		m.follow(err, who.state == 1, func() { who.state = 3 })
	case 4:
		_, err := m.TransferReportIn(m.officer(district), &pb.TransferReportInRequest{Id: who.reportInOr(), CommunityId: "430101001002"})
		m.follow(err, who.state == 2 && who.reportIn != "" && !who.away, func() { who.state, who.away = 1, true })
	case 5:
		_, err := m.EndReportIn(m.officer(district), &pb.EndReportInRequest{Id: who.reportInOr(), Reason: "搬离"})
		m.follow(err, who.state == 2 && who.reportIn != "", func() { who.state = 4 })
	default:
		_, err := m.ResubmitReportIn(m.member(who.id), &pb.ResubmitReportInRequest{Id: who.reportInOr()})
		m.follow(err, who.state >= 3, func() { who.state = 1 })
	}
}

func (i *imagined) reportInOr() string {
	if i.reportIn == "" {
		return "rpt_none"
	}
	return i.reportIn
}

func (m *model) follow(err error, allowed bool, change func()) {
	m.t.Helper()
	if allowed != (err == nil) {
		m.t.Fatalf("allowed %v: %v", allowed, err)
	}
	if allowed {
		change()
	}
}

// send imports a member, new or moved, now and then with a date that counts.
func (m *model) send(n int) {
	kinds := map[string]string{"在职": "IN_SERVICE", "企业": "ENTERPRISE"}
	word := m.pick("在职", "企业")
	next := imagined{
		home: m.pick("W00005", "W00006", "W00007"), community: m.pick("430101002001", "430101002002", "430101001001"), kind: kinds[word],
	}
	accept, date := m.random.IntN(4) == 0, m.pick("", "2013-09-01")
	done, err := m.sendRoster(m.districtOfficer(), "430101", accept, rosterOf(person(n, "组织关系所在党组织编码", next.home,
		"工作单位编码", next.home, "居住社区编码", next.community, "党员类别", word, "报到日期", date)))
	must(m.t, err)
	if done.GetRefused() != 0 {
		m.t.Fatal(done)
	}
	before, known := m.members[n]
	if known {
		next.id, next.state, next.reportIn, next.away = before.id, before.state, before.reportIn, before.away
	}
	m.members[n] = &next
	if !known {
		next.id = m.idOf(n)
	}
	if accept && date != "" && next.state == 0 {
		next.state = 2
		if done.GetReportIns() != 1 {
			m.t.Fatalf("the date was not taken: %v", done)
		}
	}
}

func (m *model) idOf(n int) (id string) {
	must(m.t, m.store.View(m.t.Context(), func(r kv.Reader) error {
		row, ok, err := m.service.memberBy(r, byIDNumber, m.store.Keyring().Blind(blindIDNumber, idNumber(n)))
		if !ok {
			m.t.Fatal("not there")
		}
		id = row.Value.GetMember().GetId()
		return err
	}))
	return id
}

func (m *model) compare() {
	m.t.Helper()
	for _, o := range m.allOrganizations() {
		want := tally{"UNSPECIFIED": {}}
		for _, who := range m.members {
			by := [4]int64{1, 0, 0, 0}
			if who.state > 0 && who.state < len(by) {
				by[who.state] = 1
			}
			home := organizationKind(o.GetKind()).CountsByHome()
			if home && who.home == o.GetId() || !home && strings.Contains(m.pathOf(who.community), o.GetPath()) {
				want.add(who.kind, by)
			}
		}
		if diff := cmp.Diff(want, m.completion(o.GetId())); diff != "" {
			m.t.Errorf("%s: %s", o.GetId(), diff)
		}
	}
}

func (m *model) pathOf(community string) string {
	return district + community[:9] + "/" + community + "/"
}
