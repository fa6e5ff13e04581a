package requests

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/hardship"
)

// RecordAid records what was given outside linli. linli holds no money and
// moves none.
func (a aid) RecordAid(ctx context.Context, req *pb.RecordAidRequest) (*pb.RecordAidResponse, error) {
	call, now, id := access.From(ctx), a.store.Civil().Now(), a.ids("aid")
	if err := checkAid(req, now); err != nil {
		return nil, err
	}
	sealed, err := a.sealed(&pb.AidFacts{
		GiverKind: req.GetGiver().GetKind(), GiverName: req.GetGiver().GetName(), GiverRegistration: req.GetGiver().GetRegistration(),
		Paper: req.GetPaper(), Day: req.GetDay(), AmountYuan: req.GetAmountYuan(), Goods: req.GetGoods(),
	}, id, sealedAid)
	if err != nil {
		return nil, err
	}
	return store.Do(ctx, a.store, req, func(tx *store.Tx) (*pb.RecordAidResponse, error) {
		row, err := a.caseRow(tx, staffScope(call), req.GetCaseId())
		if err != nil {
			return nil, err
		}
		if err := hardship.CheckGiver(standing(row.Value.GetHardshipCase()), hardship.Giver(req.GetGiver().GetKind())); err != nil {
			return nil, err
		}
		causes := a.causesOf(row.Value, req.GetDay()[:len("2013")], req.GetCause())
		before, err := a.sameCause(tx, causes)
		if err != nil {
			return nil, err
		}
		kept, err := a.aidTables.aids.Insert(tx, &pb.AidRow{
			Aid: &pb.Aid{
				Id: id, CaseId: req.GetCaseId(), GiverKind: req.GetGiver().GetKind(), Cause: req.GetCause(),
				RecordedBy: call.Person, RecordedAt: timestamppb.New(now),
			},
			CommunityPath: row.Value.GetCommunityPath(), SealedFacts: sealed, Causes: causes,
		})
		if err != nil {
			return nil, err
		}
		if err := a.countAid(tx, row, now); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetCaseId(), id}})
		reply := &pb.RecordAidResponse{Aid: aidProto(kept), SameCauseSameYear: before}
		if before > 0 {
			reply.Warnings = []pb.AidWarning{pb.AidWarning_AID_WARNING_SAME_CAUSE_SAME_YEAR}
		}
		return reply, nil
	})
}

// checkAid refuses what no record can say.
func checkAid(req *pb.RecordAidRequest, now time.Time) error {
	day, err := time.ParseInLocation(time.DateOnly, req.GetDay(), clock.Shanghai())
	switch {
	case err != nil || day.Year() < 2000:
		return invalid("day", "2013-12-30")
	case req.GetDay() > clock.Day(now):
		return invalid("day", "≤ "+clock.Day(now))
	case req.GetAmountYuan() == "" && req.GetGoods() == "":
		return invalid("amount_yuan", "amount_yuan or goods")
	case req.GetGiver().GetKind() != pb.GiverKind_GIVER_KIND_NEIGHBOURS && req.GetGiver().GetRegistration() == "":
		return invalid("giver.registration", "1–60")
	}
	return nil
}

// mostSameCause bounds how many earlier records a warning counts.
const mostSameCause = 100

// sameCause counts the records for the same cause of the same year, of this
// case or of anybody of its household, wherever they were made. Nothing but
// the count leaves here.
func (a aid) sameCause(r kv.Reader, causes [][]byte) (int32, error) {
	found := map[string]bool{}
	for _, c := range causes {
		page, err := a.aidTables.aids.List(r, scope.All(), table.Query{Index: byCause, Prefix: causeKey(c), Limit: mostSameCause})
		if err != nil {
			return 0, err
		}
		for _, row := range page.Rows {
			found[row.Value.GetAid().GetId()] = true
		}
	}
	return int32(len(found)), nil
}

// countAid notes on the case, and in the community's count, that something was given.
func (a aid) countAid(tx *store.Tx, row table.Row[*pb.HardshipCaseRow], now time.Time) error {
	next := proto.CloneOf(row.Value)
	next.HardshipCase.Aids++
	if _, err := a.aidTables.cases.Replace(tx, row, next); err != nil {
		return err
	}
	return a.countHardship(tx, row.Value.GetCommunityPath(), measureAids, now)
}

func aidProto(row table.Row[*pb.AidRow]) *pb.Aid {
	out := proto.CloneOf(row.Value.GetAid())
	out.Etag = row.Etag()
	return out
}

func (a aid) aidRow(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.AidRow], error) {
	row, ok, err := a.aidTables.aids.Get(r, sc, key.Key(nil).String(id))
	if err == nil && !ok {
		err = rule.Absent("aid", id)
	}
	return row, err
}

// ConfirmAid says that what was recorded arrived.
func (a aid) ConfirmAid(ctx context.Context, req *pb.ConfirmAidRequest) (*pb.ConfirmAidResponse, error) {
	call, now := access.From(ctx), a.store.Civil().Now()
	return store.Do(ctx, a.store, req, func(tx *store.Tx) (*pb.ConfirmAidResponse, error) {
		row, err := a.aidRow(tx, staffScope(call), req.GetId())
		if err != nil {
			return nil, err
		}
		if err := row.Match(req.GetEtag()); err != nil {
			return nil, err
		}
		if row.Value.GetAid().GetConfirmedAt() != nil {
			return nil, rule.New(rule.Precondition, "WRONG_STATE", "", "entity", "aid", "state", "confirmed",
				"command", "confirm", "allowed", "")
		}
		if err := hardship.CheckConfirm(row.Value.GetAid().GetRecordedBy(), call.Person); err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.Aid.ConfirmedBy, next.Aid.ConfirmedAt = call.Person, timestamppb.New(now)
		kept, err := a.aidTables.aids.Replace(tx, row, next)
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		return &pb.ConfirmAidResponse{Aid: aidProto(kept)}, nil
	})
}

// checkConfirmed refuses the end of a case while somebody else has not said
// that what was recorded as given arrived. A record made at the same time meets
// it at the row of the case.
func (a aid) checkConfirmed(r kv.Reader, id string) error {
	open, q := 0, table.Query{Index: byCase, Prefix: key.Key(nil).String(id), Limit: sumPage}
	for more := true; more; more = q.After != nil {
		page, err := a.aidTables.aids.List(r, scope.All(), q)
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			if row.Value.GetAid().GetConfirmedAt() == nil {
				open++
			}
		}
		q.After = page.Last
	}
	return hardship.CheckConfirmed(open)
}

// ListAids answers the records of a case, the newest first.
func (a aid) ListAids(ctx context.Context, req *pb.ListAidsRequest) (*pb.ListAidsResponse, error) {
	call, reply := access.From(ctx), &pb.ListAidsResponse{}
	err := a.store.View(ctx, func(r kv.Reader) error {
		if _, err := a.caseRow(r, staffScope(call), req.GetCaseId()); err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: staffScope(call), Filter: []string{req.GetCaseId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(a.pager, a.aidTables.aids, r, page,
			table.Query{Index: byCase, Prefix: key.Key(nil).String(req.GetCaseId())})
		for _, row := range rows {
			reply.Aids = append(reply.Aids, aidProto(row))
		}
		reply.NextPageToken = next
		return err
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// RevealAid opens giver, paper, day and amount, with a reason; like the facts,
// the answer is remembered nowhere.
func (a aid) RevealAid(ctx context.Context, req *pb.RevealAidRequest) (*pb.RevealAidResponse, error) {
	rd, reply := a.newReading(ctx, req.GetId(), req.GetReason()), &pb.RevealAidResponse{Facts: &pb.AidFacts{}}
	err := a.store.Update(ctx, func(tx *store.Tx) error {
		row, err := a.aidRow(tx, staffScope(rd.call), req.GetId())
		if err != nil {
			return err
		}
		of, err := a.caseRow(tx, staffScope(rd.call), row.Value.GetAid().GetCaseId())
		if err != nil {
			return err
		}
		if err := a.unseal(row.Value.GetSealedFacts(), reply.Facts, req.GetId(), sealedAid); err != nil {
			return err
		}
		return a.list(tx, rd, of.Value)
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}
