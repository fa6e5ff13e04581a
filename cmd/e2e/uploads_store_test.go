package e2e_test

import (
	"bytes"
	"io"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// TestUploads_InAnObjectStore: with LINLI_BLOBS the files lie in a store that
// speaks S3, sealed, and none in the folder; fsck looks at them there.
func TestUploads_InAnObjectStore(t *testing.T) {
	objects := s3mem.New()
	if err := objects.CreateBucket("files"); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(gofakes3.New(objects).Server())
	defer web.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("LINLI_BLOBS", "s3://files?region=us-east-1&use_path_style=true&endpoint="+web.URL)
	folder := filepath.Join(t.TempDir(), "var")
	s, resident, request := circleOf(t, folder)
	p := s.ask(t, "POST", "/v1/requests/"+request+"/pictures", bearer(resident), snap(t, 1)).picture(t)
	whole := s.ask(t, "GET", p.Addresses.Whole, nil, nil)
	if whole.code != 200 {
		t.Fatalf("%d %s", whole.code, whole.body)
	}
	s.reads(t, resident, request, map[string]bool{p.ID: true})
	s.interrupt(t)
	list, err := objects.ListBucket("files", &gofakes3.Prefix{}, gofakes3.ListBucketPage{})
	if err != nil || len(list.Contents) != 2 || stored(t, folder) != 0 { // whole and medium are one
		t.Fatalf("%d objects, %d files, %v", len(list.Contents), stored(t, folder), err)
	}
	for _, o := range list.Contents {
		object, err := objects.GetObject("files", o.Key, nil)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(object.Contents)
		if err != nil || object.Contents.Close() != nil || !strings.HasPrefix(o.Key, "requests/") || bytes.Contains(content, whole.body[100:132]) {
			t.Errorf("%s: %v", o.Key, err)
		}
	}
	command(t, "fsck", "--data", folder)
	if _, err := objects.DeleteObject("files", list.Contents[0].Key); err != nil {
		t.Fatal(err)
	}
	if out, err := fsck(t, folder); err == nil || !strings.Contains(out, "a file that a row names is not there") {
		t.Errorf("fsck without an object: %v %s", err, out)
	}
}
