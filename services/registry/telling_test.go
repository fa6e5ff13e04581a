package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	webhook "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	projectsv1 "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// offer announces a step of an offer that reaches its member at a time.
func (x *teller) offer(step string, reaches time.Time) *typev1.EventRow {
	return x.event("linli.requests.offer."+step, "off_1", 1, &requestsv1.OfferChanged{
		Id: "off_1", Revision: 1, CommunityPath: communityA, RequestId: "req_1", Asked: "m1",
		StartsAt: timestamppb.New(reaches.Add(48 * time.Hour)), QuarterHours: 6, ReachesAt: timestamppb.New(reaches),
	})
}

func (x *teller) mailTo(person, email string, off ...string) {
	x.t.Helper()
	x.update(func(tx *store.Tx) error {
		_, err := x.contacts.Insert(tx, &pb.ContactRow{
			Person: person, SealedEmail: x.store.Keyring().Seal([]byte(email), "contact", person), TopicsOff: off,
		})
		return err
	})
}

func (x *teller) queued() (out []*pb.DeliveryRow) {
	x.t.Helper()
	must(x.t, x.store.View(x.t.Context(), func(r kv.Reader) error {
		out = nil
		page, err := x.deliveries.List(r, scope.All(), table.Query{Limit: 100})
		for _, row := range page.Rows {
			out = append(out, row.Value)
		}
		return err
	}))
	return out
}

func withPostman(d *Deps) { d.Mailer = &postman{got: make(chan struct{}, 100)} }

// An offer is neither in the inbox nor mailed before it may reach the member.
func TestOffer_WaitsUntilItReachesTheMember(t *testing.T) {
	x := newTeller(t, withPostman)
	x.mailTo("m1", "m1@example.com")
	reaches := lastDay.Add(9 * time.Hour)
	x.hear(x.offer("made", reaches))
	if got := x.to("p:m1"); got != "" || len(x.queued()) != 0 {
		t.Errorf("before it reaches: %q, %d to go out", got, len(x.queued()))
	}
	x.civil.Advance(reaches.Add(-time.Nanosecond))
	x.goRounds()
	if got := x.to("p:m1"); got != "" || len(x.queued()) != 0 {
		t.Errorf("a moment before: %q, %d to go out", got, len(x.queued()))
	}
	x.civil.Advance(reaches)
	x.goRounds()
	x.goRounds()
	if got := x.to("p:m1"); got != "offer.made" || len(x.queued()) != 1 {
		t.Errorf("then: %q, %d to go out", got, len(x.queued()))
	}
	x.civil.Advance(reaches.Add(time.Hour))
	x.hear(x.offer("withdrawn", reaches))
	if got := x.to("p:m1"); got != "offer.withdrawn offer.made" {
		t.Errorf("after it was withdrawn: %q", got)
	}
}

// Who was never reached hears of nothing, in whichever order the events come.
func TestOffer_WithdrawnBeforeItReachedIsNeverTold(t *testing.T) {
	for _, order := range [][]string{{"made", "withdrawn"}, {"withdrawn", "made"}, {"made", "withdrawn", "made", "withdrawn"}} {
		x := newTeller(t, withPostman)
		x.mailTo("m1", "m1@example.com")
		reaches := lastDay.Add(9 * time.Hour)
		for _, step := range order {
			x.hear(x.offer(step, reaches))
		}
		x.civil.Advance(reaches.Add(24 * time.Hour))
		x.goRounds()
		if got := x.to("p:m1"); got != "" || len(x.queued()) != 0 {
			t.Errorf("%v: %q, %d to go out", order, got, len(x.queued()))
		}
	}
}

// members puts n members of the workplace and one from elsewhere who reported in
// here into the store.
func (x *teller) withMembers(n int) {
	x.t.Helper()
	for i := range n {
		x.update(func(tx *store.Tx) error {
			_, err := x.members.Insert(tx, &pb.MemberRow{
				Member: &pb.Member{Id: fmt.Sprintf("m%04d", i)}, HomePath: workplace,
			})
			return err
		})
	}
	x.update(func(tx *store.Tx) error {
		if _, err := x.members.Insert(tx, &pb.MemberRow{Member: &pb.Member{Id: "elsewhere"}, HomePath: "/430200/X1/", ReportedPath: communityA}); err != nil {
			return err
		}
		for _, r := range []*pb.ReportInRow{
			{ReportIn: &pb.ReportIn{Id: "r1", MemberId: "elsewhere", State: pb.ReportInState_REPORT_IN_STATE_ACCEPTED}, HomePath: "/430200/X1/", CommunityPath: communityA},
			{ReportIn: &pb.ReportIn{Id: "r2", MemberId: "m0001", State: pb.ReportInState_REPORT_IN_STATE_ACCEPTED}, HomePath: workplace, CommunityPath: communityA},
		} {
			if _, err := x.reportIns.Insert(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// Every member of the district is told of the own sheet, once, however often the
// walk is broken off and the event comes again.
func TestRounds_EveryMemberIsToldOnce(t *testing.T) {
	x := newTeller(t)
	const n = 2*tellAtOnce + 7
	x.withMembers(n)
	computed := func() *typev1.EventRow {
		return x.event("linli.evaluation.cycle.computed", "cyc_1", 4, &evaluationv1.CycleChanged{Id: "cyc_1", Revision: 4, DistrictPath: district, Year: 2013})
	}
	e := computed()
	for range 2 {
		x.update(func(tx *store.Tx) error { return x.deliver(tx, e) })
	}
	x.update(x.roundSlice) // and then the process is killed
	if got := len(x.rows()); got != tellAtOnce {
		t.Errorf("a slice told %d", got)
	}
	other, err := New(Deps{Store: x.store, IDs: x.ids, Log: x.log})
	must(t, err)
	x.Service = other
	x.goRounds()
	x.hear(computed()) // announced a second time
	if got := len(x.rows()); got != n+1 {
		t.Errorf("%d messages, want %d", got, n+1)
	}
	for _, m := range []string{"m0000", "m0001", fmt.Sprintf("m%04d", n-1), "elsewhere"} {
		if got := x.to("p:" + m); got != "cycle.computed" {
			t.Errorf("%s was told %q", m, got)
		}
	}
}

// Each organization that may apply has a message of its own.
func TestRounds_TheCallGoesToWhoMayApply(t *testing.T) {
	x := newTeller(t)
	x.hear(x.event("linli.projects.call.opened", "call_1", 2, &projectsv1.CallChanged{
		Id: "call_1", Revision: 2, DistrictPath: district, Year: 2013, ClosesDay: "2013-04-20"}))
	for path, want := range map[string]string{
		communityA: "call.opened", communityB: "call.opened", workplace: "call.opened", streetA: "call.opened", district: "", "/430100/": "",
	} {
		if got := x.to(toOffice(path)); got != want {
			t.Errorf("%s was told %q", path, got)
		}
	}
	x.hear(x.event("linli.evaluation.cycle.opened", "cyc_1", 2, &evaluationv1.CycleChanged{Id: "cyc_1", Revision: 2, DistrictPath: district, Year: 2013}))
	if got := x.to(toOffice(communityA)) + "|" + x.to(toOffice(workplace)); got != "cycle.opened call.opened|call.opened" {
		t.Errorf("of the cycle: %q", got)
	}
}

// An event about many is told in slices too.
func TestRounds_OneEventAboutMany(t *testing.T) {
	x := newTeller(t)
	ev := &pb.ReportInsChanged{}
	for i := range 3*tellAtOnce + 1 {
		ev.ReportIns = append(ev.ReportIns, &pb.ReportInStateChange{
			Id: fmt.Sprintf("r%d", i), Revision: 2, MemberId: fmt.Sprintf("m%d", i), HomePath: workplace, CommunityPath: communityA,
			State: pb.ReportInState_REPORT_IN_STATE_ACCEPTED, Day: "2013-12-30",
		})
	}
	e := x.event("linli.registry.report_in.accepted", "r0", 2, ev)
	x.update(func(tx *store.Tx) error { return x.deliver(tx, e) })
	if n := len(x.rows()); n != 0 {
		t.Errorf("%d told by the event itself", n)
	}
	x.goRounds()
	if n := len(x.rows()); n != 3*tellAtOnce+2 {
		t.Errorf("%d told", n)
	}
	if got := x.to(toOffice(workplace)); got != "report_in.receipts" {
		t.Errorf("the home organization was told %q", got)
	}
}

// The ladder tells the next one up, and says so to the community.
func TestOverdue_ClimbsToTheStreetAndTheDepartment(t *testing.T) {
	x := newTeller(t)
	for level := int32(1); level <= 3; level++ {
		x.hear(x.event("linli.requests.request.overdue", "req_1", uint64(level), &requestsv1.RequestChanged{
			Id: "req_1", Revision: uint64(level), CommunityPath: communityA, Level: level, Author: "a", Day: "2013-12-30", DueDay: "2013-12-27",
			Limit: requestsv1.RequestLimit_REQUEST_LIMIT_SOLVE,
		}))
	}
	for address, want := range map[string]string{
		toOffice(communityA): "request.overdue_passed_on request.overdue_passed_on request.solve_overdue",
		toOffice(streetA):    "request.solve_overdue", toOffice(district): "request.solve_overdue", "p:a": "",
	} {
		if got := sorted(x.to(address)); got != want {
			t.Errorf("%s was told %q", address, got)
		}
	}
}

func sorted(words string) string {
	all := strings.Fields(words)
	slices.Sort(all)
	return strings.Join(all, " ")
}

// eventsOf answers the events of a subject that the store holds.
func eventsOf(t *testing.T, r kv.Reader, subject string) (out []*typev1.EventRow) {
	t.Helper()
	must(t, store.EachEvent(r, func(data []byte) {
		var e typev1.EventRow
		must(t, proto.Unmarshal(data, &e))
		if e.GetSubject() == subject {
			out = append(out, &e)
		}
	}))
	return out
}

// A message that was queued is sent after a kill, at most twice and then under
// the same id.
func TestDeliveries_SentAfterAKill(t *testing.T) {
	x := newTeller(t, func(d *Deps) { d.OwnNetwork = true })
	var mu sync.Mutex
	var got []string
	killed, kill := context.WithCancel(t.Context())
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Header.Get(webhook.HeaderWebhookID))
		kill() // it was taken, and the process dies before it can note that
	}))
	defer receiver.Close()
	x.hook("whk_1", receiver.URL)
	x.hear(x.posted("req_1"))
	if _, err := x.sendDue(killed); !errors.Is(err, context.Canceled) {
		t.Fatalf("killed: %v", err)
	}
	other, err := New(Deps{Store: x.store, IDs: x.ids, Log: x.log, OwnNetwork: true})
	must(t, err)
	for range 3 {
		_, err = other.sendDue(t.Context())
		must(t, err)
	}
	if len(got) != 2 || got[0] != got[1] || len(x.queued()) != 0 {
		t.Errorf("sent %v, %d left", got, len(x.queued()))
	}
}

func (x *teller) hook(id, url string) {
	x.t.Helper()
	x.update(func(tx *store.Tx) error {
		_, err := x.webhooks.Insert(tx, &pb.WebhookRow{
			Webhook: &pb.Webhook{Id: id, Url: url}, Path: communityA,
			SealedSecret: x.store.Keyring().Seal([]byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "webhook", id),
		})
		return err
	})
}

func (x *teller) posted(id string) *typev1.EventRow {
	return x.event("linli.requests.request.posted", id, 1, &requestsv1.RequestChanged{
		Id: id, Revision: 1, CommunityPath: communityA, Author: "a", Day: "2013-12-31"})
}

// A webhook that takes nothing raises one message to its office, which goes to
// the office's other webhooks and not to itself.
func TestWebhook_GivenUpIsToldOnce(t *testing.T) {
	x := newTeller(t, func(d *Deps) { d.OwnNetwork = true })
	taken := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { taken <- r.Header.Get(webhook.HeaderWebhookID) }))
	defer receiver.Close()
	x.hook("whk_deaf", "http://127.0.0.1:1/")
	for i := range 3 {
		x.hear(x.posted(fmt.Sprintf("req_%d", i)))
	}
	for range mostTries {
		_, err := x.sendDue(t.Context())
		must(t, err)
		x.wall = x.wall.Add(2 * longestRetry)
	}
	if len(x.queued()) != 0 {
		t.Fatalf("%d deliveries are left", len(x.queued()))
	}
	var given []*typev1.EventRow
	must(t, x.store.View(t.Context(), func(r kv.Reader) error {
		given = eventsOf(t, r, "linli.registry.webhook.given_up")
		return nil
	}))
	if len(given) != 1 {
		t.Fatalf("announced %d times", len(given))
	}
	x.hook("whk_other", receiver.URL)
	x.hear(given[0], given[0])
	if got := x.to(toOffice(communityA)); strings.Count(got, "webhook.given_up") != 1 {
		t.Errorf("the office was told %q", got)
	}
	if q := x.queued(); len(q) != 1 || q[0].GetWebhookId() != "whk_other" {
		t.Errorf("goes out to %v", q)
	}
	_, err := x.sendDue(t.Context())
	must(t, err)
	if len(taken) != 1 {
		t.Errorf("the other webhook took %d", len(taken))
	}
}

// Messages go when they were kept as long as the policy of their place said.
func TestSweep_KeepsAsLongAsThePolicySays(t *testing.T) {
	x := newTeller(t)
	x.update(func(tx *store.Tx) error {
		_, err := x.policies.Insert(tx, &pb.PolicyRow{DistrictPath: district, Policy: &pb.Policy{Year: 2013, Version: 1, Values: []*pb.PolicyValue{{
			Key: "inbox.keep_days", Value: "100", Source: &pb.PolicySource{Title: "档案办法", Number: "1"}}}}})
		return err
	})
	x.hear(x.posted("req_1"))
	x.hear(x.event("linli.requests.request.posted", "req_2", 1, &requestsv1.RequestChanged{Id: "req_2", Revision: 1, CommunityPath: "/2/22/222/C9/"}))
	for _, c := range []struct {
		days, left int
	}{{99, 2}, {100, 1}, {399, 1}, {400, 0}} {
		x.civil.Advance(lastDay.AddDate(0, 0, c.days))
		must(t, x.sweepOld(t.Context()))
		if got := len(x.rows()); got != c.left {
			t.Errorf("after %d days %d are left, want %d", c.days, got, c.left)
		}
	}
}

// A topic that is turned off is not mailed, also when it was turned off while a
// mail was waiting.
func TestQueue_LeavesOutTopicsThatAreOff(t *testing.T) {
	x := newTeller(t, withPostman)
	x.mailTo("a", "a@example.com", "request.admitted")
	step := func(name string, revision uint64) *typev1.EventRow {
		return x.event("linli.requests.request."+name, "req_1", revision, &requestsv1.RequestChanged{
			Id: "req_1", Revision: revision, CommunityPath: communityA, Author: "a", Day: "2013-12-31"})
	}
	x.hear(step("admitted", 2), step("resolved", 3))
	q := x.queued()
	if len(q) != 1 || x.to("p:a") == "" {
		t.Fatalf("%d mails are queued", len(q))
	}
	x.update(func(tx *store.Tx) error {
		row, _, err := x.contacts.Get(tx, scope.All(), idKey("a"))
		if err != nil {
			return err
		}
		next := &pb.ContactRow{Person: "a", SealedEmail: row.Value.GetSealedEmail(), TopicsOff: []string{"request.resolved"}}
		_, err = x.contacts.Replace(tx, row, next)
		return err
	})
	if err := x.send(t.Context(), q[0]); !errors.Is(err, errDropped) {
		t.Errorf("sent: %v", err)
	}
}
