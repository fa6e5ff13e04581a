package registry

import (
	"context"
	"net"
	"net/netip"
	"net/url"
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

// mostWebhooks of one office.
const mostWebhooks = 5

// CreateWebhook keeps an address that an office's messages are posted to.
func (s inbox) CreateWebhook(ctx context.Context, req *pb.CreateWebhookRequest) (*pb.CreateWebhookResponse, error) {
	if !s.outside.allows(req.GetUrl()) {
		return nil, rule.New(rule.Invalid, "BAD_WEBHOOK_URL", "url")
	}
	call, id, secret := access.From(ctx), s.ids("whk"), newSecret()
	now := timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.CreateWebhookResponse, error) {
		o, ok, err := s.organizations.Get(tx, scope.All(), idKey(req.GetOrganizationId()))
		if err != nil || !ok {
			return nil, absentOr(err, "organization", req.GetOrganizationId())
		}
		if err := ownInbox(call, o.Value.GetPath()); err != nil {
			return nil, err
		}
		there, err := s.webhooksOf(tx, call.Scope, o.Value.GetPath())
		if err != nil {
			return nil, err
		}
		if len(there) >= mostWebhooks {
			return nil, rule.New(rule.Exhausted, "TOO_MANY_WEBHOOKS", "organization_id", "most", decimal(mostWebhooks))
		}
		row, err := s.webhooks.Insert(tx, &pb.WebhookRow{
			Webhook: &pb.Webhook{Id: id, OrganizationId: req.GetOrganizationId(), Url: req.GetUrl(), CreatedAt: now},
			Path:    o.Value.GetPath(), SealedSecret: s.store.Keyring().Seal([]byte(secret), "webhook", id),
		})
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		return &pb.CreateWebhookResponse{Webhook: row.Value.GetWebhook(), Secret: secret}, nil
	})
}

func (s *Service) webhooksOf(r kv.Reader, sc scope.Scope, path string) ([]table.Row[*pb.WebhookRow], error) {
	page, err := s.webhooks.List(r, sc, table.Query{Index: byOffice, Prefix: key.Key(nil).String(path), Limit: 2 * mostWebhooks})
	return page.Rows, err
}

// ListWebhooks answers an office's webhooks.
func (s inbox) ListWebhooks(ctx context.Context, req *pb.ListWebhooksRequest) (*pb.ListWebhooksResponse, error) {
	call, reply := access.From(ctx), &pb.ListWebhooksResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		o, ok, err := s.organizations.Get(r, scope.All(), idKey(req.GetOrganizationId()))
		if err != nil || !ok {
			return absentOr(err, "organization", req.GetOrganizationId())
		}
		rows, err := s.webhooksOf(r, call.Scope, o.Value.GetPath())
		for _, row := range rows {
			reply.Webhooks = append(reply.Webhooks, proto.CloneOf(row.Value.GetWebhook()))
		}
		return err
	})
	return reply, err
}

// DeleteWebhook ends a webhook.
func (s inbox) DeleteWebhook(ctx context.Context, req *pb.DeleteWebhookRequest) (*pb.DeleteWebhookResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.DeleteWebhookResponse, error) {
		row, ok, err := s.webhooks.Get(tx, scope.Scope{Paths: call.Scope.Paths}, idKey(req.GetId()))
		if err != nil || !ok {
			return nil, absentOr(err, "webhook", req.GetId())
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		return &pb.DeleteWebhookResponse{}, s.webhooks.Delete(tx, row)
	})
}

// outside says which addresses linli posts to. Those of its own network are
// out of reach, so that nobody can have linli ask a neighbour's machine.
type outside struct {
	// own allows http and addresses of the own machine: development and tests.
	own bool
}

func (o outside) allows(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	if o.own {
		return u.Scheme == "http" || u.Scheme == "https"
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !public(ip) {
		return false
	}
	return u.Scheme == "https" && !strings.EqualFold(u.Hostname(), "localhost")
}

// public says whether an address lies in the open network.
func public(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() &&
		!netip.MustParsePrefix("100.64.0.0/10").Contains(ip) && !netip.MustParsePrefix("fc00::/7").Contains(ip)
}

// control refuses a connection to an address that is not public, after the
// name was looked up: a name may point anywhere.
func (o outside) control(_, address string) error {
	if o.own {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(host); err != nil || !public(ip) {
		return net.InvalidAddrError("not a public address")
	}
	return nil
}
