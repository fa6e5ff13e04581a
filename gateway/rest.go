package gateway

import (
	"context"
	"fmt"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	devv1 "github.com/linli-project/linli/proto/gen/linli/dev/v1"
	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	opsv1 "github.com/linli-project/linli/proto/gen/linli/ops/v1"
	projectsv1 "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/admit"
)

// mounted is a service whose generated routes go on a mux.
type mounted struct {
	service string // its full name
	on      func(ctx context.Context, mux *runtime.ServeMux, conn grpc.ClientConnInterface) error
}

func mount[C any](service string, client func(grpc.ClientConnInterface) C, register func(context.Context, *runtime.ServeMux, C) error) mounted {
	return mounted{service, func(ctx context.Context, mux *runtime.ServeMux, conn grpc.ClientConnInterface) error {
		return register(ctx, mux, client(conn))
	}}
}

// services are all that have routes.
func services(dev bool) []mounted {
	var out []mounted
	if dev {
		out = developmentServices()
	}
	return append(out,
		mount(opsv1.AuditService_ServiceDesc.ServiceName, opsv1.NewAuditServiceClient, opsv1.RegisterAuditServiceHandlerClient),
		mount(registryv1.RegistryService_ServiceDesc.ServiceName, registryv1.NewRegistryServiceClient, registryv1.RegisterRegistryServiceHandlerClient),
		mount(registryv1.SessionService_ServiceDesc.ServiceName, registryv1.NewSessionServiceClient, registryv1.RegisterSessionServiceHandlerClient),
		mount(registryv1.AccountService_ServiceDesc.ServiceName, registryv1.NewAccountServiceClient, registryv1.RegisterAccountServiceHandlerClient),
		mount(registryv1.PolicyService_ServiceDesc.ServiceName, registryv1.NewPolicyServiceClient, registryv1.RegisterPolicyServiceHandlerClient),
		mount(registryv1.InboxService_ServiceDesc.ServiceName, registryv1.NewInboxServiceClient, registryv1.RegisterInboxServiceHandlerClient),
		mount(registryv1.CampaignService_ServiceDesc.ServiceName, registryv1.NewCampaignServiceClient, registryv1.RegisterCampaignServiceHandlerClient),
		mount(registryv1.MemberFactsService_ServiceDesc.ServiceName, registryv1.NewMemberFactsServiceClient, registryv1.RegisterMemberFactsServiceHandlerClient),
		mount(registryv1.PrivacyService_ServiceDesc.ServiceName, registryv1.NewPrivacyServiceClient, registryv1.RegisterPrivacyServiceHandlerClient),
		mount(requestsv1.RequestsService_ServiceDesc.ServiceName, requestsv1.NewRequestsServiceClient, requestsv1.RegisterRequestsServiceHandlerClient),
		mount(requestsv1.HandlingService_ServiceDesc.ServiceName, requestsv1.NewHandlingServiceClient, requestsv1.RegisterHandlingServiceHandlerClient),
		mount(requestsv1.CircleService_ServiceDesc.ServiceName, requestsv1.NewCircleServiceClient, requestsv1.RegisterCircleServiceHandlerClient),
		mount(requestsv1.AidService_ServiceDesc.ServiceName, requestsv1.NewAidServiceClient, requestsv1.RegisterAidServiceHandlerClient),
		mount(requestsv1.MatchingService_ServiceDesc.ServiceName, requestsv1.NewMatchingServiceClient, requestsv1.RegisterMatchingServiceHandlerClient),
		mount(requestsv1.ProviderService_ServiceDesc.ServiceName, requestsv1.NewProviderServiceClient, requestsv1.RegisterProviderServiceHandlerClient),
		mount(requestsv1.AttachmentService_ServiceDesc.ServiceName, requestsv1.NewAttachmentServiceClient, requestsv1.RegisterAttachmentServiceHandlerClient),
		mount(projectsv1.AttachmentService_ServiceDesc.ServiceName, projectsv1.NewAttachmentServiceClient, projectsv1.RegisterAttachmentServiceHandlerClient),
		mount(projectsv1.ProjectsService_ServiceDesc.ServiceName, projectsv1.NewProjectsServiceClient, projectsv1.RegisterProjectsServiceHandlerClient),
		mount(projectsv1.CheckService_ServiceDesc.ServiceName, projectsv1.NewCheckServiceClient, projectsv1.RegisterCheckServiceHandlerClient),
		mount(projectsv1.NoticeService_ServiceDesc.ServiceName, projectsv1.NewNoticeServiceClient, projectsv1.RegisterNoticeServiceHandlerClient),
		mount(projectsv1.DeliveryService_ServiceDesc.ServiceName, projectsv1.NewDeliveryServiceClient, projectsv1.RegisterDeliveryServiceHandlerClient),
		mount(projectsv1.SpendingService_ServiceDesc.ServiceName, projectsv1.NewSpendingServiceClient, projectsv1.RegisterSpendingServiceHandlerClient),
		mount(projectsv1.IndicatorService_ServiceDesc.ServiceName, projectsv1.NewIndicatorServiceClient, projectsv1.RegisterIndicatorServiceHandlerClient),
		mount(projectsv1.AcceptanceService_ServiceDesc.ServiceName, projectsv1.NewAcceptanceServiceClient, projectsv1.RegisterAcceptanceServiceHandlerClient),
		mount(projectsv1.ModelService_ServiceDesc.ServiceName, projectsv1.NewModelServiceClient, projectsv1.RegisterModelServiceHandlerClient),
		mount(projectsv1.LetterService_ServiceDesc.ServiceName, projectsv1.NewLetterServiceClient, projectsv1.RegisterLetterServiceHandlerClient),
		mount(evaluationv1.EvaluationService_ServiceDesc.ServiceName, evaluationv1.NewEvaluationServiceClient, evaluationv1.RegisterEvaluationServiceHandlerClient),
		mount(evaluationv1.LedgerService_ServiceDesc.ServiceName, evaluationv1.NewLedgerServiceClient, evaluationv1.RegisterLedgerServiceHandlerClient),
		mount(evaluationv1.PollService_ServiceDesc.ServiceName, evaluationv1.NewPollServiceClient, evaluationv1.RegisterPollServiceHandlerClient),
		mount(evaluationv1.SheetService_ServiceDesc.ServiceName, evaluationv1.NewSheetServiceClient, evaluationv1.RegisterSheetServiceHandlerClient),
		mount(evaluationv1.ReplyService_ServiceDesc.ServiceName, evaluationv1.NewReplyServiceClient, evaluationv1.RegisterReplyServiceHandlerClient),
		mount(evaluationv1.CardService_ServiceDesc.ServiceName, evaluationv1.NewCardServiceClient, evaluationv1.RegisterCardServiceHandlerClient),
		mount(evaluationv1.SurveyService_ServiceDesc.ServiceName, evaluationv1.NewSurveyServiceClient, evaluationv1.RegisterSurveyServiceHandlerClient),
		mount(evaluationv1.ExemptionService_ServiceDesc.ServiceName, evaluationv1.NewExemptionServiceClient, evaluationv1.RegisterExemptionServiceHandlerClient),
		mount(evaluationv1.BranchService_ServiceDesc.ServiceName, evaluationv1.NewBranchServiceClient, evaluationv1.RegisterBranchServiceHandlerClient),
		mount(evaluationv1.ConductService_ServiceDesc.ServiceName, evaluationv1.NewConductServiceClient, evaluationv1.RegisterConductServiceHandlerClient),
		mount(evaluationv1.LedgerExportService_ServiceDesc.ServiceName, evaluationv1.NewLedgerExportServiceClient, evaluationv1.RegisterLedgerExportServiceHandlerClient),
		mount(evaluationv1.HonorService_ServiceDesc.ServiceName, evaluationv1.NewHonorServiceClient, evaluationv1.RegisterHonorServiceHandlerClient),
	)
}

func developmentServices() []mounted {
	return []mounted{
		mount(devv1.ClockService_ServiceDesc.ServiceName, devv1.NewClockServiceClient, devv1.RegisterClockServiceHandlerClient),
		mount(requestsv1.SeedService_ServiceDesc.ServiceName, requestsv1.NewSeedServiceClient, requestsv1.RegisterSeedServiceHandlerClient),
	}
}

// rest serves the generated routes over the client connection, so that every
// call passes the chain. The library tries one route after the other and copies
// the path for each, which with all of them on one mux cost two fifths of a get.
// So each service has a mux of its own, found by the path; what only one service
// can answer goes there, and everything else to the mux of all.
type rest struct {
	ways way
	of   map[string]http.Handler // by service
	all  http.Handler
}

func newREST(conn grpc.ClientConnInterface, dev bool, limits *admit.Callers) (http.Handler, error) {
	ctx, queries, guarded := context.Background(), readQueries(), newGuarded(limits)
	all := newMux(queries, guarded)
	out := &rest{of: map[string]http.Handler{}, all: all}
	for _, s := range services(dev) {
		one := newMux(queries, guarded)
		for _, mux := range []*runtime.ServeMux{all, one} {
			if err := s.on(ctx, mux, conn); err != nil {
				return nil, fmt.Errorf("mount %s: %w", s.service, err)
			}
		}
		if err := out.ways.learn(s.service); err != nil {
			return nil, err
		}
		out.of[s.service] = one
	}
	return out, nil
}

func newMux(q queries, g guarded) *runtime.ServeMux {
	return runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newMarshaler()),
		runtime.WithErrorHandler(answerError),
		runtime.WithRoutingErrorHandler(answerRoutingError),
		runtime.WithIncomingHeaderMatcher(passedIn),
		runtime.WithOutgoingHeaderMatcher(passedOut),
		runtime.WithWriteContentLength(), // else net/http cuts an answer of some length into chunks
		runtime.WithMiddlewares(g.guard, q.only),
		runtime.WithMetadata(func(ctx context.Context, _ *http.Request) metadata.MD { return callerOf(ctx).metadata() }),
		runtime.WithForwardResponseOption(keepToken),
	)
}

func (h *rest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// What the library reads otherwise than it stands there is left to it.
	if r.URL.RawPath != "" || r.Header.Get("X-Http-Method-Override") != "" {
		h.all.ServeHTTP(w, r)
		return
	}
	if service := h.ways.service(r.Method, r.URL.Path); service != "" {
		h.of[service].ServeHTTP(w, r)
		return
	}
	h.all.ServeHTTP(w, r)
}
