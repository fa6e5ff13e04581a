// Package requests is the service circle: what residents post, and how it is
// solved.
package requests

import (
	"context"
	"errors"
	"log/slog"

	"google.golang.org/grpc"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/blobs"
	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/held"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/run"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/hardship"
	"github.com/linli-project/linli/services/requests/internal/matching"
	"github.com/linli-project/linli/services/requests/internal/provider"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// Deps of the service. The store is closed by whoever opened it.
type Deps struct {
	Store *store.Store
	IDs   ids.Source
	Log   *slog.Logger
	// Blobs is where pictures lie; nil takes none.
	Blobs *blobs.Bucket
}

// Service answers linli.requests.v1.
type Service struct {
	pb.UnsafeRequestsServiceServer

	store         *store.Store
	ids           ids.Source
	log           *slog.Logger
	way           rule.Machine[request.State]
	tables        tables
	organizations *copies.Organizations
	members       *copies.Members
	policies      *copies.Policies
	pager         *table.Pager
	aidTables     aidTables
	ladder        rule.Machine[hardship.State]

	providers   *table.Table[*pb.ProviderRow]
	providerWay rule.Machine[provider.State]

	matchingTables matchingTables
	offerWay       rule.Machine[matching.State]

	album album
	// keeper collects and erases what is held of persons.
	keeper *held.Keeper
}

var _ pb.RequestsServiceServer = (*Service)(nil)

// New makes the service.
func New(d Deps) (*Service, error) {
	if d.Store == nil || d.IDs == nil || d.Log == nil {
		return nil, errors.New("requests: a dependency is missing")
	}
	s := &Service{
		store: d.Store, ids: d.IDs, log: d.Log,
		way: request.Machine(), tables: newTables(),
		organizations: copies.NewOrganizations(), members: copies.NewMembers(),
		pager:     table.NewPager(d.Store.Keyring()),
		policies:  copies.NewPolicies(),
		aidTables: newAidTables(), ladder: hardship.Machine(),
		matchingTables: newMatchingTables(), offerWay: matching.Machine(),
		providers: newProvidersTable(), providerWay: provider.Machine(),
		album: newAlbum(d),
	}
	s.keeper = held.New(held.Config{Store: d.Store, Log: d.Log, Number: tableErasures}, s.holdings()...)
	table.Seal(d.Store.Keyring(), s.Tables())
	return s, nil
}

// Name is the service's short name.
func (s *Service) Name() string { return "requests" }

// Register puts the service on a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	pb.RegisterRequestsServiceServer(r, s)
	pb.RegisterHandlingServiceServer(r, handling{Service: s})
	pb.RegisterCircleServiceServer(r, circle{Service: s})
	pb.RegisterAidServiceServer(r, aid{Service: s})
	pb.RegisterMatchingServiceServer(r, matcher{Service: s})
	pb.RegisterProviderServiceServer(r, providers{Service: s})
	pb.RegisterSeedServiceServer(r, seeder{Service: s})
	pb.RegisterAttachmentServiceServer(r, attachments{Service: s})
	pb.RegisterPersonServiceServer(r, person{Service: s})
}

// OrganizationPath answers from the copy of the tree.
func (s *Service) OrganizationPath(ctx context.Context, id string) (path scope.Path, ok bool, err error) {
	err = s.store.View(ctx, func(r kv.Reader) error {
		o, found, err := s.organizations.Get(r, id)
		path, ok = o.Path, found
		return err
	})
	return path, ok, err
}

// Reactions are what the service does on events.
func (s *Service) Reactions() []events.Consumer {
	return append(s.handOverConsumers(),
		s.organizations.Consumer(s.Name()),
		s.members.Consumer(s.Name()),
		s.policies.Consumer(s.Name()),
		s.figuresConsumer(), s.ratesConsumer(), s.keeper.Consumer(),
	)
}

// Jobs are what passes by itself, until their context ends.
func (s *Service) Jobs() []run.Job {
	return append(s.album.jobs(),
		run.Job{Name: "requests-clocks", Run: s.watchClocks},
		run.Job{Name: "limits of hardship and offers", Run: aid{Service: s}.watchLimits},
		s.keeper.Job(),
	)
}

// Tables are the service's rows, for checks.
func (s *Service) Tables() []table.Checker {
	checkers := append(s.tables.all(), s.organizations.Table(), s.members.Table(), s.policies.Table(), s.keeper.Checker())
	checkers = append(checkers, s.aidTables.all()...)
	checkers = append(append(checkers, s.providers), s.album.all()...)
	return append(checkers, s.matchingTables.all()...)
}

// Charts are the service's state machines.
func Charts() []rule.Chart {
	charts := []rule.Chart{request.Machine().Chart()}
	charts = append(charts, hardship.Machine().Chart())
	charts = append(charts, matching.Machine().Chart(), provider.Machine().Chart())
	return charts
}
