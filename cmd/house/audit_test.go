package house_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/kv/key"
)

func auditor() string { return token(typev1.Role_ROLE_AUDIT_ADMIN, "per_audit", "/") }

// auditOf asks for lines of a service, the newest first.
func (s *shape) auditOf(service, query string) (lines []map[string]any) {
	s.t.Helper()
	a := s.call("GET", "/v1/audit/"+service+"/lines?"+query, auditor(), "")
	s.want("lines of "+service, a, http.StatusOK)
	var page struct{ Lines []map[string]any }
	if err := json.Unmarshal([]byte(a.body), &page); err != nil {
		s.t.Fatal(err)
	}
	return page.Lines
}

// TestAudit_OverTheGateway: what was done and what was refused is there within
// seconds, each service answers for itself, and the next one keeps its heads.
func TestAudit_OverTheGateway(t *testing.T) {
	for name, start := range map[string]func(*testing.T) *shape{
		"six": six,
		"whole": func(t *testing.T) *shape {
			s := newShape(t, house.Whole)
			s.start(house.Whole)
			return s
		},
	} {
		t.Run(name, func(t *testing.T) { auditOverTheGateway(t, start(t)) })
	}
}

func auditOverTheGateway(t *testing.T, s *shape) {
	s.importOrganizations()
	s.until("a stranger", http.StatusUnauthorized, func() answer { return s.call("GET", "/v1/requests/req_0123456789abcdef0123456789abcdef", "", "") })
	s.want("the wrong role", s.call("GET", "/v1/audit/requests/lines", admin(), ""), http.StatusForbidden)
	s.want("no such service", s.call("GET", "/v1/audit/nothing/lines", auditor(), ""), http.StatusNotFound)
	heads := func(service string) (h struct {
		Size      string
		Witnessed []struct{ Service, Note string }
	}) {
		t.Helper()
		a := s.until("a head of "+service, http.StatusOK, func() answer { return s.call("GET", "/v1/audit/"+service+"/head", auditor(), "") })
		if err := json.Unmarshal([]byte(a.body), &h); err != nil {
			t.Fatal(err)
		}
		return h
	}
	// Each look is a line, and so the cause of another head.
	for _, service := range house.Services() {
		if heads(service).Size == "" {
			t.Errorf("%s has no size", service)
		}
	}
	seen := s.until("the registry's head in its witness", http.StatusOK, func() answer {
		if h := heads("requests"); len(h.Witnessed) == 0 {
			return answer{code: http.StatusAccepted}
		} else if h.Witnessed[0].Service != "registry" || !strings.HasPrefix(h.Witnessed[0].Note, "linli audit of registry\n") {
			t.Errorf("witnessed %v", h.Witnessed)
		}
		return answer{code: http.StatusOK}
	})
	if seen.code != http.StatusOK {
		t.Fatal("nobody keeps the head of the registry")
	}
	imports := s.auditOf("registry", "method=ImportOrganizations&person=admin")
	if len(imports) == 0 || imports[0]["outcome"] != "done" || imports[0]["afterDigest"] == nil {
		t.Errorf("the import: %v", imports)
	}
	// Each by what tells it apart: the looks before there was a head were refused too.
	for reason, filter := range map[string]string{"UNAUTHENTICATED": "method=GetRequest", "ROLE_NOT_ALLOWED": "person=admin"} {
		refused := s.auditOf("requests", "outcome=refused&"+filter)
		if len(refused) == 0 || refused[0]["refusal"] != reason {
			t.Errorf("%s: %v", reason, refused)
		}
	}
	if looks := s.auditOf("registry", "outcome=read&person=per_audit"); len(looks) == 0 {
		t.Error("who read the audit is not in it")
	}
}

// TestVerifyAudit_OfAFolder: a stopped house verifies; with one line changed in
// a file neither linli audit verify nor fsck takes it.
func TestVerifyAudit_OfAFolder(t *testing.T) {
	s := newShape(t, house.Whole)
	s.start(house.Whole)
	s.importOrganizations()
	s.until("a head", http.StatusOK, func() answer { return s.call("GET", "/v1/audit/registry/head", auditor(), "") })
	s.stop(house.Whole)
	c := s.config[house.Whole]
	reports, err := house.VerifyAudit(t.Context(), c)
	if err != nil || len(reports) != 4 || reports[0].Size == 0 || reports[0].Head == "" {
		t.Fatalf("%+v, %v", reports, err)
	}
	for _, r := range reports {
		if len(r.Problems) > 0 {
			t.Errorf("whole: %q", r.Problems)
		}
	}
	lose(t, filepath.Join(c.Data, "registry.db"), key.New(14).Uint(0))
	if reports, err = house.VerifyAudit(t.Context(), c); err != nil || len(reports[0].Problems) == 0 {
		t.Errorf("with a line less: %+v, %v", reports, err)
	}
	checked, err := house.Check(t.Context(), c)
	if err != nil || len(checked[0].Report.Problems) == 0 {
		t.Errorf("fsck with a line less: %+v, %v", checked, err)
	}
	gone := filepath.Join(c.Data, "requests.db")
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	if _, err := house.VerifyAudit(t.Context(), c); err == nil || !strings.Contains(err.Error(), "requests.db is missing") {
		t.Errorf("without a file: %v", err)
	}
	if _, err := os.Stat(gone); !os.IsNotExist(err) {
		t.Errorf("a look made a file: %v", err)
	}
}

// lose takes a row out of a service's file.
func lose(t *testing.T, path string, k []byte) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			if b.Get(k) == nil {
				return nil
			}
			return b.Delete(k)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStart_RefusesToKeepTheAuditTooShort(t *testing.T) {
	s := newShape(t, house.Whole)
	c := s.config[house.Whole]
	c.AuditDays = 30
	if h, err := house.Start(t.Context(), c); err == nil {
		t.Error("it keeps the audit for 30 days")
		_ = h.Close(t.Context())
	}
}
