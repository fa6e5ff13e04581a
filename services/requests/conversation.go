package requests

import (
	"context"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/cover"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// mostMessages is how long a conversation gets.
const mostMessages = 200

// sealedMessage names the place of a message's text for the keyring.
func sealedMessage(id string, sequence int32) []string {
	return []string{"request", id, "message", strconv.Itoa(int(sequence))}
}

// talks answers a request to those who talk about it: its author and staff of
// the community; and which of the two the caller is.
func (s handling) talks(r kv.Reader, call access.Call, id string) (row table.Row[*pb.RequestRow], fromOffice bool, err error) {
	row, err = s.read(r, scope.Scope{Paths: staffScope(call).Paths, Person: call.Person}, id)
	if err != nil {
		return row, false, err
	}
	if call.Person == row.Value.GetRequest().GetAuthor() {
		return row, false, nil
	}
	if !actorOf(call, row.Value).Staff {
		return row, false, rule.Absent("request", id) // a helper does not read along
	}
	return row, true, nil
}

// AddMessage says something in the conversation. The office's first word is an
// answer.
func (s handling) AddMessage(ctx context.Context, req *pb.AddMessageRequest) (*pb.AddMessageResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	if err := request.CheckAllegation(cover.Allegation(req.GetText()), "text"); err != nil {
		return nil, err
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AddMessageResponse, error) {
		row, fromOffice, err := s.talks(tx, call, req.GetId())
		if err != nil {
			return nil, err
		}
		said, err := s.nextMessage(tx, req.GetId())
		if err != nil {
			return nil, err
		}
		n := said.Value.GetMessages()
		kept, err := s.tables.messages.Insert(tx, &pb.MessageRow{
			RequestId: req.GetId(), CommunityPath: row.Value.GetCommunityPath(), Sequence: n, FromOffice: fromOffice,
			Person: call.Person, SaidAt: now, SealedText: s.store.Keyring().Seal([]byte(req.GetText()), sealedMessage(req.GetId(), n)...),
		})
		if err != nil {
			return nil, err
		}
		if err := s.noteMessage(tx, row, said, fromOffice, now); err != nil {
			return nil, err
		}
		// The reply is remembered, and holds nothing that may have to be erased.
		return &pb.AddMessageResponse{Message: messageProto(row.Value, kept.Value, "")}, nil
	})
}

// nextMessage counts a message and answers the conversation with its number.
func (s handling) nextMessage(tx *store.Tx, id string) (table.Row[*pb.ConversationRow], error) {
	row, ok, err := s.tables.conversations.Get(tx, scope.All(), requestKey(id))
	switch {
	case err != nil:
		return row, err
	case !ok:
		return s.tables.conversations.Insert(tx, &pb.ConversationRow{RequestId: id, Messages: 1})
	case row.Value.GetMessages() >= mostMessages:
		return row, rule.New(rule.Exhausted, "OVERLOADED", "", "entity", "request", "most", strconv.Itoa(mostMessages))
	}
	next := proto.CloneOf(row.Value)
	next.Messages++
	return s.tables.conversations.Replace(tx, row, next)
}

// noteMessage leaves a trace of what was said: the author's word for the office,
// the office's at the request, whose first answer it may be.
func (s handling) noteMessage(tx *store.Tx, row table.Row[*pb.RequestRow], said table.Row[*pb.ConversationRow], fromOffice bool, now *timestamppb.Timestamp) error {
	if !fromOffice {
		id := row.Value.GetRequest().GetId()
		tx.Audit(traceOf(row.Value.GetRequest(), request.Post))
		return tx.Emit(store.Event{
			Name: "conversation.written", EntityID: id, Revision: said.Revision,
			Data: &pb.ConversationWritten{
				RequestId: id, Revision: said.Revision, CommunityPath: row.Value.GetCommunityPath(),
				Author: row.Value.GetRequest().GetAuthor(), Day: clock.Day(now.AsTime()),
			},
		})
	}
	next := proto.CloneOf(row.Value)
	answered(next, now)
	kept, err := s.tables.requests.Replace(tx, row, next)
	if err != nil {
		return err
	}
	return s.announce(tx, saidSomething, kept, row.Value.GetRequest().GetState(), firstTime{})
}

// ReadMessages opens the conversation. Like a sealed text, the answer is
// remembered nowhere.
func (s handling) ReadMessages(ctx context.Context, req *pb.ReadMessagesRequest) (*pb.ReadMessagesResponse, error) {
	call, out := access.From(ctx), &pb.ReadMessagesResponse{}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		row, fromOffice, err := s.talks(tx, call, req.GetId())
		if err != nil {
			return err
		}
		if fromOffice && req.GetReason() == "" && row.Value.GetRequest().GetTextSealed() {
			return invalid("reason", "not blank")
		}
		page, err := s.tables.messages.List(tx, scope.All(), table.Query{Prefix: requestKey(req.GetId()), Limit: mostMessages})
		if err != nil {
			return err
		}
		out.Messages = nil
		for _, m := range page.Rows {
			text, err := s.store.Keyring().Open(m.Value.GetSealedText(), sealedMessage(req.GetId(), m.Value.GetSequence())...)
			if err != nil {
				return err
			}
			out.Messages = append(out.Messages, messageProto(row.Value, m.Value, string(text)))
		}
		if fromOffice {
			read := store.Record{Rows: []string{req.GetId()}, Subjects: []string{row.Value.GetRequest().GetAuthor()}, Reason: req.GetReason(), Outcome: "revealed"}
			if row.Value.GetRequest().GetTextSealed() {
				return tx.Reveal(read)
			}
			tx.Audit(read)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// forgetMessages deletes what was said about a request.
func (s *Service) forgetMessages(tx *store.Tx, id string) error {
	page, err := s.tables.messages.List(tx, scope.All(), table.Query{Prefix: requestKey(id), Limit: mostMessages})
	if err != nil {
		return err
	}
	for _, m := range page.Rows {
		if err := s.tables.messages.Delete(tx, m); err != nil {
			return err
		}
	}
	return nil
}

func messageProto(row *pb.RequestRow, m *pb.MessageRow, text string) *pb.Message {
	out := &pb.Message{Sequence: m.GetSequence(), FromOffice: m.GetFromOffice(), Person: m.GetPerson(), Text: text, SaidAt: m.GetSaidAt()}
	if !m.GetFromOffice() && anonymous(row.GetRequest()) {
		out.Person = ""
	}
	return out
}

// standingOf answers what a request says about the office's work.
func standingOf(row *pb.RequestRow) request.Standing {
	r := row.GetRequest()
	state := request.State(r.GetState())
	return request.Standing{
		Due:    r.GetAnsweredAt() != nil || r.GetOverdueLevel() > 0 || row.GetAnswerLate(),
		InTime: r.GetAnsweredAt() != nil && row.GetAnsweredInTime(),
		// What was declined or merged after all was nobody's to solve.
		Admitted:  r.GetAdmittedAt() != nil && state != request.Declined && state != request.Merged,
		Solved:    request.Solved(state),
		Rated:     r.GetRatedAt() != nil,
		Satisfied: r.GetRatedAt() != nil && request.Satisfied(int(r.GetRating()), r.GetSolved()),
		Excluded:  r.GetExcluded(),
	}
}
