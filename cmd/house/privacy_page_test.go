package house

import (
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// personalStored answers every field that a service stores of persons, by table:
// what its proto says is personal, names too, and every sealed value.
func personalStored(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, s := range newTestStores(t, slog.New(slog.DiscardHandler)) {
		for _, tbl := range s.Tables() {
			d, ok := tbl.(sealer)
			if !ok {
				continue
			}
			row, slots := d.Filled(fillRow)
			for _, slot := range slots {
				*slot.Value = []byte("found")
			}
			at := s.Name() + "/" + d.Name() + "."
			for name, value := range bytesOf(row.ProtoReflect()) {
				if string(value) == "found" {
					out[at+name[strings.LastIndexByte(name, '.')+1:]] = true
				}
			}
			eachPersonal(row.ProtoReflect().Descriptor(), nil, func(f protoreflect.FieldDescriptor) {
				out[at+string(f.Name())] = true
			})
		}
	}
	return out
}

// eachPersonal calls fn with the personal fields of a message and of those in it.
func eachPersonal(d protoreflect.MessageDescriptor, above []protoreflect.FullName, fn func(protoreflect.FieldDescriptor)) {
	if slices.Contains(above, d.FullName()) {
		return
	}
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		if class, _ := proto.GetExtension(f.Options(), typev1.E_Personal).(typev1.Personal); class != 0 {
			fn(f)
		}
		if f.Kind() == protoreflect.MessageKind {
			eachPersonal(f.Message(), append(above, d.FullName()), fn)
		}
	}
}

// TestPrivacyPage_HasEveryPersonalField: docs/privacy.md says of each field that is
// stored of persons why, on which ground, for whom and how long. A new field fails
// here until the page has its line, and so does a line of a field that is gone.
func TestPrivacyPage_HasEveryPersonalField(t *testing.T) {
	page, err := os.ReadFile("../../docs/privacy.md")
	if err != nil {
		t.Fatal(err)
	}
	said, rest := map[string]bool{}, personalStored(t)
	field := regexp.MustCompile("`([a-z]+/[a-z_]+)\\.([a-z_, ]+)`")
	for line := range strings.SplitSeq(string(page), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		for _, m := range field.FindAllStringSubmatch(cells[0], -1) {
			if len(cells) != 5 || slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) == "" }) {
				t.Errorf("the line of %s says %d things of 5: field, purpose, ground, who sees it, how long", m[0], len(cells))
			}
			for name := range strings.SplitSeq(m[2], ", ") {
				said[m[1]+"."+name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		if !said[name] {
			t.Errorf("docs/privacy.md says nothing of %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(said)) {
		if !rest[name] {
			t.Errorf("docs/privacy.md has a line of %s, which is not stored or not personal", name)
		}
	}
	if len(rest) < 60 {
		t.Errorf("%d personal fields", len(rest))
	}
}

// TestPrivacyPage_SaysWhatAnErasureKeeps in the words of the code.
func TestPrivacyPage_SaysWhatAnErasureKeeps(t *testing.T) {
	page, err := os.ReadFile("../../docs/privacy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range newTestStores(t, slog.New(slog.DiscardHandler)) {
		for _, h := range s.Holdings() {
			line := "| `" + s.Name() + "/" + h.Table() + "` | " + h.Keeps() + " |"
			if h.Keeps() != "" && !strings.Contains(string(page), line) {
				t.Errorf("docs/privacy.md lacks: %s", line)
			}
		}
	}
}
