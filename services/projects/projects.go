// Package projects is the room of the yearly round of projects: a district
// calls, organizations apply, reviewers hand in sheets, and the ranking is cut
// at the quota.
package projects

import (
	"context"
	"errors"
	"log/slog"

	"google.golang.org/grpc"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/blobs"
	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/held"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/run"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// Deps of the service. The store is closed by whoever opened it.
type Deps struct {
	Store *store.Store
	IDs   ids.Source
	Log   *slog.Logger
	// Blobs is where files lie; nil takes none.
	Blobs *blobs.Bucket
}

// Service answers linli.projects.v1. It is safe for concurrent use.
type Service struct {
	pb.UnsafeProjectsServiceServer

	store         *store.Store
	ids           ids.Source
	log           *slog.Logger
	tables        tables
	delivery      deliveryTables
	organizations *copies.Organizations
	policies      *copies.Policies
	pager         *table.Pager
	files         files
	// keeper collects and erases what is held of persons.
	keeper *held.Keeper
}

var _ pb.ProjectsServiceServer = (*Service)(nil)

// New makes the service over its store.
func New(d Deps) (*Service, error) {
	if d.Store == nil || d.IDs == nil || d.Log == nil {
		return nil, errors.New("projects: a dependency is missing")
	}
	s := &Service{
		store: d.Store, ids: d.IDs, log: d.Log, tables: newTables(), delivery: newDeliveryTables(),
		organizations: copies.NewOrganizations(), policies: copies.NewPolicies(), pager: table.NewPager(d.Store.Keyring()),
		files: newFiles(d),
	}
	s.keeper = held.New(held.Config{Store: d.Store, Log: d.Log, Number: numberErasures}, s.holdings()...)
	table.Seal(d.Store.Keyring(), s.Tables())
	return s, nil
}

// Name is the service's short name.
func (s *Service) Name() string { return "projects" }

// Register puts the service on a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	pb.RegisterProjectsServiceServer(r, s)
	pb.RegisterCheckServiceServer(r, checks{Service: s})
	pb.RegisterNoticeServiceServer(r, notices{Service: s})
	pb.RegisterLetterServiceServer(r, letters{Service: s})
	pb.RegisterDeliveryServiceServer(r, deliveries{Service: s})
	pb.RegisterSpendingServiceServer(r, spendings{Service: s})
	pb.RegisterIndicatorServiceServer(r, indicators{Service: s})
	pb.RegisterAcceptanceServiceServer(r, acceptances{Service: s})
	pb.RegisterModelServiceServer(r, models{Service: s})
	pb.RegisterAttachmentServiceServer(r, attachments{Service: s})
	pb.RegisterPersonServiceServer(r, person{Service: s})
}

// OrganizationPath answers from the copy of the tree.
func (s *Service) OrganizationPath(ctx context.Context, id string) (path scope.Path, known bool, err error) {
	err = s.store.View(ctx, func(r kv.Reader) error {
		o, ok, err := s.organizations.Get(r, id)
		path, known = o.Path, ok
		return err
	})
	return path, known, err
}

// Reactions are what the service does on events.
func (s *Service) Reactions() []events.Consumer {
	return append(s.figureConsumers(), s.organizations.Consumer(s.Name()), s.policies.Consumer(s.Name()), s.keeper.Consumer())
}

// Jobs end notices, write letters, and look at key projects until their context
// ends.
func (s *Service) Jobs() []run.Job {
	return append(s.files.jobs(),
		run.Job{Name: "projects-notices", Run: notices{Service: s}.work},
		run.Job{Name: "projects-ladder", Run: s.climb},
		s.keeper.Job(),
	)
}

// Tables are the service's rows, for checks.
func (s *Service) Tables() []table.Checker {
	return append(append(s.delivery.all(), s.files.all()...),
		s.tables.calls, s.tables.rolls, s.tables.applications, s.tables.sheets, s.tables.decisions, s.tables.conflicts,
		s.tables.notices, s.tables.objections, s.tables.letters, s.policies.Table(), s.organizations.Table(),
		s.keeper.Checker(),
	)
}
