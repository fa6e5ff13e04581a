package roster

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/linli-project/linli/pkg/rule"
)

var columns = []Column{{Name: "名", Longest: 5, Text: true}, {Name: "码", Longest: 8}, {Name: "日", Longest: 8, Optional: true}}

// read answers each row as "line 名|码 faults".
func read(t *testing.T, text string) []string {
	t.Helper()
	r, err := NewReader(strings.NewReader(text), columns)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		s := strconv.Itoa(rec.Line)
		if rec.Readable() {
			s += " " + rec.Cell("名") + "|" + rec.Cell("码")
		}
		for _, f := range rec.Faults {
			s += " " + f.Field + ":" + f.Reason
		}
		out = append(out, s)
	}
}

func TestReader_Rows(t *testing.T) {
	long := strings.Repeat("长", longestLine)
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"columns in any order, extra ones ignored": {"码,多,名\n1,x,甲\n", []string{"2 甲|1"}},
		"line ends of both kinds, none at the end": {"名,码\r\n甲,1\r\n乙,2", []string{"2 甲|1", "3 乙|2"}},
		"blanks of every width":                    {"名,码\n 　甲\u200b\t,\ufeff1 \n", []string{"2 甲|1"}},
		"blank rows keep the count":                {"名,码\n\n,\n , 　\n甲,1\n\n", []string{"5 甲|1"}},
		"quotes":                                   {"名,码\n\"甲\"\"乙\",\"1,2\"\n", []string{`2 甲"乙|1,2`}},
		"too few and too many fields":              {"名,码\n甲\n甲,1,2\n乙,2\n", []string{"2 :ROSTER_FIELD_COUNT", "3 :ROSTER_FIELD_COUNT", "4 乙|2"}},
		"a stray quote hides nothing":              {"名,码\n\"甲,1\n乙,2\n丙,3\n", []string{"2 :ROSTER_UNREADABLE", "3 乙|2", "4 丙|3"}},
		"two stray quotes hide nothing":            {"名,码\n\"甲,1\n乙,2\n\"丙,3\n丁,4\n", []string{"2 :ROSTER_UNREADABLE", "3 乙|2", "4 :ROSTER_UNREADABLE", "5 丁|4"}},
		"a quote inside a bare field":              {"名,码\n甲\"乙,1\n丙,2\n", []string{"2 :ROSTER_UNREADABLE", "3 丙|2"}},
		"text after a closing quote":               {"名,码\n\"甲\"乙,1\n丙,2\n", []string{"2 :ROSTER_UNREADABLE", "3 丙|2"}},
		"a line break in a cell":                   {"名,码\n\"甲\n乙\",1\n丙,2\n", []string{"2 甲\n乙|1 名:ROSTER_UNREADABLE", "4 丙|2"}},
		"a line that is too long":                  {"名,码\n" + long + ",1\n丙,2\n", []string{"2 :ROSTER_UNREADABLE", "3 丙|2"}},
		"a quote open over a long line":            {"名,码\n\"甲\n" + long + "\n丙,2\n", []string{"2 :ROSTER_UNREADABLE", "3 :ROSTER_UNREADABLE", "4 丙|2"}},
		"formulas, only in text columns":           {"名,码\n=甲,=1\n＋乙,2\n@,3\n-,4\n", []string{"2 =甲|=1 名:ROSTER_FORMULA", "3 ＋乙|2 名:ROSTER_FORMULA", "4 @|3 名:ROSTER_FORMULA", "5 -|4 名:ROSTER_FORMULA"}},
		"too long":                                 {"名,码\n甲乙丙丁戊己,123456789\n甲乙丙丁戊,12345678\n", []string{"2 甲乙丙丁戊己|123456789 名:ROSTER_TOO_LONG 码:ROSTER_TOO_LONG", "3 甲乙丙丁戊|12345678"}},
		"bytes that are no text":                   {"名,码\n\xff甲,1\n甲\ufffd,\x002\n", []string{"2 \xff甲|1 名:ROSTER_UNREADABLE", "3 甲\ufffd|\x002 名:ROSTER_UNREADABLE 码:ROSTER_UNREADABLE"}},
		"no rows":                                  {"名,码\n", nil},
		"header alone":                             {"名,码", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, read(t, tc.text)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNewReader_Header(t *testing.T) {
	for name, tc := range map[string]struct{ text, reason, field, columns string }{
		"nothing":               {"", "ROSTER_COLUMN_MISSING", "名", "名、码"},
		"an optional one twice": {"名,码,日,日\n", "ROSTER_UNREADABLE", "日", ""},
		"one missing":           {"名,别的\n甲,1\n", "ROSTER_COLUMN_MISSING", "码", "码"},
		"twice":                 {"名,码,名\n", "ROSTER_UNREADABLE", "名", ""},
		"a stray quote":         {"\"名,码\n甲,1\n", "ROSTER_UNREADABLE", "", ""},
		"too long":              {strings.Repeat("名,", longestLine) + "\n", "ROSTER_UNREADABLE", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewReader(strings.NewReader(tc.text), columns)
			var e *rule.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v", err)
			}
			if e.Reason != tc.reason || e.Field != tc.field || e.Kind != rule.Invalid {
				t.Errorf("got %v", e)
			}
			if tc.columns != "" && e.Params[3] != tc.columns {
				t.Errorf("columns %q", e.Params[3])
			}
		})
	}
}

func TestReader_AnErrorOfTheFileIsPassedOn(t *testing.T) {
	torn := errors.New("torn")
	in := io.MultiReader(strings.NewReader("名,码\n甲,1\n\"乙"), errorReader{torn})
	r, err := NewReader(in, columns)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = r.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err = r.Next(); !errors.Is(err, torn) {
		t.Fatalf("error %v: a torn file must not look like a short one", err)
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

func TestDetect(t *testing.T) {
	gb := "\xd0\xd5\xc3\xfb,\xc2\xeb\n" // 姓名,码
	for name, tc := range map[string]struct {
		head string
		want Encoding
		skip int
	}{
		"plain":                    {"姓名,码\n\xd0\xd5", UTF8, 0},
		"with a mark":              {"\uFEFF姓名\n", UTF8, 3},
		"GB18030":                  {gb, GB18030, 0},
		"empty":                    {"", UTF8, 0},
		"cut inside a character":   {"姓名"[:5], UTF8, 0},
		"GB18030 without line end": {gb[:4], GB18030, 0},
	} {
		e, skip, err := Detect([]byte(tc.head))
		if e != tc.want || skip != tc.skip || err != nil {
			t.Errorf("%s: %v %v %v", name, e, skip, err)
		}
	}
	for _, head := range []string{"\xff\xfe\x00", "\xfe\xff", "PK\x03\x04", "\xd0\xcf\x11\xe0"} {
		if _, _, err := Detect([]byte(head)); err == nil {
			t.Errorf("%q is taken", head)
		}
	}
}

// FuzzReader: whatever the bytes, reading ends, lines grow, no cell holds what
// a cell must not, and what is written as CSV is read as it was.
func FuzzReader(f *testing.F) {
	f.Add("名,码\n甲,1\n\"乙\",\"2\"\n")
	f.Add("码,名\r\n\"\"\"\",\"\n\n\"\n\"")
	f.Add("\"名\",码\n\"甲\"\"\n\"\"\",1\n,\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := NewReader(strings.NewReader(text), columns)
		if err != nil {
			return
		}
		last := 1
		for {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if rec.Line <= last {
				t.Fatalf("line %d after %d", rec.Line, last)
			}
			last = rec.Line
			if !rec.Readable() && rec.Faults == nil {
				t.Fatal("a row without cells and without a fault")
			}
			if name := rec.Cell("名"); rec.Faults == nil && (IsFormula(name) || strings.ContainsAny(name, "\x00\n\ufffd")) {
				t.Fatalf("%q came in", name)
			}
		}
		if lines := strings.Count(text, "\n") + 1; last > lines {
			t.Fatalf("line %d of %d", last, lines)
		}
	})
}
