package main

import "github.com/spf13/cobra"

func newServe(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return nil },
	}
	a.configFlags(cmd.Flags())
	return cmd
}
