package rights

import (
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
)

const head = `# Who may call what

Printed by ` + "`linli access`" + ` from the access options of the protos (` + "`make fix-docs`" + `), and called cell by cell by the tests of ` + "`cmd/rights`" + `.

| cell | what the role opens |
|---|---|
| anybody | a call without a token is answered; what opens it stands in the request |
| yes | wherever the role is held |
| everywhere | the whole house, for who holds the role everywhere; held in a part of the tree it is refused |
| inside | what lies inside the organization in which the role is held, and rows that belong to the caller as a person |
| own | only rows that belong to the caller as a person |
| · | no |

Outside, and for what does not exist, the answer is the same. "Inside" of a row that belongs to several offices (the report-in of a member: home organization and community) is inside any of them; a row can be closed further by its state (an application before its window ends), which the documents of each service say.
`

// Print writes the page.
func Print(out io.Writer, methods []Method) {
	fmt.Fprint(out, head)
	fmt.Fprintln(out, "\nRoles:", legend())
	last := protoreflect.FullName("")
	for _, m := range methods {
		if service := m.Descriptor.Parent().FullName(); service != last {
			last = service
			heading(out, service)
		}
		cells := make([]string, 0, len(Roles()))
		for _, r := range Roles() {
			cells = append(cells, written(m.Cell(r)))
		}
		name := string(m.Descriptor.Name())
		if m.Rule.GetDevOnly() {
			name += " (with --dev)"
		}
		fmt.Fprintf(out, "| %s | %s |\n", name, strings.Join(cells, " | "))
	}
}

func heading(out io.Writer, service protoreflect.FullName) {
	fmt.Fprintf(out, "\n## %s\n\n| method |", service)
	for _, r := range Roles() {
		fmt.Fprintf(out, " %s |", short(r))
	}
	fmt.Fprintln(out, "\n|---|"+strings.Repeat("---|", len(Roles())))
}

func written(c Cell) string {
	if c == No {
		return "·"
	}
	return string(c)
}

func legend() string {
	var all []string
	for _, r := range Roles() {
		all = append(all, short(r)+" = "+access.RoleName(r))
	}
	return strings.Join(all, ", ") + "."
}

// short is a role as a narrow column is headed.
func short(r typev1.Role) string {
	name, known := map[typev1.Role]string{
		typev1.Role_ROLE_CITY_OFFICER: "city", typev1.Role_ROLE_DISTRICT_OFFICER: "district", typev1.Role_ROLE_STREET_OFFICER: "street",
		typev1.Role_ROLE_COMMITTEE_STAFF: "committee", typev1.Role_ROLE_COMMUNITY_PARTY_STAFF: "party",
		typev1.Role_ROLE_GROUP_SECRETARY: "group", typev1.Role_ROLE_WORKPLACE_OFFICER: "work", typev1.Role_ROLE_BRANCH_OFFICER: "branch",
		typev1.Role_ROLE_SYSTEM_ADMIN: "system", typev1.Role_ROLE_SECURITY_ADMIN: "security", typev1.Role_ROLE_AUDIT_ADMIN: "audit",
	}[r]
	if !known {
		return access.RoleName(r)
	}
	return name
}
