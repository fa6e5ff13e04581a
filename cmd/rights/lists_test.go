package rights_test

import (
	"slices"
	"strings"
	"testing"

	bufvalidate "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/reflect/protoreflect"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/rights"
)

// paged are the methods that answer pages.
func paged() (out []rights.Method) {
	for _, m := range rights.Methods() {
		if served, err := shared.served(m); err == nil && served && m.Descriptor.Input().Fields().ByName("page_token") != nil {
			out = append(out, m)
		}
	}
	return out
}

// reader is somebody whom a method lets in: the first role that it takes, where
// the row is, as the person to whom it belongs.
func (w *world) reader(m rights.Method) (role typev1.Role, at setting, person string) {
	for _, role := range rights.Roles() {
		if cell := m.Cell(role); cell != rights.No {
			at := w.set(m, role)
			person := w.owner(w.newCall(m, at.rows))
			if cell == rights.Inside {
				person = "somebody"
			}
			return role, at, person
		}
	}
	return 0, setting{}, ""
}

// page asks for a page of one as a reader.
func (w *world) page(token string, m rights.Method, at setting, pageToken string) (answer, error) {
	fields := map[string]string{"page_size": "1"}
	for name, v := range at.rows {
		fields[name] = v
	}
	if pageToken != "" {
		fields["page_token"] = pageToken
	}
	return w.make(token, w.newCall(m, fields))
}

// TestPageTokens_OfSomebodyElseAreRefused asks every list for its first page and
// then for the next one: as another person with the same role, with the token of
// another list, and with a token that was changed.
func TestPageTokens_OfSomebodyElseAreRefused(t *testing.T) {
	all := paged()
	if len(all) < 40 {
		t.Fatalf("only %d lists", len(all))
	}
	tokens := map[string]string{}
	for _, m := range all {
		role, at, person := shared.reader(m)
		first, err := shared.page(as(role, person, at.inside), m, at, "")
		if err != nil || first.Status != 200 {
			t.Errorf("%s: %v, %s %s", m.Name(), err, first, brief(first.Body))
			continue
		}
		if next, err := pick([]byte(first.Body), "nextPageToken"); err == nil && next != "" {
			tokens[m.Name()] = next
		}
	}
	if len(tokens) < 5 {
		t.Errorf("only %d lists go on: %v", len(tokens), tokens)
	}
	for _, m := range all {
		role, at, person := shared.reader(m)
		for of, token := range tokens {
			got, err := shared.page(as(role, person, at.inside), m, at, token)
			if err != nil {
				t.Fatal(err)
			}
			switch own := of == m.Name(); {
			case own && got.Status != 200:
				t.Errorf("%s: the own token: %s", of, got)
			case !own && got.Reason != "BAD_PAGE_TOKEN":
				t.Errorf("%s takes a token of %s: %s", m.Name(), of, got)
			}
		}
		if token := tokens[m.Name()]; token != "" {
			got, err := shared.page(as(role, "somebody-else", at.inside), m, at, token)
			if err != nil || got.Status == 200 {
				t.Errorf("%s takes the token of another person: %v, %s", m.Name(), err, got)
			}
			got, err = shared.page(as(role, person, at.inside), m, at, token[:len(token)-2]+"AA")
			if err != nil || got.Reason != "BAD_PAGE_TOKEN" {
				t.Errorf("%s takes a changed token: %v, %s", m.Name(), err, got)
			}
		}
	}
}

// No method has a mask of fields: an update says the whole of what it changes,
// so no mask can name what is not the caller's to set. One that is added here
// needs a test of its own.
func TestUpdateMasks_ThereAreNone(t *testing.T) {
	for _, m := range rights.Methods() {
		fields := m.Descriptor.Input().Fields()
		for i := range fields.Len() {
			if msg := fields.Get(i).Message(); msg != nil && msg.FullName() == "google.protobuf.FieldMask" {
				t.Errorf("%s has a mask", m.Name())
			}
		}
	}
}

// TestMassAssignment_NothingUndeclaredIsTaken adds to the body of every route
// what a row has and a request has not: who, where, and in what state.
func TestMassAssignment_NothingUndeclaredIsTaken(t *testing.T) {
	planted := map[string]string{
		"role": `"ROLE_DISTRICT_OFFICER"`, "roles": `["ROLE_DISTRICT_OFFICER"]`, "grants": `[{"role":"ROLE_DISTRICT_OFFICER","organizationId":"430101"}]`,
		"organizationPath": `"/430100/430101/"`, "communityPath": `"/430100/430101/"`, "homePath": `"/"`, "organizationId": `"430101"`,
		"person": `"zhao"`, "author": `"zhao"`, "decidedBy": `"zhao"`, "state": `1`, "scope": `"/"`, "revision": `"9"`,
	}
	tried := 0
	for _, m := range rights.Methods() {
		if served, err := shared.served(m); err != nil || !served || m.HTTP.GetBody() != "*" {
			continue
		}
		role, at, person := shared.reader(m)
		if m.Cell(role) == rights.Anybody {
			role = typev1.Role_ROLE_RESIDENT
		}
		method, path, body := shared.newCall(m, at.rows).http()
		for name, value := range planted {
			if slices.ContainsFunc(names(m.Descriptor.Input()), func(n string) bool { return n == name }) {
				continue
			}
			tried++
			with := `{"` + name + `":` + value + `,` + body[1:]
			if body == "{}" {
				with = `{"` + name + `":` + value + `}`
			}
			got, err := shared.send(as(role, person, at.inside), method, path, "application/json", with)
			if m.Name() == "SessionService/Refresh" && got.Reason == "SESSION_ENDED" {
				continue // the gateway reads the cookie, and nothing of the body
			}
			if err != nil || got.Status != 400 {
				t.Errorf("%s takes %q: %v, %s", m.Name(), name, err, got)
			}
		}
	}
	if tried < 1500 {
		t.Errorf("only %d fields were tried", tried)
	}
}

// TestMassAssignment_WhatLinliSetsIsNotTaken says what a message has and only
// linli sets, an account's path of a role for one: each such field of each
// request, however deep, is refused by its name. An etag says what was read, and
// gives nobody anything.
func TestMassAssignment_WhatLinliSetsIsNotTaken(t *testing.T) {
	tried := 0
	for _, m := range rights.Methods() {
		if m.HTTP.GetBody() == "" {
			continue
		}
		role, at, person := shared.reader(m)
		c := shared.newCall(m, at.rows)
		setOutputs(c.msg, func(field string) {
			tried++
			got, err := shared.make(as(role, person, at.inside), c)
			if err != nil || got.Reason != "INVALID_FIELD" || !strings.Contains(got.Body, "."+field+`"`) {
				t.Errorf("%s takes %s: %v, %s: %s", m.Name(), field, err, got, brief(got.Body))
			}
		})
	}
	if tried < 8 {
		t.Errorf("only %d fields were tried", tried)
	}
}

// setOutputs sets each field that only linli sets, of a message and of those in
// it, tells its name and clears it again.
func setOutputs(m protoreflect.Message, told func(field string)) {
	for i := range m.Descriptor().Fields().Len() {
		switch f := m.Descriptor().Fields().Get(i); {
		case f.Name() == "etag":
		case has(f, annotations.FieldBehavior_OUTPUT_ONLY):
			seven := &bufvalidate.FieldRules{Type: &bufvalidate.FieldRules_Int64{Int64: &bufvalidate.Int64Rules{GreaterThan: &bufvalidate.Int64Rules_Gte{Gte: 7}}}}
			v := one(f, seven, 0, "true", nil)
			if f.IsList() {
				list := m.NewField(f)
				list.List().Append(v)
				v = list
			}
			m.Set(f, v)
			told(f.JSONName())
			m.Clear(f)
		case f.Message() == nil || f.IsMap() || !m.Has(f):
		case f.IsList():
			for n := range m.Get(f).List().Len() {
				setOutputs(m.Get(f).List().Get(n).Message(), told)
			}
		default:
			setOutputs(m.Get(f).Message(), told)
		}
	}
}

func names(m protoreflect.MessageDescriptor) (out []string) {
	for i := range m.Fields().Len() {
		out = append(out, m.Fields().Get(i).JSONName())
	}
	return out
}
