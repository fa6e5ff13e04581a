// Package registry is the room of the membership registry: the organization
// tree, the members that rosters bring in, and their report-ins to the
// communities they live in. The other services know members and organizations
// from what this one announces.
package registry

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"google.golang.org/grpc"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/held"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/password"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/run"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/account"
	"github.com/linli-project/linli/services/registry/internal/campaign"
	"github.com/linli-project/linli/services/registry/internal/claim"
	"github.com/linli-project/linli/services/registry/internal/reportin"
	"github.com/linli-project/linli/services/registry/internal/session"
)

// Deps are what the room is given. Store, IDs and Log are needed.
type Deps struct {
	Store *store.Store
	IDs   ids.Source
	Log   *slog.Logger
	// Mailer sends messages by mail; nil = none go out.
	Mailer Mailer
	// Texter sends one-time codes to phones; nil = nobody enters by phone.
	Texter Texter
	// Provider is asked who somebody is; nil = nobody signs in through one.
	Provider Provider
	// Others answer what the other services hold of a person, by their names; one
	// that is not named is missing in every copy.
	Others map[string]Collector
	// OwnNetwork lets webhooks point into the own network, without TLS:
	// development and tests.
	OwnNetwork bool
}

// Service answers linli.registry.v1. It is safe for concurrent use.
type Service struct {
	pb.UnsafeRegistryServiceServer

	store    *store.Store
	ids      ids.Source
	log      *slog.Logger
	pager    *table.Pager
	shanghai *time.Location
	mailer   Mailer
	outside  outside
	http     *http.Client
	// passwords hashes what people sign in with.
	passwords *password.Hasher
	// readPolicies are the policies as they were read last.
	readPolicies copies.Documents
	tables
	policyTables
	inboxTables
	campaignTables
	accountTables
	sessionTables
	entryTables
	privacyTables
	// keeper collects and erases what is held of persons.
	keeper   *held.Keeper
	others   map[string]Collector
	texter   Texter
	provider Provider
}

// New makes the service over its store.
func New(d Deps) (*Service, error) {
	if d.Store == nil || d.IDs == nil || d.Log == nil {
		return nil, errors.New("registry: store, ids and log are needed")
	}
	s := &Service{
		store: d.Store, ids: d.IDs, log: d.Log, pager: table.NewPager(d.Store.Keyring()),
		shanghai: clock.Shanghai(), tables: newTables(),
		policyTables: newPolicyTables(), inboxTables: newInboxTables(),
		campaignTables: newCampaignTables(), accountTables: newAccountTables(),
		sessionTables: newSessionTables(), passwords: password.NewHasher(),
		entryTables: newEntryTables(), privacyTables: newPrivacyTables(), others: d.Others, texter: d.Texter, provider: d.Provider,
		mailer: d.Mailer, outside: outside{own: d.OwnNetwork}, http: webhookClient(outside{own: d.OwnNetwork}),
	}
	s.keeper = held.New(held.Config{Store: d.Store, Log: d.Log, Number: numberErasure}, s.holdings()...)
	table.Seal(d.Store.Keyring(), s.Tables())
	return s, nil
}

// Name is the service's short name.
func (s *Service) Name() string { return "registry" }

// Register puts the methods on a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	pb.RegisterRegistryServiceServer(r, s)
	pb.RegisterPolicyServiceServer(r, policies{Service: s})
	pb.RegisterInboxServiceServer(r, inbox{Service: s})
	pb.RegisterCampaignServiceServer(r, campaigns{Service: s})
	pb.RegisterAccountServiceServer(r, accounts{Service: s})
	pb.RegisterSessionServiceServer(r, sessions{Service: s})
	pb.RegisterMemberFactsServiceServer(r, memberFacts{Service: s})
	pb.RegisterPrivacyServiceServer(r, privacy{Service: s})
}

// OrganizationPath answers where an organization stands, for the door.
func (s *Service) OrganizationPath(ctx context.Context, id string) (path scope.Path, known bool, err error) {
	err = s.store.View(ctx, func(r kv.Reader) error {
		row, ok, err := s.organizations.Get(r, scope.All(), idKey(id))
		if ok {
			path, known = scope.Path(row.Value.GetPath()), true
		}
		return err
	})
	return path, known, err
}

// Reactions are the figures and what follows a member's move, from the room's
// own events, and the inboxes, from everybody's.
func (s *Service) Reactions() []events.Consumer {
	return append(append(s.inboxConsumers(), s.erasedConsumers()...), s.keeper.Consumer(), events.Consumer{
		Name: "registry-figures", From: "registry", Kind: events.Fact,
		Subjects: []string{"linli.registry.member.*", "linli.registry.report_in.*"},
		Apply:    s.applyFigures,
	}, events.Consumer{
		Name: "registry-hand-overs", From: "registry", Kind: events.Fact,
		Subjects: []string{"linli.registry.work.handed_over"},
		Apply:    s.applyHandOver,
	}, events.Consumer{
		Name: "registry-moves", From: "registry", Kind: events.Fact,
		Subjects: []string{"linli.registry.member.*"},
		Apply:    s.applyMoves,
	})
}

// Jobs are what goes out by mail and webhook, what many are told of, reminders of
// campaigns, and what keeps sessions and their keys.
func (s *Service) Jobs() []run.Job {
	return []run.Job{
		{Name: "registry-deliveries", Run: s.sendOut}, {Name: "registry-rounds", Run: s.goRound},
		{Name: "registry-reminders", Run: campaigns{Service: s}.watch},
		{Name: "registry-sessions", Run: s.keepSessions},
		{Name: "registry-claims", Run: s.watchClaims}, s.keeper.Job(),
	}
}

// Charts are the room's state machines.
func Charts() []rule.Chart {
	return []rule.Chart{reportin.Machine().Chart(), campaign.Exclusions().Chart(), account.Machine().Chart(), session.Machine().Chart(),
		claim.Corrections().Chart(), claim.Erasures().Chart()}
}

// Tables are what fsck walks.
func (s *Service) Tables() []table.Checker {
	return []table.Checker{s.organizations, s.members, s.reportIns, s.imports, s.slices, s.figures, s.policies, s.policyVersions,
		s.messages, s.contacts, s.webhooks, s.deliveries, s.templates, s.waiting, s.rounds, s.campaigns, s.exclusions, s.places, s.days,
		s.accounts, s.administrators, s.firstLinks, s.sessions, s.throttles, s.signingKeys, s.phoneCodes, s.providerStates, s.claims, s.keeper.Checker()}
}
