package requests

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// EscalateRequest gives a request to the street, or from there to the
// department; the clock begins anew on them.
func (s handling) EscalateRequest(ctx context.Context, req *pb.EscalateRequestRequest) (*pb.EscalateRequestResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.EscalateRequestResponse, error) {
		out, err := s.take(tx, call, step{
			command: request.Escalate, id: req.GetId(), etag: req.GetEtag(), scope: office(call),
			change: func(tx *store.Tx, row *pb.RequestRow, _ *timestamppb.Timestamp) error {
				return s.escalate(tx, call, row, req)
			},
		})
		return &pb.EscalateRequestResponse{Request: out}, err
	})
}

// escalate gives a request one office up and takes it from its helper. The
// department is the register's, or who the street says it is.
func (s handling) escalate(tx *store.Tx, call access.Call, row *pb.RequestRow, req *pb.EscalateRequestRequest) error {
	r := row.GetRequest()
	if r.GetEscalation() >= request.WithDepartment {
		return rule.New(rule.Precondition, "WRONG_STATE", "", "entity", "request",
			"state", request.Escalated.String(), "command", request.Escalate, "allowed", request.HandBack)
	}
	if err := request.MayEscalate(actorOf(call, row), r.GetEscalation()); err != nil {
		return err
	}
	if err := s.checkSaid(tx, row, "reason", req.GetReason()); err != nil {
		return err
	}
	giveBack(row)
	r.Escalation++
	if err := s.say(row, func(w *pb.SaidWords) { w.Reason = req.GetReason() }); err != nil {
		return err
	}
	if err := s.startClock(tx, row, solveLimit); err != nil || r.GetEscalation() != request.WithDepartment {
		return err
	}
	duty, err := s.duty(tx, row)
	switch {
	case err != nil || duty.GetOwner() == pb.Owner_OWNER_DEPARTMENT:
		return err
	case req.GetDepartment() == "":
		return invalid("department", "not blank")
	}
	r.OwnerName = req.GetDepartment()
	return nil
}

// HandBackRequest decides that an escalated request is the community's.
func (s handling) HandBackRequest(ctx context.Context, req *pb.HandBackRequestRequest) (*pb.HandBackRequestResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.HandBackRequestResponse, error) {
		out, err := s.take(tx, call, step{
			command: request.HandBack, id: req.GetId(), etag: req.GetEtag(), scope: office(call),
			change: func(tx *store.Tx, row *pb.RequestRow, now *timestamppb.Timestamp) error {
				if err := s.checkHandBack(tx, call, row, req.GetReason()); err != nil {
					return err
				}
				r := row.GetRequest()
				r.Escalation, r.Returns = request.WithCommunity, 0
				if err := s.say(row, func(w *pb.SaidWords) { w.Reason = req.GetReason() }); err != nil {
					return err
				}
				if r.GetAdmittedAt() == nil {
					r.AdmittedAt = now
				}
				return s.startClock(tx, row, solveLimit)
			},
		})
		return &pb.HandBackRequestResponse{Request: out}, err
	})
}

// checkHandBack lets the office that a request is with push it down, if by the
// register it is the community's.
func (s handling) checkHandBack(tx *store.Tx, call access.Call, row *pb.RequestRow, reason string) error {
	if err := request.MayHandBack(actorOf(call, row)); err != nil {
		return err
	}
	duty, err := s.dutyOf(tx, row)
	if err != nil {
		return err
	}
	if err := duty.CheckCommunity(); err != nil {
		return err
	}
	return s.checkSaid(tx, row, "reason", reason)
}
