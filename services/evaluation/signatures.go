package evaluation

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/sheet"
)

// SignSheets signs the opinions of a community by name.
func (s sheets) SignSheets(ctx context.Context, req *pb.SignSheetsRequest) (*pb.SignSheetsResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.SignSheetsResponse, error) {
		c, row, err := s.toSign(tx, call.Person, req.GetCycleId(), req.GetCommunityId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		open := int(row.Value.GetSignature().GetOpenObjections())
		until := c.Value.GetCycle().GetObjectUntil().AsTime().In(clock.Shanghai())
		out, err := s.moveSignature(tx, c.Value, row, sheet.Sign, func(next *pb.Signature) error {
			next.SignedBy, next.SignedAt, next.Reason = call.Person, timestamppb.New(now), ""
			return sheet.CheckSign(until, now, open)
		})
		return &pb.SignSheetsResponse{Signature: out}, err
	})
}

// ConsentToSheets is the street's consent, or its no.
func (s sheets) ConsentToSheets(ctx context.Context, req *pb.ConsentToSheetsRequest) (*pb.ConsentToSheetsResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ConsentToSheetsResponse, error) {
		command, err := sheet.CheckConsent(req.GetConsents(), req.GetReason())
		if err != nil {
			return nil, err
		}
		c, row, err := s.toSign(tx, call.Person, req.GetCycleId(), req.GetCommunityId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		out, err := s.moveSignature(tx, c.Value, row, command, func(next *pb.Signature) error {
			if next.Reason = req.GetReason(); command == sheet.Consent {
				next.ConsentedBy, next.ConsentedAt = call.Person, now
			}
			return nil
		})
		return &pb.ConsentToSheetsResponse{Signature: out}, err
	})
}

// toSign answers a community's signature with its cycle. That the caller's
// office covers the community is checked by the field; that the own sheet is not
// among those signed, here.
func (s sheets) toSign(tx *store.Tx, person, cycleID, communityID, etag string) (c table.Row[*pb.CycleRow], row table.Row[*pb.SignatureRow], err error) {
	if c, err = s.computed(tx, cycleID); err != nil {
		return c, row, err
	}
	o, _, err := s.organizations.Get(tx, communityID)
	if err != nil {
		return c, row, err
	}
	if row, err = s.signature(tx, cycleID, string(o.Path)); err != nil {
		return c, row, err
	}
	own, ok, err := s.tables.results.By(tx, scope.All(), byMember, memberCycleKey(person, cycleID))
	if err == nil && ok && own.Value.GetCommunityPath() == string(o.Path) {
		err = rule.New(rule.Denied, "SIGNS_ONESELF", "")
	}
	if err != nil {
		return c, row, err
	}
	return c, row, row.Match(etag)
}

// moveSignature takes a community's sheets one step further and announces it.
func (s sheets) moveSignature(tx *store.Tx, c *pb.CycleRow, row table.Row[*pb.SignatureRow], command string, change func(*pb.Signature) error) (*pb.Signature, error) {
	state, err := sheet.Signatures().Next(sheet.SignatureState(row.Value.GetSignature().GetState()), command)
	if err != nil {
		return nil, err
	}
	next := proto.CloneOf(row.Value)
	next.Signature.State = pb.SignatureState(state)
	if err := change(next.GetSignature()); err != nil {
		return nil, err
	}
	kept, err := s.sheetTables.signatures.Replace(tx, row, next)
	if err != nil {
		return nil, err
	}
	tx.Audit(store.Record{Rows: []string{c.GetCycle().GetId(), next.GetSignature().GetCommunityId()}})
	return signatureProto(kept), tx.Emit(sheetsEvent(command, c.GetCycle().GetYear(), kept, s.store.Civil().Now()))
}

func signatureProto(row table.Row[*pb.SignatureRow]) *pb.Signature {
	out := proto.CloneOf(row.Value.GetSignature())
	out.Etag = row.Etag()
	return out
}

// ListSignatures answers how far the communities of a cycle are.
func (s sheets) ListSignatures(ctx context.Context, req *pb.ListSignaturesRequest) (*pb.ListSignaturesResponse, error) {
	call := access.From(ctx)
	out := &pb.ListSignaturesResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Paths: call.Scope.Paths}, Filter: []string{req.GetCycleId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.sheetTables.signatures, r, page, table.Query{Prefix: cycleKey(req.GetCycleId())})
		for _, row := range rows {
			out.Signatures = append(out.Signatures, signatureProto(row))
		}
		out.NextPageToken = next
		return err
	})
	return out, err
}
