package member

import (
	"strings"

	"github.com/linli-project/linli/pkg/rule"
)

// Columns of a roster.
const (
	ColumnName        = "姓名"
	ColumnSex         = "性别"
	ColumnIDNumber    = "身份证号"
	ColumnPhone       = "手机号"
	ColumnJoinedOn    = "入党日期"
	ColumnStatus      = "党员状态"
	ColumnKind        = "党员类别"
	ColumnHome        = "组织关系所在党组织编码"
	ColumnWorkplace   = "工作单位编码"
	ColumnCommunity   = "居住社区编码"
	ColumnBuilding    = "楼栋"
	ColumnSpecialties = "特长"
	ColumnInterests   = "兴趣爱好"
	ColumnReportedOn  = "报到日期"
)

// Facts are what one row says about a member.
type Facts struct {
	Name     string
	Sex      Sex
	IDNumber IDNumber
	Phone    string
	// JoinedOn is empty when it was not given.
	JoinedOn Day
	Status   Status
	Kind     Kind
	// Codes of organizations; whether they are there is not known here.
	Home, Workplace, Community string
	// Unit is what lies beyond the building.
	Building, Unit         string
	Specialties, Interests []string
	// ReportedOn is empty when the member has not reported in.
	ReportedOn Day

	// garbled: an ID number was given and is none.
	garbled bool
}

// Identity is what tells a person apart.
type Identity int

// A person is known by the ID number, else by name and phone together.
const (
	Unknown Identity = iota
	ByIDNumber
	ByNameAndPhone
)

// Identity answers by what the person of these facts is known. It is Unknown
// where a fault has left the facts empty.
func (f Facts) Identity() Identity {
	switch {
	case f.garbled:
		return Unknown
	case f.IDNumber != "":
		return ByIDNumber
	case f.Name != "" && f.Phone != "":
		return ByNameAndPhone
	}
	return Unknown
}

// row collects the facts and faults of one row.
type row struct {
	cell   func(column string) string
	today  Day
	facts  Facts
	faults []*rule.Error
}

func (r *row) refuse(reason, column string, params ...string) {
	r.faults = append(r.faults, fault(reason, column, params...))
}

// Parse reads one row, whose cells are trimmed, and answers every fault of it,
// in column order; the fault's field is the column, and no fault holds what
// stood there. A fact with a fault stays empty.
func Parse(cell func(column string) string, today Day) (Facts, []*rule.Error) {
	r := &row{cell: cell, today: today}
	r.person()
	r.membership()
	r.places()
	r.facts.Specialties = splitList(cell(ColumnSpecialties))
	r.facts.Interests = splitList(cell(ColumnInterests))
	r.facts.ReportedOn = r.day(ColumnReportedOn, "REPORT_IN_FUTURE")
	return r.facts, r.faults
}

func (r *row) person() {
	f := &r.facts
	var ok bool
	if f.Name = r.cell(ColumnName); f.Name == "" {
		r.refuse("ROSTER_NAME_EMPTY", ColumnName)
	}
	if f.Sex, ok = ParseSex(r.cell(ColumnSex)); !ok {
		r.refuse("ROSTER_SEX_UNKNOWN", ColumnSex)
	}
	if number := r.cell(ColumnIDNumber); number != "" {
		r.idNumber(number)
	}
	if phone := r.cell(ColumnPhone); phone != "" {
		if f.Phone = phone; PhoneProblem(phone) != "" {
			f.Phone = ""
			r.refuse("ROSTER_PHONE", ColumnPhone, "problem", PhoneProblem(phone))
		}
	}
	if f.Name != "" && r.cell(ColumnIDNumber) == "" && r.cell(ColumnPhone) == "" {
		r.refuse("ROSTER_NOT_TOLD_APART", "")
	}
}

func (r *row) idNumber(number string) {
	n, err := ParseIDNumber(number)
	switch {
	case err == nil && n.Born() > r.today:
		err = fault("ROSTER_ID_BIRTH_DATE", ColumnIDNumber)
		fallthrough
	case err != nil:
		r.facts.garbled = true
		r.faults = append(r.faults, err)
		return
	case r.facts.Sex != "" && n.Sex() != r.facts.Sex:
		r.refuse("ROSTER_SEX_CONTRADICTS", ColumnSex)
	}
	r.facts.IDNumber = n
}

func (r *row) membership() {
	f := &r.facts
	var ok bool
	f.JoinedOn = r.day(ColumnJoinedOn, "ROSTER_DATE_FUTURE")
	if f.JoinedOn != "" && f.IDNumber != "" && !OldEnough(f.IDNumber.Born(), f.JoinedOn) {
		r.refuse("ROSTER_JOINED_UNDER_AGE", ColumnJoinedOn)
	}
	if f.Status, ok = ParseStatus(r.cell(ColumnStatus)); !ok {
		r.refuse("ROSTER_STATUS_UNKNOWN", ColumnStatus)
	}
	if f.Kind, ok = ParseKind(r.cell(ColumnKind)); !ok {
		r.refuse("ROSTER_KIND_UNKNOWN", ColumnKind)
	}
}

func (r *row) places() {
	f := &r.facts
	f.Home, f.Workplace, f.Community = r.cell(ColumnHome), r.cell(ColumnWorkplace), r.cell(ColumnCommunity)
	jobless := f.Kind == InService && f.Workplace == ""
	// The membership of somebody in service is held at the workplace: where
	// that is missing, a missing home is not a second fault.
	if f.Home == "" && !jobless {
		r.refuse("ROSTER_HOME_UNKNOWN", ColumnHome)
	}
	if jobless {
		r.refuse("ROSTER_WORKPLACE_MISSING", ColumnWorkplace)
	}
	if f.Community == "" {
		r.refuse("ROSTER_COMMUNITY_UNKNOWN", ColumnCommunity)
	}
	f.Building, f.Unit = SplitAddress(r.cell(ColumnBuilding))
}

// day reads a day that may be missing but not lie in the future.
func (r *row) day(column, future string) Day {
	text := r.cell(column)
	if text == "" {
		return ""
	}
	d, ok := ParseDay(text)
	switch {
	case !ok:
		r.refuse("ROSTER_DATE", column)
	case d > r.today:
		r.refuse(future, column)
	default:
		return d
	}
	return ""
}

// SplitAddress parts "15栋1单元" into the building and what lies beyond it,
// which is private. Where no building can be told, everything is private.
func SplitAddress(s string) (building, unit string) {
	cut := len(s)
	found := false
	for _, mark := range []string{"栋", "幢", "座", "号楼"} {
		if i := strings.Index(s, mark); i >= 0 && i+len(mark) <= cut {
			cut, found = i+len(mark), true
		}
	}
	switch {
	case found:
		return s[:cut], strings.TrimSpace(s[cut:])
	case allDigits(s):
		return s, ""
	}
	return "", s
}

// splitList parts a cell that holds several words, without repeats.
func splitList(s string) []string {
	var out []string
	seen := map[string]bool{}
	for word := range strings.FieldsFuncSeq(s, func(c rune) bool { return strings.ContainsRune("、，,；;/", c) }) {
		if word = strings.TrimSpace(word); word != "" && !seen[word] {
			seen[word] = true
			out = append(out, word)
		}
	}
	return out
}
