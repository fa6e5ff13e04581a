package house_test

import (
	"net/http"
	"regexp"
	"strings"
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

// TestSix_AnErasureEndsOnceAllHaveErased: announced while one process is away and
// the registry is started anew, it stays under way until that one is back.
func TestSix_AnErasureEndsOnceAllHaveErased(t *testing.T) {
	s := six(t)
	s.importOrganizations()
	resident := accesstest.Token("res_1", access.Grant{Role: typev1.Role_ROLE_RESIDENT, Path: "/1/11/111/1111/"})
	committee := accesstest.Token("per_1", access.Grant{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: "/1/11/111/1111/"})
	s.until("asked", http.StatusOK, func() answer { return s.call("POST", "/v1/me/erasure", resident, "{}") })
	list := func(state string) answer {
		return s.call("GET", "/v1/organizations/1111/claims?residents=true&state=CLAIM_STATE_"+state, committee, "")
	}
	id := regexp.MustCompile(`clm_[0-9a-f]+`).FindString(list("REQUESTED").body)
	s.want("accepted", s.call("POST", "/v1/claims/"+id+":accept", committee, "{}"), http.StatusOK, "CLAIM_STATE_ACCEPTED")
	s.until("days pass", http.StatusOK, func() answer {
		return s.call("POST", "/v1/dev/clock:advance", admin(), `{"time":"2013-03-01T10:00:00+08:00"}`)
	})
	s.stop(house.Evaluation)
	s.stop(house.Registry)
	s.start(house.Registry) // which looks for what is due
	is := func(state string, erasedIn ...string) func() answer {
		return func() answer {
			a := list(state)
			for _, text := range append(erasedIn, id) {
				if !strings.Contains(a.body, text) {
					a.code = 0 // not yet
				}
			}
			return a
		}
	}
	s.until("three have erased", http.StatusOK, is("ERASING", `"projects"`, `"registry"`, `"requests"`))
	s.start(house.Evaluation)
	s.until("all have", http.StatusOK, is("ERASED", `"evaluation"`))
}
