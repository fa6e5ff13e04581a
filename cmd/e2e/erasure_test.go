package e2e_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/cmd/golden"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation"
	"github.com/linli-project/linli/services/projects"
	"github.com/linli-project/linli/services/registry"
	"github.com/linli-project/linli/services/requests"
)

// claimed is a claim as REST says it.
type claimed struct {
	ID, State, Etag string
	Person          string
	ErasedIn        []string
}

// erasure is somebody who is erased in a test: who it is, who decides, where the
// claim is listed, and the canaries that the person's copy held.
type erasure struct {
	as, decider, list string
	claim             claimed
	held              map[string]bool
}

// asksToBeErased asks for the person's copy and then for the erasure, which is accepted.
func (s *server) asksToBeErased(t *testing.T, e *erasure, c *canaries) {
	t.Helper()
	code, body := s.do(t, "POST", "/v1/me/copy", e.as, "application/json", `{}`)
	var copied struct {
		Missing []string
		Parts   []struct{ Service string }
	}
	if err := json.Unmarshal([]byte(body), &copied); err != nil || code != 200 || len(copied.Missing) > 0 || len(copied.Parts) != 4 {
		t.Fatalf("the copy: %d, missing: %v, %v: %.300s", code, copied.Missing, err, body)
	}
	e.held = map[string]bool{}
	for canary := range c.of {
		if strings.Contains(body, canary) {
			e.held[canary] = true
		}
	}
	code, body = s.do(t, "POST", "/v1/me/erasure", e.as, "application/json", `{"why":"已搬离本市"}`)
	if err := json.Unmarshal([]byte(body), &e.claim); err != nil || code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	if code, body = s.do(t, "POST", "/v1/claims/"+e.claim.ID+":accept", e.decider, "application/json", fmt.Sprintf(`{"etag":%q}`, e.claim.Etag)); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
}

// writes has somebody write canaries where the golden year has none of theirs.
func (s *server) writes(t *testing.T, c *canaries, as string, calls ...[2]string) {
	t.Helper()
	for _, call := range calls {
		verb, path, _ := strings.Cut(call[0], " ")
		body := call[1]
		for i := 0; strings.Contains(body, "%c"); i++ {
			body = strings.Replace(body, "%c", c.put(call[0], fmt.Sprint("written ", i)), 1)
		}
		if code, said := s.do(t, verb, path, as, "application/json", body); code != 200 {
			t.Errorf("%s: %d %s", call[0], code, said)
		}
	}
}

// erased waits until the claim is carried out everywhere.
func (s *server) erased(t *testing.T, e *erasure) {
	t.Helper()
	for began := time.Now(); ; {
		s.do(t, "POST", "/v1/dev/events:drain", s.admin(t), "application/json", `{}`)
		_, body := s.do(t, "GET", e.list+"&state=CLAIM_STATE_ERASED", e.decider, "", "")
		var list struct{ Claims []claimed }
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if slices.ContainsFunc(list.Claims, func(c claimed) bool { return c.ID == e.claim.ID }) {
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("not erased: %s", body)
		}
	}
}

// folderOf is a data folder of a linli that has stopped: its stores with their
// services, which open what lies sealed.
type folderOf struct {
	stores   []*store.Store
	services []interface{ Tables() []table.Checker }
}

func openFolder(t *testing.T, folder string) folderOf {
	t.Helper()
	master, err := seal.LoadMaster(filepath.Join(folder, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	var f folderOf
	log := slog.New(slog.DiscardHandler)
	for _, name := range []string{"registry", "requests", "projects", "evaluation"} {
		engine, err := boltkv.Open(filepath.Join(folder, name+".db"), boltkv.Options{})
		if err != nil {
			t.Fatal(err)
		}
		st, err := store.Open(t.Context(), store.Config{
			Service: name, DB: kv.New(engine, kv.Options{}), Master: master, Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New, Log: log,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		})
		f.stores = append(f.stores, st)
		s, err := serviceOf(st, log)
		if err != nil {
			t.Fatal(err)
		}
		f.services = append(f.services, s)
	}
	return f
}

func serviceOf(st *store.Store, log *slog.Logger) (interface{ Tables() []table.Checker }, error) {
	switch st.Service() {
	case "registry":
		return registry.New(registry.Deps{Store: st, IDs: ids.New, Log: log})
	case "requests":
		return requests.New(requests.Deps{Store: st, IDs: ids.New, Log: log})
	case "projects":
		return projects.New(projects.Deps{Store: st, IDs: ids.New, Log: log})
	}
	return evaluation.New(evaluation.Deps{Store: st, IDs: ids.New, Log: log, Registry: registryv1.NewRegistryServiceClient(nil)})
}

// say calls fn with everything that the folder holds, with where it is: each row
// opened, and every key and value of the stores as they lie there, indexes,
// outbox, audit and marks among them.
func (f folderOf) say(t *testing.T, fn func(where, text string)) {
	t.Helper()
	for i, st := range f.stores {
		view := func(fn func(kv.Reader) error) error { return st.View(t.Context(), fn) }
		for _, tbl := range f.services[i].Tables() {
			each, ok := tbl.(interface {
				Each(view func(func(kv.Reader) error) error, fn func(string) error) error
			})
			if !ok {
				continue // marks: keyed hashes
			}
			where := st.Service() + "/" + tbl.Name()
			if err := each.Each(view, func(row string) error { fn(where, row); return nil }); err != nil {
				t.Fatalf("%s: %v", where, err)
			}
		}
		err := view(func(r kv.Reader) error {
			return store.Walk(r, kv.Range{From: key.New(0), To: nil}, func(it kv.Item) error {
				fn(st.Service()+" as it lies", string(it.Key)+"\x00"+string(it.Value))
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestErasure_LeavesNothingOfACanaryPerson plays the golden year with canaries in
// every personal field. A member and a resident then ask for their copies, which
// say which canaries are theirs, and are erased, with the process killed between
// acceptance and end. Afterwards none of these stands in any row of any service,
// opened, nor in a key, an index, an event or a file name; the log has none
// either; and the same search finds those of a person who stays.
func TestErasure_LeavesNothingOfACanaryPerson(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "var")
	s := serve(t, folder, "--clock", golden.Clock)
	c := &canaries{of: map[string]string{}}
	s.play(t, c)
	officer := s.as(t, "officer", "workplace_officer=/430100/430101/W00001/")
	_, list := s.do(t, "GET", "/v1/organizations/W00001/members", officer, "", "")
	members := regexp.MustCompile(`"(mem_[^"]+)"`).FindAllStringSubmatch(list, -1)
	if len(members) < 2 {
		t.Fatalf("members: %s", list)
	}
	const community = "/430100/430101/430101002/430101002001/"
	all := map[string]*erasure{
		"member": {
			as: s.as(t, members[0][1], "member=/430100/430101/W00001/"), decider: officer, list: "/v1/organizations/W00001/claims?residents=false",
		},
		"resident": {
			as: s.as(t, "li", "resident="+community), decider: s.as(t, "xiong", "committee_staff="+community),
			list: "/v1/organizations/430101002001/claims?residents=true",
		},
	}
	const post = `{"communityId":"430101002001","kind":"REQUEST_KIND_PROBLEM","visibility":"VISIBILITY_%s","text":"路灯坏了%%c","building":"15栋"}`
	s.writes(t, c, all["member"].as,
		[2]string{"POST /v1/me/contact", `{"email":"%c@example.org"}`},
		[2]string{"PUT /v1/me/availability", `{"availability":{"consent":true,"specialties":[{"name":"电工","qualification":"%c","qualifiedUntil":"2020-01-01"}]}}`},
		[2]string{"POST /v1/me/corrections", `{"fact":"MEMBER_FACT_UNIT","value":"%c","why":"门牌有误%c"}`},
	)
	s.writes(t, c, all["resident"].as,
		[2]string{"POST /v1/requests", fmt.Sprintf(post, "PUBLIC")},
		[2]string{"POST /v1/requests?", fmt.Sprintf(post, "STAFF_ONLY")},
	)
	for _, who := range slices.Sorted(maps.Keys(all)) {
		s.asksToBeErased(t, all[who], c)
		t.Logf("%d canaries are the %s's", len(all[who].held), who)
		if len(all[who].held) < 4 {
			t.Errorf("the copy of the %s holds %v", who, all[who].held)
		}
	}
	admin := s.admin(t)
	if code, body := s.do(t, "POST", "/v1/dev/clock:advance", admin, "application/json", `{"time":"2014-12-01T10:00:00+08:00"}`); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait() // killed
	s = serve(t, folder)
	for _, who := range slices.Sorted(maps.Keys(all)) {
		e := all[who]
		e.decider = map[string]string{
			"member": s.as(t, "officer", "workplace_officer=/430100/430101/W00001/"), "resident": s.as(t, "xiong", "committee_staff="+community),
		}[who]
		s.erased(t, e)
		if code, _ := s.do(t, "GET", "/v1/me", e.as, "", ""); code != 401 {
			t.Errorf("the %s's token is answered %d", who, code)
		}
	}
	s.interrupt(t)
	s.searchAfter(t, folder, all, c)
}

// searchAfter looks for what was erased, and for what was not.
func (s *server) searchAfter(t *testing.T, folder string, all map[string]*erasure, c *canaries) {
	t.Helper()
	gone, stays := map[string]string{}, map[string]bool{}
	for who, e := range all {
		for canary := range e.held {
			gone[canary] = who
		}
	}
	openFolder(t, folder).say(t, func(where, text string) {
		for canary := range c.of {
			switch who, ok := gone[canary]; {
			case !strings.Contains(text, canary):
			case ok:
				t.Errorf("%s holds a canary of the %s: %s (%s)", where, who, canary, c.of[canary])
			default:
				stays[canary] = true
			}
		}
	})
	if len(stays) < 5 {
		t.Errorf("the control: of those who stay %d canaries were found", len(stays))
	}
	for canary := range gone {
		if strings.Contains(s.stderr.String(), canary) {
			t.Errorf("the log holds %s", canary)
		}
	}
}
