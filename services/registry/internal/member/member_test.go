package member

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestParseIDNumber(t *testing.T) {
	for s, want := range map[string]string{
		"43019819881128130X": "",
		"43019819881128130x": "",
		"11010519491231002X": "", // the example of GB 11643-1999
		"430198196007297061": "",
		"430198196007297060": "ROSTER_ID_CHECK_DIGIT",
		"4301981988112813Ox": "ROSTER_ID_CHECK_DIGIT",
		"X30198198811281300": "ROSTER_ID_CHECK_DIGIT",
		"43019819580219739":  "ROSTER_ID_LENGTH",
		"":                   "ROSTER_ID_LENGTH",
		"四三〇一九八一九八〇〇四〇一〇〇一九": "ROSTER_ID_CHECK_DIGIT",
	} {
		n, err := ParseIDNumber(s)
		got := ""
		if err != nil {
			got = err.Reason
		}
		if got != want {
			t.Errorf("%q: %v, want %q", s, err, want)
		}
		if err == nil && string(n) != strings.ToUpper(s) {
			t.Errorf("%q became %q", s, n)
		}
	}
}

// number writes a valid ID number of parts.
func number(area, order int, born string) string {
	s := fmt.Sprintf("%06d%s%03d", area, born, order)
	for c := range strings.SplitSeq("0123456789X", "") {
		// The check digit by its definition: the weighted sum is 1 modulo 11.
		sum, weight := 0, 1
		for i := 17; i >= 0; i-- {
			digit := strings.Index("0123456789X", (s + c)[i:i+1])
			sum, weight = sum+digit*weight, weight*2%11
		}
		if sum%11 == 1 {
			return s + c
		}
	}
	panic("no check digit fits")
}

func TestParseIDNumber_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		y, m, d := rapid.IntRange(1900, 2012).Draw(t, "y"), rapid.IntRange(0, 13).Draw(t, "m"), rapid.IntRange(0, 32).Draw(t, "d")
		order := rapid.IntRange(0, 999).Draw(t, "order")
		born := fmt.Sprintf("%04d-%02d-%02d", y, m, d)
		s := number(rapid.IntRange(0, 999999).Draw(t, "area"), order, strings.ReplaceAll(born, "-", ""))
		n, err := ParseIDNumber(s)
		if _, exists := ParseDay(born); exists != (err == nil) {
			t.Fatalf("%s: %v", born, err)
		}
		if err != nil {
			if err.Reason != "ROSTER_ID_BIRTH_DATE" {
				t.Fatal(err)
			}
			return
		}
		if string(n.Born()) != born || (n.Sex() == Male) != (order%2 == 1) {
			t.Fatalf("born %s, %s", n.Born(), n.Sex())
		}
		// One wrong digit, or two neighbours changed over, are always found.
		i := rapid.IntRange(0, 16).Draw(t, "i")
		wrong := []byte(s)
		wrong[i] = '0' + (wrong[i]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "by")))%10
		if _, err := ParseIDNumber(string(wrong)); err == nil || err.Reason != "ROSTER_ID_CHECK_DIGIT" {
			t.Fatalf("a wrong digit at %d is taken: %v", i, err)
		}
		if i < 16 && s[i] != s[i+1] {
			swapped := []byte(s)
			swapped[i], swapped[i+1] = s[i+1], s[i]
			if _, err := ParseIDNumber(string(swapped)); err == nil || err.Reason != "ROSTER_ID_CHECK_DIGIT" {
				t.Fatalf("digits changed over at %d are taken: %v", i, err)
			}
		}
	})
}

func TestOldEnough(t *testing.T) {
	for _, tc := range []struct {
		born, joined Day
		want         bool
	}{
		{"1980-04-01", "1998-03-31", false},
		{"1980-04-01", "1998-04-01", true},
		{"1980-02-29", "1998-02-28", false},
		{"1980-02-29", "1998-03-01", true},
		{"1999-12-31", "2017-12-31", true},
	} {
		if got := OldEnough(tc.born, tc.joined); got != tc.want {
			t.Errorf("born %s, joined %s: %v", tc.born, tc.joined, got)
		}
	}
}

func TestSplitAddress(t *testing.T) {
	for s, want := range map[string][2]string{
		"15栋1单元": {"15栋", "1单元"}, "15栋": {"15栋", ""}, "3号楼 2单元501": {"3号楼", "2单元501"},
		"A座1201": {"A座", "1201"}, "15": {"15", ""}, "15-2-301": {"", "15-2-301"}, "2单元": {"", "2单元"},
		"南路120号3栋2座1室": {"南路120号3栋", "2座1室"}, "": {"", ""}, "3楼": {"", "3楼"},
	} {
		b, u := SplitAddress(s)
		if b != want[0] || u != want[1] {
			t.Errorf("%q: %q and %q", s, b, u)
		}
	}
}

const today = "2013-12-31"

// base is a row without a fault.
func base() map[string]string {
	return map[string]string{
		ColumnName: "姚诗军", ColumnSex: "男", ColumnIDNumber: number(430198, 555, "19831230"), ColumnPhone: "19800000005",
		ColumnJoinedOn: "2003-03-31", ColumnStatus: "正式党员", ColumnKind: "在职", ColumnHome: "W00175", ColumnWorkplace: "W00175",
		ColumnCommunity: "430101006002", ColumnBuilding: "10栋3单元", ColumnSpecialties: "信息技术、医疗健康、信息技术", ColumnInterests: "象棋", ColumnReportedOn: "2013-09-25",
	}
}

func parse(change map[string]string) (Facts, string) {
	cells := base()
	for k, v := range change {
		cells[k] = v
	}
	facts, faults := Parse(func(column string) string { return cells[column] }, today)
	var words []string
	for _, f := range faults {
		words = append(words, f.Field+":"+f.Reason)
	}
	return facts, strings.Join(words, " ")
}

func TestParse_Facts(t *testing.T) {
	got, faults := parse(nil)
	want := Facts{
		Name: "姚诗军", Sex: Male, IDNumber: IDNumber(base()[ColumnIDNumber]), Phone: "19800000005", JoinedOn: "2003-03-31",
		Status: Formal, Kind: InService, Home: "W00175", Workplace: "W00175", Community: "430101006002",
		Building: "10栋", Unit: "3单元", Specialties: []string{"信息技术", "医疗健康"}, Interests: []string{"象棋"}, ReportedOn: "2013-09-25",
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Facts{})); diff != "" || faults != "" {
		t.Error(diff, faults)
	}
}

func TestParse_Faults(t *testing.T) {
	for name, tc := range map[string]struct {
		change   map[string]string
		want     string
		identity Identity
	}{
		"no name":                    {map[string]string{ColumnName: ""}, "姓名:ROSTER_NAME_EMPTY", ByIDNumber},
		"unknown sex":                {map[string]string{ColumnSex: "M"}, "性别:ROSTER_SEX_UNKNOWN", ByIDNumber},
		"other sex":                  {map[string]string{ColumnSex: "女"}, "性别:ROSTER_SEX_CONTRADICTS", ByIDNumber},
		"no ID number":               {map[string]string{ColumnIDNumber: ""}, "", ByNameAndPhone},
		"bad ID number":              {map[string]string{ColumnIDNumber: "1"}, "身份证号:ROSTER_ID_LENGTH", Unknown},
		"born tomorrow":              {map[string]string{ColumnIDNumber: number(430198, 555, "20140101")}, "身份证号:ROSTER_ID_BIRTH_DATE", Unknown},
		"short phone":                {map[string]string{ColumnPhone: "1390000"}, "手机号:ROSTER_PHONE", ByIDNumber},
		"no phone":                   {map[string]string{ColumnPhone: ""}, "", ByIDNumber},
		"short phone alone":          {map[string]string{ColumnPhone: "1390000", ColumnIDNumber: ""}, "手机号:ROSTER_PHONE", Unknown},
		"not to be told apart":       {map[string]string{ColumnPhone: "", ColumnIDNumber: ""}, ":ROSTER_NOT_TOLD_APART", Unknown},
		"no such day":                {map[string]string{ColumnJoinedOn: "2003-02-30"}, "入党日期:ROSTER_DATE", ByIDNumber},
		"written otherwise":          {map[string]string{ColumnJoinedOn: "2003/02/03"}, "入党日期:ROSTER_DATE", ByIDNumber},
		"joined tomorrow":            {map[string]string{ColumnJoinedOn: "2014-01-01"}, "入党日期:ROSTER_DATE_FUTURE", ByIDNumber},
		"joined today":               {map[string]string{ColumnJoinedOn: today}, "", ByIDNumber},
		"joined too young":           {map[string]string{ColumnJoinedOn: "2001-12-29"}, "入党日期:ROSTER_JOINED_UNDER_AGE", ByIDNumber},
		"no joining date":            {map[string]string{ColumnJoinedOn: ""}, "", ByIDNumber},
		"unknown status":             {map[string]string{ColumnStatus: "群众"}, "党员状态:ROSTER_STATUS_UNKNOWN", ByIDNumber},
		"unknown kind":               {map[string]string{ColumnKind: "荣誉"}, "党员类别:ROSTER_KIND_UNKNOWN", ByIDNumber},
		"no home":                    {map[string]string{ColumnHome: ""}, "组织关系所在党组织编码:ROSTER_HOME_UNKNOWN", ByIDNumber},
		"in service without work":    {map[string]string{ColumnWorkplace: ""}, "工作单位编码:ROSTER_WORKPLACE_MISSING", ByIDNumber},
		"neither work nor home":      {map[string]string{ColumnWorkplace: "", ColumnHome: ""}, "工作单位编码:ROSTER_WORKPLACE_MISSING", ByIDNumber},
		"retired without work":       {map[string]string{ColumnWorkplace: "", ColumnKind: "退休"}, "", ByIDNumber},
		"no community":               {map[string]string{ColumnCommunity: ""}, "居住社区编码:ROSTER_COMMUNITY_UNKNOWN", ByIDNumber},
		"reported in tomorrow":       {map[string]string{ColumnReportedOn: "2014-01-01"}, "报到日期:REPORT_IN_FUTURE", ByIDNumber},
		"not reported in":            {map[string]string{ColumnReportedOn: ""}, "", ByIDNumber},
		"no such day of reporting":   {map[string]string{ColumnReportedOn: "昨天"}, "报到日期:ROSTER_DATE", ByIDNumber},
		"every fault of the row":     {map[string]string{ColumnName: "", ColumnSex: "", ColumnPhone: "1", ColumnKind: "", ColumnReportedOn: "x"}, "姓名:ROSTER_NAME_EMPTY 性别:ROSTER_SEX_UNKNOWN 手机号:ROSTER_PHONE 党员类别:ROSTER_KIND_UNKNOWN 报到日期:ROSTER_DATE", ByIDNumber},
		"name missing, no ID number": {map[string]string{ColumnName: "", ColumnIDNumber: ""}, "姓名:ROSTER_NAME_EMPTY", Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			facts, faults := parse(tc.change)
			if faults != tc.want {
				t.Errorf("faults %q, want %q", faults, tc.want)
			}
			if facts.Identity() != tc.identity {
				t.Errorf("known by %d, want %d", facts.Identity(), tc.identity)
			}
		})
	}
}

func TestWords(t *testing.T) {
	for _, w := range []string{"在职", "退休", "企业", "流动"} {
		if _, ok := ParseKind(w); !ok {
			t.Error(w)
		}
	}
	for _, w := range []string{"正式党员", "预备党员"} {
		if _, ok := ParseStatus(w); !ok {
			t.Error(w)
		}
	}
	if len(Kinds()) != 4 {
		t.Error("kinds")
	}
}

// FuzzParse: whatever stands in the cells, a row without a fault has
// everything it needs, and no fault holds what stood there.
func FuzzParse(f *testing.F) {
	f.Add("姚诗军", "男", "43019819881128130x", "19800000005", "2003-03-31", "2013-09-25", "15栋1单元")
	f.Add("", "", "", "", "", "", "")
	f.Add("x", "女", "430198196007297061", "1", "2003-02-30", "2099-01-01", "栋")
	f.Fuzz(func(t *testing.T, name, sex, number, phone, joined, reported, building string) {
		cells := base()
		for column, text := range map[string]string{ColumnName: name, ColumnSex: sex, ColumnIDNumber: number, ColumnPhone: phone,
			ColumnJoinedOn: joined, ColumnReportedOn: reported, ColumnBuilding: building} {
			cells[column] = text
		}
		facts, faults := Parse(func(column string) string { return cells[column] }, today)
		if len(faults) == 0 && (facts.Identity() == Unknown || facts.Name == "" || facts.Sex == "" || facts.JoinedOn > today || facts.ReportedOn > today) {
			t.Fatalf("came in: %+v", facts)
		}
		if facts.Building+facts.Unit != building && !strings.Contains(building, facts.Building) {
			t.Fatalf("%q became %q and %q", building, facts.Building, facts.Unit)
		}
		for _, fault := range faults {
			if len(number) > 3 && strings.Contains(fault.Error(), number) || len(phone) > 9 && strings.Contains(fault.Error(), phone) {
				t.Fatalf("a fault holds the number: %v", fault)
			}
		}
	})
}
