package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/rule"
)

func statesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "states", Short: "print the state machines as the page docs/states.md", Args: cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) { printStates(c.OutOrStdout(), house.Charts()) },
	}
}

// printStates writes the tables that the code runs on, as a page with a
// picture and a table each.
func printStates(out io.Writer, charts []rule.Chart) {
	fmt.Fprintln(out, "# States")
	fmt.Fprintln(out, "\nPrinted by `linli states` from the tables that the code runs on (`make fix-docs`). What is not in a table is refused with WRONG_STATE.")
	for _, c := range charts {
		fmt.Fprintf(out, "\n## %s\n\n```mermaid\nstateDiagram-v2\n", c.Name)
		for _, s := range c.Steps {
			fmt.Fprintf(out, "  %s --> %s: %s\n", node(s.From), node(s.To), s.Command)
		}
		fmt.Fprintln(out, "```\n\n| state | command | leads to |\n|---|---|---|")
		for _, s := range c.Steps {
			fmt.Fprintf(out, "| %s | %s | %s |\n", s.From, s.Command, s.To)
		}
	}
}

// node is a state's name as the picture takes it: what is new is its start.
func node(state string) string {
	if state == "new" {
		return "[*]"
	}
	out := []rune(state)
	for i, r := range out {
		if r == ' ' {
			out[i] = '_'
		}
	}
	return string(out)
}
