package registry

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
)

func (h *house) sessions() pb.SessionServiceClient { return pb.NewSessionServiceClient(h.Conn()) }

// stranger is a call through the door without a token.
func (h *house) stranger() context.Context {
	return metadata.AppendToOutgoingContext(h.t.Context(), rpc.HeaderLanguage, "en")
}

// enterAt is a call of nobody's from an address, past the door.
func enterAt(t testing.TB, address string) context.Context {
	return access.NewContext(t.Context(), access.Call{Address: address, Rule: &typev1.Access{Mutates: true}})
}

func (h *house) lastAudit() *typev1.AuditRow {
	h.t.Helper()
	var rows []*typev1.AuditRow
	must(h.t, h.store.View(h.t.Context(), func(r kv.Reader) (err error) {
		rows, err = store.AuditRows(r, 1000)
		return err
	}))
	return rows[len(rows)-1]
}

// callerOf takes a token as another process does.
func (h *house) callerOf(token string) access.Caller {
	h.t.Helper()
	tokens, err := access.NewTokenVerifier(access.VerifierConfig{
		Keys: &gate{sessions: sessions{Service: h.service}}, Ended: access.NewEnded(clock.Wall(), 10), Wall: clock.Wall(), Most: 10,
	})
	must(h.t, err)
	caller, err := tokens.Authenticate(h.t.Context(), token)
	must(h.t, err)
	return caller
}

func TestEnterWithCode_HoweverItIsTyped(t *testing.T) {
	h := start(t).withDistrict()
	member := h.withMembers(1)[0]
	code := h.invite(h.officer(workplace), workplaceID, false)[member]
	report, err := h.SubmitReportIn(h.member(member), &pb.SubmitReportInRequest{MemberId: member})
	must(t, err)
	h.accept(report.GetReportIn().GetId())
	for _, typed := range []string{
		code, strings.ToLower(code), code[:4] + "-" + code[4:8] + " " + code[8:12] + "\u3000" + code[12:], " " + code + " ",
		strings.NewReplacer("0", "o", "1", "l").Replace(code), strings.NewReplacer("0", "O", "1", "I").Replace(code),
	} {
		reply, err := h.sessions().EnterWithCode(h.stranger(), &pb.EnterWithCodeRequest{Code: typed})
		must(t, err)
		caller := h.callerOf(reply.GetSession().GetAccessToken())
		want := []access.Grant{grant(typev1.Role_ROLE_MEMBER, workplace), grant(typev1.Role_ROLE_MEMBER, communityA)}
		if caller.Person != member || len(caller.Grants) != 2 || caller.Grants[0] != want[0] || caller.Grants[1] != want[1] || caller.Limit != "" {
			t.Errorf("%q: %+v", typed, caller)
		}
		if row := h.lastAudit(); row.GetOutcome() != "signed in" || row.GetSession() != reply.GetSession().GetId() || row.GetPerson() == "" || row.GetAccount() != row.GetRows()[0] {
			t.Errorf("audit: %v", row)
		}
	}
}

func TestEnterWithCode_OneAnswerForEveryOther(t *testing.T) {
	h := start(t).withDistrict()
	members := h.withMembers(3)
	codes := h.invite(h.officer(workplace), workplaceID, false)
	_, err := h.accounts().LockAccount(h.security("/"), &pb.LockAccountRequest{Id: members[0], Reason: "lost the letter"})
	must(t, err)
	must(t, h.store.Update(t.Context(), func(tx *store.Tx) error {
		row, _, err := h.service.members.Get(tx, scope.All(), idKey(members[1]))
		if err != nil {
			return err
		}
		return h.service.members.Delete(tx, row)
	}))
	renewed := h.invite(h.officer(workplace), workplaceID, true)
	answers := map[string]string{}
	for what, code := range map[string]string{
		"locked": renewed[members[0]], "gone": codes[members[1]], "renewed": codes[members[2]],
		"nobody's": strings.Repeat("7", 16), "too short": "77", "not one at all": "党员的码", "a login": "chen.hua",
	} {
		_, err := h.sessions().EnterWithCode(h.stranger(), &pb.EnterWithCodeRequest{Code: code})
		wantReason(t, err, "CODE_NOT_VALID")
		answers[err.Error()] = what
		if row := h.lastAudit(); row.GetOutcome() != "refused" || row.GetRefusal() != "CODE_NOT_VALID" {
			t.Errorf("%s: audit %v", what, row)
		}
	}
	if len(answers) != 1 {
		t.Errorf("different answers: %v", answers)
	}
}

// TestEnterWithCode_GuessesAreSlowedDown: whoever guesses waits, nobody else
// does, and a right code does not wash failures off.
func TestEnterWithCode_GuessesAreSlowedDown(t *testing.T) {
	h := start(t).withDistrict()
	member := h.withMembers(1)[0]
	code := h.invite(h.officer(workplace), workplaceID, false)[member]
	try := func(address, code string) error {
		_, err := sessions{Service: h.service}.EnterWithCode(enterAt(t, address), &pb.EnterWithCodeRequest{Code: code})
		return err
	}
	judged := 0
	for range 10_000 {
		switch reason := reasonIn(try("192.0.2.7", strings.Repeat("7", 16))); reason {
		case "CODE_NOT_VALID":
			judged++
			if judged == 10 {
				must(t, try("192.0.2.7", code))
			}
		case "SLOW_DOWN":
		default:
			t.Fatal(reason)
		}
	}
	if judged > 25 { // a try is let through again after 15 seconds, 30, a minute
		t.Errorf("%d of 10,000 guesses were judged", judged)
	}
	refused(t, try("192.0.2.7", code), "SLOW_DOWN")
	must(t, try("192.0.2.8", code))
}
