package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/services/registry"
)

func given(password string) func() (string, error) {
	return func() (string, error) { return password, nil }
}

const adminPassword = "Brücke über 7 kleine Flüsse"

// newFolder is a folder on which linli was started once.
func newFolder(t *testing.T) string {
	t.Helper()
	c := toolConfig(filepath.Join(t.TempDir(), "var"))
	c.Role, c.HTTP, c.GRPC = house.Whole, "127.0.0.1:0", "127.0.0.1:0"
	h, err := house.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if h.FirstCode() == "" {
		t.Error("a folder without administrators has no first link")
	}
	if err := closeHouse(h); err != nil {
		t.Fatal(err)
	}
	return c.Data
}

func TestAdminCreate_OneAndThenOnlyAnother(t *testing.T) {
	folder := newFolder(t)
	create := func(login, password string, another bool) (string, error) {
		var out bytes.Buffer
		err := createAdministrator(t.Context(), folder, house.Administrator{Login: login, Name: "周明", Another: another}, given(password), &out)
		return out.String(), err
	}
	if _, err := create("zhou", "password1234", false); err == nil || strings.Contains(err.Error(), "WEAK_PASSWORD") || strings.Contains(err.Error(), "password1234") {
		t.Errorf("a weak password: %v", err)
	}
	out, err := create("zhou", adminPassword, false)
	if err != nil || !strings.HasPrefix(out, "zhou is a security administrator") {
		t.Fatalf("%q, %v", out, err)
	}
	if _, err := create("wang", adminPassword, false); !errors.Is(err, registry.ErrAdministratorThere) {
		t.Errorf("a second: %v", err)
	}
	if _, err := create("wang", adminPassword, true); err != nil {
		t.Errorf("a second that is wanted: %v", err)
	}
	c := toolConfig(folder)
	c.Role, c.HTTP, c.GRPC = house.Whole, "127.0.0.1:0", "127.0.0.1:0"
	h, err := house.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if h.FirstCode() != "" {
		t.Error("a folder with administrators still has a first link")
	}
	// While a server uses the folder, the tool does not.
	if _, err := create("li", adminPassword, true); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("beside a server: %v", err)
	}
	if err := closeHouse(h); err != nil {
		t.Fatal(err)
	}
	if reports, err := house.Check(t.Context(), toolConfig(folder)); err != nil || printReports(io.Discard, reports, false) != nil {
		t.Errorf("fsck: %v, %v", reports, err)
	}
}

func TestAdminCreate_Refusals(t *testing.T) {
	empty := t.TempDir()
	for what, c := range map[string]struct {
		folder string
		a      house.Administrator
		want   string
	}{
		"nobody":       {empty, house.Administrator{Name: "x"}, "--login and --name"},
		"no name":      {empty, house.Administrator{Login: "zhou", Name: " "}, "--login and --name"},
		"no folder":    {filepath.Join(empty, "no"), house.Administrator{Login: "zhou", Name: "x"}, "data folder"},
		"empty folder": {empty, house.Administrator{Login: "zhou", Name: "x"}, "holds no data"},
	} {
		err := createAdministrator(t.Context(), c.folder, c.a, given(adminPassword), io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPasswordFrom_AProgramWritesALine(t *testing.T) {
	name := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(name, []byte("first line\r\nsecond\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }() // read only
	var asked bytes.Buffer
	got, err := passwordFrom(in, &asked)()
	if err != nil || got != "first line" || asked.Len() != 0 {
		t.Errorf("%q, %v, asked %q", got, err, asked.String())
	}
}

func TestPrintFirst_TheLinkHoldsTheCodeWhereNoServerLogsIt(t *testing.T) {
	var out bytes.Buffer
	printFirst(&out, house.Config{Role: house.Whole, Data: "var"}, "http://127.0.0.1:8080", "CODE")
	if !strings.Contains(out.String(), "http://127.0.0.1:8080/first#CODE\n") {
		t.Error(out.String())
	}
	out.Reset()
	printFirst(&out, house.Config{Role: house.Whole, Data: "var"}, "https://[::]:8443", "CODE")
	if !strings.Contains(out.String(), "https://NAME:8443/first#CODE\n") || strings.Contains(out.String(), "[::]") {
		t.Error(out.String())
	}
	out.Reset()
	printFirst(&out, house.Config{Role: house.Registry, Data: "var"}, "http://127.0.0.1:8101", "CODE")
	if !strings.Contains(out.String(), "/first#CODE at the gateway") || strings.Contains(out.String(), "8101") {
		t.Error(out.String())
	}
}
