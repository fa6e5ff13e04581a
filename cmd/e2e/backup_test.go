package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// command runs linli and answers what it printed; it must succeed.
func command(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("linli %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

// keys makes the pair of keys of a backup: the files of both.
func keys(t *testing.T) (secret, public string) {
	t.Helper()
	secret, public = filepath.Join(t.TempDir(), "secret.key"), filepath.Join(t.TempDir(), "public.keys")
	if err := os.WriteFile(public, []byte(command(t, "backup", "key", "--to", secret)), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret, public
}

// poster posts requests from several people at once and keeps what was
// acknowledged.
type poster struct {
	base  string
	token string
	stop  chan struct{}
	all   sync.WaitGroup

	mu           sync.Mutex
	changed      *sync.Cond
	acknowledged []string
	refused      []string
}

func startPosting(s *server, token string, people int) *poster {
	p := &poster{base: s.base, token: token, stop: make(chan struct{})}
	p.changed = sync.NewCond(&p.mu)
	for who := range people {
		p.all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-p.stop:
					return
				default:
					p.post(fmt.Sprintf("%d-%d", who, n))
				}
			}
		})
	}
	return p
}

func (p *poster) post(name string) {
	id, err := p.try(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.refused = append(p.refused, err.Error())
	} else {
		p.acknowledged = append(p.acknowledged, id)
	}
	p.changed.Broadcast()
}

func (p *poster) try(name string) (id string, err error) {
	body := fmt.Sprintf(`{"communityId":"1111","kind":"REQUEST_KIND_PROBLEM","visibility":"VISIBILITY_PUBLIC","text":"三单元楼道灯坏了 %s"}`, name)
	req, err := http.NewRequest("POST", p.base+"/v1/requests", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = reply.Body.Close() }()
	var r struct{ ID string }
	if err := json.NewDecoder(reply.Body).Decode(&r); err != nil {
		return "", err
	}
	if reply.StatusCode != 200 {
		return "", errors.New(reply.Status)
	}
	return r.ID, nil
}

// more returns when so many more were acknowledged, and answers all of them.
func (p *poster) more(t *testing.T, n int) []string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for n += len(p.acknowledged); len(p.acknowledged) < n; p.changed.Wait() {
		if len(p.refused) > 0 {
			t.Fatalf("refused: %q", p.refused)
		}
	}
	return p.acknowledged[:len(p.acknowledged):len(p.acknowledged)]
}

// end stops and answers what was refused.
func (p *poster) end() []string {
	close(p.stop)
	p.all.Wait()
	return p.refused
}

// roots are the audit roots that a command printed, by service or in order.
func roots(text string) []string { return regexp.MustCompile(`[0-9a-f]{64}`).FindAllString(text, -1) }

// masterKey copies the key of a development folder to where it survives.
func masterKey(t *testing.T, folder string) string {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(folder, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(path, key, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBackup_RestoresOnAnEmptyMachine: a backup is taken while people post; the
// server is killed and its folder is gone. What was acknowledged before the
// backup is there after the restore, fsck finds nothing, the audit has the root
// of the backup, every event has its effect once although the broker is empty,
// and work goes on.
func TestBackup_RestoresOnAnEmptyMachine(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "var")
	s := serve(t, folder, "--clock", "2013-05-01")
	admin := s.admin(t)
	if code, body := s.do(t, "POST", "/v1/organizations:import", admin, "text/csv", ladder); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	resident := s.as(t, "resident", "resident=/1/11/111/1111/")
	community := office{"1111", s.as(t, "staff", "committee_staff=/1/11/111/1111/")}
	s.do(t, "POST", "/v1/dev/events:drain", admin, "application/json", "{}")
	if code, body := s.do(t, "POST", "/v1/dev/clock:advance", admin, "application/json", `{"time":"2013-05-02T10:00:00+08:00"}`); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	secret, public := keys(t)
	p := startPosting(s, resident, 4)
	before := p.more(t, 40)
	file := filepath.Join(t.TempDir(), "backup.linli")
	t.Setenv("LINLI_TOKEN", admin)
	printed := command(t, "backup", "--grpc", s.grpc, "--to", file, "--recipients", public)
	p.more(t, 10)
	if refused := p.end(); len(refused) > 0 {
		t.Errorf("writes failed during the backup: %q", refused)
	}
	master := masterKey(t, folder)
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait()
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}

	restored := command(t, "restore", "--from", file, "--identity", secret, "--master-key", master, "--data", folder)
	if !strings.Contains(restored, "every row checked") || fmt.Sprint(roots(restored)) != fmt.Sprint(roots(printed)) || len(roots(printed)) != 4 {
		t.Errorf("taken:\n%srestored:\n%s", printed, restored)
	}
	t.Setenv("LINLI_MASTER_KEY_FILE", master)
	if checked := command(t, "fsck", "--data", folder); !strings.Contains(checked, "nothing wrong") || fmt.Sprint(roots(checked)) != fmt.Sprint(roots(printed)) {
		t.Errorf("fsck:\n%s", checked)
	}
	again := serve(t, folder)
	if code, body := again.do(t, "GET", "/v1/dev/clock", admin, "", ""); code != 200 || !strings.Contains(body, "2013-05-02T02:00:00Z") {
		t.Errorf("the folder's clock: %d %s", code, body)
	}
	again.do(t, "POST", "/v1/dev/events:drain", admin, "application/json", "{}")
	there := again.posted(t, community)
	for _, id := range before {
		if !there[id] {
			t.Errorf("request %s was acknowledged before the backup and is gone", id)
		}
	}
	// One message for each request that is there: its event had its effect
	// once, whether it had one before the backup or not.
	if told := again.messages(t, community); told != len(there) {
		t.Errorf("%d messages of %d requests", told, len(there))
	}
	p = startPosting(again, resident, 1)
	p.more(t, 1)
	p.end()
	again.do(t, "POST", "/v1/dev/events:drain", admin, "application/json", "{}")
	if told, there := again.messages(t, community), again.posted(t, community); told != len(there) {
		t.Errorf("afterwards %d messages of %d requests", told, len(there))
	}
	again.interrupt(t)
	if !strings.Contains(again.stderr.String(), "what is kept is sent again") {
		t.Errorf("the streams were not filled again:\n%s", again.stderr)
	}
	command(t, "fsck", "--data", folder)
}

// posted are the requests of a community.
func (s *server) posted(t *testing.T, o office) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	s.pages(t, o, "requests", func(text []byte) error {
		var page struct{ Requests []struct{ ID string } }
		err := json.Unmarshal(text, &page)
		for _, r := range page.Requests {
			out[r.ID] = true
		}
		return err
	})
	return out
}

// messages is how many lie in an inbox.
func (s *server) messages(t *testing.T, o office) (n int) {
	t.Helper()
	s.pages(t, o, "messages", func(text []byte) error {
		var page struct{ Messages []struct{ ID string } }
		err := json.Unmarshal(text, &page)
		n += len(page.Messages)
		return err
	})
	return n
}

// pages reads a list of an organization to its end.
func (s *server) pages(t *testing.T, o office, list string, read func([]byte) error) {
	t.Helper()
	for next := ""; ; {
		code, body := s.do(t, "GET", "/v1/organizations/"+o.id+"/"+list+"?pageSize=100&pageToken="+url.QueryEscape(next), o.token, "", "")
		var page struct{ NextPageToken string }
		if err := errors.Join(json.Unmarshal([]byte(body), &page), read([]byte(body))); code != 200 || err != nil {
			t.Fatalf("%s: %d %s (%v)", list, code, body, err)
		}
		if next = page.NextPageToken; next == "" {
			return
		}
	}
}
