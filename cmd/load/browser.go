package main

import "github.com/spf13/cobra"

func browserCommand() *cobra.Command { return &cobra.Command{Use: "browser"} }
