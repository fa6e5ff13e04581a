package requests

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/hardship"
	"github.com/linli-project/linli/services/requests/internal/provider"
)

// providers answers linli.requests.v1.ProviderService.
type providers struct {
	pb.UnsafeProviderServiceServer
	*Service
}

var _ pb.ProviderServiceServer = providers{}

// Names of the indexes.
const (
	byName = "name"
	byWhat = "what"
)

func newProvidersTable() *table.Table[*pb.ProviderRow] {
	return table.New(table.Spec[*pb.ProviderRow]{
		Number: tableProviders, Name: "provider",
		Sealed: providerSealed,
		Key:    func(r *pb.ProviderRow) key.Key { return key.Key(nil).String(r.GetProvider().GetId()) },
		Paths:  func(r *pb.ProviderRow) []scope.Path { return []scope.Path{scope.Path(r.GetCommunityPath())} },
		Indexes: []table.Index[*pb.ProviderRow]{
			{Number: indexProvidersByName, Name: byName, Keys: func(r *pb.ProviderRow) []key.Key {
				return []key.Key{key.Key(nil).String(r.GetCommunityPath()).Uint(uint64(r.GetProvider().GetState())).String(r.GetProvider().GetName())}
			}},
			{Number: indexProvidersByWhat, Name: byWhat, Keys: func(r *pb.ProviderRow) []key.Key {
				if r.GetProvider().GetState() != pb.ProviderState_PROVIDER_STATE_APPROVED {
					return nil
				}
				seen, keys := map[string]bool{}, []key.Key(nil)
				for _, s := range r.GetProvider().GetServices() {
					if !seen[s.GetCategory()] {
						keys = append(keys, key.Key(nil).String(r.GetCommunityPath()).String(s.GetCategory()).String(r.GetProvider().GetName()))
					}
					seen[s.GetCategory()] = true
				}
				return keys
			}},
		},
	})
}

// sealedContact names the place of a provider's contact for the keyring.
func sealedContact(id string) []string { return []string{"provider", id, "contact"} }

func papersOf(p *pb.Provider) provider.Papers {
	return provider.Papers{
		Person: p.GetKind() == pb.ProviderKind_PROVIDER_KIND_PERSON, Registration: p.GetRegistration(), Until: p.GetPapersUntil(),
	}
}

// ProposeProvider puts a provider on the list of those to be approved.
func (s providers) ProposeProvider(ctx context.Context, req *pb.ProposeProviderRequest) (*pb.ProposeProviderResponse, error) {
	call, now, id := access.From(ctx), s.store.Civil().Now(), s.ids("prv")
	next := &pb.Provider{
		Id: id, CommunityId: req.GetCommunityId(), Kind: req.GetKind(), State: pb.ProviderState(provider.Proposed), Name: req.GetName(),
		Services: req.GetServices(), Registration: req.GetRegistration(), PapersUntil: req.GetPapersUntil(), Person: req.GetPerson(),
		ProposedBy: call.Person, ProposedAt: timestamppb.New(now), NameConsent: req.GetNameConsent(),
	}
	if err := checkProvider(next); err != nil {
		return nil, err
	}
	row := &pb.ProviderRow{Provider: next}
	if req.GetContact() != "" {
		row.SealedContact = s.store.Keyring().Seal([]byte(req.GetContact()), sealedContact(id)...)
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ProposeProviderResponse, error) {
		community, err := s.community(tx, req.GetCommunityId(), "community_id")
		if err != nil {
			return nil, err
		}
		row.CommunityPath = string(community)
		kept, err := s.providers.Insert(tx, row)
		if err != nil {
			return nil, err
		}
		return &pb.ProposeProviderResponse{Provider: providerProto(kept)}, s.announceProvider(tx, provider.Propose, kept)
	})
}

// checkProvider: papers that are whole, and nothing of trade or payment.
func checkProvider(p *pb.Provider) error {
	if err := papersOf(p).Check(); err != nil {
		return err
	}
	for i, offered := range p.GetServices() {
		for field, text := range map[string]string{"category": offered.GetCategory(), "what": offered.GetWhat()} {
			if err := hardship.CheckPublic(fmt.Sprintf("services[%d].%s", i, field), text, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// publicProvider is what everybody sees; a person by name only with consent.
func publicProvider(p *pb.Provider) *pb.PublicProvider {
	out := &pb.PublicProvider{Id: p.GetId(), Kind: p.GetKind(), Name: p.GetName(), Services: p.GetServices()}
	if papersOf(p).Person && !p.GetNameConsent() {
		out.Name = ""
	}
	return out
}

func providerProto(row table.Row[*pb.ProviderRow]) *pb.Provider {
	out := proto.CloneOf(row.Value.GetProvider())
	out.Etag = row.Etag()
	return out
}

func (s providers) announceProvider(tx *store.Tx, command string, row table.Row[*pb.ProviderRow]) error {
	p := row.Value.GetProvider()
	tx.Audit(store.Record{Rows: []string{p.GetId()}})
	name := map[string]string{provider.Propose: "proposed", provider.Approve: "approved", provider.Withdraw: "withdrawn"}[command]
	return tx.Emit(store.Event{
		Name: "provider." + name, EntityID: p.GetId(), Revision: row.Revision,
		Data: &pb.ProviderChanged{
			Id: p.GetId(), Revision: row.Revision, CommunityPath: row.Value.GetCommunityPath(), Kind: p.GetKind(), State: p.GetState(),
		},
	})
}

func (s *Service) providerRow(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.ProviderRow], error) {
	row, ok, err := s.providers.Get(r, sc, key.Key(nil).String(id))
	if err == nil && !ok {
		err = rule.Absent("provider", id)
	}
	return row, err
}

// move takes a provider along its way.
func (s providers) move(tx *store.Tx, call access.Call, command, id, etag string, change func(p *pb.Provider) error) (*pb.Provider, error) {
	row, err := s.providerRow(tx, office(call), id)
	if err != nil {
		return nil, err
	}
	if err := row.Match(etag); err != nil {
		return nil, err
	}
	state, err := s.providerWay.Next(provider.State(row.Value.GetProvider().GetState()), command)
	if err != nil {
		return nil, err
	}
	next := proto.CloneOf(row.Value)
	next.Provider.State = pb.ProviderState(state)
	if err := change(next.GetProvider()); err != nil {
		return nil, err
	}
	kept, err := s.providers.Replace(tx, row, next)
	if err != nil {
		return nil, err
	}
	return providerProto(kept), s.announceProvider(tx, command, kept)
}

// ApproveProvider lets a provider be shown and handed to.
func (s providers) ApproveProvider(ctx context.Context, req *pb.ApproveProviderRequest) (*pb.ApproveProviderResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ApproveProviderResponse, error) {
		out, err := s.move(tx, call, provider.Approve, req.GetId(), req.GetEtag(), func(p *pb.Provider) error {
			if err := provider.MayApprove(p.GetProposedBy(), call.Person); err != nil {
				return err
			}
			if !papersOf(p).Hold(clock.Day(now)) {
				return rule.New(rule.Precondition, "PROVIDER_NOT_APPROVED", "")
			}
			p.ApprovedBy, p.ApprovedAt = call.Person, timestamppb.New(now)
			return nil
		})
		return &pb.ApproveProviderResponse{Provider: out}, err
	})
}

// WithdrawProvider takes a provider off the list.
func (s providers) WithdrawProvider(ctx context.Context, req *pb.WithdrawProviderRequest) (*pb.WithdrawProviderResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.WithdrawProviderResponse, error) {
		out, err := s.move(tx, call, provider.Withdraw, req.GetId(), req.GetEtag(), func(p *pb.Provider) error {
			p.Reason, p.WithdrawnAt = req.GetReason(), timestamppb.New(now)
			return nil
		})
		return &pb.WithdrawProviderResponse{Provider: out}, err
	})
}

// approvedProvider answers the person who answers for a provider of a request's
// community; empty where that provider has no person, so that staff answer.
func (s *Service) approvedProvider(r kv.Reader, row *pb.RequestRow, id string) (person string, err error) {
	kept, ok, err := s.providers.Get(r, scope.All(), key.Key(nil).String(id))
	if err != nil {
		return "", err
	}
	p := kept.Value.GetProvider()
	if !ok || kept.Value.GetCommunityPath() != row.GetCommunityPath() || p.GetState() != pb.ProviderState_PROVIDER_STATE_APPROVED ||
		!papersOf(p).Hold(clock.Day(s.store.Civil().Now())) {
		return "", rule.New(rule.Precondition, "PROVIDER_NOT_APPROVED", "provider_id")
	}
	return p.GetPerson(), nil
}
