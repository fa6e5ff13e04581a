package registry

import (
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/registry/internal/member"
)

// correct writes an accepted correction into the member's row, as a roster would:
// sealed, masked, and with the hashes by which the member is found again. What the
// hash of the roster's row says stays: the row that was wrong changes nothing when
// it is sent again, and one that says something else does.
func (s *Service) correct(tx *store.Tx, c *pb.Claim) error {
	row, err := s.member(tx, scope.All(), c.GetPerson())
	if err != nil {
		return err
	}
	next := proto.CloneOf(row.Value)
	m, value := next.GetMember(), c.GetValue()
	switch member.Fact(c.GetFact()) {
	case member.FactName:
		m.Name = value
	case member.FactSex:
		m.Sex = value
	case member.FactIDNumber:
		number, fault := member.ParseIDNumber(value)
		if fault != nil {
			return fault
		}
		m.MaskedIdNumber, next.IdNumberHash = seal.MaskIDNumber(string(number)), s.store.Keyring().Blind(blindIDNumber, string(number))
		next.SealedIdNumber = s.sealMember(m.GetId(), "id_number", string(number))
	case member.FactPhone:
		m.MaskedPhone, next.SealedPhone = seal.MaskPhone(value), s.sealMember(m.GetId(), "phone", value)
	case member.FactJoinedOn:
		next.SealedJoinedOn = s.sealMember(m.GetId(), "joined_on", value)
	case member.FactBuilding:
		m.Building = value
	case member.FactUnit:
		next.SealedUnit = s.sealMember(m.GetId(), "unit", value)
	}
	if err := s.findableAs(tx, next); err != nil {
		return err
	}
	if err := s.idNumberFree(tx, next); err != nil {
		return err
	}
	_, err = s.members.Replace(tx, row, next)
	return err
}

func (s *Service) sealMember(id, field, text string) []byte {
	return s.store.Keyring().Seal([]byte(text), s.members.Name(), id, field)
}

// findableAs keeps the hash of name and phone, unless somebody else with another
// ID number has them.
func (s *Service) findableAs(tx *store.Tx, m *pb.MemberRow) error {
	phone, err := s.store.Keyring().Open(m.GetSealedPhone(), s.members.Name(), m.GetMember().GetId(), "phone")
	if err != nil {
		return err
	}
	m.NamePhoneHash = nil
	if len(phone) == 0 {
		return nil
	}
	hash := s.store.Keyring().Blind(blindPerson, m.GetMember().GetName(), string(phone))
	other, taken, err := s.memberBy(tx, byPerson, hash)
	if err == nil && (!taken || other.Value.GetMember().GetId() == m.GetMember().GetId()) {
		m.NamePhoneHash = hash
	}
	return err
}

// idNumberFree refuses the ID number of another member.
func (s *Service) idNumberFree(tx *store.Tx, m *pb.MemberRow) error {
	if len(m.GetIdNumberHash()) == 0 {
		return nil
	}
	other, taken, err := s.memberBy(tx, byIDNumber, m.GetIdNumberHash())
	if err == nil && taken && other.Value.GetMember().GetId() != m.GetMember().GetId() {
		err = rule.New(rule.Exists, "ALREADY_EXISTS", "", "entity", s.members.Name())
	}
	return err
}
