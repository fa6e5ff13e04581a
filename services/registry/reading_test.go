package registry

import (
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// What is read at an office is read for the office; a person's messages for the
// person.
func TestReading_OfficeAndPerson(t *testing.T) {
	h, client, _ := startInbox(t)
	h.request("posted", "req_1", 1)
	h.request("posted", "req_2", 1)
	h.request("resolved", "req_1", 3)
	h.Drain()
	const office = "430101002001"
	anna, bert := h.staff(communityA), h.as("bert", grant(typev1.Role_ROLE_COMMITTEE_STAFF, communityA))
	author := h.as("R1", grant(typev1.Role_ROLE_RESIDENT, communityA))
	unread := func() (n int32) {
		t.Helper()
		got, err := client.CountOfficeUnread(bert, &pb.CountOfficeUnreadRequest{OrganizationId: office})
		must(t, err)
		return got.GetCount()
	}
	if unread() != 2 {
		t.Errorf("%d unread", unread())
	}
	list, err := client.ListOfficeMessages(anna, &pb.ListOfficeMessagesRequest{OrganizationId: office, UnreadOnly: true})
	must(t, err)
	id := list.GetMessages()[0].GetId()
	for range 2 {
		read, err := client.ReadOfficeMessage(anna, &pb.ReadOfficeMessageRequest{OrganizationId: office, Id: id})
		must(t, err)
		if read.GetMessage().GetReadAt() == nil {
			t.Error("read, and says nothing of it")
		}
	}
	if unread() != 1 {
		t.Errorf("%d unread after one was read by another of the office", unread())
	}
	_, err = client.ReadMessage(anna, &pb.ReadMessageRequest{Id: id})
	wantReason(t, err, "NOT_FOUND")
	mine, err := client.ListMyMessages(author, &pb.ListMyMessagesRequest{})
	must(t, err)
	_, err = client.ReadOfficeMessage(anna, &pb.ReadOfficeMessageRequest{OrganizationId: office, Id: mine.GetMessages()[0].GetId()})
	wantReason(t, err, "NOT_FOUND")
	_, err = client.ReadOfficeMessage(h.staff(communityB), &pb.ReadOfficeMessageRequest{OrganizationId: office, Id: id})
	wantReason(t, err, "UNKNOWN_ORGANIZATION")
	_, err = client.ListOfficeMessages(h.districtOfficer(), &pb.ListOfficeMessagesRequest{OrganizationId: office})
	wantReason(t, err, "NOT_OWN_INBOX")
	_, err = client.ReadOfficeMessage(h.districtOfficer(), &pb.ReadOfficeMessageRequest{OrganizationId: office, Id: id})
	wantReason(t, err, "NOT_OWN_INBOX")
	_, err = client.CreateWebhook(h.districtOfficer(), &pb.CreateWebhookRequest{OrganizationId: office, Url: "https://example.com/"})
	wantReason(t, err, "NOT_OWN_INBOX")
	_, err = client.ReadAllOfficeMessages(h.staff(communityB), &pb.ReadAllOfficeMessagesRequest{OrganizationId: office})
	wantReason(t, err, "UNKNOWN_ORGANIZATION")

	all, err := client.ReadAllOfficeMessages(bert, &pb.ReadAllOfficeMessagesRequest{OrganizationId: office})
	must(t, err)
	if all.GetRead() != 1 || all.GetMore() || unread() != 0 {
		t.Errorf("read %v, %d left", all, unread())
	}
	count, err := client.CountMyUnread(author, &pb.CountMyUnreadRequest{})
	must(t, err)
	read, err := client.ReadAllMyMessages(author, &pb.ReadAllMyMessagesRequest{})
	must(t, err)
	left, err := client.CountMyUnread(author, &pb.CountMyUnreadRequest{})
	must(t, err)
	if count.GetCount() != 1 || read.GetRead() != 1 || left.GetCount() != 0 {
		t.Errorf("counted %d, read %d, left %d", count.GetCount(), read.GetRead(), left.GetCount())
	}
}

func TestReading_AllInPartsAndCountedUpToAHundred(t *testing.T) {
	h, client, _ := startInbox(t)
	for n := range uint64(readAtOnce + 3) {
		h.request("resolved", "req_1", n+1)
	}
	h.Drain()
	author := h.as("R1", grant(typev1.Role_ROLE_RESIDENT, communityA))
	count, err := client.CountMyUnread(author, &pb.CountMyUnreadRequest{})
	must(t, err)
	if count.GetCount() != countedAtMost || !count.GetMore() {
		t.Errorf("counted %v", count)
	}
	for _, want := range []int32{readAtOnce, 3} {
		got, err := client.ReadAllMyMessages(author, &pb.ReadAllMyMessagesRequest{})
		must(t, err)
		if got.GetRead() != want || got.GetMore() != (want == readAtOnce) {
			t.Errorf("read %v, want %d", got, want)
		}
	}
	// The pages of the list go on where they were, each message once.
	seen, token := map[string]bool{}, ""
	for {
		page, err := client.ListMyMessages(author, &pb.ListMyMessagesRequest{PageSize: 90, PageToken: token})
		must(t, err)
		for _, m := range page.GetMessages() {
			if seen[m.GetId()] {
				t.Errorf("%s is on two pages", m.GetId())
			}
			seen[m.GetId()] = true
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if len(seen) != readAtOnce+3 {
		t.Errorf("%d listed", len(seen))
	}
}

func TestMailTopics_AreTheCallersOwn(t *testing.T) {
	h, client, p := startInbox(t)
	author := h.as("R1", grant(typev1.Role_ROLE_RESIDENT, communityA))
	_, err := client.SetMailTopics(author, &pb.SetMailTopicsRequest{Off: []string{"request.exploded"}})
	wantReason(t, err, "UNKNOWN_TOPIC")
	_, err = client.SetMailTopics(author, &pb.SetMailTopicsRequest{Off: []string{"request.admitted"}})
	must(t, err)
	_, err = client.SetContact(author, &pb.SetContactRequest{Email: "anna@example.com"})
	must(t, err)
	list, err := client.ListMailTopics(author, &pb.ListMailTopicsRequest{})
	must(t, err)
	if len(list.GetTopics()) != len(topics()) {
		t.Errorf("%d topics", len(list.GetTopics()))
	}
	for _, tp := range list.GetTopics() {
		if tp.GetMailed() == (tp.GetTopic() == "request.admitted") || tp.GetTitle() == "" {
			t.Errorf("%v", tp)
		}
	}
	h.request("admitted", "req_1", 2)
	h.request("resolved", "req_1", 3)
	<-p.got
	h.Drain()
	if len(p.sent) != 1 || p.sent[0] != "anna@example.com 诉求已办结,请您评价" {
		t.Errorf("mailed %q", p.sent)
	}
	mine, err := client.ListMyMessages(author, &pb.ListMyMessagesRequest{})
	must(t, err)
	if len(mine.GetMessages()) != 2 {
		t.Errorf("%d in the inbox", len(mine.GetMessages()))
	}
	// Without an address and without topics nothing is kept of the person.
	_, err = client.SetContact(author, &pb.SetContactRequest{})
	must(t, err)
	_, err = client.SetMailTopics(author, &pb.SetMailTopicsRequest{})
	must(t, err)
	if other, err := client.ListMailTopics(h.as("R2", grant(typev1.Role_ROLE_RESIDENT, communityA)), &pb.ListMailTopicsRequest{}); err != nil || other.GetTopics()[0].GetMailed() {
		t.Error(other.GetTopics()[0], err)
	}
}
