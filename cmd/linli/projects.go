package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/linli-project/linli/services/projects/selection"
)

func projectsCommand() *cobra.Command {
	c := &cobra.Command{Use: "projects", Short: "work on files of the yearly round of projects"}
	c.AddCommand(&cobra.Command{
		Use: "recount FILE", Short: "count a selection file again and compare with what it says", Args: cobra.ExactArgs(1),
		Example: "  linli projects recount selection-2013.json",
		RunE:    func(c *cobra.Command, args []string) error { return recount(args[0], c.OutOrStdout()) },
	})
	return c
}

// recount prints the hash of the file, as the minutes quote it, and every
// difference between what the file says and what follows from its sheets.
func recount(name string, out io.Writer) (err error) {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	hash := sha256.New()
	file, err := selection.Read(io.TeeReader(in, hash))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "call      %s %d %s\nsheets    %d of %d applications\nsha-256   %s\n",
		file.Call.ID, file.Call.Year, file.Call.Title, len(file.Sheets), len(file.Call.Applications), hex.EncodeToString(hash.Sum(nil)))
	problems := selection.Check(file)
	for _, p := range problems {
		fmt.Fprintf(out, "differs   %s\n", p)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%d differences", len(problems))
	}
	fmt.Fprintln(out, "the ranking, its proof and the decision follow from the sheets")
	return nil
}
