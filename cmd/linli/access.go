package main

import (
	"github.com/spf13/cobra"

	"github.com/linli-project/linli/cmd/rights"
)

func accessCommand() *cobra.Command {
	return &cobra.Command{
		Use: "access", Short: "print who may call what as the page docs/access.md", Args: cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) { rights.Print(c.OutOrStdout(), rights.Methods()) },
	}
}
