package registry

import (
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
)

// The numbers of the inbox's tables and indexes.
const (
	numberMessage         uint16 = 42 // address, time (latest first), id
	numberMessageByID     uint16 = 43 // id, unique: a fact is told once
	numberMessageUnread   uint16 = 44 // address, time (latest first), while it is unread
	numberContact         uint16 = 45 // person
	numberWebhook         uint16 = 46 // id
	numberWebhookByOffice uint16 = 47 // path
	numberDelivery        uint16 = 48 // due, message, webhook
	numberTemplate        uint16 = 49 // district path, topic
	numberMessageKeep     uint16 = 80 // until when it is kept
	numberWaiting         uint16 = 81 // civil time, message
	numberRound           uint16 = 82 // event
)

const (
	byMessageID = "id"
	byUnread    = "unread"
	byOffice    = "office"
	byKeep      = "keep"
)

type inboxTables struct {
	messages   *table.Table[*pb.MessageRow]
	contacts   *table.Table[*pb.ContactRow]
	webhooks   *table.Table[*pb.WebhookRow]
	deliveries *table.Table[*pb.DeliveryRow]
	templates  *table.Table[*pb.TemplateRow]
	waiting    *table.Table[*pb.WaitingRow]
	rounds     *table.Table[*pb.RoundRow]
}

func newInboxTables() inboxTables {
	return inboxTables{
		messages: messageTable(),
		contacts: table.New(table.Spec[*pb.ContactRow]{
			Number: numberContact, Name: "contact",
			Sealed: contactSealed,
			Key:    func(r *pb.ContactRow) key.Key { return idKey(r.GetPerson()) },
		}),
		webhooks: table.New(table.Spec[*pb.WebhookRow]{
			Number: numberWebhook, Name: "webhook",
			Sealed: webhookSealed,
			Key:    func(r *pb.WebhookRow) key.Key { return idKey(r.GetWebhook().GetId()) },
			Paths:  func(r *pb.WebhookRow) []scope.Path { return pathsOf(r.GetPath()) },
			Indexes: []table.Index[*pb.WebhookRow]{
				{Number: numberWebhookByOffice, Name: byOffice, Keys: func(r *pb.WebhookRow) []key.Key {
					return []key.Key{key.Key(nil).String(r.GetPath())}
				}},
			},
		}),
		deliveries: table.New(table.Spec[*pb.DeliveryRow]{
			Number: numberDelivery, Name: "delivery",
			Key: deliveryKey,
		}),
		templates: table.New(table.Spec[*pb.TemplateRow]{
			Number: numberTemplate, Name: "template",
			Key: func(r *pb.TemplateRow) key.Key { return templateKey(r.GetDistrictPath(), r.GetTopic()) },
		}),
		waiting: table.New(table.Spec[*pb.WaitingRow]{
			Number: numberWaiting, Name: "waiting_message",
			Key: func(r *pb.WaitingRow) key.Key { return key.Key(nil).Time(r.GetDue().AsTime()).String(r.GetMessageId()) },
		}),
		rounds: table.New(table.Spec[*pb.RoundRow]{
			Number: numberRound, Name: "round",
			Key: func(r *pb.RoundRow) key.Key { return idKey(r.GetEvent().GetId()) },
		}),
	}
}

func messageTable() *table.Table[*pb.MessageRow] {
	return table.New(table.Spec[*pb.MessageRow]{
		Number: numberMessage, Name: "message",
		Key: func(r *pb.MessageRow) key.Key {
			return key.Key(nil).String(r.GetAddress()).TimeDesc(r.GetTime().AsTime()).String(r.GetId())
		},
		Paths: func(r *pb.MessageRow) []scope.Path {
			if path, ok := officeOf(r.GetAddress()); ok {
				return pathsOf(string(path))
			}
			return nil
		},
		Owners: func(r *pb.MessageRow) []string {
			if person, ok := personOf(r.GetAddress()); ok {
				return []string{person}
			}
			return nil
		},
		Indexes: []table.Index[*pb.MessageRow]{
			{Number: numberMessageByID, Name: byMessageID, Unique: true, Keys: func(r *pb.MessageRow) []key.Key {
				return []key.Key{idKey(r.GetId())}
			}},
			{Number: numberMessageUnread, Name: byUnread, Keys: func(r *pb.MessageRow) []key.Key {
				if r.GetAddress() == "" || r.GetReadAt() != nil {
					return nil
				}
				return []key.Key{key.Key(nil).String(r.GetAddress()).TimeDesc(r.GetTime().AsTime())}
			}},
			{Number: numberMessageKeep, Name: byKeep, Keys: func(r *pb.MessageRow) []key.Key {
				return []key.Key{key.Key(nil).Time(r.GetKeepUntil().AsTime())}
			}},
		},
	})
}

func templateKey(districtPath, topic string) key.Key {
	return key.Key(nil).String(districtPath).String(topic)
}

func deliveryKey(r *pb.DeliveryRow) key.Key {
	return key.Key(nil).Time(r.GetDue().AsTime()).String(r.GetMessageId()).String(r.GetWebhookId())
}
