package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/serve"
)

func newCheck(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what serve would do, and what stands in its way",
		Long: "Say what serve would do with this configuration, and what stands in its way. Exit status 1 means that there are problems.\n\n" +
			"With --destinations the destinations themselves are asked: can they be reached, and do they have the table or topic they need.\n" +
			"What is missing is printed as the statements that make it.",
		Example: "  daybook check\n  daybook check --destinations\n  daybook check --destinations --test-event",
		Args:    cobra.NoArgs,
	}
	var o checkOptions
	cmd.Flags().BoolVar(&o.destinations, "destinations", false, "ask the destinations, too")
	cmd.Flags().BoolVar(&o.testEvent, "test-event", false, "write an event named daybook-check to each of them")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.testEvent && !o.destinations {
			return wrongUsage("--test-event is for --destinations")
		}
		return a.check(cmd.Context(), o)
	}
	a.configFlags(cmd)
	return cmd
}

// checkOptions are the flags of check that are no keys.
type checkOptions struct{ destinations, testEvent bool }

func (a *app) check(ctx context.Context, o checkOptions) error {
	var findings []serve.Finding
	if c, from, err := a.config(); err != nil {
		findings = []serve.Finding{{Check: "configuration", Detail: err.Error()}}
	} else {
		findings = serve.Check(ctx, c, from, serve.EphemeralDisk(a.env))
		if o.destinations {
			findings = append(findings, serve.CheckDestinations(ctx, c, from, o.testEvent)...)
		}
	}
	findings = append(findings, serve.CheckVariables(a.environ)...)
	problems := 0
	for _, f := range findings {
		if !f.OK {
			problems++
		}
		if err := a.printFinding(f); err != nil {
			return err
		}
	}
	if problems > 0 {
		a.hint("%d of %d checks found a problem", problems, len(findings))
		return errReported
	}
	return nil
}

func (a *app) printFinding(f serve.Finding) error {
	if a.json() {
		return json.NewEncoder(a.stdout).Encode(f)
	}
	verdict := "ok"
	if !f.OK {
		verdict = "PROBLEM"
	}
	_, err := fmt.Fprintf(a.stdout, "%-8s %-20s %s\n", verdict, f.Check, f.Detail)
	return err
}
