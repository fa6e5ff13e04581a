package e2e_test

import (
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const district = organizations + "111,街道,street,11,是\n1111,社区,community,111,是\n"

const callBody = `{"year":2013,"title":"重点项目","quota":1,"opensAt":"2013-01-02T00:00:00Z","closesAt":"2013-01-20T00:00:00Z",
	"aggregation":"AGGREGATION_DROP_HIGH_LOW","criteria":[{"key":"need","name":"必要性","max":20}],
	"reviewers":[{"person":"R1","organizationId":"11"}]}`

// idOf takes an id out of an answer.
func idOf(t *testing.T, prefix, body string) string {
	t.Helper()
	m := regexp.MustCompile(`"id": ?"(` + prefix + `_[^"]+)"`).FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no id in %s", body)
	}
	return m[1]
}

// TestSix_OneKilledGoesOn is the built command as six processes: each service
// takes a write, a page sees a change, the requests are killed with -9 and
// started again, and then the broker; nothing is lost, no other process is
// touched, and every folder is sound.
func TestSix_OneKilledGoesOn(t *testing.T) {
	s := startShape(t, six, filepath.Join(t.TempDir(), "six"), "--clock", "2013-01-01")
	admin := s.admin(t)
	must := func(what, method, path, who, body string) string {
		t.Helper()
		code, text := s.do(t, method, path, who, "application/json", body)
		if code != http.StatusOK {
			t.Fatalf("%s: %d %s", what, code, text)
		}
		return text
	}
	if code, body := s.do(t, "POST", "/v1/organizations:import", admin, "text/csv", district); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	staff := s.as(t, "xiong", "committee_staff=/1/11/111/1111/")
	resident := s.as(t, "li", "resident=/1/11/111/1111/")
	officer := s.as(t, "zhao", "district_officer=/1/11/")
	drain := func() { s.until(t, http.StatusOK, "POST", "/v1/dev/events:drain", admin, "application/json", "{}") }
	drain()
	lines := s.changes(t, staff)
	awaitLine(t, lines, "retry:")
	post := func(text string) string {
		return must("a request", "POST", "/v1/requests", resident,
			`{"communityId":"1111","kind":"REQUEST_KIND_PROBLEM","visibility":"VISIBILITY_PUBLIC","text":"`+text+`"}`)
	}
	request := idOf(t, "req", post("石板松了"))
	awaitLine(t, lines, request)
	call := must("a call", "POST", "/v1/organizations/11/calls", officer, callBody)
	cycle := must("a cycle", "POST", "/v1/organizations/11/cycles", officer, `{"year":2013}`)

	before := s.mustScript(t, "status", s.data)
	s.kill(t, "requests")
	if code, body := s.do(t, "GET", "/v1/requests/"+request, staff, "", ""); code != http.StatusServiceUnavailable || !strings.Contains(body, "UNAVAILABLE") {
		t.Errorf("killed: %d %s", code, body)
	}
	must("another service", "GET", "/v1/organizations/11", admin, "")
	s.restart(t, "requests")
	s.until(t, http.StatusOK, "GET", "/v1/requests/"+request, staff, "", "")

	s.kill(t, "broker")
	second := idOf(t, "req", post("路灯不亮"))
	s.restart(t, "broker")
	awaitLine(t, lines, "event: missed")
	drain()
	for what, path := range map[string]string{
		"the request": "/v1/requests/" + request, "that without a broker": "/v1/requests/" + second,
		"the call": "/v1/calls/" + idOf(t, "cal", call), "the cycle": "/v1/cycles/" + idOf(t, "cyc", cycle),
	} {
		must(what, "GET", path, map[bool]string{true: staff, false: officer}[strings.Contains(path, "requests")], "")
	}
	after := s.mustScript(t, "status", s.data)
	for _, role := range []string{"registry", "projects", "evaluation", "gateway"} {
		if pidIn(before, role) == "" || pidIn(before, role) != pidIn(after, role) {
			t.Errorf("%s was touched:\n%s%s", role, before, after)
		}
	}
	s.stop(t)
	if status, err := s.script(t.Context(), "status", s.data); err == nil || strings.Count(status, "away") != len(roles()) {
		t.Errorf("after stop: %v\n%s", err, status)
	}
	s.fsck(t)
}

// pidIn reads a role's process out of what status says.
func pidIn(status, role string) string {
	m := regexp.MustCompile(`(?m)^` + role + ` +pid (\d+) .* ok$`).FindStringSubmatch(status)
	if m == nil {
		return ""
	}
	return m[1]
}
