// Package evaluation keeps the ledger of confirmed services and sums it once a
// year into a letter of facts for each home organization.
package evaluation

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"google.golang.org/grpc"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

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
	"github.com/linli-project/linli/services/evaluation/internal/branch"
	"github.com/linli-project/linli/services/evaluation/internal/card"
	"github.com/linli-project/linli/services/evaluation/internal/conduct"
	"github.com/linli-project/linli/services/evaluation/internal/cycle"
	"github.com/linli-project/linli/services/evaluation/internal/honor"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
	"github.com/linli-project/linli/services/evaluation/internal/poll"
	"github.com/linli-project/linli/services/evaluation/internal/sheet"
	"github.com/linli-project/linli/services/evaluation/internal/survey"
	"github.com/linli-project/linli/services/evaluation/internal/volunteer"
)

// Deps of the service. The store is closed by whoever opened it.
type Deps struct {
	Store *store.Store
	IDs   ids.Source
	Log   *slog.Logger
	// Registry puts names into a letter when it is rendered, for its reader.
	Registry registryv1.RegistryServiceClient
}

// Service answers linli.evaluation.v1.
type Service struct {
	pb.UnsafeEvaluationServiceServer
	pb.UnsafeLedgerServiceServer
	pb.UnsafeHonorServiceServer

	store         *store.Store
	ids           ids.Source
	log           *slog.Logger
	registry      registryv1.RegistryServiceClient
	entryWay      rule.Machine[ledger.State]
	cycleWay      rule.Machine[cycle.State]
	pollWay       rule.Machine[poll.State]
	honorWay      rule.Machine[honor.State]
	surveyWay     rule.Machine[survey.State]
	tables        tables
	organizations *copies.Organizations
	members       *copies.Members
	policies      *copies.Policies
	pollTables    pollTables
	sheetTables   sheetTables
	surveyTables  surveyTables
	branchTables  branchTables
	pager         *table.Pager
	keeper        *held.Keeper  // collects and erases what is held of persons
	wake          chan struct{} // a cycle has work to do
	wakeErase     chan struct{} // a survey has ended
	branchWork    chan struct{} // a branch's cycle has work to do
}

var _ pb.EvaluationServiceServer = (*Service)(nil)

// New makes the service.
func New(d Deps) (*Service, error) {
	if d.Store == nil || d.IDs == nil || d.Log == nil || d.Registry == nil {
		return nil, errors.New("evaluation: a dependency is missing")
	}
	s := &Service{
		store: d.Store, ids: d.IDs, log: d.Log, registry: d.Registry,
		entryWay: ledger.Machine(), cycleWay: cycle.Machine(), pollWay: poll.Machine(), honorWay: honor.Machine(),
		surveyWay: survey.Machine(), surveyTables: newSurveyTables(), branchTables: newBranchTables(),
		tables: newTables(), pollTables: newPollTables(), sheetTables: newSheetTables(),
		organizations: copies.NewOrganizations(), members: copies.NewMembers(), policies: copies.NewPolicies(),
		pager: table.NewPager(d.Store.Keyring()), wake: make(chan struct{}, 1), wakeErase: make(chan struct{}, 1),
		branchWork: make(chan struct{}, 1),
	}
	s.keeper = held.New(held.Config{Store: d.Store, Log: d.Log, Number: tableErasures}, s.holdings()...)
	table.Seal(d.Store.Keyring(), s.Tables())
	return s, nil
}

// Name is the service's short name.
func (s *Service) Name() string { return "evaluation" }

// Register puts the service on a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	pb.RegisterEvaluationServiceServer(r, s)
	pb.RegisterLedgerServiceServer(r, s)
	pb.RegisterHonorServiceServer(r, s)
	pb.RegisterPollServiceServer(r, polls{Service: s})
	pb.RegisterSheetServiceServer(r, sheets{Service: s})
	pb.RegisterReplyServiceServer(r, replies{Service: s})
	pb.RegisterCardServiceServer(r, cards{Service: s})
	pb.RegisterSurveyServiceServer(r, surveys{Service: s})
	pb.RegisterExemptionServiceServer(r, exemptions{Service: s})
	pb.RegisterBranchServiceServer(r, branches{Service: s})
	pb.RegisterConductServiceServer(r, conducts{Service: s})
	pb.RegisterLedgerExportServiceServer(r, exports{Service: s})
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
	return []events.Consumer{
		s.organizations.Consumer(s.Name()),
		s.members.Consumer(s.Name()),
		s.policies.Consumer(s.Name()),
		s.ledgerConsumer(),
		s.alarmConsumer(),
		s.keeper.Consumer(),
	}
}

// Jobs work on cycles until their context ends.
func (s *Service) Jobs() []run.Job {
	return []run.Job{
		{Name: "evaluation-cycles", Run: s.workOnCycles},
		{Name: "evaluation-honors", Run: s.workOnHonors},
		{Name: "evaluation-branches", Run: s.workOnBranches},
		{Name: "evaluation-reminders", Run: replies{Service: s}.remind},
		{Name: "evaluation-surveys", Run: surveys{Service: s}.eraseAnswers},
		s.keeper.Job(),
	}
}

// Tables are the service's rows, for checks.
func (s *Service) Tables() []table.Checker {
	return slices.Concat([]table.Checker{
		s.tables.entries, s.tables.cycles, s.tables.results, s.tables.letters, s.tables.summed,
		s.organizations.Table(), s.members.Table(), s.policies.Table(), s.keeper.Checker(),
	}, s.ledgerCheckers(), s.honorCheckers(), s.pollTables.all(), s.sheetTables.all(), s.surveyTables.all(), s.branchTables.all())
}

// Charts are the service's state machines.
func Charts() []rule.Chart {
	return []rule.Chart{
		ledger.Machine().Chart(), cycle.Machine().Chart(), poll.Machine().Chart(), honor.Machine().Chart(),
		sheet.Signatures().Chart(), sheet.Objections().Chart(), card.Machine().Chart(),
		survey.Machine().Chart(),
		branch.Machine().Chart(), branch.Exceptions().Chart(), conduct.Machine().Chart(), volunteer.Machine().Chart(),
	}
}
