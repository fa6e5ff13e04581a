package requests

import (
	"context"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// ListProviders answers what everybody sees of a community's providers.
func (s providers) ListProviders(ctx context.Context, req *pb.ListProvidersRequest) (*pb.ListProvidersResponse, error) {
	call, today, reply := access.From(ctx), clock.Day(s.store.Civil().Now()), &pb.ListProvidersResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		o, ok, err := s.organizations.Shown(r, req.GetCommunityId(), call.Caller.Scope())
		if err != nil {
			return err
		}
		if !ok {
			return rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "community_id", "id", req.GetCommunityId())
		}
		q := table.Query{Index: byName, Prefix: key.Key(nil).String(string(o.Path)).Uint(uint64(pb.ProviderState_PROVIDER_STATE_APPROVED))}
		if req.GetCategory() != "" {
			q = table.Query{Index: byWhat, Prefix: key.Key(nil).String(string(o.Path)).String(req.GetCategory())}
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Paths: []scope.Path{o.Path}}, Filter: []string{req.GetCommunityId(), req.GetCategory()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.PageOf(s.pager, s.providers, r, page, q,
			table.Keep(func(p *pb.ProviderRow) bool { return papersOf(p.GetProvider()).Hold(today) }))
		for _, row := range rows {
			reply.Providers = append(reply.Providers, publicProvider(row.Value.GetProvider()))
		}
		reply.NextPageToken = next
		return err
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// ListProviderRegister answers the register as the offices see it.
func (s providers) ListProviderRegister(ctx context.Context, req *pb.ListProviderRegisterRequest) (*pb.ListProviderRegisterResponse, error) {
	call, reply := access.From(ctx), &pb.ListProviderRegisterResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		community, err := s.community(r, req.GetCommunityId(), "community_id")
		if err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: office(call), Filter: []string{req.GetCommunityId(), req.GetState().String()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.providers, r, page,
			table.Query{Index: byName, Prefix: key.Key(nil).String(string(community)).Uint(uint64(req.GetState()))})
		for _, row := range rows {
			reply.Providers = append(reply.Providers, providerProto(row))
		}
		reply.NextPageToken = next
		return err
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// RevealProviderContact opens how a provider is reached, with a reason; the
// answer is remembered nowhere.
func (s providers) RevealProviderContact(ctx context.Context, req *pb.RevealProviderContactRequest) (*pb.RevealProviderContactResponse, error) {
	call, out := access.From(ctx), &pb.RevealProviderContactResponse{}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		row, err := s.providerRow(tx, office(call), req.GetId())
		if err != nil {
			return err
		}
		if row.Value.GetSealedContact() == nil {
			return rule.New(rule.Precondition, "NOTHING_SEALED", "")
		}
		contact, err := s.store.Keyring().Open(row.Value.GetSealedContact(), sealedContact(req.GetId())...)
		if err != nil {
			return err
		}
		out.Contact = string(contact)
		return tx.Reveal(store.Record{Rows: []string{req.GetId()}, Reason: req.GetReason()})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
