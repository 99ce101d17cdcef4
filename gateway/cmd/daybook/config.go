package main

import "github.com/spf13/cobra"

func newConfig(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show examples of a configuration, or the one in effect",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	a.configFlags(cmd.Flags())
	return cmd
}
