package organization

import "github.com/linli-project/linli/pkg/rule"

// Columns of a file of organizations.
const (
	ColumnCode      = "编码"
	ColumnName      = "名称"
	ColumnKind      = "类别"
	ColumnParent    = "上级编码"
	ColumnDisplayed = "亮身份"
)

// Facts are what one row says about an organization.
type Facts struct {
	Code, Name string
	Kind       Kind
	Parent     string
	Displayed  bool
}

// Parse reads one row, whose cells are trimmed, and answers every fault of it,
// in column order; the fault's field is the column. Whether the parent is
// there is not known here.
func Parse(cell func(column string) string) (Facts, []*rule.Error) {
	f := Facts{
		Code: cell(ColumnCode), Name: cell(ColumnName), Kind: Kind(cell(ColumnKind)),
		Parent: cell(ColumnParent), Displayed: cell(ColumnDisplayed) == "是",
	}
	var faults []*rule.Error
	add := func(bad bool, reason, column, says string) {
		if bad {
			faults = append(faults, rule.New(rule.Invalid, reason, column, "field", column, "rule", says))
		}
	}
	add(!WellFormed(f.Code), "INVALID_FIELD", ColumnCode, "[A-Z0-9]{1,16}")
	add(f.Name == "", "ROSTER_NAME_EMPTY", ColumnName, "")
	add(!f.Kind.Known(), "INVALID_FIELD", ColumnKind, "city, district, …")
	add(f.Parent != "" && !WellFormed(f.Parent), "INVALID_FIELD", ColumnParent, "[A-Z0-9]{1,16}")
	add(cell(ColumnDisplayed) != "是" && cell(ColumnDisplayed) != "否", "INVALID_FIELD", ColumnDisplayed, "是 / 否")
	if f.Kind.Known() && f.Kind.IsRoot() != (f.Parent == "") {
		faults = append(faults, CheckParent(f.Kind, parentWord(f.Parent)))
	}
	return f, faults
}

// parentWord stands for a parent whose kind is not known yet.
func parentWord(code string) Kind {
	if code == "" {
		return ""
	}
	return "?"
}
