package evaluation

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
)

const (
	// mostAlarmEntries bounds what one alarm lists.
	mostAlarmEntries = 20
	// lookBack bounds how many entries of a day are compared, filesBack how many
	// of a file: what a commit has read is limited.
	lookBack  = 50
	filesBack = 10
	// monthsBack bounds what is read of a December, and of the year before it.
	monthsBack = 200
)

// alarm is something to look at: its subject makes it one alarm however often
// it is seen.
type alarm struct {
	kind    pb.AlarmKind
	subject string
	entries []string
	now     *timestamppb.Timestamp
}

func alarmID(kind pb.AlarmKind, subject string) string {
	return "alm_" + strings.ToLower(strings.TrimPrefix(kind.String(), "ALARM_KIND_")) + "_" + subject
}

// raise writes an alarm, or adds entries to an open one. A closed one stays
// closed: somebody has looked.
func (s *Service) raise(tx *store.Tx, row *pb.EntryRow, a alarm) error {
	id := alarmID(a.kind, a.subject)
	old, ok, err := s.tables.alarms.Get(tx, scope.All(), key.Key(nil).String(id))
	if err != nil {
		return err
	}
	if !ok {
		_, err = s.tables.alarms.Insert(tx, &pb.AlarmRow{CommunityPath: row.GetCommunityPath(), Alarm: &pb.LedgerAlarm{
			Id: id, Kind: a.kind, CommunityId: row.GetEntry().GetCommunityId(), MemberId: row.GetEntry().GetMemberId(),
			EntryIds: a.entries[:min(len(a.entries), mostAlarmEntries)], RaisedAt: a.now,
		}})
		return err
	}
	next := proto.CloneOf(old.Value)
	for _, e := range a.entries {
		if !slices.Contains(next.GetAlarm().GetEntryIds(), e) && len(next.GetAlarm().GetEntryIds()) < mostAlarmEntries {
			next.Alarm.EntryIds = append(next.Alarm.EntryIds, e)
		}
	}
	if old.Value.GetAlarm().GetClosed() || proto.Equal(next, old.Value) {
		return nil
	}
	_, err = s.tables.alarms.Replace(tx, old, next)
	return err
}

// policyAt answers the policy that holds where an entry is kept.
func (s *Service) policyAt(r kv.Reader, path string, now time.Time) (policy.Policy, error) {
	return s.policies.For(r, scope.Path(path), now.In(clock.Shanghai()).Year())
}

// raiseAtProposal looks at a new entry's time and evidence.
func (s *Service) raiseAtProposal(tx *store.Tx, row *pb.EntryRow) error {
	if err := s.raiseOverlap(tx, row); err != nil {
		return err
	}
	return s.raiseSameEvidence(tx, row, row.GetEntry().GetProposedAt())
}

func (s *Service) raiseOverlap(tx *store.Tx, row *pb.EntryRow) error {
	e := row.GetEntry()
	p, err := s.policyAt(tx, row.GetCommunityPath(), e.GetProposedAt().AsTime())
	if err != nil {
		return err
	}
	day, err := s.tables.entries.List(tx, scope.All(), table.Query{Prefix: memberKey(e.GetMemberId()).String(e.GetDay()), Limit: lookBack})
	if err != nil {
		return err
	}
	var others []ledger.Done
	for _, o := range day.Rows {
		if d := o.Value.GetEntry(); stands(d) {
			others = append(others, doneOf(d))
		}
	}
	found := ledger.Overlaps(doneOf(e), others, int32(p.Int("ledger.alarm_day_hours"))*4)
	if len(found) == 0 {
		return nil
	}
	return s.raise(tx, row, alarm{
		kind: pb.AlarmKind_ALARM_KIND_OVERLAP, subject: e.GetId(), entries: append([]string{e.GetId()}, found...), now: e.GetProposedAt(),
	})
}

// stands says whether an entry counts or may yet.
func stands(e *pb.Entry) bool {
	return ledger.State(e.GetState()) != ledger.TurnedDown && e.GetReversedBy() == "" && e.GetReverses() == ""
}

func doneOf(e *pb.Entry) ledger.Done {
	return ledger.Done{
		ID: e.GetId(), FromMinute: e.GetFromMinute(), ToMin: e.GetToMinute(), Times: e.GetTimes(), QuarterHour: e.GetQuarterHours(),
	}
}

// raiseSameEvidence finds a file that another service shows too. One sheet of
// attendance for all who were at an activity is no second use.
func (s *Service) raiseSameEvidence(tx *store.Tx, row *pb.EntryRow, now *timestamppb.Timestamp) error {
	e := row.GetEntry()
	entries := []string{e.GetId()}
	for _, file := range files(e) {
		page, err := s.tables.entries.List(tx, scope.All(), table.Query{Index: byEvidence, Prefix: key.Key(nil).String(file), Limit: filesBack})
		if err != nil {
			return err
		}
		for _, o := range page.Rows {
			d := o.Value.GetEntry()
			together := d.GetSource() == e.GetSource() && d.GetSourceId() == e.GetSourceId()
			if !together && !slices.Contains(entries, d.GetId()) && stands(d) {
				entries = append(entries, d.GetId())
			}
		}
	}
	if len(entries) == 1 {
		return nil
	}
	return s.raise(tx, row, alarm{kind: pb.AlarmKind_ALARM_KIND_SAME_EVIDENCE, subject: e.GetId(), entries: entries, now: now})
}

// alarmConsumer looks, when a service of a December has come to count, whether
// the year was mostly done in its last month.
func (s *Service) alarmConsumer() events.Consumer {
	return events.Consumer{
		Name: "evaluation-alarms", From: s.Name(), Kind: events.Fact,
		Subjects: []string{"linli.evaluation.entry.confirmed"},
		Apply: func(tx *store.Tx, e *typev1.EventRow) error {
			var ev pb.EntryChanged
			if err := events.Decode(e, &ev); err != nil {
				return err
			}
			if year, day, ok := strings.Cut(ev.GetDay(), "-"); ok && strings.HasPrefix(day, "12-") {
				return s.raiseDecember(tx, &ev, year, e.GetCivilTime())
			}
			return nil
		},
	}
}

// raiseDecember reads a bounded part of the December and of the months before:
// where there is more than that, an alarm too many is better than one too few.
func (s *Service) raiseDecember(tx *store.Tx, ev *pb.EntryChanged, year string, now *timestamppb.Timestamp) error {
	p, err := s.policyAt(tx, ev.GetCommunityPath(), now.AsTime())
	if err != nil {
		return err
	}
	in, last, err := s.timesOf(tx, table.Query{Prefix: memberKey(ev.GetMemberId()).Prefix(year + "-12-"), Limit: monthsBack})
	if err != nil {
		return err
	}
	before, _, err := s.timesOf(tx, table.Query{
		Prefix: memberKey(ev.GetMemberId()).Prefix(year + "-"), After: memberKey(ev.GetMemberId()).Prefix(year + "-12-"), Limit: monthsBack, Reverse: true,
	})
	least, percent := int32(p.Int("ledger.alarm_december_least")), int32(p.Int("ledger.alarm_december_percent"))
	if err != nil || !ledger.DecemberBurst(in, in+before, least, percent) {
		return err
	}
	row := &pb.EntryRow{CommunityPath: ev.GetCommunityPath(), Entry: &pb.Entry{
		MemberId: ev.GetMemberId(), CommunityId: scope.Path(ev.GetCommunityPath()).ID(),
	}}
	return s.raise(tx, row, alarm{
		kind: pb.AlarmKind_ALARM_KIND_DECEMBER_BURST, subject: ev.GetMemberId() + "_" + year, entries: last, now: now,
	})
}

// timesOf counts the confirmed services of one page.
func (s *Service) timesOf(r kv.Reader, q table.Query) (times int32, ids []string, err error) {
	page, err := s.tables.entries.List(r, scope.All(), q)
	for _, row := range page.Rows {
		if e := row.Value.GetEntry(); ledger.State(e.GetState()) == ledger.Confirmed {
			times += e.GetTimes()
			ids = append(ids, e.GetId())
		}
	}
	return times, ids, err
}

func alarmProto(row table.Row[*pb.AlarmRow]) *pb.LedgerAlarm {
	out := proto.CloneOf(row.Value.GetAlarm())
	out.Etag = row.Etag()
	return out
}

// ListLedgerAlarms answers what a person should look at.
func (s *Service) ListLedgerAlarms(ctx context.Context, req *pb.ListLedgerAlarmsRequest) (*pb.ListLedgerAlarmsResponse, error) {
	call := access.From(ctx)
	reply := &pb.ListLedgerAlarmsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		community, ok, err := s.organizations.Get(r, req.GetCommunityId())
		if err == nil && !ok {
			err = rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "community_id", "id", req.GetCommunityId())
		}
		if err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: call.Scope, Filter: []string{req.GetCommunityId(), strconv.FormatBool(req.GetClosed())},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		q := table.Query{Index: byState, Prefix: alarmKey(string(community.Path), req.GetClosed())}
		rows, next, err := table.Page(s.pager, s.tables.alarms, r, page, q)
		for _, row := range rows {
			reply.Alarms = append(reply.Alarms, alarmProto(row))
		}
		reply.NextPageToken = next
		return err
	})
	return reply, err
}

// CloseLedgerAlarm closes an alarm with what was found.
func (s *Service) CloseLedgerAlarm(ctx context.Context, req *pb.CloseLedgerAlarmRequest) (*pb.CloseLedgerAlarmResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.CloseLedgerAlarmResponse, error) {
		row, ok, err := s.tables.alarms.Get(tx, scope.Scope{Paths: call.Scope.Paths}, key.Key(nil).String(req.GetId()))
		if err == nil && !ok {
			err = rule.Absent("ledger_alarm", req.GetId())
		}
		if err == nil {
			err = row.Match(req.GetEtag())
		}
		if err != nil {
			return nil, err
		}
		if err := s.mayClose(tx, call, row.Value.GetAlarm()); err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.Alarm.Closed, next.Alarm.ClosedAt, next.Alarm.ClosedBy, next.Alarm.Note = true, now, call.Person, req.GetNote()
		if row, err = s.tables.alarms.Replace(tx, row, next); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		return &pb.CloseLedgerAlarmResponse{Alarm: alarmProto(row)}, nil
	})
}

func (s *Service) mayClose(tx *store.Tx, call access.Call, a *pb.LedgerAlarm) error {
	if a.GetClosed() {
		return rule.New(rule.Precondition, "ALARM_CLOSED", "")
	}
	m, _, err := s.members.Get(tx, a.GetMemberId())
	if err != nil {
		return err
	}
	who, err := s.confirmer(tx, call)
	if err != nil {
		return err
	}
	return who.Check(a.GetMemberId(), string(m.HomePath), "")
}
