package registry

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// What is read. A person's message is read by that person; an office's by
// whoever of the office reads it first, so that the others see that somebody
// has it in hand.

const (
	// readAtOnce is how many messages one call marks as read.
	readAtOnce = 200
	// countedAtMost is how far unread messages are counted.
	countedAtMost = 100
)

// ReadMessage marks an own message as read; a second time changes nothing.
func (s inbox) ReadMessage(ctx context.Context, req *pb.ReadMessageRequest) (*pb.ReadMessageResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ReadMessageResponse, error) {
		m, err := s.readOne(tx, call, toPerson(call.Person), req.GetId())
		return &pb.ReadMessageResponse{Message: m}, err
	})
}

// ReadOfficeMessage marks an office's message as read.
func (s inbox) ReadOfficeMessage(ctx context.Context, req *pb.ReadOfficeMessageRequest) (*pb.ReadOfficeMessageResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ReadOfficeMessageResponse, error) {
		address, err := s.officeAddress(tx, call, req.GetOrganizationId())
		if err != nil {
			return nil, err
		}
		m, err := s.readOne(tx, call, address, req.GetId())
		return &pb.ReadOfficeMessageResponse{Message: m}, err
	})
}

// readOne marks a message of an address as read. One that may not be known yet
// is not there.
func (s inbox) readOne(tx *store.Tx, call access.Call, address, id string) (*pb.Message, error) {
	row, ok, err := s.messages.By(tx, scope.All(), byMessageID, idKey(id))
	if err != nil {
		return nil, err
	}
	now := s.store.Civil().Now()
	if !ok || row.Value.GetAddress() != address || row.Value.GetTime().AsTime().After(now) {
		return nil, rule.Absent("message", id)
	}
	if row.Value.GetReadAt() == nil {
		if row, err = s.markRead(tx, row, timestamppb.New(now)); err != nil {
			return nil, err
		}
	}
	tx.Audit(store.Record{Rows: []string{id}})
	return s.message(tx, call.Language, row.Value)
}

func (s inbox) markRead(tx *store.Tx, row table.Row[*pb.MessageRow], now *timestamppb.Timestamp) (table.Row[*pb.MessageRow], error) {
	next := proto.CloneOf(row.Value)
	next.ReadAt = now
	return s.messages.Replace(tx, row, next)
}

// ReadAllMyMessages marks the caller's unread messages as read.
func (s inbox) ReadAllMyMessages(ctx context.Context, req *pb.ReadAllMyMessagesRequest) (*pb.ReadAllMyMessagesResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ReadAllMyMessagesResponse, error) {
		n, more, err := s.readAll(tx, toPerson(call.Person))
		return &pb.ReadAllMyMessagesResponse{Read: n, More: more}, err
	})
}

// ReadAllOfficeMessages marks an office's unread messages as read.
func (s inbox) ReadAllOfficeMessages(ctx context.Context, req *pb.ReadAllOfficeMessagesRequest) (*pb.ReadAllOfficeMessagesResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ReadAllOfficeMessagesResponse, error) {
		address, err := s.officeAddress(tx, call, req.GetOrganizationId())
		if err != nil {
			return nil, err
		}
		n, more, err := s.readAll(tx, address)
		return &pb.ReadAllOfficeMessagesResponse{Read: n, More: more}, err
	})
}

func (s inbox) readAll(tx *store.Tx, address string) (n int32, more bool, err error) {
	q := s.messagesTo(address, true)
	q.Limit = readAtOnce
	page, err := s.messages.List(tx, scope.All(), q)
	if err != nil {
		return 0, false, err
	}
	now := timestamppb.New(s.store.Civil().Now())
	for _, row := range page.Rows {
		if _, err := s.markRead(tx, row, now); err != nil {
			return 0, false, err
		}
	}
	tx.Audit(store.Record{Rows: []string{address}})
	return int32(len(page.Rows)), page.Last != nil, nil
}

// CountMyUnread counts the caller's unread messages.
func (s inbox) CountMyUnread(ctx context.Context, _ *pb.CountMyUnreadRequest) (*pb.CountMyUnreadResponse, error) {
	reply, address := &pb.CountMyUnreadResponse{}, toPerson(access.From(ctx).Person)
	err := s.store.View(ctx, func(r kv.Reader) (err error) {
		reply.Count, reply.More, err = s.unread(r, address)
		return err
	})
	return reply, err
}

// CountOfficeUnread counts an office's unread messages.
func (s inbox) CountOfficeUnread(ctx context.Context, req *pb.CountOfficeUnreadRequest) (*pb.CountOfficeUnreadResponse, error) {
	call, reply := access.From(ctx), &pb.CountOfficeUnreadResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		address, err := s.officeAddress(r, call, req.GetOrganizationId())
		if err != nil {
			return err
		}
		reply.Count, reply.More, err = s.unread(r, address)
		return err
	})
	return reply, err
}

func (s inbox) unread(r kv.Reader, address string) (n int32, more bool, err error) {
	q := s.messagesTo(address, true)
	q.Limit = countedAtMost
	page, err := s.messages.List(r, scope.All(), q)
	return int32(len(page.Rows)), page.Last != nil, err
}

// ListMailTopics answers every topic, and whether it is mailed to the caller.
func (s inbox) ListMailTopics(ctx context.Context, _ *pb.ListMailTopicsRequest) (*pb.ListMailTopicsResponse, error) {
	call, reply := access.From(ctx), &pb.ListMailTopicsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, _, err := s.contacts.Get(r, scope.All(), idKey(call.Person))
		reply.Topics = mailTopics(call.Language, row.Value)
		return err
	})
	return reply, err
}

func mailTopics(language string, c *pb.ContactRow) []*pb.MailTopic {
	var out []*pb.MailTopic
	for _, t := range topics() {
		out = append(out, &pb.MailTopic{
			Topic: t.name, Title: defaultTemplate(language, t).GetTitle(), Mailed: mailed(c, t.name),
		})
	}
	return out
}

// SetMailTopics says which topics are not mailed.
func (s inbox) SetMailTopics(ctx context.Context, req *pb.SetMailTopicsRequest) (*pb.SetMailTopicsResponse, error) {
	for _, name := range req.GetOff() {
		if _, ok := topicOf(name); !ok {
			return nil, rule.New(rule.Invalid, "UNKNOWN_TOPIC", "off", "topic", name)
		}
	}
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.SetMailTopicsResponse, error) {
		row, exists, err := s.contacts.Get(tx, scope.All(), idKey(call.Person))
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{call.Person}})
		next := &pb.ContactRow{Person: call.Person, SealedEmail: row.Value.GetSealedEmail(), TopicsOff: req.GetOff()}
		return &pb.SetMailTopicsResponse{Topics: mailTopics(call.Language, next)}, s.keepContact(tx, row, exists, next)
	})
}
