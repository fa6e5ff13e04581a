// Package mail sends messages through an SMTP server.
package mail

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"
)

// Sender sends through one server. It opens a connection for each message:
// few are sent, and none is held open.
type Sender struct {
	host    string
	from    string
	domain  string // of the sender
	options []gomail.Option
}

// New reads an address: smtps://user:password@host:465 speaks TLS from the
// first byte, smtp://host:587 insists on STARTTLS, smtp+plain://127.0.0.1:1025
// sends in the clear, for a server on the own machine. from is the sender,
// "邻里 <linli@example.com>". The password is never part of an error.
func New(address, from string) (*Sender, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("the SMTP address is not of the form smtps://user:password@host:465")
	}
	s := &Sender{host: u.Hostname(), from: from}
	switch u.Scheme {
	case "smtps":
		s.options = append(s.options, gomail.WithSSL(), gomail.WithPort(465))
	case "smtp":
		s.options = append(s.options, gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithPort(587))
	case "smtp+plain":
		s.options = append(s.options, gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithPort(25))
	default:
		return nil, fmt.Errorf("the SMTP address begins with %q, not smtps, smtp or smtp+plain", u.Scheme)
	}
	if text := u.Port(); text != "" {
		port, err := strconv.Atoi(text)
		if err != nil {
			return nil, errors.New("the SMTP port is no number")
		}
		s.options = append(s.options, gomail.WithPort(port))
	}
	if password, ok := u.User.Password(); ok {
		s.options = append(s.options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(u.User.Username()), gomail.WithPassword(password))
	}
	sender, err := mail.ParseAddress(from)
	if err != nil {
		return nil, errors.New("the sender is not of the form 邻里 <linli@example.com>")
	}
	_, s.domain, _ = strings.Cut(sender.Address, "@")
	return s, nil
}

// Mail sends one message of plain text. One that is sent a second time, because
// nobody knows whether it went out, carries the same id.
func (s *Sender) Mail(ctx context.Context, id, to, subject, body string) error {
	m := gomail.NewMsg()
	m.SetMessageIDWithValue(id + "@" + s.domain)
	if err := m.From(s.from); err != nil {
		return fmt.Errorf("sender: %w", err)
	}
	if err := m.To(to); err != nil {
		return errors.New("the recipient's address cannot be written to")
	}
	m.Subject(subject)
	m.SetBodyString(gomail.TypeTextPlain, body)
	client, err := gomail.NewClient(s.host, s.options...)
	if err != nil {
		return fmt.Errorf("prepare to send: %w", err)
	}
	if err := client.DialAndSendWithContext(ctx, m); err != nil {
		return fmt.Errorf("send through %s: %w", s.host, err)
	}
	return nil
}
