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

// callerLimitsFlag is --caller-limits, else LINLI_CALLER_LIMITS, over the usual ones.
func callerLimitsFlag(c *cobra.Command, into *string) {
	c.Flags().StringVar(into, "caller-limits", os.Getenv("LINLI_CALLER_LIMITS"),
		"how often one caller may call, a second in the long run / at once, where it is not to be the default: "+
			"person=50/500,costly=0.2/20,address=200/2000,sign-in=5/300,guess=0.2/100,loopback=no (LINLI_CALLER_LIMITS)")
}

func parseCallerLimits(text string) (admit.CallerLimits, error) {
	l, err := admit.DefaultCallerLimits().Parse(text)
	if err != nil {
		return l, fmt.Errorf("--caller-limits: %w", err)
	}
	return l, nil
}

func parseLimits(text string) (admit.Limits, error) {
	l, err := admit.Defaults(runtime.GOMAXPROCS(0)).Parse(text)
	if err != nil {
		return l, fmt.Errorf("--limits: %w", err)
	}
	return l, nil
}
