package registry

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"syscall"
	"time"

	webhook "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/pkg/texts"
)

// Mailer sends one message by mail; the same message has the same id.
type Mailer interface {
	Mail(ctx context.Context, id, to, subject, body string) error
}

const (
	deliveriesAtOnce = 50
	sentAtOnce       = 8 // so that one that does not answer holds few others up
	mostTries        = 10
	firstRetry       = 10 * time.Second
	longestRetry     = time.Hour
	deliveryTick     = 2 * time.Second
	deliveryPatience = 15 * time.Second
)

// topicGivenUp tells an office that its webhook takes nothing; it is also the
// name of what is announced.
const topicGivenUp = "webhook.given_up"

// newSecret makes a webhook's secret as Standard Webhooks writes it.
func newSecret() string {
	raw := make([]byte, 24)
	_, _ = rand.Read(raw) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(raw)
}

// webhookClient posts to where outside allows, follows no redirect and waits
// for nobody long.
func webhookClient(o outside) *http.Client {
	dialer := &net.Dialer{Timeout: deliveryPatience, Control: func(network, address string, _ syscall.RawConn) error {
		return o.control(network, address)
	}}
	return &http.Client{
		Timeout:       deliveryPatience,
		Transport:     &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: deliveryPatience, MaxIdleConnsPerHost: 1},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// queue notes what is to go out for a message: a mail to a person with an
// address, a post for each webhook of an office.
func (s *Service) queue(tx *store.Tx, m *pb.MessageRow, due *timestamppb.Timestamp) error {
	if person, ok := personOf(m.GetAddress()); ok && s.mailer != nil {
		contact, _, err := s.contacts.Get(tx, scope.All(), idKey(person))
		if err != nil || !mailed(contact.Value, m.GetTopic()) {
			return err
		}
		_, err = s.deliveries.Insert(tx, &pb.DeliveryRow{Due: due, MessageId: m.GetId(), Address: m.GetAddress()})
		return err
	}
	office, ok := officeOf(m.GetAddress())
	if !ok {
		return nil
	}
	hooks, err := s.webhooksOf(tx, scope.All(), string(office))
	if err != nil {
		return err
	}
	for _, h := range hooks {
		if m.GetTopic() == topicGivenUp && h.Value.GetWebhook().GetId() == m.GetAbout() {
			continue // it would not be taken either
		}
		_, err := s.deliveries.Insert(tx, &pb.DeliveryRow{
			Due: due, MessageId: m.GetId(), Address: m.GetAddress(), WebhookId: h.Value.GetWebhook().GetId(),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sendOut sends what is due until the context ends. What a kill interrupts is
// sent again: its message id tells the receiver so.
func (s *Service) sendOut(ctx context.Context) error {
	tick := time.NewTicker(deliveryTick)
	defer tick.Stop()
	for {
		n, err := s.sendDue(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.log.Error("send what is due", "error", err)
		}
		if n > 0 && err == nil {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sendDue sends some of what is due and answers how many it tried.
func (s *Service) sendDue(ctx context.Context) (int, error) {
	now := s.store.Wall().Now()
	var rows []table.Row[*pb.DeliveryRow]
	err := s.store.View(ctx, func(r kv.Reader) error {
		page, err := s.deliveries.List(r, scope.All(), table.Query{Limit: deliveriesAtOnce})
		rows = page.Rows
		return err
	})
	if err != nil {
		return 0, err
	}
	tried := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(sentAtOnce)
	for _, row := range rows {
		if row.Value.GetDue().AsTime().After(now) {
			break // the rest is due later still
		}
		tried++
		group.Go(func() error { return s.settle(ctx, row, s.send(ctx, row.Value)) })
	}
	return tried, group.Wait()
}

// send sends one delivery. errDropped when nothing is left to send.
func (s *Service) send(ctx context.Context, d *pb.DeliveryRow) error {
	var m *pb.Message
	var email, secret string
	var hook *pb.WebhookRow
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, ok, err := s.messages.By(r, scope.All(), byMessageID, idKey(d.GetMessageId()))
		if err != nil || !ok || row.Value.GetAddress() == "" {
			return errors.Join(err, errDropped)
		}
		if m, err = s.message(r, texts.Chinese, row.Value); err != nil {
			return err
		}
		if person, ok := personOf(d.GetAddress()); ok {
			email, err = s.mailTo(r, person, row.Value.GetTopic())
			return err
		}
		h, ok, err := s.webhooks.Get(r, scope.All(), idKey(d.GetWebhookId()))
		if err != nil || !ok {
			return errors.Join(err, errDropped)
		}
		hook = h.Value
		plain, err := s.store.Keyring().Open(hook.GetSealedSecret(), "webhook", d.GetWebhookId())
		secret = string(plain)
		return err
	})
	if err != nil {
		return err
	}
	if hook == nil {
		ctx, cancel := context.WithTimeout(ctx, deliveryPatience)
		defer cancel()
		return s.mailer.Mail(ctx, m.GetId(), email, m.GetTitle(), m.GetBody())
	}
	return s.post(ctx, hook.GetWebhook(), secret, m)
}

// mailed says whether somebody has messages of a topic mailed.
func mailed(c *pb.ContactRow, topic string) bool {
	return len(c.GetSealedEmail()) > 0 && !slices.Contains(c.GetTopicsOff(), topic)
}

// mailTo answers where a message is mailed to; errDropped where that is no
// longer wanted.
func (s *Service) mailTo(r kv.Reader, person, topic string) (string, error) {
	contact, _, err := s.contacts.Get(r, scope.All(), idKey(person))
	if err != nil {
		return "", err
	}
	if !mailed(contact.Value, topic) {
		return "", errDropped
	}
	return s.emailOf(r, person)
}

var (
	errDropped     = errors.New("nobody to send to")
	errUnreachable = errors.New("could not be reached")
)

// post sends a message to a webhook, signed after Standard Webhooks 1.0.
func (s *Service) post(ctx context.Context, hook *pb.Webhook, secret string, m *pb.Message) error {
	body, err := json.Marshal(map[string]any{
		"type": m.GetTopic(), "timestamp": m.GetTime().AsTime().Format(time.RFC3339),
		"data": map[string]string{"about": m.GetAbout(), "title": m.GetTitle(), "body": m.GetBody()},
	})
	if err != nil {
		return err
	}
	signer, err := webhook.NewWebhook(secret)
	if err != nil {
		return fmt.Errorf("secret of webhook %s: %w", hook.GetId(), err)
	}
	now := s.store.Wall().Now()
	signature, err := signer.Sign(m.GetId(), now, body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.GetUrl(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(webhook.HeaderWebhookID, m.GetId())
	req.Header.Set(webhook.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(webhook.HeaderWebhookSignature, signature)
	resp, err := s.http.Do(req)
	if err != nil {
		return errUnreachable // its own words would name addresses
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("answered %d", resp.StatusCode)
	}
	return nil
}

// settle takes a delivery away that went out or is given up, and puts one that
// failed off.
func (s *Service) settle(ctx context.Context, row table.Row[*pb.DeliveryRow], failed error) error {
	if failed != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	now := s.store.Wall().Now()
	return s.store.Update(ctx, func(tx *store.Tx) error {
		current, ok, err := s.deliveries.Get(tx, scope.All(), deliveryKey(row.Value))
		if err != nil || !ok {
			return err
		}
		if err := s.deliveries.Delete(tx, current); err != nil {
			return err
		}
		next := proto.CloneOf(row.Value)
		next.Tries++
		giveUp := errors.Is(failed, errDropped) || next.GetTries() >= mostTries
		if failed != nil && !giveUp {
			wait := min(firstRetry<<min(next.GetTries()-1, 12), longestRetry)
			next.Due = timestamppb.New(now.Add(wait))
			_, err := s.deliveries.Insert(tx, next)
			return err
		}
		return s.noteHook(tx, row.Value.GetWebhookId(), now, failed)
	})
}

// noteHook keeps with a webhook how its delivery ended.
func (s *Service) noteHook(tx *store.Tx, id string, now time.Time, failed error) error {
	if id == "" {
		if failed != nil && !errors.Is(failed, errDropped) {
			s.log.Warn("mail given up")
		}
		return nil
	}
	row, ok, err := s.webhooks.Get(tx, scope.All(), idKey(id))
	if err != nil || !ok {
		return err
	}
	next := proto.CloneOf(row.Value)
	if failed != nil {
		next.Webhook.Failures++
		next.Webhook.LastError = failed.Error()
	} else {
		next.Webhook.Failures, next.Webhook.LastError, next.Webhook.DeliveredAt = 0, "", timestamppb.New(now)
	}
	kept, err := s.webhooks.Replace(tx, row, next)
	if err != nil || next.GetWebhook().GetFailures() != 1 || failed == nil {
		return err
	}
	return tx.Emit(store.Event{ // once until one is taken again
		Name: topicGivenUp, EntityID: id, Revision: kept.Revision,
		Data: &pb.WebhookGivenUp{Id: id, Revision: kept.Revision, Path: kept.Value.GetPath()},
	})
}
