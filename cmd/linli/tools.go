package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/linli-project/linli/cmd/house"
)

func fsckCommand() *cobra.Command {
	var folder string
	c := &cobra.Command{
		Use: "fsck", Short: "check a data folder that no server is using", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return fsck(c.Context(), folder, c.OutOrStdout()) },
	}
	dataFlag(c, &folder, "./var")
	return c
}

// fsck prints what each service holds and every problem found.
func fsck(ctx context.Context, folder string, out io.Writer) error {
	if _, err := os.Stat(folder); err != nil {
		return fmt.Errorf("data folder %s: %w", folder, err)
	}
	reports, err := house.Check(ctx, toolConfig(folder))
	if err != nil {
		return err
	}
	if err := printReports(out, reports, true); err != nil {
		return err
	}
	fmt.Fprintln(out, "nothing wrong")
	return nil
}

// printReports prints what each service holds, if all, and every problem; and
// answers how many those are, if any.
func printReports(out io.Writer, reports []house.ServiceReport, all bool) error {
	problems := 0
	for _, r := range reports {
		if all {
			fmt.Fprintf(out, "%s\n", r.Service)
			for _, name := range slices.Sorted(maps.Keys(r.Report.Tables)) {
				fmt.Fprintf(out, "  %-22s %8d\n", name, r.Report.Tables[name])
			}
			fmt.Fprintf(out, "  audit root of %d lines: %x\n", r.AuditLines, r.AuditRoot)
		}
		for _, p := range r.Report.Problems {
			problems++
			fmt.Fprintf(out, "  problem in %s: %s\n", r.Service, p)
		}
	}
	if problems > 0 {
		return fmt.Errorf("%d problems found", problems)
	}
	return nil
}
