package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/linli-project/linli/services/projects/selection"
)

func projectsCommand() *cobra.Command {
	c := &cobra.Command{Use: "projects", Short: "work on files of the yearly round of projects"}
	var hash string
	again := &cobra.Command{
		Use: "recount FILE", Short: "count a selection file again and compare with what it says", Args: cobra.ExactArgs(1),
		Example: "  linli projects recount selection-2013.json --sha256 <selection_hash of the call>",
		RunE:    func(c *cobra.Command, args []string) error { return recount(args[0], hash, c.OutOrStdout()) },
	}
	again.Flags().StringVar(&hash, "sha256", "", "the hash in the minutes: also finds a changed reason")
	c.AddCommand(again)
	return c
}

// recount prints the hash of the file, as the minutes quote it, and every
// difference between what the file says and what follows from its sheets. What
// follows from nothing, as the reason of a deviation, only the hash holds.
func recount(name, minutes string, out io.Writer) (err error) {
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
	sum := hex.EncodeToString(hash.Sum(nil))
	fmt.Fprintf(out, "call      %s %d %s\nsheets    %d of %d applications\nsha-256   %s\n",
		file.Call.ID, file.Call.Year, file.Call.Title, len(file.Sheets), len(file.Call.Applications), sum)
	problems := selection.Check(file)
	if minutes != "" && !strings.EqualFold(minutes, sum) {
		problems = append(problems, "sha-256: the minutes say "+minutes+"; the file was changed")
	}
	for _, p := range problems {
		fmt.Fprintf(out, "differs   %s\n", p)
	}
	switch len(problems) {
	case 0:
	case 1:
		return errors.New("1 difference")
	default:
		return fmt.Errorf("%d differences", len(problems))
	}
	fmt.Fprintln(out, "the ranking, its proof and the decision follow from the sheets")
	return nil
}
