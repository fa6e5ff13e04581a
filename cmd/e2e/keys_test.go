package e2e_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/linli-project/linli/cmd/golden"
)

// keys is `linli keys` on a server.
func (s *server) keys(t *testing.T, folder string, args ...string) *exec.Cmd {
	t.Helper()
	all := []string{"keys", "--file", filepath.Join(folder, "master.key")}
	for _, address := range strings.Fields(s.grpc) {
		all = append(all, "--grpc", address)
	}
	cmd := exec.CommandContext(t.Context(), binary, append(all, args...)...)
	cmd.Env = append(cmd.Environ(), "LINLI_TOKEN="+s.as(t, "keeper", "security_admin=/"))
	return cmd
}

const (
	rosterOfOne = "姓名,性别,身份证号,手机号,入党日期,党员状态,党员类别,组织关系所在党组织编码,工作单位编码,居住社区编码,楼栋,特长,兴趣爱好\n" +
		"王小明,男,430198196608304458,13800001234,2001-07-01,正式党员,在职,W00001,W00001,430101002001,15栋1单元,水电维修,象棋\n"
	officerOfOne = "workplace_officer=/430100/430101/W00001/"
)

// member imports the one member and answers what the roster did and who it is.
func (s *server) member(t *testing.T) (did, id string) {
	t.Helper()
	officer := s.as(t, "officer", officerOfOne)
	code, did := s.do(t, "POST", "/v1/organizations/W00001/rosters:import", officer, "text/csv", rosterOfOne)
	if code != 200 {
		t.Fatalf("%d %s", code, did)
	}
	_, list := s.do(t, "GET", "/v1/organizations/W00001/members", officer, "", "")
	_, rest, _ := strings.Cut(list, `"id":"mem_`)
	id, _, _ = strings.Cut(rest, `"`)
	return did, "mem_" + id
}

// revealed asserts that the member's facts open.
func (s *server) revealed(t *testing.T, id string) {
	t.Helper()
	officer := s.as(t, "officer", officerOfOne)
	code, facts := s.do(t, "POST", "/v1/members/"+id+":revealFacts", officer, "application/json", `{"reason":"核对材料"}`)
	if code != 200 || !strings.Contains(facts, `"430198196608304458"`) || !strings.Contains(facts, `"13800001234"`) || !strings.Contains(facts, `"2001-07-01"`) {
		t.Errorf("%d %s", code, facts)
	}
}

// TestKeys_RotateWhileItRunsAndThroughAKill: new data keys of the other profile
// and a new master key are taken by a running house, which is killed at once.
// Afterwards what was sealed opens, the same roster finds the same member, and a
// backup of before needs the master key of before.
func TestKeys_RotateWhileItRunsAndThroughAKill(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "var")
	s := serve(t, folder, "--clock", golden.Clock)
	script, err := golden.Script("1-registry")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := golden.New(s.base, s.desk).Play(t.Context(), script); err != nil {
		t.Fatal(err)
	}
	_, id := s.member(t)
	s.revealed(t, id)
	secret, public := keys(t)
	before := filepath.Join(t.TempDir(), "before.linli")
	t.Setenv("LINLI_TOKEN", s.admin(t))
	command(t, "backup", "--grpc", s.grpc, "--to", before, "--recipients", public)
	shown := s.mustKeys(t, folder, "show")
	old := strings.Fields(strings.Split(shown, "\n")[1])[4]

	if said := s.mustKeys(t, folder, "rotate", "data", "--profile", "sm"); !strings.Contains(said, "data 2  sm") {
		t.Errorf("after rotate data:\n%s", said)
	}
	s.mustKeys(t, folder, "add", "--profile", "sm")
	if out, err := s.keys(t, folder, "remove", old).CombinedOutput(); err == nil || !strings.Contains(string(out), "wraps keys of") {
		t.Errorf("took away the key that wraps: %s", out)
	}
	if said := s.mustKeys(t, folder, "rotate", "master"); strings.Contains(said, old) {
		t.Errorf("after rotate master:\n%s", said)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait() // it was killed

	s = serve(t, folder)
	s.revealed(t, id)
	if did, again := s.member(t); again != id || !strings.Contains(did, `"unchanged":1`) {
		t.Errorf("the same roster made %s, was %s: %s", again, id, did)
	}
	restore := func(name string) ([]byte, error) {
		return exec.Command(binary, "restore", "--from", before, "--identity", secret, "--master-key", filepath.Join(folder, "master.key"),
			"--data", filepath.Join(t.TempDir(), name)).CombinedOutput()
	}
	if out, err := restore("with-the-old-key"); err != nil {
		t.Errorf("a backup of before, with the master key of before: %v %s", err, out)
	}
	s.mustKeys(t, folder, "remove", old)
	if out, err := restore("without"); err == nil || !strings.Contains(string(out), fmt.Sprintf("needs the master key %s", old)) {
		t.Errorf("without it: %v %s", err, out)
	}
	s.revealed(t, id)
	s.interrupt(t)
	command(t, "fsck", "--data", folder)
}

func (s *server) mustKeys(t *testing.T, folder string, args ...string) string {
	t.Helper()
	out, err := s.keys(t, folder, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("linli keys %s: %v %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestKeys_RotateInSixProcesses: each service has keys of its own, and one is
// killed while it takes new ones.
func TestKeys_RotateInSixProcesses(t *testing.T) {
	s := startShape(t, six, filepath.Join(t.TempDir(), "six"), "--clock", golden.Clock)
	for _, line := range strings.Split(s.mustScript(t, "status", s.data), "\n") {
		if m := regexp.MustCompile(`^(registry|requests|projects|evaluation) .* grpc (\S+)`).FindStringSubmatch(line); m != nil {
			s.grpc += " " + m[2]
		}
	}
	admin := s.admin(t)
	places := "编码,名称,类别,上级编码,亮身份\n430100,长沙市,city,,是\n430101,天心区,district,430100,是\n430101002,青园街道,street,430101,是\n" +
		"430101002001,芙蓉南路社区,community,430101002,是\nW00001,区图书馆党支部,workplace,430101,是\n"
	if code, body := s.do(t, "POST", "/v1/organizations:import", admin, "text/csv", places); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	_, id := s.member(t)
	old := strings.Fields(strings.Split(s.mustKeys(t, s.data, "show"), "\n")[1])[4]
	s.mustKeys(t, s.data, "add")
	rotated := make(chan string)
	rotate := s.keys(t, s.data, "rotate", "data")
	go func() {
		out, err := rotate.CombinedOutput()
		rotated <- fmt.Sprint(string(out), err)
	}()
	s.kill(t, "requests")
	<-rotated // whatever came of it
	s.restart(t, "requests")
	if said := s.mustKeys(t, s.data, "rotate", "master"); strings.Contains(said, old) || strings.Count(said, "index") != 4 {
		t.Errorf("after rotate master:\n%s", said)
	}
	s.mustKeys(t, s.data, "rotate", "data", "--profile", "sm")
	s.mustKeys(t, s.data, "remove", old)
	for _, role := range []string{"registry", "requests", "projects", "evaluation"} {
		s.kill(t, role)
		s.restart(t, role)
	}
	s.until(t, 200, "GET", "/v1/organizations/W00001", admin, "", "")
	s.revealed(t, id)
	if did, again := s.member(t); again != id || !strings.Contains(did, `"unchanged":1`) {
		t.Errorf("the same roster: %s", did)
	}
	s.stop(t)
	s.fsck(t)
}
