package registry

import (
	"context"
	"net/mail"
	"slices"
	"strings"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// inbox answers linli.registry.v1.InboxService.
type inbox struct {
	pb.UnsafeInboxServiceServer
	*Service
}

var _ pb.InboxServiceServer = inbox{}

// ListMyMessages answers what the caller was told, the newest first.
func (s inbox) ListMyMessages(ctx context.Context, req *pb.ListMyMessagesRequest) (*pb.ListMyMessagesResponse, error) {
	call, reply := access.From(ctx), &pb.ListMyMessagesResponse{}
	page := table.PageCall{
		Method: call.Method, Person: call.Person, Scope: scope.Scope{Person: call.Person}, Size: req.GetPageSize(), Token: req.GetPageToken(),
	}
	q := s.messagesTo(toPerson(call.Person), req.GetUnreadOnly())
	err := s.store.View(ctx, func(r kv.Reader) (err error) {
		reply.Messages, reply.NextPageToken, err = s.messagesOf(r, call, page, q)
		return err
	})
	return reply, err
}

// ListOfficeMessages answers what an office was told, the newest first.
func (s inbox) ListOfficeMessages(ctx context.Context, req *pb.ListOfficeMessagesRequest) (*pb.ListOfficeMessagesResponse, error) {
	call, reply := access.From(ctx), &pb.ListOfficeMessagesResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		address, err := s.officeAddress(r, call, req.GetOrganizationId())
		if err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: call.Scope, Filter: []string{req.GetOrganizationId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		reply.Messages, reply.NextPageToken, err = s.messagesOf(r, call, page, s.messagesTo(address, req.GetUnreadOnly()))
		return err
	})
	return reply, err
}

// officeAddress answers the address of an organization that the caller stands
// for: those above an office do not read what it was told.
func (s inbox) officeAddress(r kv.Reader, call access.Call, id string) (string, error) {
	o, ok, err := s.organizations.Get(r, scope.All(), idKey(id))
	if err != nil || !ok {
		return "", absentOr(err, "organization", id)
	}
	return toOffice(o.Value.GetPath()), ownInbox(call, o.Value.GetPath())
}

func ownInbox(call access.Call, path string) error {
	if slices.Contains(call.Scope.Paths, scope.Path(path)) {
		return nil
	}
	return rule.New(rule.Denied, "NOT_OWN_INBOX", "organization_id")
}

// messagesTo is the range of an address, the newest first. It begins now: what
// may be known later only is not in it.
func (s inbox) messagesTo(address string, unread bool) table.Query {
	prefix := key.Key(nil).String(address)
	q := table.Query{Prefix: prefix, After: prefix.TimeDesc(s.store.Civil().Now())}
	if unread {
		q.Index = byUnread
	}
	return q
}

func absentOr(err error, kind, id string) error {
	if err != nil {
		return err
	}
	return rule.Absent(kind, id)
}

func (s inbox) messagesOf(r kv.Reader, call access.Call, page table.PageCall, q table.Query) ([]*pb.Message, string, error) {
	rows, next, err := table.Page(s.pager, s.messages, r, page, q)
	if err != nil {
		return nil, "", err
	}
	var out []*pb.Message
	for _, row := range rows {
		m, err := s.message(r, call.Language, row.Value)
		if err != nil {
			return nil, "", err
		}
		out = append(out, m)
	}
	return out, next, nil
}

// SetContact keeps or ends the caller's address.
func (s inbox) SetContact(ctx context.Context, req *pb.SetContactRequest) (*pb.SetContactResponse, error) {
	call := access.From(ctx)
	address := strings.TrimSpace(req.GetEmail())
	if address != "" && !validEmail(address) {
		return nil, rule.New(rule.Invalid, "BAD_EMAIL", "email")
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.SetContactResponse, error) {
		row, exists, err := s.contacts.Get(tx, scope.All(), idKey(call.Person))
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{call.Person}})
		next := &pb.ContactRow{Person: call.Person, TopicsOff: row.Value.GetTopicsOff()}
		if address != "" {
			next.SealedEmail = s.store.Keyring().Seal([]byte(address), "contact", call.Person)
		}
		return &pb.SetContactResponse{Contact: &pb.Contact{MaskedEmail: maskEmail(address)}}, s.keepContact(tx, row, exists, next)
	})
}

// keepContact stores what somebody said; nothing said is no row.
func (s *Service) keepContact(tx *store.Tx, row table.Row[*pb.ContactRow], exists bool, next *pb.ContactRow) error {
	said := len(next.GetSealedEmail()) > 0 || len(next.GetTopicsOff()) > 0
	var err error
	switch {
	case !said && exists:
		err = s.contacts.Delete(tx, row)
	case exists:
		_, err = s.contacts.Replace(tx, row, next)
	case said:
		_, err = s.contacts.Insert(tx, next)
	}
	return err
}

// GetContact answers the caller's address, masked.
func (s inbox) GetContact(ctx context.Context, _ *pb.GetContactRequest) (*pb.GetContactResponse, error) {
	call, reply := access.From(ctx), &pb.GetContactResponse{Contact: &pb.Contact{}}
	err := s.store.View(ctx, func(r kv.Reader) error {
		address, err := s.emailOf(r, call.Person)
		reply.Contact.MaskedEmail = maskEmail(address)
		return err
	})
	return reply, err
}

// emailOf opens a person's address; empty when there is none.
func (s *Service) emailOf(r kv.Reader, person string) (string, error) {
	row, ok, err := s.contacts.Get(r, scope.All(), idKey(person))
	if err != nil || !ok || len(row.Value.GetSealedEmail()) == 0 {
		return "", err
	}
	plain, err := s.store.Keyring().Open(row.Value.GetSealedEmail(), "contact", person)
	return string(plain), err
}

// validEmail takes a bare address with a domain of two labels at least.
func validEmail(text string) bool {
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text || a.Name != "" {
		return false
	}
	_, domain, _ := strings.Cut(text, "@")
	return strings.Contains(strings.Trim(domain, "."), ".")
}

// maskEmail shows the first letter and the domain.
func maskEmail(address string) string {
	name, domain, ok := strings.Cut(address, "@")
	if !ok || name == "" {
		return ""
	}
	return string([]rune(name)[:1]) + "***@" + domain
}
