package evaluation

import (
	"context"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/cycle"
	"github.com/linli-project/linli/services/evaluation/internal/sheet"
)

// sheets answers linli.evaluation.v1.SheetService.
type sheets struct {
	pb.UnsafeSheetServiceServer
	*Service
}

var _ pb.SheetServiceServer = sheets{}

const (
	// mostObjections is how many objections one sheet shows.
	mostObjections = 50
	// mostCycles is how many years of a member are looked through.
	mostCycles = 100
	// signaturesLooked bounds one read of a cycle's signatures.
	signaturesLooked = 500
)

// endOfDays answers the midnight that ends the n-th Shanghai day after t.
func endOfDays(t time.Time, n int) time.Time {
	local := t.In(clock.Shanghai())
	return time.Date(local.Year(), local.Month(), local.Day()+n+1, 0, 0, 0, 0, local.Location())
}

// opinionOf is the opinion that stands: what somebody wrote, else what the
// figures propose.
func opinionOf(row *pb.ResultRow) pb.Opinion {
	if row.GetOpinion() != pb.Opinion_OPINION_UNSPECIFIED {
		return row.GetOpinion()
	}
	return row.GetProposed()
}

// openSignatures notes how many members of a cycle belong to each community:
// these are the ones that sign. It says the same however often it is said.
func (s *Service) openSignatures(ctx context.Context, c *pb.CycleRow, communities map[string]int64) error {
	for paths := range slices.Chunk(slices.Sorted(maps.Keys(communities)), signaturesAtOnce) {
		err := s.store.Update(ctx, func(tx *store.Tx) error {
			for _, path := range paths {
				if err := s.openSignature(tx, c, path, communities[path]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) openSignature(tx *store.Tx, c *pb.CycleRow, path string, members int64) error {
	row, ok, err := s.sheetTables.signatures.Get(tx, scope.All(), communityKey(c.GetCycle().GetId(), path))
	if err != nil {
		return err
	}
	if !ok {
		_, err := s.sheetTables.signatures.Insert(tx, &pb.SignatureRow{
			Signature: &pb.Signature{
				CycleId: c.GetCycle().GetId(), CommunityId: scope.Path(path).ID(),
				State: pb.SignatureState(sheet.Open), Members: members,
			},
			CommunityPath: path, DistrictPath: c.GetDistrictPath(),
		})
		return err
	}
	next := proto.CloneOf(row.Value)
	next.Signature.Members = members
	if proto.Equal(next, row.Value) {
		return nil
	}
	_, err = s.sheetTables.signatures.Replace(tx, row, next)
	return err
}

// notConsented counts the communities of a cycle that are not consented to.
// They are read on a snapshot of their own, since a city has more of them than
// one commit checks: none comes to a computed cycle, and consent stays.
func (s *Service) notConsented(ctx context.Context, cycleID string) (waiting int, err error) {
	err = s.store.View(ctx, func(r kv.Reader) error {
		for q := (table.Query{Prefix: cycleKey(cycleID), Limit: signaturesLooked}); ; {
			page, err := s.sheetTables.signatures.List(r, scope.All(), q)
			if err != nil {
				return err
			}
			for _, row := range page.Rows {
				if sheet.SignatureState(row.Value.GetSignature().GetState()) != sheet.Consented {
					waiting++
				}
			}
			if q.After = page.Last; q.After == nil {
				return nil
			}
		}
	})
	return waiting, err
}

// computed answers a cycle whose sheets can be seen; otherwise it is absent.
func (s *Service) computed(r kv.Reader, id string) (table.Row[*pb.CycleRow], error) {
	row, err := s.cycle(r, scope.All(), id)
	if err == nil && cycle.State(row.Value.GetCycle().GetState()) < cycle.Computed {
		err = rule.Absent("cycle", id)
	}
	return row, err
}

// result answers the row of a member in a cycle, if the offices or the person
// of a scope may see it by the member's community.
func (s *Service) result(r kv.Reader, sees scope.Scope, cycleID, member string) (table.Row[*pb.ResultRow], error) {
	row, ok, err := s.tables.results.By(r, scope.All(), byMember, memberCycleKey(member, cycleID))
	if err != nil {
		return row, err
	}
	at := scope.Path(row.Value.GetCommunityPath())
	if !ok || !sees.Owns(member) && (at == "" || !sees.Covers(at)) {
		return row, rule.Absent("sheet", member)
	}
	return row, s.fill(r, row)
}

// sheetProto is a sheet as it is shown on a day.
func (s *Service) sheetProto(r kv.Reader, c *pb.CycleRow, kept table.Row[*pb.ResultRow], day string) (*pb.MemberSheet, error) {
	row := kept.Value
	out := &pb.MemberSheet{
		CycleId: row.GetCycleId(), Year: c.GetCycle().GetYear(), MemberId: row.GetMemberId(),
		CommunityId: scope.Path(row.GetCommunityPath()).ID(),
		Times:       row.GetTimes(), Cases: row.GetCases(), QuarterHours: row.GetQuarterHours(),
		Opinion: opinionOf(row), OpinionBy: row.GetOpinionBy(),
		OpinionProposed: row.GetOpinion() == pb.Opinion_OPINION_UNSPECIFIED,
		ObjectUntil:     c.GetCycle().GetObjectUntil(), CorrectedAt: row.GetCorrectedAt(), Etag: kept.Etag(),
	}
	var err error
	if out.Composite, err = s.compositeProto(r, row); err != nil {
		return nil, err
	}
	if out.OpinionText, err = s.opinionText(row); err != nil {
		return nil, err
	}
	if out.Notes, err = s.standingNotes(r, row.GetMemberId(), day); err != nil {
		return nil, err
	}
	page, err := s.sheetTables.objections.List(r, scope.All(), table.Query{
		Index: byMember, Prefix: memberCycleKey(row.GetMemberId(), row.GetCycleId()), Limit: mostObjections,
	})
	for _, o := range page.Rows {
		shown, err := s.objectionProto(o.Value)
		if err != nil {
			return nil, err
		}
		out.Objections = append(out.Objections, shown)
	}
	if err != nil || row.GetCommunityPath() == "" {
		return out, err
	}
	signature, _, err := s.sheetTables.signatures.Get(r, scope.All(), communityKey(row.GetCycleId(), row.GetCommunityPath()))
	out.SignedBy = signature.Value.GetSignature().GetSignedBy()
	return out, err
}

// mine answers the caller's own row of a year, with its cycle.
func (s *Service) mine(r kv.Reader, person string, year int32) (c table.Row[*pb.CycleRow], row table.Row[*pb.ResultRow], err error) {
	page, err := s.tables.results.List(r, scope.All(), table.Query{Index: byMember, Prefix: key.Key(nil).String(person), Limit: mostCycles})
	if err != nil {
		return c, row, err
	}
	for _, row := range page.Rows {
		c, err := s.cycle(r, scope.All(), row.Value.GetCycleId())
		if err != nil {
			return c, row, err
		}
		if c.Value.GetCycle().GetYear() == year && cycle.State(c.Value.GetCycle().GetState()) >= cycle.Computed {
			return c, row, s.fill(r, row)
		}
	}
	return c, row, rule.Absent("sheet", person)
}

// GetMySheet answers the caller's own sheet.
func (s sheets) GetMySheet(ctx context.Context, req *pb.GetMySheetRequest) (*pb.GetMySheetResponse, error) {
	call, day := access.From(ctx), s.today()
	out := &pb.GetMySheetResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		c, row, err := s.mine(r, call.Person, req.GetYear())
		if err != nil {
			return err
		}
		out.Sheet, err = s.sheetProto(r, c.Value, row, day)
		return err
	})
	return out, err
}

// ListSheets answers the sheets of a community.
func (s sheets) ListSheets(ctx context.Context, req *pb.ListSheetsRequest) (*pb.ListSheetsResponse, error) {
	call, day := access.From(ctx), s.today()
	out := &pb.ListSheetsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		c, err := s.computed(r, req.GetCycleId())
		if err != nil {
			return err
		}
		o, _, err := s.organizations.Get(r, req.GetCommunityId())
		if err != nil {
			return err
		}
		// The field's scope is checked: the community's rows are lent.
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.All(), Filter: []string{req.GetCycleId(), req.GetCommunityId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.tables.results, r, page, table.Query{
			Index: byCommunity, Prefix: communityKey(req.GetCycleId(), string(o.Path)),
		})
		if err == nil {
			err = s.fill(r, rows...)
		}
		if err != nil {
			return err
		}
		for _, row := range rows {
			shown, err := s.sheetProto(r, c.Value, row, day)
			if err != nil {
				return err
			}
			if shown.Composite != nil {
				shown.Composite.Policy = nil
			}
			for _, n := range shown.GetNotes() {
				n.Text = ""
			}
			out.Sheets = append(out.Sheets, shown)
		}
		out.NextPageToken = next
		return nil
	})
	return out, err
}

// GetSheet answers one sheet in full.
func (s sheets) GetSheet(ctx context.Context, req *pb.GetSheetRequest) (*pb.GetSheetResponse, error) {
	call, day := access.From(ctx), s.today()
	out := &pb.GetSheetResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		c, err := s.computed(r, req.GetCycleId())
		if err != nil {
			return err
		}
		row, err := s.result(r, sheetScope(call), req.GetCycleId(), req.GetMemberId())
		if err != nil {
			return err
		}
		out.Sheet, err = s.sheetProto(r, c.Value, row, day)
		return err
	})
	if err == nil && req.GetMemberId() != call.Person {
		err = s.traceReading(ctx, out.GetSheet().GetNotes())
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ListSheetEntries answers the ledger entries behind a sheet.
func (s sheets) ListSheetEntries(ctx context.Context, req *pb.ListSheetEntriesRequest) (*pb.ListSheetEntriesResponse, error) {
	call := access.From(ctx)
	out := &pb.ListSheetEntriesResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		c, err := s.computed(r, req.GetCycleId())
		if err != nil {
			return err
		}
		if _, err := s.result(r, sheetScope(call), req.GetCycleId(), req.GetMemberId()); err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.All(), Filter: []string{req.GetCycleId(), req.GetMemberId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.tables.entries, r, page, table.Query{
			Prefix: key.Key(nil).String(req.GetMemberId()).Prefix(cycle.YearPrefix(c.Value.GetCycle().GetYear())),
		})
		out.Entries, out.NextPageToken = entryProtos(rows), next
		return err
	})
	return out, err
}

// sheetScope is what a caller may see of sheets: by the office, and the own
// one. Living somewhere opens nobody else's.
func sheetScope(call access.Call) scope.Scope {
	return scope.Scope{Paths: call.ScopeOf(sheetOffices()...).Paths, Person: call.Person}
}

// SetOpinion writes the community's opinion in place of the proposed one.
func (s sheets) SetOpinion(ctx context.Context, req *pb.SetOpinionRequest) (*pb.SetOpinionResponse, error) {
	call, day := access.From(ctx), s.today()
	text := s.sealText(req.GetText(), opinionPlace(req.GetCycleId(), req.GetMemberId()))
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.SetOpinionResponse, error) {
		c, err := s.computed(tx, req.GetCycleId())
		if err != nil {
			return nil, err
		}
		row, err := s.result(tx, scope.Scope{Paths: call.Scope.Paths}, req.GetCycleId(), req.GetMemberId())
		if err != nil {
			return nil, err
		}
		if err := row.Match(req.GetEtag()); err != nil {
			return nil, err
		}
		if req.GetMemberId() == call.Person {
			return nil, rule.New(rule.Denied, "OPINION_ON_ONESELF", "")
		}
		if err := s.editable(tx, row.Value, "set opinion"); err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		putOpinion(next, req.GetOpinion(), text, call.Person)
		kept, err := s.tables.results.Replace(tx, row, next)
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetCycleId(), req.GetMemberId()}})
		shown, err := s.sheetProto(tx, c.Value, kept, day)
		return &pb.SetOpinionResponse{Sheet: shown}, err
	})
}

// editable answers WRONG_STATE for a sheet whose community has signed. The
// signature is read here, so that both do not go through at once.
func (s *Service) editable(tx *store.Tx, row *pb.ResultRow, command string) error {
	signature, err := s.signature(tx, row.GetCycleId(), row.GetCommunityPath())
	if err != nil {
		return err
	}
	return sheet.CheckEditable(sheet.SignatureState(signature.Value.GetSignature().GetState()), command)
}

func (s *Service) signature(r kv.Reader, cycleID, communityPath string) (table.Row[*pb.SignatureRow], error) {
	row, ok, err := s.sheetTables.signatures.Get(r, scope.All(), communityKey(cycleID, communityPath))
	if err == nil && !ok {
		err = rule.Absent("sheets", scope.Path(communityPath).ID())
	}
	return row, err
}
