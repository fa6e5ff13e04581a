package gateway_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/rule"
)

// accounts answers invitations: 3 slices of 2; for "BROKEN" it breaks off after
// one, for "EMPTY" it has none, for "OTHER" it refuses.
type accounts struct {
	registryv1.UnimplementedAccountServiceServer
}

func (accounts) InviteMembers(in *registryv1.InviteMembersRequest, s grpc.ServerStreamingServer[registryv1.InviteMembersResponse]) error {
	switch in.GetOrganizationId() {
	case "EMPTY":
		return nil
	case "OTHER":
		return rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "organization_id", "id", "OTHER")
	}
	for slice := range 3 {
		if in.GetOrganizationId() == "BROKEN" && slice == 1 {
			return rule.New(rule.Precondition, "CONTENTION", "")
		}
		var part registryv1.InviteMembersResponse
		for i := range 2 {
			part.Invitations = append(part.Invitations, &registryv1.MemberInvitation{
				MemberId: fmt.Sprintf("mem_%d%d", slice, i), Name: `王"小,明`, Code: fmt.Sprintf("CODE%d%d%v", slice, i, in.GetRenew()),
			})
		}
		if err := s.Send(&part); err != nil {
			return err
		}
	}
	return nil
}

func TestInviteMembers_AsCSV(t *testing.T) {
	f := newFixture(t)
	got := f.do(t, "POST", "/v1/organizations/C1/members:invite?renew=true", "")
	rows, err := csv.NewReader(bytes.NewReader(got.body)).ReadAll()
	if err != nil || got.status != 200 || len(rows) != 7 || strings.Join(rows[0], " ") != "member_id name card_number code" ||
		rows[6][0] != "mem_21" || rows[6][1] != `王"小,明` || rows[6][3] != "CODE21true" {
		t.Errorf("%d %v %s", got.status, err, got.body)
	}
	if got.header.Get("Content-Type") != "text/csv; charset=utf-8" || !strings.Contains(got.header.Get("Content-Disposition"), "codes-C1.csv") {
		t.Errorf("headers %v", got.header)
	}
	if got := f.do(t, "POST", "/v1/organizations/EMPTY/members:invite", ""); got.status != 200 || string(got.body) != "member_id,name,card_number,code\n" {
		t.Errorf("nobody: %d %q", got.status, got.body)
	}
	for path, want := range map[string]string{
		"/v1/organizations/OTHER/members:invite":              "UNKNOWN_ORGANIZATION",
		"/v1/organizations/C1/members:invite?renewed=true":    "UNKNOWN_PARAMETER",
		"/v1/organizations/C1/members:invite?renew=certainly": "INVALID_FIELD",
	} {
		if p := f.do(t, "POST", path, "").problem(t); p.Reason != want {
			t.Errorf("%s: %s", path, p.Reason)
		}
	}
}

// An answer that breaks off does not look whole.
func TestInviteMembers_BrokenOff(t *testing.T) {
	f := newFixture(t)
	req, err := http.NewRequestWithContext(t.Context(), "POST", f.server.URL+"/v1/organizations/BROKEN/members:invite", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token())
	reply, err := http.DefaultClient.Do(req)
	if err == nil {
		var body []byte
		body, err = io.ReadAll(reply.Body)
		_ = reply.Body.Close() // it is broken
		if err == nil {
			t.Errorf("a whole answer of %q", body)
		}
	}
}
