package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/linli-project/linli/pkg/admit"
)

// limitsFlag is --limits, else LINLI_LIMITS, over what suits this machine.
func limitsFlag(c *cobra.Command, into *string) {
	c.Flags().StringVar(into, "limits", os.Getenv("LINLI_LIMITS"),
		"what is taken on at once, where it is not to be the default for this machine: "+
			"reads=8,writes=64,bulk=4,streams=4000,queue=256,wait=500ms,delay=100ms,megabytes=64,connections=12000 (LINLI_LIMITS)")
}

func parseLimits(text string) (admit.Limits, error) {
	l, err := admit.Defaults(runtime.GOMAXPROCS(0)).Parse(text)
	if err != nil {
		return l, fmt.Errorf("--limits: %w", err)
	}
	return l, nil
}
