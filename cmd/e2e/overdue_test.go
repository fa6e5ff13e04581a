package e2e_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

const ladder = "编码,名称,类别,上级编码,亮身份\n1,市,city,,是\n11,区,district,1,是\n111,街道,street,11,是\n1111,社区,community,111,是\n"

// office is an inbox and the token of who reads it.
type office struct{ id, token string }

func (s *server) told(t *testing.T, o office) (topics []string) {
	t.Helper()
	code, body := s.do(t, "GET", "/v1/organizations/"+o.id+"/messages?pageSize=200", o.token, "", "")
	var page struct{ Messages []struct{ Topic string } }
	if err := json.Unmarshal([]byte(body), &page); code != 200 || err != nil {
		t.Fatalf("inbox of %s: %d %s (%v)", o.id, code, body, err)
	}
	for _, m := range page.Messages {
		topics = append(topics, m.Topic)
	}
	slices.Reverse(topics) // the oldest first
	return topics
}

// TestServe_TheClockTellsTheOfficesAbove: of a request that nobody admits each
// office is told in its turn by nothing but the passing days, and a request that
// is passed on reaches the street's inbox. No policy was published: the limits
// are those of the documents, in the calendar that comes with linli.
func TestServe_TheClockTellsTheOfficesAbove(t *testing.T) {
	s := serve(t, filepath.Join(t.TempDir(), "var"), "--clock", "2013-05-01")
	admin := s.admin(t)
	if code, body := s.do(t, "POST", "/v1/organizations:import", admin, "text/csv", ladder); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	resident := s.as(t, "resident", "resident=/1/11/111/1111/")
	community := office{"1111", s.as(t, "staff", "committee_staff=/1/11/111/1111/")}
	street := office{"111", s.as(t, "street", "street_officer=/1/11/111/")}
	district := office{"11", s.as(t, "department", "district_officer=/1/11/")}
	must := func(method, path, token, contentType, body string) string {
		t.Helper()
		code, answer := s.do(t, method, path, token, contentType, body)
		if code != 200 {
			t.Fatalf("%s %s: %d %s", method, path, code, answer)
		}
		return answer
	}
	post := func() string {
		t.Helper()
		var r struct{ ID string }
		if err := json.Unmarshal([]byte(must("POST", "/v1/requests", resident, "application/json",
			`{"communityId":"1111","kind":"REQUEST_KIND_PROBLEM","visibility":"VISIBILITY_PUBLIC","text":"三单元楼道灯坏了"}`)), &r); err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	day := func(day string) {
		t.Helper()
		must("POST", "/v1/dev/clock:advance", admin, "application/json", fmt.Sprintf(`{"time":"%sT10:00:00+08:00"}`, day))
	}
	// The clocks are looked at once a second, whatever day it is.
	comes := func(o office, topic string) {
		t.Helper()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		var got []string
		for range 100 {
			if got = s.told(t, o); slices.Contains(got, topic) {
				return
			}
			<-tick.C
		}
		t.Errorf("office %s is told %q, and not %s", o.id, got, topic)
	}
	must("POST", "/v1/dev/events:drain", admin, "application/json", "{}")

	post() // and nobody admits it
	comes(community, "request.posted")
	day("2013-05-02")
	comes(community, "request.admit_near")
	day("2013-05-03")
	comes(community, "request.admit_overdue")
	day("2013-05-09")
	comes(street, "request.admit_overdue")
	day("2013-05-15")
	comes(district, "request.admit_overdue")

	passedOn := post()
	must("POST", "/v1/requests/"+passedOn+":admit", community.token, "application/json", "{}")
	must("POST", "/v1/requests/"+passedOn+":escalate", community.token, "application/json", `{"reason":"须街道协调物业"}`)
	comes(street, "request.escalated_here")
	day("2013-06-20")
	comes(street, "request.solve_overdue")
	s.interrupt(t)
}
