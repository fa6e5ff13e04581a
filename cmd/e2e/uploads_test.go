package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const pictureCanary = "GPS-CANARY-28.11N"

// snap is a photo of some colour with the place where it was taken.
func snap(t testing.TB, n int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 400, 300))
	for x := range 400 {
		for y := range 300 {
			m.Set(x, y, color.RGBA{uint8(n), uint8(x), uint8(y), 255})
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, nil); err != nil {
		t.Fatal(err)
	}
	place := "Exif\x00\x00II*\x00" + pictureCanary
	head := append([]byte("\xff\xd8\xff\xe1"), byte((len(place)+2)>>8), byte(len(place)+2))
	return append(append(head, place...), out.Bytes()[2:]...)
}

// answered is an answer over HTTP.
type answered struct {
	code   int
	header http.Header
	body   []byte
}

func (s *server) ask(t *testing.T, method, path string, header map[string]string, body []byte) answered {
	t.Helper()
	a, err := s.tryAsk(t, method, path, header, body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (s *server) tryAsk(t *testing.T, method, path string, header map[string]string, body []byte) (answered, error) {
	req, err := http.NewRequestWithContext(t.Context(), method, s.base+path, bytes.NewReader(body))
	if err != nil {
		return answered{}, err
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		return answered{}, err
	}
	defer func() { _ = reply.Body.Close() }()
	text, err := io.ReadAll(reply.Body)
	return answered{reply.StatusCode, reply.Header, text}, err
}

func bearer(token string, more ...string) map[string]string {
	out := map[string]string{"Authorization": "Bearer " + token}
	for i := 0; i+1 < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

// shown is a picture as the API shows it.
type shown struct {
	ID        string
	StaffOnly bool
	Addresses struct{ Whole, Medium, Small string }
}

func (a answered) picture(t *testing.T) shown {
	t.Helper()
	var p shown
	if err := json.Unmarshal(a.body, &p); err != nil || a.code != 200 || p.ID == "" {
		t.Fatalf("%d %s", a.code, a.body)
	}
	return p
}

func (a answered) reason() string {
	var p struct{ Reason string }
	_ = json.Unmarshal(a.body, &p) // what is no problem has no reason
	return p.Reason
}

// circleOf starts a server with two communities and answers it with a resident's
// request.
func circleOf(t *testing.T, folder string) (s *server, resident, request string) {
	t.Helper()
	s = serve(t, folder)
	admin := s.admin(t)
	if code, body := s.do(t, "POST", "/v1/organizations:import", admin, "text/csv", ladder+"1112,另一社区,community,111,是\n"); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	resident = s.as(t, "resident", "resident=/1/11/111/1111/")
	s.do(t, "POST", "/v1/dev/events:drain", admin, "application/json", "{}")
	code, body := s.do(t, "POST", "/v1/requests", resident, "application/json",
		`{"communityId":"1111","kind":"REQUEST_KIND_PROBLEM","visibility":"VISIBILITY_PUBLIC","text":"三单元楼道灯坏了"}`)
	var r struct{ ID string }
	if err := json.Unmarshal([]byte(body), &r); err != nil || code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	return s, resident, r.ID
}

func TestUploads_ThroughTheGateway(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "var")
	s, resident, request := circleOf(t, folder)
	pictures := "/v1/requests/" + request + "/pictures"
	p := s.ask(t, "POST", pictures, bearer(resident, "Content-Type", "image/jpeg"), snap(t, 1)).picture(t)
	for _, at := range []string{p.Addresses.Whole, p.Addresses.Medium, p.Addresses.Small} {
		a := s.ask(t, "GET", at, nil, nil)
		if a.code != 200 || bytes.Contains(a.body, []byte(pictureCanary)) || bytes.Contains(a.body, []byte("Exif")) {
			t.Errorf("%d, %d bytes", a.code, len(a.body))
		}
		for name, want := range map[string]string{"Content-Type": "image/jpeg", "X-Content-Type-Options": "nosniff", "Content-Disposition": "inline", "Cross-Origin-Resource-Policy": "same-origin"} {
			if a.header.Get(name) != want {
				t.Errorf("%s: %q", name, a.header.Get(name))
			}
		}
		if !strings.HasPrefix(a.header.Get("Content-Security-Policy"), "sandbox") || !strings.HasPrefix(a.header.Get("Cache-Control"), "private, max-age=") {
			t.Errorf("%v", a.header)
		}
		part := s.ask(t, "GET", at, map[string]string{"Range": "bytes=2-9"}, nil)
		if part.code != 206 || !bytes.Equal(part.body, a.body[2:10]) {
			t.Errorf("a part: %d, %d bytes", part.code, len(part.body))
		}
		if same := s.ask(t, "GET", at, map[string]string{"If-None-Match": a.header.Get("ETag")}, nil); same.code != 304 {
			t.Errorf("the same again: %d", same.code)
		}
	}
	s.refusesPictures(t, pictures, resident)
	s.refusesStrangers(t, request, p)
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename="../../../../etc/passwd.svg"`}, "Content-Type": {"image/svg+xml"}})
	if err == nil {
		_, err = part.Write(snap(t, 2))
	}
	if err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	face := s.ask(t, "POST", pictures+"?showsFace=true", bearer(resident, "Content-Type", w.FormDataContentType()), form.Bytes()).picture(t)
	staff := s.as(t, "staff", "committee_staff=/1/11/111/1111/")
	if a := s.ask(t, "GET", pictures, bearer(staff), nil); !face.StaffOnly || bytes.Count(a.body, []byte("/v1/blobs/")) != 3 || bytes.Count(a.body, []byte(`"id"`)) != 2 {
		t.Errorf("staff sees a face without a reason: %s", a.body)
	}
	revealed := s.ask(t, "POST", pictures+"/"+face.ID+":reveal", bearer(staff, "Content-Type", "application/json"), []byte(`{"reason":"核实现场"}`)).picture(t)
	if a := s.ask(t, "GET", revealed.Addresses.Whole, bearer(staff), nil); a.code != 200 {
		t.Errorf("%d %s", a.code, a.body)
	}
	whole := s.ask(t, "GET", p.Addresses.Whole, nil, nil).body
	s.interrupt(t)
	nothingInPlain(t, folder, whole[len(whole)/2:len(whole)/2+32], s.stderr.String())
	command(t, "fsck", "--data", folder)
}

// refusesPictures: what is no picture, and what is too large to be looked at.
func (s *server) refusesPictures(t *testing.T, pictures, resident string) {
	t.Helper()
	var huge bytes.Buffer
	if err := png.Encode(&huge, image.NewGray(image.Rect(0, 0, 10_000, 10_000))); err != nil {
		t.Fatal(err)
	}
	for want, files := range map[string][][]byte{
		"PICTURE_TOO_LARGE": {huge.Bytes()},
		"PICTURE_TYPE":      {[]byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), []byte("GIF89a"), []byte("BM"), []byte("II*\x00")},
		"PICTURE_HEIC":      {[]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")},
		"FILE_TWO_KINDS":    {append(snap(t, 1), "<script>alert(1)</script>"...)},
		"FILE_EMPTY":        {nil},
		"BODY_TOO_LARGE":    {make([]byte, 12<<20)},
	} {
		for _, file := range files {
			a := s.ask(t, "POST", pictures, bearer(resident, "Content-Type", "image/jpeg", "Accept-Language", "zh"), file)
			if a.code/100 != 4 || a.reason() != want {
				t.Errorf("%s: %d %s", want, a.code, a.body)
			}
			if want == "PICTURE_HEIC" && !bytes.Contains(a.body, []byte("兼容性最佳")) {
				t.Errorf("no advice: %s", a.body)
			}
		}
	}
}

// refusesStrangers: whose address it is not, whose community it is not, and who
// changes an address, gets the answer that what never was gets.
func (s *server) refusesStrangers(t *testing.T, request string, p shown) {
	t.Helper()
	other := s.as(t, "other", "committee_staff=/1/11/111/1112/")
	neighbour := s.as(t, "neighbour", "resident=/1/11/111/1111/")
	alike := func(a answered) string {
		var problem map[string]any
		if json.Unmarshal(a.body, &problem) != nil {
			return fmt.Sprintf("%d %s", a.code, a.body)
		}
		maps.DeleteFunc(problem, func(name string, _ any) bool {
			return name != "title" && name != "detail" && name != "reason" && name != "status"
		})
		text, _ := json.Marshal(problem) // of strings and numbers
		return fmt.Sprintf("%d %s", a.code, text)
	}
	never := alike(s.ask(t, "GET", "/v1/blobs/pic_never?expires=1&reader=0&sig=0&size=small", nil, nil))
	if !strings.HasPrefix(never, "404") {
		t.Errorf("what never was: %s", never)
	}
	at := p.Addresses.Small
	for name, a := range map[string]answered{
		"another's community":  s.ask(t, "GET", at, bearer(other), nil),
		"a neighbour":          s.ask(t, "GET", at, bearer(neighbour), nil),
		"a later end":          s.ask(t, "GET", strings.Replace(at, "expires=1", "expires=9", 1), nil, nil),
		"an end that is over":  s.ask(t, "GET", strings.Replace(at, "expires=", "expires=1&was=", 1), nil, nil),
		"another signature":    s.ask(t, "GET", strings.Replace(at, "sig=", "sig=00", 1), nil, nil),
		"no signature":         s.ask(t, "GET", "/v1/blobs/"+p.ID, nil, nil),
		"another size":         s.ask(t, "GET", strings.Replace(at, "size=small", "size=whole", 1), nil, nil),
		"another kind of file": s.ask(t, "GET", strings.Replace(at, "pic_", "fil_", 1), nil, nil),
	} {
		if got := alike(a); got != never {
			t.Errorf("%s: %s, and what never was %s", name, got, never)
		}
	}
	for _, path := range []string{"/v1/requests/" + request + "/pictures", "/v1/requests/req_never/pictures"} {
		if a := s.ask(t, "GET", path, bearer(other), nil); a.code != 404 {
			t.Errorf("%s: %d", path, a.code)
		}
		if a := s.ask(t, "POST", path, bearer(other), snap(t, 3)); a.code != 404 {
			t.Errorf("%s: %d", path, a.code)
		}
	}
}

// nothingInPlain: neither where a picture was taken nor what it shows lies in the
// folder or the log as it came.
func nothingInPlain(t *testing.T, folder string, piece []byte, log string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(pictureCanary)) || bytes.Contains(content, piece) || strings.Contains(path, "passwd") {
			t.Errorf("%s holds what was sent", path)
		}
		return err
	})
	if err != nil || files == 0 || strings.Contains(log, pictureCanary) || strings.Contains(log, "passwd") {
		t.Errorf("%d files, %v", files, err)
	}
}

// TestUploads_SurviveAKillAndARestore: the server is killed again and again while
// a file is stored and its row is not; what was acknowledged is there, fsck finds
// nothing, and a backup takes it along.
func TestUploads_SurviveAKillAndARestore(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "var")
	s, resident, first := circleOf(t, folder)
	acknowledged := map[string]bool{}
	var mu sync.Mutex
	n := 0
	for range 4 {
		var sending sync.WaitGroup
		before := stored(t, folder)
		for range 2 {
			n++
			file := snap(t, n)
			sending.Go(func() {
				a, err := s.tryAsk(t, "POST", "/v1/requests/"+first+"/pictures", bearer(resident), file)
				var p shown
				if err != nil || a.code != 200 || json.Unmarshal(a.body, &p) != nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				acknowledged[p.ID] = true
			})
		}
		for stored(t, folder) == before { // until a file lies there
		}
		if err := s.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = s.cmd.Wait()
		sending.Wait()
		command(t, "fsck", "--data", folder)
		s = serve(t, folder)
	}
	acknowledged[s.ask(t, "POST", "/v1/requests/"+first+"/pictures", bearer(resident), snap(t, 99)).picture(t).ID] = true
	s.reads(t, resident, first, acknowledged)
	s.interrupt(t)

	secret, public := keys(t)
	file := filepath.Join(t.TempDir(), "backup.linli")
	command(t, "backup", "--data", folder, "--to", file, "--recipients", public)
	master := masterKey(t, folder)
	restored, six := filepath.Join(t.TempDir(), "restored"), filepath.Join(t.TempDir(), "six")
	t.Setenv("LINLI_MASTER_KEY_FILE", master)
	command(t, "restore", "--from", file, "--identity", secret, "--master-key", master, "--data", restored)
	command(t, "restore", "--from", file, "--identity", secret, "--master-key", master, "--data", six, "--six")
	command(t, "fsck", "--data", six)
	again := serve(t, restored)
	again.reads(t, resident, first, acknowledged)
	again.interrupt(t)

	lost := filepath.Join(six, "requests", "blobs")
	if err := os.Rename(lost, lost+".away"); err != nil {
		t.Fatal(err)
	}
	if out, err := fsck(t, six); err == nil || !strings.Contains(out, "a file that a row names is not there") {
		t.Errorf("fsck without the files: %v %s", err, out)
	}
}

// reads fetches every picture of a request; those that were acknowledged are
// among them.
func (s *server) reads(t *testing.T, resident, request string, acknowledged map[string]bool) {
	t.Helper()
	var list struct{ Pictures []shown }
	a := s.ask(t, "GET", "/v1/requests/"+request+"/pictures", bearer(resident), nil)
	if err := json.Unmarshal(a.body, &list); err != nil {
		t.Fatalf("%d %s", a.code, a.body)
	}
	there := map[string]bool{}
	for _, p := range list.Pictures {
		there[p.ID] = true
		a := s.ask(t, "GET", p.Addresses.Whole, nil, nil)
		if _, err := jpeg.Decode(bytes.NewReader(a.body)); err != nil {
			t.Errorf("%s: %d, %v", p.ID, a.code, err)
		}
	}
	for id := range acknowledged {
		if !there[id] {
			t.Errorf("%s was acknowledged and is gone", id)
		}
	}
}

// stored counts the files of the requests service.
func stored(t *testing.T, folder string) (n int) {
	t.Helper()
	_ = filepath.WalkDir(filepath.Join(folder, "blobs", "requests"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return nil // what comes and goes meanwhile is counted the next time
	})
	return n
}

// fsck looks a folder over.
func fsck(t *testing.T, folder string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, "fsck", "--data", folder).CombinedOutput()
	return string(out), err
}
