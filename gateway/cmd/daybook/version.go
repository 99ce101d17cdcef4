package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/serve"
)

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := serve.ReadBuild()
			if a.json() {
				return json.NewEncoder(a.stdout).Encode(b)
			}
			_, err := fmt.Fprintln(a.stdout, "daybook", b)
			return err
		},
	}
}
