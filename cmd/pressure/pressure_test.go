package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestMeasure_NothingIsLostUnderPressure is the short form: what is counted is
// judged, what is timed is not. The limits are narrow, so that much is refused
// on any machine.
func TestMeasure_NothingIsLostUnderPressure(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "linli")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, "github.com/linli-project/linli/cmd/linli")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var said bytes.Buffer
	r, err := measure(t.Context(), options{
		binary: binary, limits: "reads=4,writes=8,bulk=1,streams=5,queue=8,megabytes=8",
		find: time.Second, seconds: 3 * time.Second, beside: time.Second,
		times: 10, connections: 300, idle: 300, readers: 20, uploads: 20,
	}, &said)
	if err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	if err := r.verdict(); err != nil {
		t.Errorf("%v\n%s", err, &said)
	}
	p := r.pressure
	if len(p.admitted) == 0 || len(p.refused) == 0 || len(p.created) == 0 {
		t.Errorf("it was no pressure: %s", &said)
	}
	const limit = 1 << 30 // linli's own for its heap
	if r.memory == 0 || r.memory > limit || r.memoryNuisances > limit {
		t.Errorf("memory: %s", &said)
	}
	for _, b := range r.beside {
		if b.what == "" || b.during == 0 {
			t.Errorf("nobody was answered beside %q", b.what)
		}
	}
}
