package projects

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
)

// notices answers linli.projects.v1.NoticeService.
type notices struct {
	pb.UnsafeNoticeServiceServer
	*Service
}

var _ pb.NoticeServiceServer = notices{}

// keyNoticeDays is the policy's number of working days of a notice.
const keyNoticeDays = "projects.notice_days"

// GiveNotice makes the selected applications of a call known.
func (s notices) GiveNotice(ctx context.Context, req *pb.GiveNoticeRequest) (*pb.GiveNoticeResponse, error) {
	c, now, id := access.From(ctx), s.store.Civil().Now(), s.ids("ntc")
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.GiveNoticeResponse, error) {
		round, err := s.call(tx, sight(c), req.GetCallId(), "")
		if err != nil {
			return nil, err
		}
		rows, err := s.applicationsIn(tx, req.GetCallId(), func(st application.State) bool { return st == application.Selected })
		if err == nil && len(rows) == 0 {
			err = rule.New(rule.Precondition, "NOTHING_SELECTED", "")
		}
		if err != nil {
			return nil, err
		}
		given, err := s.give(tx, round.Value, id, application.GiveNotice, rows, now)
		return &pb.GiveNoticeResponse{Notice: given}, err
	})
}

// give begins a notice of some applications, and takes each one step further.
func (s notices) give(tx *store.Tx, round *pb.CallRow, id, command string, rows []table.Row[*pb.ApplicationRow], now time.Time) (*pb.Notice, error) {
	p, err := s.policies.For(tx, scope.Path(round.GetDistrictPath()), now.In(clock.Shanghai()).Year())
	if err != nil {
		return nil, err
	}
	until, err := p.AddWorkdays(now, p.Int(keyNoticeDays))
	if err != nil {
		return nil, err
	}
	called, movedUp := round.GetCall(), command == application.MoveUp
	given, err := s.tables.notices.Insert(tx, &pb.NoticeRow{DistrictPath: round.GetDistrictPath(), Notice: &pb.Notice{
		Id: id, CallId: called.GetId(), DistrictId: called.GetDistrictId(), Year: called.GetYear(), Title: called.GetTitle(),
		GivenAt: timestamppb.New(now), Until: timestamppb.New(until), Applications: int32(len(rows)), MovedUp: movedUp,
	}})
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		next := proto.CloneOf(row.Value)
		next.Application.NoticeId, next.Application.NoticeUntil, next.MovedUp = id, timestamppb.New(until), movedUp
		row, err := s.moveApplication(tx, row, next, command)
		if err != nil {
			return nil, err
		}
		if err := tx.Emit(applicationChanged(row, now)); err != nil {
			return nil, err
		}
	}
	tx.Audit(store.Record{Rows: []string{id, called.GetId()}})
	return proto.CloneOf(given.Value.GetNotice()), tx.Emit(noticeGiven(given))
}

// MoveUpReserve puts the next of the reserve in a place that became free.
func (s notices) MoveUpReserve(ctx context.Context, req *pb.MoveUpReserveRequest) (*pb.MoveUpReserveResponse, error) {
	c, now, id := access.From(ctx), s.store.Civil().Now(), s.ids("ntc")
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.MoveUpReserveResponse, error) {
		round, err := s.call(tx, sight(c), req.GetCallId(), "")
		if err != nil {
			return nil, err
		}
		next, sum, err := s.nextReserve(tx, round.Value.GetCall())
		if err != nil {
			return nil, err
		}
		if err := s.keepOverBudget(tx, round, sum, req.GetOverBudgetReason()); err != nil {
			return nil, err
		}
		given, err := s.give(tx, round.Value, id, application.MoveUp, []table.Row[*pb.ApplicationRow]{next}, now)
		return &pb.MoveUpReserveResponse{Notice: given}, err
	})
}

// nextReserve answers who moves up, and what the selected ask for with it. The
// roll is written, so that of two officers who fill a last place one comes to
// see that it is taken.
func (s notices) nextReserve(tx *store.Tx, called *pb.Call) (next table.Row[*pb.ApplicationRow], sum int64, err error) {
	roll, err := s.roll(tx, called.GetId())
	if err != nil {
		return next, 0, err
	}
	if _, err := s.tables.rolls.Replace(tx, roll, proto.CloneOf(roll.Value)); err != nil {
		return next, 0, err
	}
	rows, err := s.applicationsIn(tx, called.GetId(), application.UnderReview)
	if err != nil {
		return next, 0, err
	}
	states, byNumber, chosen := map[string]application.State{}, map[string]table.Row[*pb.ApplicationRow]{}, 0
	for _, row := range rows {
		a := row.Value.GetApplication()
		states[a.GetNumber()], byNumber[a.GetNumber()] = application.State(a.GetState()), row
		if application.Chosen(application.State(a.GetState())) {
			chosen++
			sum += a.GetBudgetYuan()
		}
	}
	decision, _, err := s.tables.decisions.Get(tx, scope.All(), idKey(called.GetId()))
	if err != nil {
		return next, 0, err
	}
	var ranked []string
	for _, d := range decision.Value.GetApplications() {
		ranked = append(ranked, d.GetNumber())
	}
	number, err := application.NextReserve(ranked, states)
	if err != nil {
		return next, 0, err
	}
	next = byNumber[number]
	return next, sum + next.Value.GetApplication().GetBudgetYuan(), application.CheckPlace(chosen, int(called.GetQuota()))
}

// keepOverBudget notes at the call why its budget does not bear the selected;
// nothing where it does.
func (s notices) keepOverBudget(tx *store.Tx, round table.Row[*pb.CallRow], sum int64, reason string) error {
	budget := round.Value.GetCall().GetBudgetYuan()
	if application.CheckBudget(sum, budget, "") == nil {
		return nil
	}
	if err := application.CheckBudget(sum, budget, reason); err != nil {
		return err
	}
	next := proto.CloneOf(round.Value)
	next.Call.OverBudgetReason = reason
	_, err := s.tables.calls.Replace(tx, round, next)
	return err
}

// ListNotices answers the notices of a district to everybody.
func (s notices) ListNotices(ctx context.Context, req *pb.ListNoticesRequest) (*pb.ListNoticesResponse, error) {
	page := table.PageCall{
		Method: access.From(ctx).Method, Person: access.From(ctx).Person, Scope: scope.All(), Filter: []string{req.GetDistrictId()},
		Size: req.GetPageSize(), Token: req.GetPageToken(),
	}
	var out pb.ListNoticesResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		rows, next, err := table.Page(s.pager, s.tables.notices, r, page, table.Query{Index: byDistrict, Prefix: idKey(req.GetDistrictId())})
		for _, row := range rows {
			out.Notices = append(out.Notices, proto.CloneOf(row.Value.GetNotice()))
		}
		out.NextPageToken = next
		return err
	})
	return &out, err
}

// ShowNotice is the public page of a notice.
func (s notices) ShowNotice(ctx context.Context, req *pb.ShowNoticeRequest) (*pb.ShowNoticeResponse, error) {
	page := table.PageCall{
		Method: access.From(ctx).Method, Person: access.From(ctx).Person, Scope: scope.All(), Filter: []string{req.GetId()},
		Size: req.GetPageSize(), Token: req.GetPageToken(),
	}
	var out pb.ShowNoticeResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		notice, ok, err := s.tables.notices.Get(r, scope.All(), idKey(req.GetId()))
		if err == nil && !ok {
			err = rule.Absent("notice", req.GetId())
		}
		if err != nil {
			return err
		}
		out.Notice = proto.CloneOf(notice.Value.GetNotice())
		rows, next, err := table.Page(s.pager, s.tables.applications, r, page, table.Query{Index: byNotice, Prefix: idKey(req.GetId())})
		for _, row := range rows {
			out.Applications = append(out.Applications, noticedProto(row.Value.GetApplication()))
		}
		out.NextPageToken = next
		return err
	})
	return &out, err
}

// noticedProto is all of an application that everybody may see.
func noticedProto(a *pb.Application) *pb.NoticedApplication {
	return &pb.NoticedApplication{
		ApplicationId: a.GetId(), Number: a.GetNumber(), Title: a.GetTitle(), ApplicantId: a.GetApplicantId(),
		CoApplicantIds: a.GetCoApplicantIds(), Rank: a.GetRank(), State: a.GetState(),
	}
}
