package evaluation

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/xlsx"
	"github.com/linli-project/linli/services/evaluation/internal/sheet"
)

const namesAtOnce = 200

// RenderLetter makes the paper of a letter: its facts, with the names as they
// are in the registry now. The registry is asked for the reader of the letter,
// so a name that the reader may not see stays empty.
func (s *Service) RenderLetter(ctx context.Context, req *pb.RenderLetterRequest) (*pb.RenderLetterResponse, error) {
	call := access.From(ctx)
	letter, lines, err := s.wholeLetter(ctx, call, req.GetId())
	if err != nil {
		return nil, err
	}
	names := &names{ctx: forReader(ctx), registry: s.registry, members: map[string]string{}, organizations: map[string]string{}}
	if err := names.ofHome(letter.GetHomeOrganizationId()); err != nil {
		return nil, err
	}
	rows, err := paper(letter, lines, names)
	if err != nil {
		return nil, err
	}
	out := &pb.RenderLetterResponse{FileName: fmt.Sprintf("%d-%s", letter.GetYear(), letter.GetHomeOrganizationId())}
	if req.GetFormat() == pb.LetterFormat_LETTER_FORMAT_XLSX {
		out.ContentType, out.FileName = xlsx.ContentType, out.GetFileName()+".xlsx"
		out.Content, err = xlsx.Render(rows)
		return out, err
	}
	out.ContentType, out.FileName = "text/csv; charset=utf-8", out.GetFileName()+".csv"
	out.Content, err = renderCSV(rows)
	return out, err
}

func (s *Service) wholeLetter(ctx context.Context, call access.Call, id string) (letter *pb.Letter, lines []*pb.LetterLine, err error) {
	day := s.today()
	err = s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.letter(r, call.Scope, id)
		if err != nil {
			return err
		}
		if err := s.notSubject(r, call.Person, row.Value); err != nil {
			return err
		}
		if letter, err = s.letterProto(row.Value); err != nil {
			return err
		}
		of := s.linesFor(call, row.Value, day)
		for q := linesOf(row.Value); ; {
			page, err := s.tables.results.List(r, scope.Scope{Paths: []scope.Path{scope.Path(row.Value.GetHomePath())}}, q)
			if err == nil {
				err = s.fill(r, page.Rows...)
			}
			if err != nil {
				return err
			}
			for _, l := range page.Rows {
				line, err := of.line(r, l.Value)
				if err != nil {
					return err
				}
				lines = append(lines, line)
			}
			if page.Last == nil {
				return nil
			}
			q.After = page.Last
		}
	})
	if err == nil {
		err = s.traceReading(ctx, notesOf(lines)...)
	}
	return letter, lines, err
}

// forReader passes the reader's token on.
func forReader(ctx context.Context) context.Context {
	in, _ := metadata.FromIncomingContext(ctx)
	out := metadata.MD{}
	for _, k := range []string{"authorization", "accept-language", "traceparent"} {
		if v := in.Get(k); len(v) > 0 {
			out.Set(k, v...)
		}
	}
	return metadata.NewOutgoingContext(ctx, out)
}

// names asks the registry for names, each once.
type names struct {
	ctx           context.Context // of one rendering
	registry      registryv1.RegistryServiceClient
	members       map[string]string
	organizations map[string]string
}

// ofHome fetches the members of a home organization at once. A reader without
// a grant there gets them one by one later, as far as they may be seen.
func (n *names) ofHome(organization string) error {
	token := ""
	for {
		page, err := n.registry.ListMembers(n.ctx, &registryv1.ListMembersRequest{
			OrganizationId: organization, PageSize: namesAtOnce, PageToken: token})
		if hidden(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("names for a letter: %w", err)
		}
		for _, m := range page.GetMembers() {
			n.members[m.GetId()] = m.GetName()
		}
		if token = page.GetNextPageToken(); token == "" {
			return nil
		}
	}
}

func hidden(err error) bool {
	c := status.Code(err)
	return c == codes.NotFound || c == codes.PermissionDenied
}

func (n *names) member(id string) (string, error) {
	if name, ok := n.members[id]; ok {
		return name, nil
	}
	reply, err := n.registry.GetMember(n.ctx, &registryv1.GetMemberRequest{Id: id})
	if err != nil && !hidden(err) {
		return "", fmt.Errorf("name for a letter: %w", err)
	}
	n.members[id] = reply.GetMember().GetName()
	return n.members[id], nil
}

// ofOrganizations fetches the names of many organizations at once. One that the
// reader may not know of has none.
func (n *names) ofOrganizations(ids []string) error {
	slices.Sort(ids)
	ids = slices.DeleteFunc(slices.Compact(ids), func(id string) bool { _, known := n.organizations[id]; return known || id == "" })
	for part := range slices.Chunk(ids, namesAtOnce) {
		reply, err := n.registry.BatchGetOrganizations(n.ctx, &registryv1.BatchGetOrganizationsRequest{Ids: part})
		if err != nil {
			return fmt.Errorf("organizations for a letter: %w", err)
		}
		for _, id := range part {
			n.organizations[id] = ""
		}
		for _, o := range reply.GetOrganizations() {
			n.organizations[o.GetId()] = o.GetName()
		}
	}
	return nil
}

func (n *names) organization(id string) (string, error) {
	if name, ok := n.organizations[id]; ok || id == "" {
		return name, nil
	}
	reply, err := n.registry.GetOrganization(n.ctx, &registryv1.GetOrganizationRequest{Id: id})
	if err != nil && !hidden(err) {
		return "", fmt.Errorf("organization for a letter: %w", err)
	}
	n.organizations[id] = reply.GetOrganization().GetName()
	return n.organizations[id], nil
}

// byteOrderMark makes office programs read the file as UTF-8.
const byteOrderMark = "\uFEFF"

// paper answers the rows of a letter, with names.
func paper(l *pb.Letter, lines []*pb.LetterLine, n *names) ([][]string, error) {
	places := []string{l.GetHomeOrganizationId()}
	for _, line := range lines {
		places = append(places, line.GetCommunityId())
	}
	if err := n.ofOrganizations(places); err != nil {
		return nil, err
	}
	home, err := n.organization(l.GetHomeOrganizationId())
	if err != nil {
		return nil, err
	}
	rows := [][]string{
		{"党员参加社区服务情况反馈", strconv.Itoa(int(l.GetYear())) + "年"},
		{"组织关系所在党组织", home, l.GetHomeOrganizationId()},
		{"党员人数", text(l.GetMembers()), "参加服务人数", text(l.GetMembersWithService())},
		{"编号", l.GetId(), "第" + text(l.GetIssue()) + "次发函", "核验码", l.GetCode()},
	}
	if l.GetCorrection() != "" {
		rows = append(rows, []string{"更正说明", l.GetCorrection()})
	}
	rows = append(rows, []string{"姓名", "报到社区", "服务次数", "服务件数", "服务小时", "社区意见", "说明", "备注"})
	for _, line := range lines {
		name, err := n.member(line.GetMemberId())
		if err != nil {
			return nil, err
		}
		community, err := n.organization(line.GetCommunityId())
		if err != nil {
			return nil, err
		}
		rows = append(rows, []string{
			name, community, text(line.GetTimes()), text(line.GetCases()), hours(line.GetQuarterHours()),
			sheet.Opinion(line.GetOpinion()).String(), line.GetOpinionText(), remarks(line.GetNotes()),
		})
	}
	return rows, nil
}

func renderCSV(rows [][]string) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(byteOrderMark)
	w := csv.NewWriter(&out)
	for _, row := range rows {
		for i := range row {
			row[i] = harmless(row[i])
		}
		if err := w.Write(row); err != nil {
			return nil, fmt.Errorf("write letter: %w", err)
		}
	}
	w.Flush()
	return out.Bytes(), w.Error()
}

func text[N int32 | int64](n N) string { return strconv.FormatInt(int64(n), 10) }

// hours writes quarters of an hour as hours: 6 → "1.5".
func hours(quarters int32) string {
	return strconv.FormatFloat(float64(quarters)/4, 'f', -1, 64)
}

// harmless keeps a spreadsheet from taking a text for a formula.
func harmless(cell string) string {
	if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r") {
		return "'" + cell
	}
	return cell
}
