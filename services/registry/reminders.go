package registry

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/campaign"
)

const (
	// remindTick is how often the civil clock is looked at: reminders go out by
	// the day, so a little late is early enough.
	remindTick = 2 * time.Second
	// remindSlice is how many members one commit looks at: it bounds what it
	// announces, and the messages that one event becomes.
	remindSlice = 100
	// campaignsAtOnce bounds one read of the campaigns under way.
	campaignsAtOnce = 100
)

// watch reminds until the context ends.
func (s campaigns) watch(ctx context.Context) error {
	tick := time.NewTicker(remindTick)
	defer tick.Stop()
	for {
		if err := s.remind(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("remind of campaigns", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// remind does what every campaign asks for today.
func (s campaigns) remind(ctx context.Context) error {
	open, err := s.openCampaigns(ctx)
	if err != nil {
		return err
	}
	for _, id := range open {
		for more := true; more; {
			if more, err = s.remindSome(ctx, id); err != nil {
				return fmt.Errorf("campaign %s: %w", id, err)
			}
		}
	}
	return nil
}

// openCampaigns are those that have a reminder left.
func (s campaigns) openCampaigns(ctx context.Context) (ids []string, err error) {
	err = s.store.View(ctx, func(r kv.Reader) error {
		q := table.Query{Index: byWatch, Limit: campaignsAtOnce}
		for {
			page, err := s.campaigns.List(r, scope.All(), q)
			if err != nil {
				return err
			}
			for _, row := range page.Rows {
				ids = append(ids, row.Value.GetCampaign().GetId())
			}
			if q.After = page.Last; q.After == nil {
				return nil
			}
		}
	})
	return ids, err
}

// remindSome begins a rung of a campaign's ladder or does one slice of it; more
// while there is something left to do today. Each commit holds what a slice
// announces and where the next one begins, so that a kill at any moment loses
// nothing and repeats nothing.
func (s campaigns) remindSome(ctx context.Context, id string) (more bool, err error) {
	today := s.today()
	var next *pb.CampaignRow
	var seen table.Row[*pb.CampaignRow]
	var announce []store.Event
	err = s.store.View(ctx, func(r kv.Reader) (err error) {
		var ok bool
		if seen, ok, err = s.campaigns.Get(r, scope.All(), idKey(id)); err != nil || !ok {
			return err
		}
		if seen.Value.GetReminding() == 0 {
			next, err = s.nextRung(r, seen.Value, today)
			return err
		}
		next, announce, err = s.remindedSlice(r, seen.Value, today)
		return err
	})
	if err != nil || next == nil {
		return false, err
	}
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		row, ok, err := s.campaigns.Get(tx, scope.All(), idKey(id))
		if err != nil || !ok || row.Revision != seen.Revision {
			return err // somebody else went on with it
		}
		if _, err := s.campaigns.Replace(tx, row, next); err != nil {
			return err
		}
		for _, e := range announce {
			if err := tx.Emit(e); err != nil {
				return err
			}
		}
		return nil
	})
	return err == nil, err
}

// nextRung answers the campaign with the rung that has come in hand, or done
// after its deadline; nil when nothing is to be done today.
func (s campaigns) nextRung(r kv.Reader, row *pb.CampaignRow, today string) (*pb.CampaignRow, error) {
	c := row.GetCampaign()
	switch {
	case row.GetDone() || today < c.GetOpensOn():
		return nil, nil
	case today > c.GetDeadlineOn():
		next := proto.CloneOf(row)
		next.Done = true
		return next, nil
	}
	p, err := s.policyAt(r, scope.Path(row.GetDistrictPath()), c.GetYear())
	if err != nil {
		return nil, err
	}
	ladder := campaign.Ladder(p.List("report_in.remind_days_before"))
	rung, due := campaign.NextReminder(ladder, c.GetReminded(), row.GetFromOn(), c.GetDeadlineOn(), today)
	if !due {
		return nil, nil
	}
	next := proto.CloneOf(row)
	next.Reminding, next.Cursor, next.HomePath, next.Missing, next.Slice = int32(rung)+1, nil, "", 0, 0
	return next, nil
}

// remindedSlice looks at the next members in the order of their homes. It is
// read on a snapshot before the commit: a report-in that is accepted in between
// is reminded of a moment too late, and the commit checks one row only.
func (s campaigns) remindedSlice(r kv.Reader, row *pb.CampaignRow, today string) (*pb.CampaignRow, []store.Event, error) {
	page, err := s.members.List(r, scope.All(), table.Query{
		Index: byHome, Prefix: key.Key(nil).Prefix(row.GetDistrictPath()), After: row.GetCursor(), Limit: remindSlice,
	})
	if err != nil {
		return nil, nil, err
	}
	standings, err := s.standings(r, row, page.Rows, today)
	if err != nil {
		return nil, nil, err
	}
	walk := &reminding{next: proto.CloneOf(row)}
	for i, m := range page.Rows {
		walk.look(m.Value.GetHomePath(), standings[i])
	}
	walk.tellMembers()
	walk.next.Slice++
	if walk.next.Cursor = page.Last; page.Last == nil {
		walk.finish()
	}
	return walk.next, walk.events, nil
}

// reminding walks over members and collects what is to be announced: the
// members of a slice who are missing, home by home, and each home once it was
// seen to its end.
type reminding struct {
	next    *pb.CampaignRow
	members []string
	events  []store.Event
}

func (w *reminding) rung() int32 { return w.next.GetReminding() - 1 }

func (w *reminding) look(home string, m *pb.DueMember) {
	if home != w.next.GetHomePath() {
		w.tellMembers()
		w.tellHome()
		w.next.HomePath, w.next.Missing = home, 0
	}
	if m.GetStanding() != pb.Standing_STANDING_MISSING {
		return
	}
	w.next.Missing++
	if m.GetReportInState() != pb.ReportInState_REPORT_IN_STATE_SUBMITTED {
		w.members = append(w.members, m.GetMemberId()) // one that waits for the community can do nothing
	}
}

func (w *reminding) entity() string {
	return w.next.GetCampaign().GetId() + "/" + leaf(w.next.GetHomePath()) + "/" + strconv.Itoa(int(w.rung()))
}

func (w *reminding) tellMembers() {
	if len(w.members) == 0 {
		return
	}
	c := w.next.GetCampaign()
	w.events = append(w.events, store.Event{
		Name: "campaign.members_reminded", EntityID: w.entity() + "/" + strconv.Itoa(int(w.next.GetSlice())), Revision: 1,
		Data: &pb.MembersReminded{
			CampaignId: c.GetId(), HomePath: w.next.GetHomePath(), DaysBefore: w.rung(), DeadlineOn: c.GetDeadlineOn(), MemberIds: w.members,
		},
	})
	w.members = nil
}

func (w *reminding) tellHome() {
	if w.next.GetMissing() == 0 {
		return
	}
	c := w.next.GetCampaign()
	w.events = append(w.events, store.Event{
		Name: "campaign.reminded", EntityID: w.entity(), Revision: 1,
		Data: &pb.CampaignReminded{
			CampaignId: c.GetId(), HomePath: w.next.GetHomePath(), DaysBefore: w.rung(), DeadlineOn: c.GetDeadlineOn(), Missing: w.next.GetMissing(),
		},
	})
}

// finish notes that everybody was looked at.
func (w *reminding) finish() {
	w.tellHome()
	w.next.Campaign.Reminded = append(w.next.Campaign.Reminded, w.rung())
	w.next.Reminding, w.next.Cursor, w.next.HomePath, w.next.Missing, w.next.Slice = 0, nil, "", 0, 0
}
