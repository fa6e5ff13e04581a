package mail_test

import (
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"

	sender "github.com/linli-project/linli/pkg/mail"
)

// box is a server that keeps what it is sent.
type box struct {
	mu       sync.Mutex
	to       []string
	messages []string
}

func (b *box) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{box: b}, nil }

type session struct{ box *box }

func (s *session) Mail(string, *smtp.MailOptions) error { return nil }
func (s *session) Reset()                               {}
func (s *session) Logout() error                        { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &smtp.SMTPError{Code: 550, Message: "no such mailbox"}
	}
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.to = append(s.box.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.messages = append(s.box.messages, string(text))
	return err
}

func serve(t *testing.T) (*box, string) {
	t.Helper()
	b := &box{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(b)
	server.Domain = "localhost"
	go func() { _ = server.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })
	return b, "smtp+plain://" + l.Addr().String()
}

func TestMail_ArrivesAsWritten(t *testing.T) {
	b, address := serve(t)
	s, err := sender.New(address, "邻里 <linli@example.com>")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Mail(t.Context(), "msg_1", "anna@example.com", "诉求已办结", "请查看答复并评价。"); err != nil {
		t.Fatal(err)
	}
	if len(b.to) != 1 || b.to[0] != "anna@example.com" {
		t.Fatalf("sent to %v", b.to)
	}
	m, err := mail.ReadMessage(strings.NewReader(b.messages[0]))
	if err != nil {
		t.Fatal(err)
	}
	from, err := m.Header.AddressList("From")
	if err != nil || from[0].Name != "邻里" {
		t.Errorf("from %v, %v", from, err)
	}
	if id := m.Header.Get("Message-ID"); id != "<msg_1@example.com>" {
		t.Errorf("the id is %s", id)
	}
	if err := s.Mail(t.Context(), "msg_2", "nobody@example.com", "x", "y"); err == nil {
		t.Error("a refused recipient is no error")
	}
}

func TestNew_RefusesWithoutShowingThePassword(t *testing.T) {
	for _, bad := range []string{"", "mail.example.com", "http://u:geheim@mail.example.com", "smtp://u:geheim@:x", "smtps://u:ge heim@h:nr"} {
		_, err := sender.New(bad, "linli@example.com")
		if err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := sender.New("smtps://mail.example.com", "nobody"); err == nil {
		t.Error("a sender without an address")
	}
}
