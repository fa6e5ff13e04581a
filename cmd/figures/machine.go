package figures

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"github.com/linli-project/linli/pkg/clock"
)

// wall dates a run.
var wall = clock.Wall()

// machine describes where a run was made: cores, memory, what else is at work.
func machine() string {
	out := []string{fmt.Sprintf("%d cores", runtime.NumCPU())}
	if model := field("/proc/cpuinfo", "model name"); model != "" {
		out[0] += " of " + model
	}
	if kb, err := strconv.Atoi(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB")); err == nil {
		out = append(out, fmt.Sprintf("%d GB", (kb+1<<19)>>20))
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(load), " ")
		out = append(out, "load "+first+" at the end")
	}
	return strings.Join(append(out, runtime.GOOS, runtime.Version()), ", ")
}

// field answers the first value of a name in one of the system's lists.
func field(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// commit is what was measured, with "+" when something was not committed.
func commit() string {
	id, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	out := strings.TrimSpace(string(id))
	if changed, err := exec.Command("git", "status", "--porcelain", "--", "*.go", "go.work", ":!docs").Output(); err != nil || len(changed) > 0 {
		out += "+"
	}
	return out
}
