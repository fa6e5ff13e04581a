package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	projectsv1 "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/scope"
)

type ledgerExport struct {
	evaluationv1.UnimplementedLedgerExportServiceServer
}

func (ledgerExport) RenderLedgerExport(_ context.Context, in *evaluationv1.RenderLedgerExportRequest) (*evaluationv1.RenderLedgerExportResponse, error) {
	return &evaluationv1.RenderLedgerExportResponse{
		ContentType: "text/csv; charset=utf-8", FileName: "服务.csv", Content: []byte(in.GetFormat().String() + in.GetId()),
	}, nil
}

type projects struct {
	projectsv1.UnimplementedLetterServiceServer
}

func (p projects) Name() string                     { return "projects" }
func (p projects) Register(s grpc.ServiceRegistrar) { projectsv1.RegisterLetterServiceServer(s, p) }
func (p projects) OrganizationPath(context.Context, string) (scope.Path, bool, error) {
	return "", false, nil
}

func (p projects) RenderApplicationLetter(_ context.Context, in *projectsv1.RenderApplicationLetterRequest) (*projectsv1.RenderApplicationLetterResponse, error) {
	return &projectsv1.RenderApplicationLetterResponse{
		ContentType: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", FileName: "通知.xlsx",
		Content: fmt.Appendf(nil, "%s %d", in.GetApplicationId(), in.GetIssue()),
	}, nil
}

func TestLetter_IsAnAttachment(t *testing.T) {
	f := newFixture(t)
	got := f.do(t, "GET", "/v1/letters/let_1/csv", "")
	if got.status != 200 || string(got.body) != "let_1" || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") ||
		got.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
}

func TestLedgerExport_IsAnAttachment(t *testing.T) {
	f := newFixture(t)
	for route, want := range map[string]string{"csv": "LETTER_FORMAT_CSVexp_1", "xlsx": "LETTER_FORMAT_XLSXexp_1"} {
		got := f.do(t, "GET", "/v1/ledgerExports/exp_1/"+route, "")
		if got.status != 200 || string(got.body) != want || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") ||
			got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v %s", route, got.status, got.header, got.body)
		}
	}
}

func TestApplicationLetter_IsAnAttachment(t *testing.T) {
	f := newFixture(t)
	got := f.do(t, "GET", "/v1/applications/app_1/letter/xlsx", "")
	if got.status != 200 || string(got.body) != "app_1 0" || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") ||
		got.header.Get("Content-Type") != "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" ||
		got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
}
