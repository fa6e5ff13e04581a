package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "github.com/linli-project/linli/proto/gen/linli/dev/v1"
	_ "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	_ "github.com/linli-project/linli/proto/gen/linli/ops/v1"
	_ "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	_ "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	_ "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
	_ "github.com/linli-project/linli/proto/gen/linli/watch/v1"

	"github.com/linli-project/linli/cmd/golden"
)

// A canary is a value that stands nowhere but in the personal fields of
// requests. canaries remembers each with the field that it was put into.
type canaries struct{ of map[string]string }

// put answers a canary for a field; the same text in the same field has the same
// one, so that a call that is sent again is the same call.
func (c *canaries) put(field, text string) string {
	sum := sha256.Sum256([]byte(field + "\x00" + text))
	canary := fmt.Sprintf("kq%x", sum[:6])
	c.of[canary] = field
	return canary
}

// keep remembers a value that is looked for as it is, with the first field that
// had it.
func (c *canaries) keep(field, value string) {
	if _, known := c.of[value]; !known {
		c.of[value] = field
	}
}

// in answers the fields whose canaries stand in a text, but for some that may.
func (c *canaries) in(text []byte, may func(field string) bool) []string {
	found := map[string]bool{}
	for canary, field := range c.of {
		if !may(field) && bytes.Contains(text, []byte(canary)) {
			found[field] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// untagged leads the field of a canary that is not personal. It may stand where
// the field itself stands: in a row, and in the error that refuses it.
const untagged = "not personal: "

func nothing(string) bool { return false }

func notPersonal(field string) bool { return strings.HasPrefix(field, untagged) }

// personalOf is the sort of personal data that a field holds.
func personalOf(f protoreflect.FieldDescriptor) typev1.Personal {
	class, _ := proto.GetExtension(f.Options(), typev1.E_Personal).(typev1.Personal)
	return class
}

// eachMethod calls fn with every method of linli.
func eachMethod(fn func(protoreflect.MethodDescriptor)) {
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(string(f.Package()), "linli.") {
			for i := range f.Services().Len() {
				for j := range f.Services().Get(i).Methods().Len() {
					fn(f.Services().Get(i).Methods().Get(j))
				}
			}
		}
		return true
	})
}

// route is how REST reaches a method.
type route struct {
	verb, path string
	pattern    *regexp.Regexp
	method     protoreflect.MethodDescriptor
	body       bool
}

func routes() (out []route) {
	eachMethod(func(m protoreflect.MethodDescriptor) {
		rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
		if rule == nil {
			return
		}
		r := route{method: m, body: rule.GetBody() != ""}
		for verb, path := range map[string]string{"GET": rule.GetGet(), "POST": rule.GetPost(), "PUT": rule.GetPut(), "PATCH": rule.GetPatch(), "DELETE": rule.GetDelete()} {
			if path != "" {
				r.verb, r.path = verb, path
			}
		}
		inPath := regexp.MustCompile(`\\\{[^}]*\\\}`).ReplaceAllString(regexp.QuoteMeta(r.path), `[^/:]+`)
		r.pattern = regexp.MustCompile("^" + inPath + `(\?.*)?$`)
		out = append(out, r)
	})
	return out
}

// TestPersonalFields_StandInNoAddress: what is personal is said in bodies, since
// addresses stand in the logs of everything on the way.
func TestPersonalFields_StandInNoAddress(t *testing.T) {
	for _, r := range routes() {
		for i := range r.method.Input().Fields().Len() {
			f := r.method.Input().Fields().Get(i)
			inPath := strings.Contains(r.path, "{"+string(f.Name())+"}")
			if personalOf(f) != 0 && (inPath || !r.body) {
				t.Errorf("%s %s: %s stands in the address", r.verb, r.path, f.Name())
			}
		}
	}
}

// withCanaries puts canaries behind the personal texts of a script's bodies.
func withCanaries(t *testing.T, script string, all []route, c *canaries) string {
	t.Helper()
	calls := strings.Split("\n"+script, "\n== ")
	for i, call := range calls[1:] {
		head, body, ok := strings.Cut(call, "\n\n")
		lines := strings.Split(head, "\n")
		if !ok || len(lines) < 2 {
			continue
		}
		verb, path, _ := strings.Cut(lines[1], " ")
		if strings.Contains(head, "text/csv") {
			c.roster(t, body)
			continue
		}
		at := slices.IndexFunc(all, func(r route) bool { return r.verb == verb && r.pattern.MatchString(path) })
		if at < 0 || !strings.HasPrefix(strings.TrimSpace(body), "{") {
			continue
		}
		values := json.NewDecoder(strings.NewReader(body))
		values.UseNumber()
		var said map[string]any
		if err := values.Decode(&said); err != nil {
			continue // a call that is sent to be refused
		}
		c.inJSON(said, all[at].method.Input())
		text, err := json.Marshal(said)
		if err != nil {
			t.Fatal(err)
		}
		calls[i+1] = head + "\n\n" + string(text) + "\n"
	}
	return strings.TrimPrefix(strings.Join(calls, "\n== "), "\n")
}

// inJSON puts canaries into the personal fields of a message in JSON. Names and
// free texts get one behind them; what has a form of its own is kept as it is.
func (c *canaries) inJSON(said map[string]any, d protoreflect.MessageDescriptor) {
	if text, ok := said["text"].(string); ok && said["visibility"] == "VISIBILITY_STAFF_ONLY" {
		said["text"] = text + c.put(string(d.FullName())+" for staff", text)
	}
	for name, value := range said {
		f := d.Fields().ByJSONName(name)
		if f == nil {
			continue
		}
		switch v := value.(type) {
		case string:
			said[name] = c.inField(f, v)
		case map[string]any:
			if f.Message() != nil {
				c.inJSON(v, f.Message())
			}
		case []any:
			for i, e := range v {
				switch e := e.(type) {
				case string:
					v[i] = c.inField(f, e)
				case map[string]any:
					c.inJSON(e, f.Message())
				}
			}
		}
	}
}

func (c *canaries) inField(f protoreflect.FieldDescriptor, v string) string {
	switch personalOf(f) {
	case typev1.Personal_PERSONAL_TEXT, typev1.Personal_PERSONAL_REASON, typev1.Personal_PERSONAL_HARDSHIP, typev1.Personal_PERSONAL_CONTACT:
		if v == "" {
			return v
		}
		return v + c.put(string(f.FullName()), v)
	case typev1.Personal_PERSONAL_ID_NUMBER, typev1.Personal_PERSONAL_PHONE, typev1.Personal_PERSONAL_EMAIL, typev1.Personal_PERSONAL_NAME:
		if len(v) > 5 && !strings.Contains(v, "{") {
			c.keep(string(f.FullName()), v)
		}
	}
	return v
}

// rosterFields are the personal columns of a roster.
func rosterFields() map[string]string {
	return map[string]string{"姓名": memberName, "身份证号": "roster.id_number", "手机号": "roster.phone", "入党日期": "roster.joined_on", "门牌号": "roster.unit"}
}

// memberName is the one field that a store has in plain: the registry's list of
// members is a list of names.
const memberName = "roster.name"

func (c *canaries) roster(t *testing.T, body string) {
	t.Helper()
	in := csv.NewReader(strings.NewReader(strings.TrimSpace(body)))
	in.FieldsPerRecord = -1
	rows, err := in.ReadAll()
	if err != nil || len(rows) == 0 {
		return // a file that is sent to be refused
	}
	fields := rosterFields()
	for _, row := range rows[1:] {
		for i, value := range row {
			// Dates of joining are days that much else has too, and few digits are
			// in some number of any metrics.
			_, notNumber := strconv.Atoi(value)
			if field := fields[rows[0][min(i, len(rows[0])-1)]]; field != "" && len(value) > 5 && field != "roster.joined_on" && (notNumber != nil || len(value) >= 11) {
				c.keep(field, value)
			}
		}
	}
}

// search looks for canaries in every file below a folder, as it lies on disk.
func (c *canaries) search(t *testing.T, what, folder string) (files int) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		may := nothing
		if strings.HasSuffix(e.Name(), ".db") {
			may = func(field string) bool {
				return notPersonal(field) || e.Name() == "registry.db" && field == memberName
			}
		}
		if found := c.in(text, may); len(found) > 0 {
			t.Errorf("%s: %s holds %v in plain", what, strings.TrimPrefix(path, folder), found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// play plays the golden scripts, and then one of what they leave out, with
// canaries in every personal field.
func (s *server) play(t *testing.T, c *canaries) {
	t.Helper()
	player, all := golden.New(s.base, s.desk), routes()
	names, err := golden.Scripts()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		script, err := golden.Script(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := player.Play(t.Context(), withCanaries(t, script, all, c)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	more, err := os.ReadFile("testdata/canary.http")
	if err != nil {
		t.Fatal(err)
	}
	said, err := player.Play(t.Context(), withCanaries(t, string(more), all, c))
	if err != nil {
		t.Error(err)
	}
	for _, answer := range regexp.MustCompile(`(?m)^== .*\n.*\n[345][0-9][0-9] (?s:.*?)\n\n`).FindAllString(said, -1) {
		t.Errorf("a call with canaries was refused: %s", answer)
	}
	if len(c.of) < 30 {
		t.Errorf("the scripts had %d personal values", len(c.of))
	}
}

// TestCanary_IsNowhereInPlain plays everything that the golden scripts do with
// canaries in every personal field, then every method there is with nothing but
// canaries, and looks for them in logs, errors, metrics, the files of the stores
// and of the broker, and a backup that was taken apart.
func TestCanary_IsNowhereInPlain(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "var")
	s := serve(t, folder, "--clock", golden.Clock, "--log", "debug")
	c := &canaries{of: map[string]string{}}
	s.play(t, c)
	s.everyMethod(t, c)
	_, metrics := s.do(t, "GET", "/metrics", "", "", "")
	if found := c.in([]byte(metrics), nothing); len(found) > 0 {
		t.Errorf("metrics hold %v", found)
	}
	secret, public := keys(t)
	s.interrupt(t)
	if found := c.in(s.stderr.Bytes(), nothing); len(found) > 0 {
		t.Errorf("the log holds %v", found)
	}
	if n := c.search(t, "data", folder); n < 6 {
		t.Errorf("searched %d files", n)
	}
	backups, restored := t.TempDir(), filepath.Join(t.TempDir(), "var")
	command(t, "backup", "--data", folder, "--to", filepath.Join(backups, "b.linli"), "--recipients", public)
	c.search(t, "backup", backups)
	command(t, "restore", "--from", filepath.Join(backups, "b.linli"), "--identity", secret, "--master-key", filepath.Join(folder, "master.key"), "--data", restored)
	c.search(t, "restored backup", restored)
	// The search finds what is there: a name in the file that may have it.
	text, err := os.ReadFile(filepath.Join(folder, "registry.db"))
	if err != nil || !slices.Contains(c.in(text, nothing), memberName) {
		t.Errorf("the control: no member's name was found, %v", err)
	}
}
