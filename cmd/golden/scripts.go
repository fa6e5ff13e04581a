package golden

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed calls/*.http
var scripts embed.FS

// Clock is the day on which the clock of the folder begins that the scripts
// are played on.
const Clock = "2013-01-02"

// Scripts answers the names of the project's scripts in the order in which they
// are played on one new folder: a later one rests on what an earlier one did.
func Scripts() ([]string, error) {
	files, err := fs.Glob(scripts, "calls/*.http")
	if err != nil {
		return nil, fmt.Errorf("list scripts: %w", err)
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(strings.TrimPrefix(f, "calls/"), ".http")
	}
	return names, nil
}

// Script answers the text of a script.
func Script(name string) (string, error) {
	text, err := scripts.ReadFile("calls/" + name + ".http")
	if err != nil {
		return "", fmt.Errorf("read script: %w", err)
	}
	return string(text), nil
}
