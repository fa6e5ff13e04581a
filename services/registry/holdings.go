package registry

import (
	"slices"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/held"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// holdings are what the registry holds of persons, in the order in which it is
// erased: first what lets somebody in.
func (s *Service) holdings() []held.Holding {
	return []held.Holding{
		s.accountHolding(),
		held.Of[*pb.SessionRow]{
			Rows: s.sessions, Key: func(r *pb.SessionRow) key.Key { return idKey(r.GetId()) },
			Copied: func(r *pb.SessionRow, person string) bool { return r.GetPerson() == person },
			Opens:  map[string]proto.Message{"sealed_address": nil},
			Erase:  held.Removed[*pb.SessionRow],
		},
		s.reportInHolding(),
		held.Of[*pb.ExclusionRow]{
			Rows: s.exclusions, Key: func(r *pb.ExclusionRow) key.Key {
				return exclusionKey(r.GetExclusion().GetCampaignId(), r.GetExclusion().GetMemberId())
			},
			Near:   func(person string) table.Query { return table.Query{Index: byMember, Prefix: idKey(person)} },
			Copied: func(r *pb.ExclusionRow, person string) bool { return r.GetExclusion().GetMemberId() == person },
			Opens:  map[string]proto.Message{"sealed_note": nil},
			Erase:  held.Removed[*pb.ExclusionRow],
		},
		held.Of[*pb.PlaceRow]{
			Rows: s.places, Key: func(r *pb.PlaceRow) key.Key { return idKey(r.GetPlace().GetId()) },
			Near:   func(person string) table.Query { return table.Query{Index: bySubject, Prefix: idKey(person)} },
			Copied: func(r *pb.PlaceRow, person string) bool { return r.GetPlace().GetSubjectId() == person },
			Erase:  held.Removed[*pb.PlaceRow],
		},
		s.memberHolding(),
		held.Of[*pb.MessageRow]{
			Rows: s.messages, Key: func(r *pb.MessageRow) key.Key {
				return key.Key(nil).String(r.GetAddress()).TimeDesc(r.GetTime().AsTime()).String(r.GetId())
			},
			Near:   func(person string) table.Query { return table.Query{Prefix: key.Key(nil).String(toPerson(person))} },
			Copied: func(r *pb.MessageRow, person string) bool { return r.GetAddress() == toPerson(person) },
			Erase:  held.Removed[*pb.MessageRow],
		},
		held.Of[*pb.DeliveryRow]{
			Rows: s.deliveries, Key: deliveryKey,
			Touches: func(r *pb.DeliveryRow, person string) bool { return r.GetAddress() == toPerson(person) },
			Erase:   held.Removed[*pb.DeliveryRow],
		},
		held.Of[*pb.ContactRow]{
			Rows: s.contacts, Key: func(r *pb.ContactRow) key.Key { return idKey(r.GetPerson()) },
			Near:   func(person string) table.Query { return table.Query{Prefix: idKey(person)} },
			Copied: func(r *pb.ContactRow, person string) bool { return r.GetPerson() == person },
			Opens:  map[string]proto.Message{"sealed_email": nil},
			Erase:  held.Removed[*pb.ContactRow],
		},
		held.Of[*pb.ClaimRow]{
			Rows: s.claims, Key: func(r *pb.ClaimRow) key.Key { return idKey(r.GetClaim().GetId()) },
			Near:   func(person string) table.Query { return table.Query{Index: byAccountPerson, Prefix: idKey(person)} },
			Copied: func(r *pb.ClaimRow, person string) bool { return r.GetClaim().GetPerson() == person },
			Erase:  held.Blanked[*pb.ClaimRow],
			Past:   s.claimPast,
			Kept:   "that a claim was made, decided and carried out, with its days: the proof of the erasure",
		},
	}
}

// accountHolding: the account goes with its sessions and the one-time code that was
// sent to its phone, and every process hears of it. An office's stays without its
// person once it was locked for long.
func (s *Service) accountHolding() held.Holding {
	return held.Of[*pb.AccountRow]{
		Rows: s.accounts, Key: func(r *pb.AccountRow) key.Key { return idKey(r.GetAccount().GetId()) },
		Near:   func(person string) table.Query { return table.Query{Index: byAccountPerson, Prefix: idKey(person)} },
		Copied: func(r *pb.AccountRow, person string) bool { return r.GetAccount().GetPerson() == person },
		Opens:  map[string]proto.Message{"sealed_display_name": nil},
		Erase: func(tx *store.Tx, row table.Row[*pb.AccountRow], _ *pb.AccountRow, _ string) (held.Effect, error) {
			if err := s.forgetEntry(tx, row.Value); err != nil {
				return held.Leave, err
			}
			gone := table.Row[*pb.AccountRow]{Value: row.Value, Revision: row.Revision + 1}
			return held.Remove, tx.Emit(accountChanged(gone, tx.Wall()))
		},
		Past: s.accountPast, Expire: s.withoutPerson,
		Kept: "of an office's account, without name and login: the id, and its roles with their days, for who could do what when",
	}
}

// reportInHolding: the report-in goes before the member does, so that the member's
// place is still known where it counts.
func (s *Service) reportInHolding() held.Holding {
	return held.Of[*pb.ReportInRow]{
		Rows: s.reportIns, Key: func(r *pb.ReportInRow) key.Key { return idKey(r.GetReportIn().GetId()) },
		Near:   func(person string) table.Query { return table.Query{Index: byMember, Prefix: idKey(person)} },
		Copied: func(r *pb.ReportInRow, person string) bool { return r.GetReportIn().GetMemberId() == person },
		Erase: func(tx *store.Tx, row table.Row[*pb.ReportInRow], _ *pb.ReportInRow, person string) (held.Effect, error) {
			m, ok, err := s.members.Get(tx, scope.All(), idKey(person))
			if err != nil || !ok {
				return held.Remove, err
			}
			d, at := newDeltas(), place{row.Value.GetHomePath(), m.Value.GetCommunityPath(), row.Value.GetMemberKind()}
			d.at(at, func(f *pb.FigureRow) { count(f, row.Value.GetReportIn().GetState(), -1) })
			d.on(at, countedOn(row.Value), -1)
			return held.Remove, s.addFigures(tx, d)
		},
		Past: s.reportInPast, Expire: withoutReasons,
	}
}

// memberHolding: a member who is erased is none of the counted any more.
func (s *Service) memberHolding() held.Holding {
	return held.Of[*pb.MemberRow]{
		Rows: s.members, Key: func(r *pb.MemberRow) key.Key { return idKey(r.GetMember().GetId()) },
		Near:   func(person string) table.Query { return table.Query{Prefix: idKey(person)} },
		Copied: func(r *pb.MemberRow, person string) bool { return r.GetMember().GetId() == person },
		Opens: map[string]proto.Message{
			"sealed_id_number": nil, "sealed_phone": nil, "sealed_joined_on": nil, "sealed_unit": nil,
		},
		Erase: func(tx *store.Tx, row table.Row[*pb.MemberRow], _ *pb.MemberRow, _ string) (held.Effect, error) {
			d, at := newDeltas(), place{row.Value.GetHomePath(), row.Value.GetCommunityPath(), row.Value.GetMember().GetKind()}
			d.at(at, func(f *pb.FigureRow) { f.Members-- })
			return held.Remove, s.addFigures(tx, d)
		},
	}
}

// Holdings are the tables with rows of persons.
func (s *Service) Holdings() []held.Holding { return slices.Clone(s.keeper.Holdings()) }
