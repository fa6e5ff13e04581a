package organization

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckParent_IsTheTable(t *testing.T) {
	allowed := map[Kind]string{
		City:            " ",
		District:        "city",
		Street:          "district",
		Community:       "street district",
		Building:        "community",
		Workplace:       "city district street",
		Branch:          "workplace community",
		FunctionalGroup: "street community",
		HeartHome:       "street community",
		External:        " ",
	}
	if len(allowed) != len(Kinds()) {
		t.Fatalf("%d kinds", len(Kinds()))
	}
	for _, kind := range Kinds() {
		parents := append(Kinds(), "", "village")
		for _, parent := range parents {
			want := strings.Contains(" "+allowed[kind]+" ", " "+string(parent)+" ")
			if parent == "" {
				want = kind == City || kind == External
			}
			if got := CheckParent(kind, parent) == nil; got != want {
				t.Errorf("%s below %q: %v", kind, parent, got)
			}
		}
	}
	if CheckParent("village", "") != nil && Kind("village").Known() {
		t.Error("village is a kind")
	}
}

func TestKind_Traits(t *testing.T) {
	var holds, byHome, employs []Kind
	for _, k := range Kinds() {
		if k.HoldsMembers() {
			holds = append(holds, k)
		}
		if k.CountsByHome() {
			byHome = append(byHome, k)
		}
		if k.Employs() {
			employs = append(employs, k)
		}
	}
	for name, pair := range map[string][2][]Kind{
		"holds members":  {holds, {Community, Workplace, Branch, External}},
		"counts by home": {byHome, {Workplace, Branch, External}},
		"employs":        {employs, {Workplace, Branch}},
	} {
		if diff := cmp.Diff(pair[1], pair[0]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestWellFormed(t *testing.T) {
	for code, want := range map[string]bool{
		"W00001": true, "430101002001": true, "A": true, strings.Repeat("9", 16): true,
		"": false, strings.Repeat("9", 17): false, "w1": false, "A/B": false, "A B": false, "长": false, "A\x00": false,
	} {
		if got := WellFormed(code); got != want {
			t.Errorf("%q: %v", code, got)
		}
	}
}

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		row    string // code,name,kind,parent,displayed
		want   Facts
		faults string
	}{
		"a community":            {"430101002001,芙蓉南路社区,community,430101002,是", Facts{Code: "430101002001", Name: "芙蓉南路社区", Kind: Community, Parent: "430101002", Displayed: true}, ""},
		"a hidden workplace":     {"W00001,局,workplace,430101,否", Facts{Code: "W00001", Name: "局", Kind: Workplace, Parent: "430101"}, ""},
		"an external one":        {"X00001,外地,external,,是", Facts{Code: "X00001", Name: "外地", Kind: External, Displayed: true}, ""},
		"a city with a parent":   {"1,市,city,2,是", Facts{Code: "1", Name: "市", Kind: City, Parent: "2", Displayed: true}, "上级编码:BAD_PARENT"},
		"a street without one":   {"1,街,street,,是", Facts{Code: "1", Name: "街", Kind: Street, Displayed: true}, "上级编码:BAD_PARENT"},
		"everything else is bad": {"a b,,village,x,yes", Facts{Code: "a b", Kind: "village", Parent: "x"}, "编码:INVALID_FIELD 名称:ROSTER_NAME_EMPTY 类别:INVALID_FIELD 上级编码:INVALID_FIELD 亮身份:INVALID_FIELD"},
	} {
		t.Run(name, func(t *testing.T) {
			cells := strings.Split(tc.row, ",")
			columns := []string{ColumnCode, ColumnName, ColumnKind, ColumnParent, ColumnDisplayed}
			got, faults := Parse(func(column string) string {
				for i, c := range columns {
					if c == column {
						return cells[i]
					}
				}
				return ""
			})
			var words []string
			for _, f := range faults {
				words = append(words, f.Field+":"+f.Reason)
			}
			if diff := cmp.Diff(tc.faults, strings.Join(words, " ")); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
