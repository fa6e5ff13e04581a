package house_test

import (
	"net/http"
	"testing"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
)

// TestSix_ACopySaysWhichPartIsAway: the registry asks the other processes under the
// person's own token; with one of them stopped the copy names it and is not
// complete.
func TestSix_ACopySaysWhichPartIsAway(t *testing.T) {
	s := six(t)
	s.importOrganizations()
	token := accesstest.Token("mem_1", access.Grant{Role: typev1.Role_ROLE_MEMBER, Path: "/1/11/111/1111/"})
	ask := func() answer { return s.call("POST", "/v1/me/copy", token, "{}") }
	s.want("all there", s.until("a copy", http.StatusOK, ask), http.StatusOK, `"service":"evaluation"`)
	s.stop(house.Projects)
	s.want("one away", ask(), http.StatusOK, `"missing":["projects"]`, `"service":"projects","missing":true`)
}
