package rights_test

import (
	"maps"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/linli-project/linli/cmd/rights"
)

// theirs are rows of other places that exist: a community of another district, a
// member who lives elsewhere, another's workplace, request and case.
func (w *world) theirs() map[string]string {
	out := map[string]string{"communities": "430102001001", "organizations": "430102001001", "due": "W00003", "missing": "W00003",
		"exclusions": "W00003", "completion": "W00003", "sessions": w.ids["sessions"],
		"pictures": w.ids["foreignPicture"], "documents": w.ids["foreignDocument"], "messages": w.ids["foreignMessage"]}
	for _, l := range w.forest.leaves {
		kind := map[string]string{"member": "members", "reportIn": "reportIns", "request": "requests", "case": "hardshipCases", "entry": "entries",
			"poll": "polls", "survey": "surveys", "export": "ledgerExports", "webhook": "webhooks", "note": "conductNotes", "card": "cards",
			"campaign": "campaigns", "cycle": "cycles", "call": "calls", "draft": "applications", "account": "accounts"}[l.kind]
		if kind != "" && (!l.public || kind != "requests") {
			out[kind] = l.id
		}
		if l.kind == "member" {
			out["grades"] = l.id
		}
	}
	return out
}

// TestForeignIDs_InEveryPath puts a row of another place into each parameter of
// each route in turn, the others being the caller's own, as each role that the
// route takes: nothing is answered and nothing is told apart from what does not
// exist.
func TestForeignIDs_InEveryPath(t *testing.T) {
	tried := 0
	for _, m := range rights.Methods() {
		served, err := shared.served(m)
		_, path := m.Route()
		if err != nil || !served || path == "" || m.Rule.GetOpen() || m.Rule.GetAnonymous() {
			continue
		}
		segments := strings.Split(path, "/")
		for i, s := range segments {
			field, isField := strings.CutPrefix(strings.SplitN(s, "}", 2)[0], "{")
			foreign := shared.theirs()[segments[max(0, i-1)]]
			if !isField || foreign == "" || public(m, field) {
				continue
			}
			for _, role := range rights.Roles() {
				if cell := m.Cell(role); cell != rights.Inside && cell != rights.Own {
					continue
				}
				tried++
				at := shared.set(m, role)
				ask := func(id string) answer {
					fields := maps.Clone(at.rows)
					fields[field] = id
					got, err := shared.make(as(role, stranger, at.inside), shared.newCall(m, fields))
					if err != nil {
						t.Fatal(err)
					}
					return got
				}
				got, missing := ask(foreign), ask(nowhere)
				if got.Status == 200 && got.alike(foreign) != missing.alike(nowhere) {
					t.Errorf("%s as %v takes %s of another place: %s", m.Name(), role, field, brief(got.Body))
				}
				if got.Status != 200 && got.Status != 403 && got.alike(foreign) != missing.alike(nowhere) {
					t.Errorf("%s as %v: of another place %s, of a missing one %s", m.Name(), role, got.alike(foreign), missing.alike(nowhere))
				}
			}
		}
	}
	if tried < 300 {
		t.Errorf("only %d paths were tried", tried)
	}
}

// public says whether everybody may know of what a parameter names.
func public(m rights.Method, field string) bool {
	f := m.Descriptor.Input().Fields().ByName(protoreflect.Name(field))
	return f == nil || f.Kind() != protoreflect.StringKind || strings.HasPrefix(string(m.Descriptor.Name()), "GetOrganization")
}
