package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/serve"
)

func newCheck(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what serve would do, and what stands in its way",
		Long: "Say what serve would do with this configuration, and what stands in its way. Exit status 1 means that there are problems.\n\n" +
			"With --destinations the destinations themselves are asked: can they be reached, and do they have the table or topic they need.\n" +
			"What is missing is printed as the statements that make it.\n\n" +
			"With --rules the tests in the files that rules_tests names are run: given an event, what is expected to become of it.\n" +
			"With --against the rules are asked about events that the journal has, and what would become of them is counted by rule and by\n" +
			"name. Nothing is changed; the gateway may be running. docs/rules.md has more.",
		Example: "  daybook check\n  daybook check --destinations\n  daybook check --destinations --test-event\n" +
			"  daybook check --rules\n  daybook check --rules --rules-tests rules_test.yaml\n  daybook check --against 2h",
		Args: cobra.NoArgs,
	}
	var o checkOptions
	cmd.Flags().BoolVar(&o.destinations, "destinations", false, "ask the destinations, too")
	cmd.Flags().BoolVar(&o.testEvent, "test-event", false, "write an event named daybook-check to each of them")
	cmd.Flags().BoolVar(&o.rules, "rules", false, "run the tests of redact, rules and kill")
	cmd.Flags().StringVar(&o.against, "against", "", "ask the rules about the events received since: start, a time, or how long ago, such as 2h")
	cmd.Flags().IntVar(&o.top, "top", 20, "how many names of events --against shows")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.testEvent && !o.destinations {
			return wrongUsage("--test-event is for --destinations")
		}
		if o.top < 1 {
			return wrongUsage("--top must be at least 1")
		}
		var err error
		if o.against, err = parseWhen("against", o.against, time.Now(), startWord); err != nil {
			return err
		}
		return a.check(cmd.Context(), o)
	}
	a.configFlags(cmd)
	return cmd
}

// checkOptions are the flags of check that are no keys.
type checkOptions struct {
	destinations, testEvent, rules bool

	against string // start, or a time; "" = no dry run
	top     int
}

func (a *app) check(ctx context.Context, o checkOptions) error {
	var findings []serve.Finding
	c, from, wrong := a.config()
	if wrong != nil {
		findings = []serve.Finding{{Check: "configuration", Detail: wrong.Error()}}
	} else {
		findings = serve.Check(ctx, c, from, serve.EphemeralDisk(a.env))
		if o.destinations {
			findings = append(findings, serve.CheckDestinations(ctx, c, from, o.testEvent)...)
		}
		if o.rules {
			findings = append(findings, serve.CheckRules(c, from, os.ReadFile)...)
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
	if o.against != "" && wrong == nil {
		if err := a.dryRun(c, from, o.against, o.top); err != nil {
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
