package requests

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/hardship"
)

// What is sealed, each with a place of its own. The box has its own key.
const (
	hardshipBox   = "hardship"
	sealedFacts   = "facts"
	sealedConsent = "consent"
	sealedSkipped = "skipped"
	sealedReason  = "reason"
	sealedAid     = "aid"
)

func invalid(field, want string) *rule.Error {
	return rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", want)
}

// sealed seals a message for its place.
func (a aid) sealed(m proto.Message, id, what string) ([]byte, error) {
	plain, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", what, err)
	}
	return a.store.Keyring().Box(hardshipBox).Seal(plain, id, what), nil
}

// unseal opens what was sealed into m; nothing sealed leaves it empty.
func (a aid) unseal(sealed []byte, m proto.Message, id, what string) error {
	if len(sealed) == 0 {
		return nil
	}
	plain, err := a.store.Keyring().Box(hardshipBox).Open(sealed, id, what)
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(plain, m); err != nil {
		return fmt.Errorf("%w: %s: %w", kv.ErrCorrupt, what, err)
	}
	return nil
}

// names are those of a household, for texts that must not name them.
func (a aid) names(row *pb.HardshipCaseRow) (names []string, err error) {
	var facts pb.HardshipFacts
	var consent pb.ConsentFacts
	id := row.GetHardshipCase().GetId()
	if err := a.unseal(row.GetSealedFacts(), &facts, id, sealedFacts); err != nil {
		return nil, err
	}
	if err := a.unseal(row.GetSealedConsent(), &consent, id, sealedConsent); err != nil {
		return nil, err
	}
	for _, p := range facts.GetPeople() {
		names = append(names, p.GetName())
	}
	return append(names, consent.GetName()), nil
}

// reading is somebody who opens what is sealed.
type reading struct {
	id, what, reason string
	call             access.Call
	at               *timestamppb.Timestamp
}

// newReading takes what a reading needs before the transaction.
func (a aid) newReading(ctx context.Context, what, reason string) reading {
	return reading{
		id: a.ids("rdg"), what: what, reason: reason, call: access.From(ctx), at: timestamppb.New(a.store.Civil().Now()),
	}
}

// list keeps who reads what of a case, when and why, and leaves it in the
// audit. A reason that says what it is about to read is refused.
func (a aid) list(tx *store.Tx, rd reading, row *pb.HardshipCaseRow) error {
	names, err := a.names(row)
	if err != nil {
		return err
	}
	if err := hardship.CheckPublic("reason", rd.reason, names); err != nil {
		return err
	}
	_, err = a.aidTables.readings.Insert(tx, &pb.HardshipReadingRow{
		Reading: &pb.HardshipReading{
			Id: rd.id, CaseId: row.GetHardshipCase().GetId(), What: rd.what, Person: rd.call.Person,
			Role: access.RoleName(rd.call.Acting().Role), ReadAt: rd.at,
		},
		CommunityPath: row.GetCommunityPath(),
		SealedReason:  a.store.Keyring().Box(hardshipBox).Seal([]byte(rd.reason), rd.id, sealedReason),
	})
	if err != nil {
		return err
	}
	return tx.Reveal(store.Record{Rows: []string{row.GetHardshipCase().GetId(), rd.id}, Subjects: []string{row.GetAuthor()}, Reason: rd.reason})
}

// RevealHardshipFacts opens the facts, with a reason. The answer is remembered
// nowhere, not even sealed: what is erased must not be had by asking again. A
// repeat is another reading.
func (a aid) RevealHardshipFacts(ctx context.Context, req *pb.RevealHardshipFactsRequest) (*pb.RevealHardshipFactsResponse, error) {
	rd, reply := a.newReading(ctx, sealedFacts, req.GetReason()), &pb.RevealHardshipFactsResponse{}
	err := a.store.Update(ctx, func(tx *store.Tx) error {
		row, err := a.caseRow(tx, scope.Scope{Paths: rd.call.Scope.Paths}, req.GetId())
		if err != nil {
			return err
		}
		if err := mayReveal(rd.call, row.Value); err != nil {
			return err
		}
		if reply, err = a.reveal(row.Value); err != nil {
			return err
		}
		return a.list(tx, rd, row.Value)
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// reveal opens all that is sealed of a case.
func (a aid) reveal(row *pb.HardshipCaseRow) (*pb.RevealHardshipFactsResponse, error) {
	facts, consent, skipped := &pb.HardshipFacts{}, &pb.ConsentFacts{}, &pb.SkippedRungs{}
	for what, into := range map[string]proto.Message{sealedFacts: facts, sealedConsent: consent, sealedSkipped: skipped} {
		if err := a.unseal(sealedOf(row, what), into, row.GetHardshipCase().GetId(), what); err != nil {
			return nil, err
		}
	}
	out := &pb.RevealHardshipFactsResponse{Facts: facts, Skipped: skipped.GetSkipped()}
	if row.GetSealedConsent() != nil {
		out.Consent = consent
	}
	return out, nil
}

func sealedOf(row *pb.HardshipCaseRow, what string) []byte {
	return map[string][]byte{
		sealedFacts: row.GetSealedFacts(), sealedConsent: row.GetSealedConsent(), sealedSkipped: row.GetSealedSkipped(),
	}[what]
}

// mayLook: the community's own offices see every case, the street those for
// which it was asked.
func mayLook(call access.Call, row *pb.HardshipCaseRow) bool {
	own := officesOf(call, typev1.Role_ROLE_COMMITTEE_STAFF, typev1.Role_ROLE_COMMUNITY_PARTY_STAFF)
	return own.Covers(scope.Path(row.GetCommunityPath())) || row.GetHardshipCase().GetReliefAskedAt() != nil
}

// mayReveal: the community's staff, and the street from when it was asked.
func mayReveal(call access.Call, row *pb.HardshipCaseRow) error {
	c := row.GetHardshipCase()
	switch {
	case !mayLook(call, row):
		return rule.New(rule.Denied, "RELIEF_NOT_ASKED", "")
	case c.GetFactsErased():
		return rule.New(rule.Precondition, "FACTS_ERASED", "")
	case !c.GetFactsSealed():
		return rule.New(rule.Precondition, "NOTHING_SEALED", "")
	}
	return nil
}

// ListHardshipReadings answers who read, when and why.
func (a aid) ListHardshipReadings(ctx context.Context, req *pb.ListHardshipReadingsRequest) (*pb.ListHardshipReadingsResponse, error) {
	call, reply := access.From(ctx), &pb.ListHardshipReadingsResponse{}
	err := a.store.View(ctx, func(r kv.Reader) error {
		community, err := a.community(r, req.GetCommunityId(), "community_id")
		if err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Filter: []string{req.GetCommunityId()}, Size: req.GetPageSize(), Token: req.GetPageToken(),
			Scope: officesOf(call, typev1.Role_ROLE_COMMITTEE_STAFF, typev1.Role_ROLE_COMMUNITY_PARTY_STAFF),
		}
		q := table.Query{Index: byCommunity, Prefix: key.Key(nil).String(string(community))}
		rows, next, err := table.Page(a.pager, a.aidTables.readings, r, page, q)
		if err != nil {
			return err
		}
		for _, row := range rows {
			out := proto.CloneOf(row.Value.GetReading())
			reason, err := a.store.Keyring().Box(hardshipBox).Open(row.Value.GetSealedReason(), out.GetId(), sealedReason)
			if err != nil {
				return err
			}
			out.Reason = string(reason)
			reply.Readings = append(reply.Readings, out)
		}
		reply.NextPageToken = next
		return nil
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}
