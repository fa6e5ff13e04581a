// Command print writes docs/performance.md and docs/reliability.md from the
// files in docs/figures: the runs, and performance.md and reliability.md there
// with what is to be said of them. With -check it says whether the pages are as
// printed.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/linli-project/linli/cmd/figures"
)

func main() {
	docs := flag.String("docs", "docs", "folder of the pages, with figures below it")
	check := flag.Bool("check", false, "change nothing; fail when a page is not what its figures say")
	flag.Parse()
	if err := run(*docs, *check); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func run(docs string, check bool) error {
	runs, err := figures.Load(filepath.Join(docs, "figures"))
	if err != nil {
		return err
	}
	for _, page := range figures.Pages() {
		var text bytes.Buffer
		said, err := os.ReadFile(filepath.Join(docs, "figures", page+".md"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read what is said of the figures: %w", err)
		}
		if err := figures.Print(&text, page, string(said), runs); err != nil {
			return err
		}
		file := filepath.Join(docs, page+".md")
		if !check {
			if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
				return fmt.Errorf("write page: %w", err)
			}
			continue
		}
		if there, err := os.ReadFile(file); err != nil || !bytes.Equal(there, text.Bytes()) {
			return fmt.Errorf("%s is not what docs/figures says: run make figures", file)
		}
	}
	return nil
}
