package registry

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/rpc"
)

// expectedFaults reads which lines must be refused, and why.
func expectedFaults(t *testing.T) []string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(record(t, "bad-roster-expected.csv"), "\uFEFF"))).ReadAll()
	must(t, err)
	var out []string
	for _, row := range rows[1:] {
		out = append(out, row[0]+" "+row[1])
	}
	return out
}

func TestImportRoster_TheBadRoster(t *testing.T) {
	for name, tc := range map[string]struct{ text, encoding string }{
		"GB18030":         {record(t, "bad-roster-gb18030.csv"), "GB18030"},
		"UTF-8":           {badRoster(t), "UTF-8"},
		"UTF-8 with mark": {"\uFEFF" + badRoster(t), "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t).withDistrict()
			done, err := h.sendRoster(h.districtOfficer(), "430101", true, tc.text)
			must(t, err)
			var got []string
			for _, f := range done.GetFaults() {
				got = append(got, fmt.Sprintf("%d %s", f.GetLine(), f.GetMessage()))
			}
			if diff := cmp.Diff(expectedFaults(t), got); diff != "" {
				t.Error(diff)
			}
			want := [4]int32{200, 187, 13, 181} // six of the good rows have no date
			if got := [4]int32{done.GetRows(), done.GetCreated(), done.GetRefused(), done.GetReportIns()}; got != want {
				t.Errorf("rows, created, refused, report-ins: %v", got)
			}
			if done.GetEncoding() != tc.encoding {
				t.Errorf("encoding %s", done.GetEncoding())
			}
		})
	}
}

// outcome is what a roster import did, in short: "created updated unchanged
// report-ins | line:column:reason …".
func outcomeOf(done *pb.ImportRosterResponse) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d %d %d |", done.GetCreated(), done.GetUpdated(), done.GetUnchanged(), done.GetReportIns())
	for _, f := range done.GetFaults() {
		fmt.Fprintf(&b, " %d:%s:%s", f.GetLine(), f.GetColumn(), f.GetReason())
	}
	return b.String()
}

// sends imports rows from the workplace and checks what they did.
func (h *house) sends(from, path string, accept bool, want string, rows ...string) {
	h.t.Helper()
	done, err := h.sendRoster(h.officer(path), from, accept, rosterOf(rows...))
	must(h.t, err)
	if diff := cmp.Diff(want, outcomeOf(done)); diff != "" {
		h.t.Error(diff)
	}
}

func TestImportRoster_SentAgain(t *testing.T) {
	h := start(t).withDistrict()
	h.sends("W00005", workplace, false, "2 0 0 0 |", person(1), person(2, "身份证号", ""))
	h.sends("W00005", workplace, false, "0 0 2 0 |", person(1), person(2, "身份证号", ""))
	// What differs from what the same workplace sent is an update.
	h.sends("W00005", workplace, false, "0 1 1 0 |", person(1, "楼栋", "15栋2单元"), person(2, "身份证号", ""))
	// The dates count when the importer says so, and once.
	h.sends("W00005", workplace, true, "0 0 2 2 |", person(1, "楼栋", "15栋2单元"), person(2, "身份证号", ""))
	h.sends("W00005", workplace, true, "0 0 2 0 |", person(1, "楼栋", "15栋2单元"), person(2, "身份证号", ""))
}

func TestImportRoster_TheSamePerson(t *testing.T) {
	h := start(t).withDistrict()
	h.sends("W00005", workplace, false, "2 0 0 0 |", person(1), person(2, "身份证号", ""))
	// A number that was not known is given, and is not needed again.
	h.sends("W00005", workplace, false, "0 1 0 0 |", person(2))
	h.sends("W00005", workplace, false, "0 0 1 0 |", person(2, "身份证号", ""))
	// Another number with the same name and phone is another person.
	h.sends("W00005", workplace, false, "1 0 0 0 |", person(3, "姓名", "党员2", "手机号", "13900000002"))
	// A new name and phone of a known number are an update; they are taken over
	// only where nobody else has them.
	h.sends("W00005", workplace, false, "0 1 0 0 |", person(1, "姓名", "党员2", "手机号", "13900000002"))
	// Within one file.
	h.sends("W00005", workplace, false, "3 0 0 0 | 3:身份证号:ROSTER_DUPLICATE 4::ROSTER_DUPLICATE 6::ROSTER_DUPLICATE 8::ROSTER_NOT_TOLD_APART",
		person(10), person(10, "姓名", "别名"), person(10, "身份证号", ""),
		person(11, "身份证号", ""), person(11),
		person(12, "姓名", "党员10", "手机号", "13900000010"), person(13, "身份证号", "", "手机号", ""))
}

func TestImportRoster_AnotherSource(t *testing.T) {
	h := start(t).withDistrict()
	both := h.as("both", grant(typev1.Role_ROLE_WORKPLACE_OFFICER, workplace), grant(typev1.Role_ROLE_WORKPLACE_OFFICER, district+"W00006/"))
	h.sends("W00005", workplace, false, "1 0 0 0 |", person(1))
	done, err := h.sendRoster(both, "W00006", false, rosterOf(person(1), person(2)))
	must(t, err)
	if got := outcomeOf(done); got != "1 0 1 0 |" {
		t.Errorf("the same from another source: %s", got)
	}
	done, err = h.sendRoster(both, "W00006", false, rosterOf(person(1, "居住社区编码", "430101002002")))
	must(t, err)
	if got := outcomeOf(done); got != "0 0 0 0 | 2::ROSTER_CONTRADICTS_SOURCE" {
		t.Errorf("other facts from another source: %s", got)
	}
	if m := done.GetFaults()[0].GetMessage(); !strings.Contains(m, "W00005") {
		t.Errorf("message %q", m)
	}
}

func TestImportRoster_Faults(t *testing.T) {
	h := start(t).withDistrict()
	for name, tc := range map[string]struct{ row, want string }{
		"a foreign home":               {person(1, "组织关系所在党组织编码", "W00006"), "0 0 0 0 | 2:组织关系所在党组织编码:ROSTER_FOREIGN_HOME"},
		"an external home":             {person(1, "组织关系所在党组织编码", "X00001"), "1 0 0 0 |"},
		"a street for a community":     {person(2, "居住社区编码", "430101002"), "0 0 0 0 | 2:居住社区编码:ROSTER_COMMUNITY_UNKNOWN"},
		"a street for a home":          {person(2, "组织关系所在党组织编码", "430101002"), "0 0 0 0 | 2:组织关系所在党组织编码:ROSTER_HOME_UNKNOWN"},
		"unknown places":               {person(2, "组织关系所在党组织编码", "W1", "工作单位编码", "W2", "居住社区编码", "C3"), "0 0 0 0 | 2:组织关系所在党组织编码:ROSTER_HOME_UNKNOWN 2:工作单位编码:ROSTER_WORKPLACE_UNKNOWN 2:居住社区编码:ROSTER_COMMUNITY_UNKNOWN"},
		"formulas":                     {person(2, "姓名", "=1", "楼栋", "@A1", "特长", "＋1", "兴趣爱好", "-1"), "0 0 0 0 | 2:姓名:ROSTER_FORMULA 2:楼栋:ROSTER_FORMULA 2:特长:ROSTER_FORMULA 2:兴趣爱好:ROSTER_FORMULA"},
		"the form hides the content":   {person(2, "手机号", strings.Repeat("1", 40)), "0 0 0 0 | 2:手机号:ROSTER_TOO_LONG"},
		"a date in the future, always": {person(2, "报到日期", "2014-01-01"), "0 0 0 0 | 2:报到日期:REPORT_IN_FUTURE"},
		"a date of today":              {person(3, "报到日期", "2013-12-31"), "1 0 0 0 |"},
		"too few fields":               {"a,b", "0 0 0 0 | 2::ROSTER_FIELD_COUNT"},
	} {
		t.Run(name, func(t *testing.T) {
			h.sends("W00005", workplace, false, tc.want, tc.row)
		})
	}
	done, err := h.sendRoster(h.officer(workplace), "W00005", false, rosterOf("a,b"))
	must(t, err)
	if m := done.GetFaults()[0].GetMessage(); m != "2 fields, the header has 14" {
		t.Errorf("message %q", m)
	}
}

func TestImportRoster_WithoutDates(t *testing.T) {
	h := start(t).withDistrict()
	cut := func(row string) string { return row[:strings.LastIndex(row, ",")] }
	done, err := h.sendRoster(h.officer(workplace), "W00005", true, cut(rosterHeader)+"\n"+cut(person(1))+"\n")
	must(t, err)
	if got := outcomeOf(done); got != "1 0 0 0 |" {
		t.Error(got)
	}
}

func TestImportRoster_Refused(t *testing.T) {
	h := start(t).withDistrict()
	good := rosterOf(person(1))
	send := func(from, text string) error {
		_, err := h.sendRoster(h.officer(workplace), from, false, text)
		return err
	}
	wantReason(t, send("W00006", good), "UNKNOWN_ORGANIZATION")
	wantReason(t, send("NOBODY", good), "UNKNOWN_ORGANIZATION")
	wantReason(t, send("", good), "INVALID_FIELD")
	for _, torn := range []string{"PK\x03\x04", "PK", "PK\x05\x06\x00"} {
		wantReason(t, send("W00005", torn), "WORKBOOK_UNREADABLE")
	}
	wantReason(t, send("W00005", ""), "FILE_EMPTY")
	wantReason(t, send("W00005", "\xd0\xcf\x11\xe0"), "UNSUPPORTED_ENCODING")
	wantReason(t, send("W00005", "\"姓名\n"), "ROSTER_UNREADABLE")
	err := send("W00005", strings.Replace(good, "手机号", "电话", 1))
	wantReason(t, err, "ROSTER_COLUMN_MISSING")
	if fields(err) != "手机号" {
		t.Errorf("fields %q", fields(err))
	}
	_, err = h.sendRoster(h.as("r", grant(typev1.Role_ROLE_RESIDENT, workplace)), "W00005", false, good)
	wantReason(t, err, "ROLE_NOT_ALLOWED")
	_, err = h.sendRoster(keyed(h.officer(workplace), strings.Repeat("k", 129)), "W00005", false, good)
	wantReason(t, err, "BAD_IDEMPOTENCY_KEY")
	if n := h.count(h.service.members); n != 0 {
		t.Errorf("%d members came in", n)
	}
}

func TestImportRoster_TheStreamItself(t *testing.T) {
	h := start(t).withDistrict()
	header := &pb.ImportRosterRequest{Part: &pb.ImportRosterRequest_Header{Header: &pb.ImportRosterHeader{OrganizationId: "W00005"}}}
	chunk := func(s string) *pb.ImportRosterRequest {
		return &pb.ImportRosterRequest{Part: &pb.ImportRosterRequest_Chunk{Chunk: []byte(s)}}
	}
	for name, tc := range map[string]struct {
		parts  []*pb.ImportRosterRequest
		reason string
	}{
		"no header":       {[]*pb.ImportRosterRequest{chunk(rosterOf(person(1)))}, "INVALID_FIELD"},
		"two headers":     {[]*pb.ImportRosterRequest{header, chunk(rosterHeader), header}, "INVALID_FIELD"},
		"too large chunk": {[]*pb.ImportRosterRequest{header, chunk(strings.Repeat("x", 1<<20+1))}, "INVALID_FIELD"},
		"nothing at all":  {nil, "INVALID_FIELD"},
	} {
		t.Run(name, func(t *testing.T) {
			stream, err := h.ImportRoster(h.officer(workplace))
			must(t, err)
			for _, p := range tc.parts {
				if err == nil {
					err = stream.Send(p)
				}
			}
			_, err = stream.CloseAndRecv()
			if got := rpc.Reason(err); got != tc.reason {
				t.Errorf("%q: %v", got, err)
			}
		})
	}
}
