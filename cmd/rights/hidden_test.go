package rights_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/rights"
	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/scope"
)

// marks are what must not be read outside the office of an organization that is
// not displayed: its code, its branch's, its name, and the name of its member.
func marks() []string { return []string{"W00002", "B00002", "不亮身份", "孙不见"} }

// outsiders have business with the community in which a member of that
// organization lives, but none with the organization.
func (w *world) outsiders() map[string]string {
	out := map[string]string{"a stranger": accesstest.Token("stranger")}
	for _, role := range rights.Roles() {
		inside, _ := natural(role)
		if inside != scope.Root && !inside.Related(hidden) {
			out[access.RoleName(role)] = as(role, "somebody", inside)
		}
	}
	out["member"] = as(typev1.Role_ROLE_MEMBER, w.ids["m1"], workplace)
	out["party staff of another"] = as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "somebody", nextDoor)
	return out
}

// readable are the calls whose answers could tell, of every row: of those that
// change something too, since they answer the row that they changed.
func (w *world) readable() (out []call) {
	variants := []map[string]string{
		nil,
		{"id": w.ids["hiddenLetter"], "letter_id": w.ids["hiddenLetter"], "member_id": w.ids["m4"], "organization_id": "430101", "root_id": "430101"},
		{"id": w.ids["reportIn4"], "organization_id": "W00002", "home_organization_id": "W00002", "root_id": "B00002"},
		{"id": w.ids["m4"], "honor_id": w.ids["hiddenHonor"], "organization_id": "430101002", "ids": "B00002", "root_id": "430100"},
		{"id": w.ids["hiddenEntry2013-01-02"], "notice": "true", "state": "0", "root_id": ""},
	}
	for _, m := range rights.Methods() {
		if served, err := w.served(m); err != nil || !served {
			continue
		}
		for _, v := range variants {
			out = append(out, w.newCall(m, v))
		}
	}
	return out
}

// TestNotDisplayed_IsReadNowhereOutsideItsOffice crawls everything that can be
// read, as everybody who stands outside, and looks for the organization and its
// member in every answer.
func TestNotDisplayed_IsReadNowhereOutsideItsOffice(t *testing.T) {
	read := 0
	for _, c := range shared.readable() {
		asked, err := json.Marshal(c.fields)
		if err != nil {
			t.Fatal(err)
		}
		for who, token := range shared.outsiders() {
			got, err := shared.make(token, c)
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != 200 {
				continue // a refusal can only repeat what was asked
			}
			read++
			for _, mark := range marks() {
				if who == "community_party_staff" && mark == marks()[3] {
					continue // accepted the report-in, and is not told where from
				}
				if strings.Contains(unpacked(got.Body), mark) {
					t.Errorf("%s by %s (%s) tells %s: %s", c.method.Name(), who, asked, mark, around(got.Body, mark))
				}
			}
		}
	}
	if read < 1000 {
		t.Errorf("only %d answers were read", read)
	}
}

func around(text, mark string) string {
	i := strings.Index(text, mark)
	if i < 0 {
		return "in a file"
	}
	return text[max(0, i-150):min(len(text), i+60)]
}

// unpacked is an answer with the files in it, as text.
func unpacked(body string) string {
	for _, part := range strings.Split(body, `"`) {
		if plain, err := base64.StdEncoding.DecodeString(part); err == nil && len(part) > 40 {
			body += string(plain)
		}
	}
	return body
}

// TestNotDisplayed_IsKnownInItsOffice is the other side: the crawl would find
// what it looks for.
func TestNotDisplayed_IsKnownInItsOffice(t *testing.T) {
	told := map[string]bool{}
	for _, token := range []string{
		as(typev1.Role_ROLE_WORKPLACE_OFFICER, "secret", hidden), as(typev1.Role_ROLE_DISTRICT_OFFICER, "zhao", district),
	} {
		for _, c := range shared.readable() {
			got, err := shared.make(token, c)
			if err != nil {
				t.Fatal(err)
			}
			for _, mark := range marks() {
				told[mark] = told[mark] || got.Status == 200 && strings.Contains(unpacked(got.Body), mark)
			}
		}
	}
	for _, mark := range marks() {
		if !told[mark] {
			t.Errorf("nobody of the office is told %s", mark)
		}
	}
}

// TestNotDisplayed_PublicPagesAreNotThere: what everybody may read of a community
// nobody outside may read of one that is not displayed, or that stands below one
// that is not; the answer is the one for a community that does not exist.
func TestNotDisplayed_PublicPagesAreNotThere(t *testing.T) {
	tried := 0
	for _, m := range rights.Methods() {
		field := ""
		for _, f := range []string{"community_id", "organization_id"} {
			if m.Rule.GetScope() == typev1.ScopeKind_SCOPE_KIND_NONE && m.Descriptor.Input().Fields().ByName(protoreflect.Name(f)) != nil {
				field = f
			}
		}
		if served, err := shared.served(m); err != nil || !served || field == "" || m.Rule.GetDevOnly() {
			continue
		}
		for _, id := range []string{"430101003002", "430101004001"} {
			tried++
			token := as(typev1.Role_ROLE_RESIDENT, "li", here)
			got, err := shared.make(token, shared.newCall(m, map[string]string{field: id}))
			if err != nil {
				t.Fatal(err)
			}
			missing, err := shared.make(token, shared.newCall(m, map[string]string{field: nowhere}))
			if err != nil || got.alike(id) != missing.alike(nowhere) {
				t.Errorf("%s of %s: %v, %s; of a missing one %s", m.Name(), id, err, got.alike(id), missing.alike(nowhere))
			}
		}
	}
	if tried < 10 {
		t.Errorf("only %d pages were asked for", tried)
	}
}
