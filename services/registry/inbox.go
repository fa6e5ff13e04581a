package registry

import (
	"context"
	"net/mail"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

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
	q := table.Query{Prefix: key.Key(nil).String(toPerson(call.Person))}
	filter := "all"
	if req.GetUnreadOnly() {
		q.Index, filter = byUnread, "unread"
	}
	page := table.PageCall{
		Method: call.Method, Scope: scope.Scope{Person: call.Person}, Filter: []string{filter},
		Size: req.GetPageSize(), Token: req.GetPageToken(),
	}
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
		o, ok, err := s.organizations.Get(r, scope.All(), idKey(req.GetOrganizationId()))
		if err != nil || !ok {
			return absentOr(err, "organization", req.GetOrganizationId())
		}
		page := table.PageCall{
			Method: call.Method, Scope: call.Scope, Filter: []string{req.GetOrganizationId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		q := table.Query{Prefix: key.Key(nil).String(toOffice(o.Value.GetPath()))}
		reply.Messages, reply.NextPageToken, err = s.messagesOf(r, call, page, q)
		return err
	})
	return reply, err
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

// ReadMessage marks an own message as read; a second time changes nothing.
func (s inbox) ReadMessage(ctx context.Context, req *pb.ReadMessageRequest) (*pb.ReadMessageResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ReadMessageResponse, error) {
		row, ok, err := s.messages.By(tx, scope.Scope{Person: call.Person}, byMessageID, idKey(req.GetId()))
		if err != nil || !ok {
			return nil, absentOr(err, "message", req.GetId())
		}
		if row.Value.GetReadAt() == nil {
			next := proto.CloneOf(row.Value)
			next.ReadAt = now
			if row, err = s.messages.Replace(tx, row, next); err != nil {
				return nil, err
			}
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		m, err := s.message(tx, call.Language, row.Value)
		return &pb.ReadMessageResponse{Message: m}, err
	})
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
		next := &pb.ContactRow{Person: call.Person, SealedEmail: s.store.Keyring().Seal([]byte(address), "contact", call.Person)}
		switch {
		case address == "" && exists:
			err = s.contacts.Delete(tx, row)
		case exists:
			_, err = s.contacts.Replace(tx, row, next)
		case address != "":
			_, err = s.contacts.Insert(tx, next)
		}
		return &pb.SetContactResponse{Contact: &pb.Contact{MaskedEmail: maskEmail(address)}}, err
	})
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
	if err != nil || !ok {
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
