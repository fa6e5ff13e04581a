package evaluation

import (
	"bytes"
	"context"
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
	"github.com/linli-project/linli/services/evaluation/internal/sheet"
)

// replies answers linli.evaluation.v1.ReplyService.
type replies struct {
	pb.UnsafeReplyServiceServer
	*Service
}

var _ pb.ReplyServiceServer = replies{}

const (
	// reminderTick is how often due reminders are looked for.
	reminderTick = time.Second
	// remindersAtOnce bounds one look; each is a commit of its own.
	remindersAtOnce = 100
)

// VerifyLetter says whether a code is genuine and its facts still stand.
func (s replies) VerifyLetter(ctx context.Context, req *pb.VerifyLetterRequest) (*pb.VerifyLetterResponse, error) {
	out := &pb.VerifyLetterResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, ok, err := s.sheetTables.issues.Get(r, scope.All(), key.Key(nil).String(req.GetCode()))
		if err == nil && !ok {
			err = rule.Absent("letter", "")
		}
		if err != nil {
			return err
		}
		letter, err := s.letter(r, scope.All(), row.Value.GetLetterId())
		if err != nil {
			return err
		}
		digest, err := s.digest(r, letter.Value, nil)
		out.Verification = &pb.Verification{
			Genuine: true, Superseded: row.Value.GetSuperseded(), FactsHold: bytes.Equal(digest, row.Value.GetDigest()),
			Year: row.Value.GetYear(), Issue: row.Value.GetIssue(), IssuedAt: row.Value.GetIssuedAt(), Members: row.Value.GetMembers(),
		}
		return err
	})
	return out, err
}

// notSubject answers RECIPIENT_IS_SUBJECT for somebody who is in a letter.
func (s *Service) notSubject(r kv.Reader, person string, l *pb.LetterRow) error {
	row, ok, err := s.tables.results.By(r, scope.All(), byMember, memberCycleKey(person, l.GetLetter().GetCycleId()))
	if err == nil && ok && row.Value.GetHomePath() == l.GetHomePath() {
		err = rule.New(rule.Denied, "RECIPIENT_IS_SUBJECT", "")
	}
	return err
}

// ReplyToLetter is the home organization's answer.
func (s replies) ReplyToLetter(ctx context.Context, req *pb.ReplyToLetterRequest) (*pb.ReplyToLetterResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	why := s.sealText(req.GetWhy(), whyPlace(req.GetLetterId()))
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ReplyToLetterResponse, error) {
		row, err := s.letter(tx, call.Scope, req.GetLetterId())
		if err != nil {
			return nil, err
		}
		if err := s.notSubject(tx, call.Person, row.Value); err != nil {
			return nil, err
		}
		if err := sheet.CheckReply(req.GetIssue(), row.Value.GetLetter().GetIssue()); err != nil {
			return nil, err
		}
		issue, answered := row.Value.GetLetter().GetIssue(), row.Value.GetReply() != nil
		if err := sheet.CheckAnswer(req.GetUsedInAppraisal(), req.GetWhy(), issue, answered); err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.Letter.RepliedAt, next.RemindAt, next.SealedWhy = now, nil, why
		next.Reply = &pb.Reply{
			LetterId: req.GetLetterId(), Issue: next.GetLetter().GetIssue(), ReceivedBy: call.Person,
			UsedInAppraisal: req.GetUsedInAppraisal(), CardsInspected: req.GetCardsInspected(),
			MadeKnown: req.GetMadeKnown(), RepliedAt: now,
		}
		kept, err := s.tables.letters.Replace(tx, row, next)
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetLetterId()}})
		reply, err := s.replyProto(kept.Value)
		if err != nil {
			return nil, err
		}
		return &pb.ReplyToLetterResponse{Reply: reply}, tx.Emit(letterEvent("letter.answered", kept, now.AsTime()))
	})
}

// GetReply answers the reply to a letter.
func (s replies) GetReply(ctx context.Context, req *pb.GetReplyRequest) (*pb.GetReplyResponse, error) {
	call := access.From(ctx)
	out := &pb.GetReplyResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.letter(r, call.Scope, req.GetLetterId())
		if err == nil && row.Value.GetReply() == nil {
			err = rule.Absent("reply", req.GetLetterId())
		}
		if err != nil {
			return err
		}
		out.Reply, err = s.replyProto(row.Value)
		return err
	})
	return out, err
}

// ListUnanswered answers the letters of a cycle without a reply.
func (s replies) ListUnanswered(ctx context.Context, req *pb.ListUnansweredRequest) (*pb.ListUnansweredResponse, error) {
	call := access.From(ctx)
	out := &pb.ListUnansweredResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		if _, err := s.cycle(r, call.Scope, req.GetCycleId()); err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: call.Scope, Filter: []string{req.GetCycleId()}, Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.tables.letters, r, page, table.Query{Index: byUnanswered, Prefix: cycleKey(req.GetCycleId())})
		for _, row := range rows {
			letter, err := s.letterProto(row.Value)
			if err != nil {
				return err
			}
			out.Letters = append(out.Letters, letter)
		}
		out.NextPageToken = next
		return err
	})
	return out, err
}

// remind asks again for replies that are due, until the context ends.
func (s replies) remind(ctx context.Context) error {
	tick := time.NewTicker(reminderTick)
	defer tick.Stop()
	for {
		n, err := s.remindDue(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.log.Error("remind of letters", "error", err)
		}
		if n > 0 && err == nil {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// remindDue reminds of some letters whose reply is due and answers how many.
func (s replies) remindDue(ctx context.Context) (int, error) {
	now := s.store.Civil().Now()
	var due []table.Row[*pb.LetterRow]
	err := s.store.View(ctx, func(r kv.Reader) error {
		page, err := s.tables.letters.List(r, scope.All(), table.Query{Index: byRemind, Limit: remindersAtOnce})
		for _, row := range page.Rows {
			if !row.Value.GetRemindAt().AsTime().After(now) {
				due = append(due, row)
			}
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, row := range due {
		if err := s.store.Update(ctx, func(tx *store.Tx) error { return s.remindOf(tx, row.Value.GetLetter().GetId(), now) }); err != nil {
			return 0, err
		}
	}
	return len(due), nil
}

// remindOf reminds of one letter, unless it was answered meanwhile.
func (s replies) remindOf(tx *store.Tx, id string, now time.Time) error {
	row, err := s.letter(tx, scope.All(), id)
	if err != nil || row.Value.GetRemindAt() == nil || row.Value.GetRemindAt().AsTime().After(now) {
		return err
	}
	p, err := s.policies.For(tx, scope.Path(row.Value.GetDistrictPath()), now.In(clock.Shanghai()).Year())
	if err != nil {
		return err
	}
	next := proto.CloneOf(row.Value)
	next.RemindAt = nil
	if next.Letter.Reminders++; int(next.GetLetter().GetReminders()) < p.Int("evaluation.reminders_most") {
		next.RemindAt = timestamppb.New(endOfDays(now, p.Int("evaluation.reminder_days")))
	}
	kept, err := s.tables.letters.Replace(tx, row, next)
	if err != nil {
		return err
	}
	return tx.Emit(letterEvent("letter.reminded", kept, now))
}
