package signin

import (
	"fmt"
	"os"
	"regexp"
)

var firstLink = regexp.MustCompile(`/first#([^\s]+)`)

// CodeIn finds the code of the first start in what linli said; empty where it
// said none, since somebody administers it already. The last one counts.
func CodeIn(said string) string {
	all := firstLink.FindAllStringSubmatch(said, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}

// CodeInFile looks into a log.
func CodeInFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("look for the first link: %w", err)
	}
	return CodeIn(string(text)), nil
}
