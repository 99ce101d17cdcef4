package main

import (
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/serve"
)

func newConfig(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show examples of a configuration, or the one in effect",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(newConfigExample(a), newConfigPrint(a))
	return cmd
}

func newConfigExample(a *app) *cobra.Command {
	names := serve.Examples()
	return &cobra.Command{
		Use:       "example " + strings.Join(names, "|"),
		Short:     "Print an example configuration file",
		Args:      cobra.ExactArgs(1),
		ValidArgs: names,
		RunE: func(_ *cobra.Command, args []string) error {
			text, ok := serve.Example(args[0])
			if !ok {
				return wrongUsage("%q is no example: there are %s", args[0], strings.Join(names, ", "))
			}
			_, err := a.stdout.Write(text)
			return err
		},
	}
}

func newConfigPrint(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Print the configuration in effect and where each value comes from; secrets are masked",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.printConfig() },
	}
	a.configFlags(cmd)
	return cmd
}

func (a *app) printConfig() error {
	c, from, err := a.config()
	if err != nil {
		return err
	}
	if !a.json() {
		return c.WriteYAML(a.stdout, from)
	}
	lines := json.NewEncoder(a.stdout)
	for _, s := range c.Settings(from) {
		if err := lines.Encode(s); err != nil {
			return err
		}
	}
	return nil
}
