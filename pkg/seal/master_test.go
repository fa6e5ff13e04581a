package seal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/linli-project/linli/pkg/seal"
)

func TestCreateMaster_IsReadBackAndNeverReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master")
	made, err := seal.CreateMaster(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seal.CreateMaster(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made over another: %v", err)
	}
	if read, err := seal.LoadMaster(path); err != nil || read != made {
		t.Errorf("read back another key, %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left lying about: %v, %v", left, err)
	}
	if _, err := seal.CreateMaster(filepath.Join(path, "no folder")); err == nil {
		t.Error("made without a folder")
	}
}

func TestLoadOrCreateMaster_OneOfManyMakesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master")
	var all sync.WaitGroup
	var makers atomic.Int32
	for range 8 {
		all.Go(func() {
			switch _, made, err := seal.LoadOrCreateMaster(path); {
			case made && err != nil:
				t.Errorf("made, and %v", err)
			case made:
				makers.Add(1)
			case err != nil && !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := makers.Load(); n != 1 {
		t.Errorf("%d made the key", n)
	}
	if _, made, err := seal.LoadOrCreateMaster(path); made || err != nil {
		t.Errorf("the next: made %v, %v", made, err)
	}
}

func TestLoadMaster_RefusesWhatIsNoKeyAndQuotesNothing(t *testing.T) {
	for name, text := range map[string]string{
		"empty":      "",
		"short":      "c2hvcnQ=\n",
		"long":       strings.Repeat("QUJD", 30),
		"not base64": "hunter2 hunter2 hunter2 hunter2 hunter2 !!!!",
		"huge":       strings.Repeat("A", 1<<20),
	} {
		path := filepath.Join(t.TempDir(), "master")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := seal.LoadMaster(path)
		if err == nil {
			t.Errorf("%s: taken", name)
		} else if text != "" && strings.Contains(err.Error(), strings.TrimSpace(text)[:4]) {
			t.Errorf("%s: the error quotes the file: %v", name, err)
		}
		if _, made, err := seal.LoadOrCreateMaster(path); made || err == nil {
			t.Errorf("%s: replaced by a new key", name)
		}
	}
}

func TestKeys_ArePrintedByNobody(t *testing.T) {
	master := seal.MasterKey{0xAB, 0xCD}
	k, _, err := seal.New(master)
	if err != nil {
		t.Fatal(err)
	}
	config := struct {
		Master  seal.MasterKey
		Keyring *seal.Keyring
	}{master, k}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "json", "log"} {
		for _, value := range []any{master, &master, k, config} {
			var text string
			switch format {
			case "json":
				raw, err := json.Marshal(value)
				if err != nil {
					t.Fatal(err)
				}
				text = string(raw)
			case "log":
				var out strings.Builder
				slog.New(slog.NewTextHandler(&out, nil)).Info("", "value", value)
				_, text, _ = strings.Cut(out.String(), "value=") // a time can hold any digits
			default:
				text = fmt.Sprintf(format, value)
			}
			if strings.Contains(text, "171") || strings.Contains(strings.ToLower(text), "abcd") || strings.Contains(text, "0xab") {
				t.Errorf("%s of %T prints the key: %s", format, value, text)
			}
		}
	}
}
