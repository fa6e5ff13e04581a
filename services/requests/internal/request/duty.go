package request

import "github.com/linli-project/linli/pkg/rule"

// Owner of a category by the register of duties. The numbers are those of the
// API's enum.
type Owner int32

// The owners; Unsaid where the register is silent.
const (
	Unsaid Owner = iota
	OwnerCommunity
	OwnerStreet
	OwnerDepartment
)

// Duty is what the register says about a category.
type Duty struct {
	Owner Owner
	Name  string
}

// elsewhere says whether the register names somebody other than the community.
func (d Duty) elsewhere() bool { return d.Owner != Unsaid && d.Owner != OwnerCommunity }

// CheckCommunity answers NOT_COMMUNITY_DUTY for what the register gives to
// somebody else: it is not pushed down, nor admitted as the community's own.
func (d Duty) CheckCommunity() error {
	if !d.elsewhere() {
		return nil
	}
	return rule.New(rule.Precondition, "NOT_COMMUNITY_DUTY", "", "owner", d.Name)
}

// MayHandTo refuses to hand a request to another office than the community, or
// the one above that the register names: of a street, or of the district, to
// which the departments belong.
func (d Duty) MayHandTo(community, street, district bool) error {
	if community || street && d.Owner == OwnerStreet || district && d.Owner == OwnerDepartment {
		return nil
	}
	return rule.New(rule.Precondition, "OFFICE_NOT_RESPONSIBLE", "organization_id")
}

// PassOn answers with whom a request is after it is passed on by the register.
func (d Duty) PassOn() (int32, error) {
	switch {
	case !d.elsewhere():
		return WithCommunity, rule.New(rule.Precondition, "NO_OTHER_OWNER", "")
	case d.Owner == OwnerStreet:
		return WithStreet, nil
	}
	return WithDepartment, nil
}
