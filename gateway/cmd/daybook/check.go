package main

import "github.com/spf13/cobra"

func newCheck(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what serve would do, and what stands in its way",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return nil },
	}
	a.configFlags(cmd.Flags())
	return cmd
}
