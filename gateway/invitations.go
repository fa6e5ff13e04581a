package gateway

import (
	"encoding/csv"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
)

// inviteMembers: POST /v1/organizations/{id}/members:invite?renew=true, the new
// codes as CSV, line by line as they are made. An answer that breaks off is cut
// where it is, so that nobody takes it for a whole one: what it did not tell is
// asked for again with renew.
func (f *files) inviteMembers(w http.ResponseWriter, r *http.Request) {
	if !onlyParameters(w, r, "renew") {
		return
	}
	renew, ok := flag(w, r, "renew")
	if !ok {
		return
	}
	stream, err := registryv1.NewAccountServiceClient(f.conn).InviteMembers(outgoing(r), &registryv1.InviteMembersRequest{
		OrganizationId: r.PathValue("id"), Renew: renew,
	})
	var part *registryv1.InviteMembersResponse
	if err == nil {
		part, err = stream.Recv() // the first codes, that there are none, or why not
	}
	if err != nil && !errors.Is(err, io.EOF) {
		writeProblem(w, r, problemOf(err))
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": "codes-" + r.PathValue("id") + ".csv"}))
	out := csv.NewWriter(w)
	rows := [][]string{{"member_id", "name", "card_number", "code"}}
	for ; err == nil; part, err = stream.Recv() {
		for _, i := range part.GetInvitations() {
			rows = append(rows, []string{i.GetMemberId(), i.GetName(), i.GetCardNumber(), i.GetCode()})
		}
		if out.WriteAll(rows) != nil {
			return // the caller is gone
		}
		rows = nil
	}
	if !errors.Is(err, io.EOF) {
		f.log.LogAttrs(r.Context(), slog.LevelWarn, "invitations were broken off", slog.String("reason", problemOf(err).Reason))
		panic(http.ErrAbortHandler)
	}
	_ = out.WriteAll(rows) // the head alone, where there was nobody to invite
}
