package requests_test

import (
	"context"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
)

// send calls the service.
func (h house) send(ctx context.Context, command string, m *requestModel, provider string) (err error) {
	id := m.id
	switch command {
	case "admit", "admit beyond duty":
		_, err = h.client.AdmitRequest(ctx, &pb.AdmitRequestRequest{Id: id, BeyondDuty: command != "admit"})
	case "pass on":
		_, err = h.handling().PassOnRequest(ctx, &pb.PassOnRequestRequest{Id: id})
	case "decline":
		_, err = h.handling().DeclineRequest(ctx, &pb.DeclineRequestRequest{Id: id, Reason: "不属于受理范围"})
	case "merge":
		_, err = h.handling().MergeRequest(ctx, &pb.MergeRequestRequest{Id: id, IntoId: m.target})
	case "verify":
		_, err = h.handling().VerifyRequest(ctx, &pb.VerifyRequestRequest{Id: id, Found: "属实"})
	case "dispatch":
		_, err = h.client.DispatchRequest(ctx, &pb.DispatchRequestRequest{Id: id, MemberId: "m1"})
	case "hand":
		_, err = h.handling().HandRequest(ctx, &pb.HandRequestRequest{Id: id, ProviderId: provider})
	case "yes", "no":
		_, err = h.handling().AnswerOffer(ctx, &pb.AnswerOfferRequest{Id: id, TakeOn: command == "yes", Reason: "不属本店范围"})
	case "begin":
		_, err = h.handling().BeginRequest(ctx, &pb.BeginRequestRequest{Id: id})
	case "recall":
		_, err = h.handling().RecallRequest(ctx, &pb.RecallRequestRequest{Id: id})
	case "escalate":
		_, err = h.handling().EscalateRequest(ctx, &pb.EscalateRequestRequest{Id: id, Reason: "需要协调", Department: "区住建局"})
	case "hand back":
		_, err = h.handling().HandBackRequest(ctx, &pb.HandBackRequestRequest{Id: id, Reason: "由社区办理"})
	case "resolve":
		_, err = h.client.ResolveRequest(ctx, &pb.ResolveRequestRequest{Id: id, Answer: "修好了"})
	case "close unsolved":
		_, err = h.handling().CloseUnsolved(ctx, &pb.CloseUnsolvedRequest{Id: id, Answer: "产权单位不同意"})
	case "rate":
		_, err = h.client.RateRequest(ctx, &pb.RateRequestRequest{Id: id, Rating: 4, Solved: true})
	case "close":
		_, err = h.client.CloseRequest(ctx, &pb.CloseRequestRequest{Id: id})
	default:
		err = h.sendBeside(ctx, command, m)
	}
	return err
}

// sendBeside sends what moves nothing along the way.
func (h house) sendBeside(ctx context.Context, command string, m *requestModel) (err error) {
	id := m.id
	switch command {
	case "reopen":
		_, err = h.handling().ReopenRequest(ctx, &pb.ReopenRequestRequest{Id: id, Reason: "又坏了"})
	case "join":
		_, err = h.circle().JoinRequest(ctx, &pb.JoinRequestRequest{Id: id})
	case "message":
		_, err = h.handling().AddMessage(ctx, &pb.AddMessageRequest{Id: id, Text: "什么时候来看"})
	case "extend":
		until := "2013-09-17"
		switch {
		case m.state == "posted":
			until = "2013-09-04"
		case m.elsewhere: // the register has a limit of five days
			until = "2013-09-10"
		}
		_, err = h.handling().ExtendRequest(ctx, &pb.ExtendRequestRequest{Id: id, Until: until, Reason: "等材料到货"})
	case "pause":
		_, err = h.handling().PauseRequest(ctx, &pb.PauseRequestRequest{Id: id, Reason: "等鉴定结果"})
	case "resume":
		_, err = h.handling().ResumeRequest(ctx, &pb.ResumeRequestRequest{Id: id})
	case "exclude":
		_, err = h.handling().ExcludeRequest(ctx, &pb.ExcludeRequestRequest{Id: id, Reason: "等待法院判决"})
	}
	return err
}
