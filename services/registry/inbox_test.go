package registry

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	webhook "github.com/standard-webhooks/standard-webhooks/libraries/go"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/testkit"
)

// postman keeps what is mailed.
type postman struct {
	mu   sync.Mutex
	sent []string
	got  chan struct{}
}

func (p *postman) Mail(_ context.Context, _, to, subject, _ string) error {
	p.mu.Lock()
	p.sent = append(p.sent, to+" "+subject)
	p.mu.Unlock()
	p.got <- struct{}{}
	return nil
}

// startInbox runs the house with a postman, on an open network.
func startInbox(t *testing.T) (*house, pb.InboxServiceClient, *postman) {
	t.Helper()
	p := &postman{got: make(chan struct{}, 100)}
	h := &house{House: testkit.New(t), t: t}
	h.Civil.Advance(lastDay)
	h.store = h.StoreOn("registry", kvtest.Rerun(kv.New(memkv.New(), kv.Options{})))
	h.Store("requests")
	var err error
	h.service, err = New(Deps{Store: h.store, IDs: ids.New, Log: h.Logger(), Mailer: p, OwnNetwork: true})
	must(t, err)
	h.Start(h.service)
	h.RegistryServiceClient = pb.NewRegistryServiceClient(h.Conn())
	return h.withDistrict(), pb.NewInboxServiceClient(h.Conn()), p
}

// request announces a step of a request for the requests service.
func (h *house) request(step, id string, revision uint64) {
	h.Announce("requests", store.Event{Name: "request." + step, EntityID: id, Revision: revision, Data: &requestsv1.RequestChanged{
		Id: id, Revision: revision, CommunityPath: communityA, Author: "R1", Day: "2013-12-30",
	}})
}

func TestInbox_EachStepReachesSomebodyOnce(t *testing.T) {
	h, client, _ := startInbox(t)
	h.request("posted", "req_1", 1)
	h.request("admitted", "req_1", 2)
	h.request("admitted", "req_1", 2) // announced twice: another event, the same fact
	h.request("resolved", "req_1", 3)
	h.Drain()

	author := h.as("R1", grant(typev1.Role_ROLE_RESIDENT, communityA))
	mine, err := client.ListMyMessages(author, &pb.ListMyMessagesRequest{UnreadOnly: true})
	must(t, err)
	if got := topicsOf(mine.GetMessages()); got != "request.resolved request.admitted" && got != "request.admitted request.resolved" {
		t.Fatalf("the author was told %q", got)
	}
	office, err := client.ListOfficeMessages(h.staff(communityA), &pb.ListOfficeMessagesRequest{OrganizationId: "430101002001"})
	must(t, err)
	if got := topicsOf(office.GetMessages()); got != "request.posted" {
		t.Errorf("the office was told %q", got)
	}
	if m := office.GetMessages()[0]; !strings.Contains(m.GetBody(), "芙蓉南路社区") || strings.Contains(m.GetBody(), "{") {
		t.Errorf("the text is %q", m.GetBody())
	}

	first := mine.GetMessages()[0]
	_, err = client.ReadMessage(h.as("R2", grant(typev1.Role_ROLE_RESIDENT, communityA)), &pb.ReadMessageRequest{Id: first.GetId()})
	wantReason(t, err, "NOT_FOUND")
	read, err := client.ReadMessage(author, &pb.ReadMessageRequest{Id: first.GetId()})
	must(t, err)
	if read.GetMessage().GetReadAt() == nil {
		t.Error("a message that was read says nothing of it")
	}
	left, err := client.ListMyMessages(author, &pb.ListMyMessagesRequest{UnreadOnly: true})
	must(t, err)
	if len(left.GetMessages()) != 1 {
		t.Errorf("%d messages are unread", len(left.GetMessages()))
	}
	_, err = client.ListOfficeMessages(h.staff(communityB), &pb.ListOfficeMessagesRequest{OrganizationId: "430101002001"})
	wantReason(t, err, "UNKNOWN_ORGANIZATION")
}

func topicsOf(messages []*pb.Message) string {
	var out []string
	for _, m := range messages {
		out = append(out, m.GetTopic())
	}
	return strings.Join(out, " ")
}

func TestInbox_ReceiptsReachTheHomeOrganization(t *testing.T) {
	h, client, _ := startInbox(t)
	_, err := h.sendRoster(h.officer(workplace), "W00005", true, rosterOf(person(1), person(2), person(3)))
	must(t, err)
	h.Drain()
	office, err := client.ListOfficeMessages(h.officer(workplace), &pb.ListOfficeMessagesRequest{OrganizationId: "W00005"})
	must(t, err)
	if got := office.GetMessages(); len(got) != 1 || got[0].GetTopic() != "report_in.receipts" || !strings.Contains(got[0].GetBody(), ": 3.") {
		t.Errorf("the workplace was told %v", got)
	}
}

func TestInbox_MailGoesToTheSealedAddress(t *testing.T) {
	h, client, p := startInbox(t)
	author := h.as("R1", grant(typev1.Role_ROLE_RESIDENT, communityA))
	for _, bad := range []string{"anna", "anna@example", "a b@example.com", "Anna <anna@example.com>"} {
		_, err := client.SetContact(author, &pb.SetContactRequest{Email: bad})
		wantReason(t, err, "BAD_EMAIL")
	}
	kept, err := client.SetContact(author, &pb.SetContactRequest{Email: "anna@example.com"})
	must(t, err)
	if kept.GetContact().GetMaskedEmail() != "a***@example.com" {
		t.Errorf("shown as %q", kept.GetContact().GetMaskedEmail())
	}
	h.request("resolved", "req_1", 3)
	<-p.got
	if p.sent[0] != "anna@example.com 诉求已办结,请您评价" {
		t.Errorf("mailed %q", p.sent)
	}
	if strings.Contains(h.Log.String(), "anna@example.com") || strings.Contains(string(h.Events("registry")), "anna@") {
		t.Error("the address is in the log or in an event")
	}
}

func TestInbox_WebhooksAreSignedAndTriedAgain(t *testing.T) {
	h, client, _ := startInbox(t)
	type post struct {
		header http.Header
		body   []byte
	}
	posts := make(chan post, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		posts <- post{r.Header, body}
	}))
	defer receiver.Close()
	office := h.staff(communityA)
	made, err := client.CreateWebhook(office, &pb.CreateWebhookRequest{OrganizationId: "430101002001", Url: receiver.URL})
	must(t, err)
	h.request("posted", "req_1", 1)
	got := <-posts
	verifier, err := webhook.NewWebhook(made.GetSecret())
	must(t, err)
	if err := verifier.Verify(got.body, got.header); err != nil {
		t.Errorf("the signature: %v", err)
	}
	if err := verifier.Verify(append(got.body, ' '), got.header); err == nil {
		t.Error("a changed body is signed")
	}
	if !strings.Contains(string(got.body), `"about":"req_1"`) {
		t.Errorf("posted %s", got.body)
	}
	_, err = client.DeleteWebhook(h.staff(communityB), &pb.DeleteWebhookRequest{Id: made.GetWebhook().GetId()})
	wantReason(t, err, "NOT_FOUND")
}

func TestSettle_PutsOffAndGivesUp(t *testing.T) {
	h, client, _ := startInbox(t)
	made, err := client.CreateWebhook(h.staff(communityA), &pb.CreateWebhookRequest{OrganizationId: "430101002001", Url: "http://127.0.0.1:1/"})
	must(t, err)
	h.request("posted", "req_1", 1)
	h.Drain()
	// The job tries at its own pace; each delivery that is found waiting is failed
	// here, up to the last.
	for range 10 * mostTries {
		must(t, h.failWaiting(t.Context()))
	}
	must(t, h.store.View(t.Context(), func(r kv.Reader) error {
		row, _, err := h.service.webhooks.Get(r, all(), idKey(made.GetWebhook().GetId()))
		if hook := row.Value.GetWebhook(); hook.GetFailures() != 1 || hook.GetLastError() != "could not be reached" {
			t.Errorf("given up: %v", hook)
		}
		return err
	}))
}

func TestOutside_RefusesTheOwnNetwork(t *testing.T) {
	o := outside{}
	for address, want := range map[string]bool{
		"https://hooks.example.com/linli": true, "http://hooks.example.com": false, "https://localhost/": false,
		"https://127.0.0.1/": false, "https://10.1.2.3/": false, "https://[::1]/": false, "https://169.254.169.254/latest": false,
		"https://100.64.0.1/": false, "https://[fd00::1]/": false, "https://[::ffff:10.0.0.1]/": false,
		"ftp://example.com": false, "https://user:pw@example.com": false, "": false, "https://": false,
	} {
		if got := o.allows(address); got != want {
			t.Errorf("%q: %v", address, got)
		}
	}
	if o.control("tcp", "10.0.0.1:443") == nil || o.control("tcp", "8.8.8.8:443") != nil {
		t.Error("a name that points into the own network is connected to")
	}
}

func TestTemplates_TheDistrictsOwnWords(t *testing.T) {
	h, client, _ := startInbox(t)
	officer := h.districtOfficer()
	set := func(topic, title, body string) error {
		_, err := client.SetTemplate(officer, &pb.SetTemplateRequest{DistrictId: "430101", Topic: topic, Title: title, Body: body})
		return err
	}
	wantReason(t, set("request.exploded", "x", "y"), "UNKNOWN_TOPIC")
	wantReason(t, set("request.resolved", "{name}好", "y"), "UNKNOWN_PLACEHOLDER")
	wantReason(t, set("request.resolved", "x", ""), "INVALID_FIELD")
	must(t, set("request.posted", "邻里来信", "{community}有新诉求 {code}"))
	h.request("posted", "req_1", 1)
	h.Drain()
	var title string
	must(t, h.store.View(t.Context(), func(r kv.Reader) error {
		page, err := h.service.messages.List(r, all(), allMessages())
		must(t, err)
		m, err := h.service.message(r, "zh", page.Rows[0].Value)
		title = m.GetTitle() + "|" + m.GetBody()
		return err
	}))
	if title != "邻里来信|芙蓉南路社区有新诉求 req_1" {
		t.Errorf("the text is %q", title)
	}
	must(t, set("request.posted", "", ""))
	list, err := client.ListTemplates(officer, &pb.ListTemplatesRequest{DistrictId: "430101"})
	must(t, err)
	for _, text := range list.GetTemplates() {
		if !text.GetByDefault() || text.GetTitle() == "" || strings.HasPrefix(text.GetTitle(), "message.") {
			t.Errorf("%s has no default text: %v", text.GetTopic(), text)
		}
	}
	if len(list.GetTemplates()) != len(topics()) {
		t.Error("a topic is missing")
	}
}
