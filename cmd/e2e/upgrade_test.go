package e2e_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// The folder was written by commit 6230c6f: its demo, on records cut to some 180
// members and 140 organizations, with the remembered replies swept and the
// files compacted. The answers were recorded with that commit's command:
//
//	go test ./cmd/e2e -run Upgrade -old ../../linli-6230c6f
var oldLinli = flag.String("old", "", "command of the commit that wrote the folder: records its answers")

const (
	upgradeFolder  = "testdata/upgrade-6230c6f.tar.zst"
	upgradeAnswers = "testdata/upgrade-6230c6f-answers.json.zst"
)

func unpackFolder(t *testing.T) string {
	t.Helper()
	in := bytes.NewReader(unpacked(t, upgradeFolder))
	to := t.TempDir()
	for files := tar.NewReader(in); ; {
		f, err := files.Next()
		if errors.Is(err, io.EOF) {
			return filepath.Join(to, "data")
		}
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(to, f.Name)
		if f.FileInfo().IsDir() {
			err = os.MkdirAll(at, 0o700)
		} else {
			content, rerr := io.ReadAll(files)
			err = errors.Join(rerr, os.WriteFile(at, content, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func unpacked(t *testing.T, name string) []byte {
	t.Helper()
	packed, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderMaxWindow(1<<30))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out, err := z.DecodeAll(packed, nil)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

// readers are the offices of the folder that look at everything of theirs.
func (s *server) readers(t *testing.T) map[string]string {
	const district, street = "/430100/430101/", "/430100/430101/430101002/"
	out := map[string]string{}
	for organization, grant := range map[string]string{
		"430101":       "district_officer=" + district,
		"430101002":    "street_officer=" + street,
		"430101002001": "community_party_staff=" + street + "430101002001/",
		"W00290":       "workplace_officer=" + district + "W00290/",
	} {
		out[organization] = s.as(t, "reader", grant)
	}
	return out
}

// answersOf asks for every list of every office, by the routes that the server
// itself names, and for the first of what each lists.
func (s *server) answersOf(t *testing.T) map[string]string {
	t.Helper()
	_, text := s.do(t, "GET", "/openapi.json", "", "", "")
	var api struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal([]byte(text), &api); err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`^/v1/organizations/\{[A-Za-z]+\}(/[A-Za-z]+)?$`)
	out := map[string]string{}
	for organization, token := range s.readers(t) {
		for path, methods := range api.Paths {
			if methods["get"] == nil || !list.MatchString(path) {
				continue
			}
			at := regexp.MustCompile(`\{[A-Za-z]+\}`).ReplaceAllString(path, organization) + "?pageSize=20"
			for _, id := range s.answer(t, out, organization, at, token) {
				one := "/v1/" + filepath.Base(path) + "/" + id
				s.answer(t, out, organization, one, token)
			}
		}
	}
	return out
}

// answer keeps what a path answers, and names the first of what it lists.
func (s *server) answer(t *testing.T, out map[string]string, who, path, token string) (ids []string) {
	t.Helper()
	code, text := s.do(t, "GET", path, token, "", "")
	if code != 200 {
		return nil // not this office's
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		return nil
	}
	delete(body, "nextPageToken") // sealed anew each time
	for _, v := range body {
		rows, _ := v.([]any)
		for _, r := range rows[:min(3, len(rows))] {
			row, _ := r.(map[string]any)
			if id, ok := row["id"].(string); ok {
				ids = append(ids, id)
			}
		}
	}
	plain, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	out[who+" "+path] = string(plain)
	return ids
}

// record keeps what the older linli answers about its folder.
func record(t *testing.T, command string) {
	t.Helper()
	newer := binary
	defer func() { binary = newer }()
	binary = command
	s := serve(t, unpackFolder(t))
	text, err := json.Marshal(s.answersOf(t))
	if err != nil {
		t.Fatal(err)
	}
	s.interrupt(t)
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(upgradeAnswers, z.EncodeAll(text, nil), 0o600); err != nil {
		t.Fatal(err)
	}
}

// personsAbove are lists of persons, and their rows, that offices above a
// community were answered. They have figures now, and rows where a decision is
// theirs.
var personsAbove = regexp.MustCompile(`^(430101 /v1/(organizations/430101/(cards|entries|reportIns)\?|reportIns/)|430101002 /v1/(organizations/430101002/(cards|members|reportIns)\?|(members|reportIns)/))`)

// notDisplayed are the organizations of the folder that nobody else knows of now.
func notDisplayed(id any) bool {
	return slices.Contains([]string{"W00081", "W00162", "W00282", "W00283"}, fmt.Sprint(id))
}

// mayKnow is what an office may know today of an answer that it had from the
// older linli; empty where that is nothing.
func mayKnow(t *testing.T, at, answered string) string {
	t.Helper()
	if personsAbove.MatchString(at) {
		return ""
	}
	if strings.HasPrefix(at, "430101 ") {
		return answered // displays are the district's
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(answered), &body); err != nil {
		t.Fatal(err)
	}
	for name, v := range body {
		rows, _ := v.([]any)
		if name == "places" {
			rows = slices.DeleteFunc(rows, func(r any) bool { return notDisplayed(r.(map[string]any)["homeOrganizationId"]) })
			body[name] = rows
		}
		for _, r := range rows {
			if row, ok := r.(map[string]any); ok && name != "organizations" {
				maps.DeleteFunc(row, func(field string, id any) bool {
					return (field == "homeOrganizationId" || field == "workplaceId") && notDisplayed(id)
				})
			}
		}
	}
	plain, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// TestUpgrade_AnOlderFolderAnswersTheSameAndTakesWrites: this linli starts on
// the folder of an older one, answers what that one answered, works on, and
// fsck finds nothing.
func TestUpgrade_AnOlderFolderAnswersTheSameAndTakesWrites(t *testing.T) {
	if *oldLinli != "" {
		record(t, *oldLinli)
	}
	var want map[string]string
	if err := json.Unmarshal(unpacked(t, upgradeAnswers), &want); err != nil {
		t.Fatal(err)
	}
	if len(want) < 80 {
		t.Fatalf("only %d answers were recorded", len(want))
	}
	folder := unpackFolder(t)
	s := serve(t, folder)
	got := s.answersOf(t)
	for _, at := range slices.Sorted(maps.Keys(want)) {
		now := mayKnow(t, at, want[at])
		if got[at] != now {
			t.Errorf("%s\nanswered, as far as it may still %.300s\nanswers %.300s", at, now, got[at])
		}
	}
	resident := s.as(t, "resident", "resident=/430100/430101/430101002/430101002001/")
	code, body := s.do(t, "POST", "/v1/requests", resident, "application/json",
		`{"communityId":"430101002001","kind":"REQUEST_KIND_PROBLEM","visibility":"VISIBILITY_PUBLIC","text":"三单元楼道灯坏了"}`)
	if code != 200 {
		t.Fatalf("a write: %d %s", code, body)
	}
	admin := s.admin(t)
	if code, body := s.do(t, "POST", "/v1/dev/events:drain", admin, "application/json", "{}"); code != 200 {
		t.Errorf("drain: %d %s", code, body)
	}
	s.interrupt(t)
	if out := command(t, "fsck", "--data", folder); !strings.Contains(out, "nothing wrong") {
		t.Errorf("fsck: %s", out)
	}
}
