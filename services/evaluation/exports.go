package evaluation

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/pkg/xlsx"
	"github.com/linli-project/linli/services/evaluation/internal/cycle"
	"github.com/linli-project/linli/services/evaluation/internal/volunteer"
)

// exports answers linli.evaluation.v1.LedgerExportService.
type exports struct {
	pb.UnsafeLedgerExportServiceServer
	*Service
}

var _ pb.LedgerExportServiceServer = exports{}

func exportProto(row table.Row[*pb.LedgerExportRow]) *pb.LedgerExport {
	out := proto.CloneOf(row.Value.GetExport())
	out.Etag = row.Etag()
	return out
}

// services reads what counts of a keeper's year, refusing more than an export
// may hold.
func (s exports) services(r kv.Reader, path scope.Path, year int32, now time.Time) ([]volunteer.Service, error) {
	p, err := s.policyAt(r, string(path), now)
	if err != nil {
		return nil, err
	}
	most := p.Int("export.most_rows")
	var out []volunteer.Service
	for q := (table.Query{Index: byDay, Prefix: key.Key(nil).String(string(path)).Prefix(cycle.YearPrefix(year)), Limit: entriesAtOnce}); ; {
		page, err := s.tables.entries.List(r, scope.All(), q)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			e := row.Value.GetEntry()
			out = append(out, volunteer.Service{
				Entry: e.GetId(), Member: e.GetMemberId(), Source: int32(e.GetSource()), Kind: int32(e.GetKind()),
				Day: e.GetDay(), QuarterHours: e.GetQuarterHours(),
			})
		}
		if err := volunteer.CheckRows(len(out), most); err != nil || page.Last == nil {
			return out, err
		}
		q.After = page.Last
	}
}

// AskLedgerExport asks for the export of a year. The services are counted
// before the commit, which may not read as many; the file counts them again.
func (s exports) AskLedgerExport(ctx context.Context, req *pb.AskLedgerExportRequest) (*pb.AskLedgerExportResponse, error) {
	call, id, now := access.From(ctx), s.ids("exp"), s.store.Civil().Now()
	var rows []volunteer.Service
	var path scope.Path
	err := s.store.View(ctx, func(r kv.Reader) error {
		o, _, err := s.organizations.Get(r, req.GetCommunityId())
		if err != nil {
			return err
		}
		path = o.Path
		rows, err = s.services(r, path, req.GetYear(), now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AskLedgerExportResponse, error) {
		row, err := s.branchTables.exports.Insert(tx, &pb.LedgerExportRow{
			Export: &pb.LedgerExport{
				Id: id, CommunityId: req.GetCommunityId(), Year: req.GetYear(), Purpose: req.GetPurpose(),
				State: pb.LedgerExportState(volunteer.Asked), Rows: int32(len(rows)), AskedBy: call.Person, AskedAt: timestamppb.New(now),
			},
			CommunityPath: string(path),
		})
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}, Reason: req.GetPurpose()})
		return &pb.AskLedgerExportResponse{Export: exportProto(row)}, nil
	})
}

// export reads an export and takes it one step on.
func (s exports) moveExport(tx *store.Tx, call access.Call, id, etag, command string, change func(*pb.LedgerExportRow) error) (table.Row[*pb.LedgerExportRow], error) {
	row, ok, err := s.branchTables.exports.Get(tx, scope.Scope{Paths: call.Scope.Paths}, idKey(id))
	if err == nil && !ok {
		err = rule.Absent("ledger_export", id)
	}
	if err == nil {
		err = row.Match(etag)
	}
	if err != nil {
		return row, err
	}
	state, err := volunteer.Machine().Next(volunteer.State(row.Value.GetExport().GetState()), command)
	if err != nil {
		return row, err
	}
	next := proto.CloneOf(row.Value)
	next.Export.State = pb.LedgerExportState(state)
	if err := change(next); err != nil {
		return row, err
	}
	return s.branchTables.exports.Replace(tx, row, next)
}

// AnswerLedgerExport is the second person's word.
func (s exports) AnswerLedgerExport(ctx context.Context, req *pb.AnswerLedgerExportRequest) (*pb.AnswerLedgerExportResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AnswerLedgerExportResponse, error) {
		row, err := s.moveExport(tx, call, req.GetId(), req.GetEtag(), volunteer.Verdict(req.GetApproves()), func(next *pb.LedgerExportRow) error {
			p, err := s.policyAt(tx, next.GetCommunityPath(), now)
			if err != nil {
				return err
			}
			e := next.GetExport()
			e.AnsweredBy, e.AnsweredAt = call.Person, timestamppb.New(now)
			if req.GetApproves() {
				e.Until = timestamppb.New(endOfDays(now, p.Int("export.days")))
			}
			return volunteer.CheckSecond(call.Person, e.GetAskedBy())
		})
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}, Reason: row.Value.GetExport().GetPurpose()})
		return &pb.AnswerLedgerExportResponse{Export: exportProto(row)}, nil
	})
}

// ListLedgerExports answers the exports of a community.
func (s exports) ListLedgerExports(ctx context.Context, req *pb.ListLedgerExportsRequest) (*pb.ListLedgerExportsResponse, error) {
	call, reply := access.From(ctx), &pb.ListLedgerExportsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		o, _, err := s.organizations.Get(r, req.GetCommunityId())
		if err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Paths: call.Scope.Paths}, Filter: []string{req.GetCommunityId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.branchTables.exports, r, page,
			table.Query{Index: byCommunity, Prefix: key.Key(nil).String(string(o.Path))})
		for _, row := range rows {
			reply.Exports = append(reply.Exports, exportProto(row))
		}
		reply.NextPageToken = next
		return err
	})
	return reply, err
}

// RenderLedgerExport makes the file. The reading is committed before the file
// is made: none leaves without its line. Neither file nor names are remembered.
func (s exports) RenderLedgerExport(ctx context.Context, req *pb.RenderLedgerExportRequest) (*pb.RenderLedgerExportResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	var row table.Row[*pb.LedgerExportRow]
	err := s.store.Update(ctx, func(tx *store.Tx) (err error) {
		row, err = s.moveExport(tx, call, req.GetId(), "", volunteer.Read, func(next *pb.LedgerExportRow) error {
			e := next.GetExport()
			if call.Person != e.GetAskedBy() && call.Person != e.GetAnsweredBy() {
				return rule.Absent("ledger_export", req.GetId())
			}
			e.Readings++
			return volunteer.CheckTime(e.GetUntil().AsTime().In(clock.Shanghai()), now)
		})
		tx.Audit(store.Record{Rows: []string{req.GetId()}, Reason: row.Value.GetExport().GetPurpose(), Outcome: "exported"})
		return err
	})
	if err != nil {
		return nil, err
	}
	rows, err := s.exportRows(ctx, row.Value, now)
	if err != nil {
		return nil, err
	}
	e := row.Value.GetExport()
	out := &pb.RenderLedgerExportResponse{FileName: fmt.Sprintf("%d-%s-services", e.GetYear(), e.GetCommunityId())}
	if req.GetFormat() == pb.LetterFormat_LETTER_FORMAT_XLSX {
		out.ContentType, out.FileName = xlsx.ContentType, out.GetFileName()+".xlsx"
		out.Content, err = xlsx.Render(rows)
		return out, err
	}
	out.ContentType, out.FileName = "text/csv; charset=utf-8", out.GetFileName()+".csv"
	out.Content, err = renderCSV(rows)
	return out, err
}

// exportRows are the rows of the file, with the names that its reader may see.
func (s exports) exportRows(ctx context.Context, row *pb.LedgerExportRow, now time.Time) ([][]string, error) {
	var services []volunteer.Service
	err := s.store.View(ctx, func(r kv.Reader) (err error) {
		services, err = s.services(r, scope.Path(row.GetCommunityPath()), row.GetExport().GetYear(), now)
		return err
	})
	if err != nil {
		return nil, err
	}
	n := &names{ctx: forReader(ctx), registry: s.registry, members: map[string]string{}, organizations: map[string]string{}}
	community, err := n.organization(row.GetExport().GetCommunityId())
	if err != nil {
		return nil, err
	}
	out := [][]string{volunteer.Columns()}
	for _, service := range services {
		name, err := n.member(service.Member)
		if err != nil {
			return nil, err
		}
		out = append(out, volunteer.Row(service, name, community))
	}
	return out, nil
}
