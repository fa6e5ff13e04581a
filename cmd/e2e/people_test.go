package e2e_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/signin"
	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/scope"
)

// phones takes the codes that every linli of these tests sends.
var phones *signin.Phones

// people signs in those that a test acts for.
type people struct{ desk *signin.Desk }

// peopleOf answers the people of a folder, who lie beside it and so are the same
// after a restart. code is that of a first start.
func peopleOf(t *testing.T, folder, base, code string) people {
	t.Helper()
	desk, err := signin.NewDesk(signin.Config{
		Address: strings.TrimPrefix(base, "http://"), Code: code, Top: "430100", File: strings.TrimSuffix(folder, "/") + ".people.json", Phones: phones,
	})
	if err != nil {
		t.Fatal(err)
	}
	return people{desk}
}

// as answers a token of somebody with a role, "committee_staff=/1/11/111/1111/".
// Where the role is must be there already.
func (p people) as(t *testing.T, name, grant string) string {
	t.Helper()
	role, path, _ := strings.Cut(grant, "=")
	known, ok := access.RoleOf(role)
	if !ok {
		t.Fatalf("%s is no role", role)
	}
	token, err := p.desk.Token(t.Context(), signin.Person{Role: known, Name: name, Organization: scope.Path(path).ID()})
	if err != nil {
		t.Fatalf("sign in %s as %s: %v", name, grant, err)
	}
	return token
}

// at are the same people at another address: of a backup that was restored.
func (p people) at(base string) people {
	p.desk.At(strings.TrimPrefix(base, "http://"))
	return p
}

// admin answers a token of a system administrator.
func (p people) admin(t *testing.T) string { return p.as(t, "admin", "system_admin=/") }

// TestServe_TakesNoTokenThatACallerWrote: with --dev either. The registry signs, or
// nobody is let in.
func TestServe_TakesNoTokenThatACallerWrote(t *testing.T) {
	s := serve(t, filepath.Join(t.TempDir(), "var"))
	written := accesstest.Token("admin", access.Grant{Role: typev1.Role_ROLE_SYSTEM_ADMIN, Path: scope.Root})
	if code, body := s.do(t, "GET", "/v1/dev/clock", written, "", ""); code != http.StatusUnauthorized {
		t.Errorf("%d %s", code, body)
	}
	if code, body := s.do(t, "GET", "/v1/dev/clock", s.admin(t), "", ""); code != http.StatusOK {
		t.Errorf("an administrator who signed in: %d %s", code, body)
	}
	s.interrupt(t)
}
