package registry

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/testkit"
)

// house is the registry behind the whole door, with delivery and its own
// reactions.
type house struct {
	pb.RegistryServiceClient
	pb.CampaignServiceClient
	*testkit.House

	t       testing.TB
	store   *store.Store
	service *Service
}

// lastDay is the civil day of most tests: the end of the year that the records
// are of.
var lastDay = time.Date(2013, 12, 31, 1, 0, 0, 0, time.UTC)

// start runs the house in memory, every closure twice.
func start(t testing.TB) *house {
	t.Helper()
	return startOn(t, kvtest.Rerun(kv.New(memkv.New(), kv.Options{})))
}

// startBolt runs it on a file, every closure twice.
func startBolt(t testing.TB) *house {
	t.Helper()
	engine, err := boltkv.Open(filepath.Join(t.TempDir(), "registry.db"), boltkv.Options{})
	must(t, err)
	return startOn(t, kvtest.Rerun(kv.New(engine, kv.Options{})))
}

func startOn(t testing.TB, db kv.DB) *house {
	t.Helper()
	return startAt(t, db, lastDay)
}

// startAt runs it on another civil day.
func startAt(t testing.TB, db kv.DB, at time.Time) *house {
	t.Helper()
	h := &house{House: testkit.New(t), t: t}
	h.Civil.Advance(at)
	h.store = h.StoreOn("registry", db)
	var err error
	h.service, err = New(Deps{Store: h.store, IDs: ids.New, Log: h.Logger()})
	must(t, err)
	h.Start(h.service)
	h.RegistryServiceClient = pb.NewRegistryServiceClient(h.Conn())
	h.CampaignServiceClient = pb.NewCampaignServiceClient(h.Conn())
	return h
}

// startAlone runs the service behind the door on an engine, without delivery,
// so that the engine sees the service's own operations only.
func startAlone(t testing.TB, engine kv.Engine) *house {
	t.Helper()
	h := &house{t: t}
	log := slog.New(slog.DiscardHandler)
	var err error
	h.store, err = store.Open(t.Context(), store.Config{Service: "registry", DB: kv.New(engine, kv.Options{}), Master: seal.MasterKey{1},
		Civil: clock.NewCivil(clock.Wall(), lastDay), Wall: clock.Wall(), IDs: ids.New, Log: log})
	must(t, err)
	h.service, err = New(Deps{Store: h.store, IDs: ids.New, Log: log})
	must(t, err)
	server, err := rpc.NewServer(rpc.Config{Services: []rpc.Service{h.service}, Authenticator: accesstest.Authenticator(),
		Log: log, Wall: clock.Wall(), IDs: ids.New, Dev: true})
	must(t, err)
	h.RegistryServiceClient = pb.NewRegistryServiceClient(server.Conn())
	t.Cleanup(func() { must(t, h.store.Close()) })
	return h
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantReason checks that a call was refused for a reason.
func wantReason(t testing.TB, err error, reason string) {
	t.Helper()
	if got := rpc.Reason(err); got != reason {
		t.Errorf("refused with %q (%v), want %q", got, err, reason)
	}
}

// fields are the fields that an error names.
func fields(err error) string {
	var names []string
	for _, v := range rpc.Violations(status.Convert(err)) {
		names = append(names, v.GetField())
	}
	return strings.Join(names, " ")
}

const (
	district   = "/430100/430101/"
	communityA = district + "430101002/430101002001/"
	communityB = district + "430101002/430101002002/"
	workplace  = district + "W00005/"
)

func grant(role typev1.Role, path string) access.Grant {
	return access.Grant{Role: role, Path: scope.Path(path)}
}

// as is a call of a person with grants.
func (h *house) as(person string, grants ...access.Grant) context.Context {
	return metadata.AppendToOutgoingContext(h.t.Context(),
		rpc.HeaderAuthorization, "Bearer "+accesstest.Token(person, grants...), rpc.HeaderLanguage, "en")
}

func (h *house) admin() context.Context {
	return h.as("admin", grant(typev1.Role_ROLE_SYSTEM_ADMIN, "/"))
}

func (h *house) districtOfficer() context.Context {
	return h.as("district", grant(typev1.Role_ROLE_DISTRICT_OFFICER, district))
}

func (h *house) staff(path string) context.Context {
	return h.as("staff of "+path, grant(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, path))
}

func (h *house) officer(path string) context.Context {
	return h.as("officer of "+path, grant(typev1.Role_ROLE_WORKPLACE_OFFICER, path))
}

func (h *house) member(id string) context.Context {
	return h.as(id, grant(typev1.Role_ROLE_MEMBER, workplace))
}

// keyed gives a call an idempotency key.
func keyed(ctx context.Context, key string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, rpc.HeaderIdempotencyKey, key)
}

// sendOrganizations imports a file of organizations.
func (h *house) sendOrganizations(ctx context.Context, dryRun bool, text string) (*pb.ImportOrganizationsResponse, error) {
	stream, err := h.ImportOrganizations(ctx)
	must(h.t, err)
	header := &pb.ImportOrganizationsRequest_Header{Header: &pb.ImportOrganizationsHeader{DryRun: dryRun}}
	err = stream.Send(&pb.ImportOrganizationsRequest{Part: header})
	for chunk := range chunks(text) {
		if err == nil {
			err = stream.Send(&pb.ImportOrganizationsRequest{Part: &pb.ImportOrganizationsRequest_Chunk{Chunk: chunk}})
		}
	}
	return stream.CloseAndRecv() // what went wrong while sending is the answer
}

// sendRoster imports a roster.
func (h *house) sendRoster(ctx context.Context, from string, accept bool, text string) (*pb.ImportRosterResponse, error) {
	stream := h.beginRoster(ctx, from, accept, text)
	return stream.CloseAndRecv()
}

func (h *house) beginRoster(ctx context.Context, from string, accept bool, text string) grpc.ClientStreamingClient[pb.ImportRosterRequest, pb.ImportRosterResponse] {
	h.t.Helper()
	return h.beginFile(ctx, &pb.ImportRosterHeader{OrganizationId: from, AcceptReportIns: accept}, text)
}

func (h *house) beginFile(ctx context.Context, header *pb.ImportRosterHeader, text string) grpc.ClientStreamingClient[pb.ImportRosterRequest, pb.ImportRosterResponse] {
	h.t.Helper()
	stream, err := h.ImportRoster(ctx)
	must(h.t, err)
	err = stream.Send(&pb.ImportRosterRequest{Part: &pb.ImportRosterRequest_Header{Header: header}})
	for chunk := range chunks(text) {
		if err == nil {
			err = stream.Send(&pb.ImportRosterRequest{Part: &pb.ImportRosterRequest_Chunk{Chunk: chunk}})
		}
	}
	return stream
}

// chunks cuts a file at places that fall inside rows and characters.
func chunks(text string) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for rest := []byte(text); len(rest) > 0; {
			n := min(4099, len(rest))
			if !yield(rest[:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// record reads a file of testdata, unpacking it by its name.
func record(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	must(t, err)
	var in io.Reader = bytes.NewReader(raw)
	if strings.HasSuffix(name, ".gz") {
		in, err = gzip.NewReader(in)
		must(t, err)
	}
	text, err := io.ReadAll(in)
	must(t, err)
	return string(text)
}

func badRoster(t testing.TB) string {
	t.Helper()
	text, err := simplifiedchinese.GB18030.NewDecoder().String(record(t, "bad-roster-gb18030.csv"))
	must(t, err)
	return text
}

// district registers the organizations of the district.
func (h *house) withDistrict() *house {
	h.t.Helper()
	done, err := h.sendOrganizations(h.admin(), false, record(h.t, "district-organizations.csv.gz"))
	must(h.t, err)
	if done.GetCreated() != 348 || done.GetRefused() != 0 {
		h.t.Fatalf("organizations: %v", done)
	}
	return h
}

const rosterHeader = "姓名,性别,身份证号,手机号,入党日期,党员状态,党员类别,组织关系所在党组织编码,工作单位编码,居住社区编码,楼栋,特长,兴趣爱好,报到日期"

// person writes one row of a roster; change replaces cells by column.
func person(n int, change ...string) string {
	cells := map[string]string{
		"姓名": fmt.Sprintf("党员%d", n), "性别": "女", "身份证号": idNumber(n), "手机号": fmt.Sprintf("139%08d", n),
		"入党日期": "2001-07-01", "党员状态": "正式党员", "党员类别": "在职", "组织关系所在党组织编码": "W00005", "工作单位编码": "W00005",
		"居住社区编码": "430101002001", "楼栋": "15栋1单元", "特长": "法律援助、医疗健康", "兴趣爱好": "太极", "报到日期": "2013-09-01",
	}
	for i := 0; i+1 < len(change); i += 2 {
		cells[change[i]] = change[i+1]
	}
	var row []string
	for column := range strings.SplitSeq(rosterHeader, ",") {
		row = append(row, cells[column])
	}
	return strings.Join(row, ",")
}

// idNumber writes a valid number of a woman born in 1975.
func idNumber(n int) string {
	s := fmt.Sprintf("430198197501%02d%03d", 1+n/500%28, n%500*2)
	sum := 0
	for i := range len(s) {
		sum = (sum + int(s[i]-'0')) * 2 % 11
	}
	return s + "10X98765432"[sum%11:][:1]
}

func rosterOf(rows ...string) string { return rosterHeader + "\n" + strings.Join(rows, "\n") + "\n" }

func diffProto(want, got proto.Message) string { return cmp.Diff(want, got, protocmp.Transform()) }

// metadataOf answers the facts that an error carries.
func metadataOf(err error) map[string]string {
	facts := map[string]string{}
	if e := rpc.FromStatus(status.Convert(err)); e != nil {
		for i := 0; i+1 < len(e.Params); i += 2 {
			facts[e.Params[i]] = e.Params[i+1]
		}
	}
	return facts
}
